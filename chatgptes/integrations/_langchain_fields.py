"""The fields of `ChatGptEsChat`, and the client they make."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any, Literal, cast

from langchain_core.language_models import BaseChatModel
from pydantic import Field, PrivateAttr, SecretStr, SkipValidation, field_serializer

from ..client import Client
from ..config import DEFAULT, DEFAULT_SITE, ClientArguments, Default, site_of
from ..deadline import Timeout
from ..errors import InvalidConfigError
from ..http import Limits
from ..shared import kept
from ..transport.base import Transport
from ._stopping import stop_words

__all__ = ["ClientFields", "without_unheard"]

_UNHEARD = ("model", "temperature", "max_tokens")
"""Standard parameters of LangChain that programs give to any model; here its site decides."""


class ClientFields(BaseChatModel):
    """The arguments of a `Client` as the fields of a chat model.

    pydantic leaves them alone (`SkipValidation`): the library checks them in its own words, which
    do not repeat a value, and a `retries="2"` is an error here as it is there.
    """

    site: SkipValidation[str] = DEFAULT_SITE
    """URL of the page that shows the bot (str); with `api_key`, any URL of the site."""
    bot: SkipValidation[str | int | None] = None
    """The bot's id, when the page shows several; default: the page's first."""
    api_key: SkipValidation[SecretStr | str | None] = Field(default=None, exclude=True)
    """The owner's REST key; kept as a `SecretStr`."""
    system: SkipValidation[str | Default | None] = DEFAULT
    """Text put before the first prompt; system messages are put behind it."""
    transport: SkipValidation[Literal["auto", "requests", "curl_cffi"] | Transport] = "auto"
    """How to connect: "auto", "requests", "curl_cffi", or an object of your own."""
    impersonate: SkipValidation[str] = "chrome"
    """The browser that `curl_cffi` looks like."""
    proxy: SkipValidation[str | None] = Field(default=None, exclude=True, repr=False)
    """URL of a proxy."""
    verify: SkipValidation[bool | str | os.PathLike[str]] = True
    """Check TLS certificates, or the path of a CA file to check them with."""
    headers: SkipValidation[Mapping[str, str] | None] = Field(
        default=None, exclude=True, repr=False
    )
    """Further request headers."""
    cookies: SkipValidation[Mapping[str, str] | CookieJar | None] = Field(
        default=None, exclude=True, repr=False
    )
    """Cookies for the site."""
    trust_env: SkipValidation[bool] = True
    """Obey the environment's proxy and CA variables."""
    timeout: SkipValidation[Timeout | float | None] = None
    """A `chatgptes.Timeout`, or seconds for a whole turn."""
    retries: SkipValidation[int] = 2
    """How often a request that may be repeated is sent again."""
    max_concurrency: SkipValidation[int] = 4
    """How many turns run at once; `batch` and `abatch` begin no more than that."""
    min_interval: SkipValidation[float] = 0.0
    """Least time between the starts of two turns, in seconds."""
    limits: SkipValidation[Limits | None] = None
    """Sizes that are still taken."""

    stop: SkipValidation[str | Sequence[str] | None] = None
    """Where to end an answer, when a call does not say it."""
    streaming: bool | None = None
    """True: `invoke` hears the answer as a stream, so that callbacks get its chunks."""

    _client: Client | None = PrivateAttr(default=None)
    _made_of: ClientArguments | None = PrivateAttr(default=None)

    if not TYPE_CHECKING:  # Type checkers make their own of the fields.

        def __init__(self, **arguments: Any) -> None:
            if "max_retries" in arguments:
                arguments.setdefault("retries", arguments.pop("max_retries"))
            arguments = without_unheard(arguments)
            if unknown := set(arguments) - set(type(self).model_fields):
                raise TypeError(
                    f"{type(self).__name__} has no argument {', '.join(sorted(unknown))}."
                )
            key = arguments.get("api_key")
            if isinstance(key, str):
                arguments["api_key"] = SecretStr(key)
            super().__init__(**arguments)
            # What can't work is said here, not at the first turn.
            self._limits_of(None)
            stop_words(self.stop)
            self._shared_client()

    def __repr_args__(self) -> Any:
        for name, value in super().__repr_args__():
            yield name, self._shown_site if name == "site" else value

    @property
    def _shown_site(self) -> str:
        try:
            return site_of(self.site).url
        except InvalidConfigError:
            return "…"

    @field_serializer("site")
    def _without_password(self, _: str) -> str:
        return self._shown_site

    def _limits_of(self, timeout: Any) -> Timeout:
        """A call's limits: over the defaults come the model's, then its own."""
        return Timeout().override(self.timeout).override(timeout)

    def _shared_client(self) -> Client:
        """The one of these arguments: fields may be changed, and copies share what they can."""
        arguments = self._arguments()
        if self._client is None or self._made_of != arguments:
            self._client = kept(arguments)
            self._made_of = arguments
        return self._client

    def _arguments(self) -> ClientArguments:
        # Only what was chosen: so the client is also that of `chatgptes.chat()` where it can be.
        chosen = {}
        for name in ClientArguments.__annotations__:
            value, default = getattr(self, name), type(self).model_fields[name].default
            if name != "timeout" and (type(value), value) != (type(default), default):
                chosen[name] = dict(value) if isinstance(value, Mapping) else value
        if isinstance(key := chosen.get("api_key"), SecretStr):
            chosen["api_key"] = key.get_secret_value()
        return cast("ClientArguments", chosen)


def without_unheard(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`arguments` without those that no site hears; a warning names them."""
    given = [name for name in _UNHEARD if arguments.get(name) is not None]
    if given:
        warnings.warn(
            f"The owner of the site decides {', '.join(given)}: what you give has no effect.",
            stacklevel=3,
        )
    return {name: value for name, value in arguments.items() if name not in _UNHEARD}
