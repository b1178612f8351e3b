"""The fields of `ChatGptEsChat`, and the client they make."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import InitVar
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any, Literal, Self, cast
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from pydantic import Field, PrivateAttr, SecretStr, SkipValidation, field_serializer

from ...client import Client
from ...errors import InvalidConfigError
from ...shared import cached_client
from ...transport.base import Transport
from ...turn.config import DEFAULT, DEFAULT_SITE, ClientArguments, Config, Default
from ...values.checks import site_of
from ...values.deadline import Timeout
from ...values.http import Limits
from .stop import stop_words

__all__ = ["IGNORED", "ClientFields"]

IGNORED = ("model", "temperature", "max_tokens")
"""Standard parameters of LangChain that programs give to any model; here the site decides."""
_WHO_ASKS = ("api_key", "cookies", "headers")


class ClientFields(BaseChatModel):
    """The arguments of a `Client`, with its meanings, as the fields of a chat model.

    pydantic leaves them alone (`SkipValidation`): its errors would show a value, such as a proxy's
    password.  The library checks them, and `retries="2"` is an error as for a client.
    """

    site: SkipValidation[str] = Field(default=DEFAULT_SITE, kw_only=False)
    bot: SkipValidation[str | int | None] = None
    api_key: SkipValidation[SecretStr | str | None] = Field(default=None, exclude=True, repr=False)
    """The owner's REST key; kept as a `SecretStr`."""
    system: SkipValidation[str | Default | None] = DEFAULT
    """Text put before the first prompt; system messages are put behind it."""
    transport: SkipValidation[Literal["auto", "requests", "curl_cffi"] | Transport] = "auto"
    impersonate: SkipValidation[str] = "chrome"
    proxy: SkipValidation[str | None] = Field(default=None, exclude=True, repr=False)
    verify: SkipValidation[bool | str | os.PathLike[str]] = True
    headers: SkipValidation[Mapping[str, str] | None] = Field(
        default=None, exclude=True, repr=False
    )
    cookies: SkipValidation[Mapping[str, str] | CookieJar | None] = Field(
        default=None, exclude=True, repr=False
    )
    trust_env: SkipValidation[bool] = True
    timeout: SkipValidation[Timeout | float | None] = None
    """A `chatgptes.Timeout`, or seconds for a whole turn."""
    retries: SkipValidation[int] = 2
    max_concurrency: SkipValidation[int] = 4
    min_interval: SkipValidation[float] = 0.0
    limits: SkipValidation[Limits | None] = None
    visitor: SkipValidation[str | None] = None
    consent: SkipValidation[bool] = False

    stop: SkipValidation[str | Sequence[str] | None] = None
    """Sequences that end an answer, for calls that give none."""
    streaming: bool | None = None
    """True: `invoke` reads the answer as a stream, so that callbacks get its chunks."""

    _client: Client | None = PrivateAttr(default=None)

    if TYPE_CHECKING:  # Arguments of the constructor beside the fields.
        max_retries: InitVar[int] = 2
        model: InitVar[str | None] = None
        temperature: InitVar[float | None] = None
        max_tokens: InitVar[int | None] = None
    else:

        def __init__(self, site: str = DEFAULT_SITE, **arguments: Any) -> None:
            if "max_retries" in arguments:
                arguments.setdefault("retries", arguments.pop("max_retries"))
            usable = {name: value for name, value in arguments.items() if name not in IGNORED}
            if unknown := set(usable) - set(type(self).model_fields):
                raise TypeError(
                    f"{type(self).__name__} has no argument {', '.join(sorted(unknown))}."
                )
            if isinstance(key := usable.get("api_key"), str):
                usable["api_key"] = SecretStr(key)
            if any(usable.get(name) for name in _WHO_ASKS) or "@" in str(site):
                usable.setdefault("cache", False)  # The site may answer others in another way.
            super().__init__(site=site, **usable)
            # Check here, as far as that goes without a client: a model may be made long before
            # its first turn, in a module or on an event loop.
            self._limits_of(None)
            stop_words(self.stop)
            Config.of(self._arguments())
            self._warn_of(arguments, stacklevel=3)

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
        """Return a call's limits: the defaults, the model's, then its own."""
        return Timeout().override(self.timeout).override(timeout)

    @property
    def _name(self) -> str:
        """The model's name in traces and warnings."""
        host = urlsplit(self._shown_site).hostname or ""
        return host if self.bot is None else f"bot {self.bot} of {host}"

    def _warn_of(self, arguments: Mapping[str, Any], stacklevel: int) -> None:
        """Warn of arguments that have no effect; Python's default is once for each text."""
        for name in IGNORED:
            if arguments.get(name) is not None:
                warnings.warn(
                    f"The owner of the site decides {name}: the value given to the chat model for"
                    f" {self._name} has no effect.",
                    stacklevel=stacklevel,
                )

    def _shared_client(self) -> Client:
        """Return the client for the arguments as they are now; a new one if it was closed."""
        self._client = client = cached_client(self._arguments(), self._client)
        return client

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # A client is found by its arguments: with these uncopied, the copy has the same client.
        memo = {} if memo is None else memo
        memo.update((id(each), each) for each in (self._client, self.transport, self.cookies))
        return super().__deepcopy__(memo)

    def _arguments(self) -> ClientArguments:
        arguments: dict[str, Any] = {}
        for name in set(ClientArguments.__annotations__) - {"timeout"}:
            value = getattr(self, name)
            arguments[name] = dict(value) if isinstance(value, Mapping) else value
        if isinstance(self.api_key, SecretStr):
            arguments["api_key"] = self.api_key.get_secret_value()
        return cast("ClientArguments", arguments)
