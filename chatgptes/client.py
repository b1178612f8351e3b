"""Client: a site, a bot, a transport, limits."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

from .conversation import Conversation
from .errors import (
    ChatGptEsError,
    InvalidConfigError,
    InvalidMessageError,
    ResponseError,
    TransportError,
    TurnCancelled,
)
from .sites.dialect import Bot
from .transport import Transport, select
from .turn.config import DEFAULT, DEFAULT_SITE, ClientArguments, Config, Default
from .turn.cookies import Cookies
from .turn.plan import ClientPlan
from .turn.queueing import Slots
from .turn.sending import Sender
from .turn.session import Session
from .turn.stream import Stream, drained
from .turn.take import Ask
from .values.deadline import Deadline, Timeout
from .values.http import Limits
from .values.images import ImageSource
from .values.messages import Message, Messages, check, images_of, with_files
from .values.reply import Reply

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

__all__ = ["Client", "Single"]

ELSEWHERE: Final = (
    "(chatgpt.es is not ours, and may have changed or be gone: Client(site=…) talks to any other"
    " AI Power site, api_key= and bot= to your own through its REST API, and"
    " `python -m chatgptes.sandbox` is a local stand-in.)"
)
_TELLING = 4
"""Characters of a secret's beginning that say nothing yet, less one."""
_IDENTITY = ("user-agent", "sec-ch-ua", "sec-fetch-", "accept-language", "priority")


class Client:
    """Talks to one bot of one site.  Blocking; usable from many threads at once.

    Args:
        site: URL of the page that shows the bot (str); any site with the plugin AI Power.  With
            `api_key`: any URL of the site.  May hold `user:password@` for a site behind basic
            authentication.
        bot: the bot's id, when the page shows several (str or int); default: the page's first.
        api_key: the owner's REST key (str): speaks `rest`, needs `bot`.
        system: text put before the first prompt of a conversation (str); None for nothing;
            `DEFAULT` asks chatgpt.es to answer in the user's language, and other sites nothing.
        transport: "requests", "curl_cffi", "auto" (`curl_cffi` for chatgpt.es, else `requests`),
            or an object with `send()` and `close()`, which stays yours to close.
        impersonate: the browser that `curl_cffi` looks like (str).
        proxy: URL of an http, https, socks5 or socks5h proxy (str); may hold `user:password@`.
        verify: check TLS certificates (bool), or the path of a CA file to check them with.
        headers: further request headers (str to str).
        cookies: cookies for the site (str to str), or a `http.cookiejar.CookieJar`.
        trust_env: obey the environment's proxy and CA variables.
        timeout: a `Timeout`, or seconds for the whole turn (int or float).
        retries: how often a request that may be repeated is sent again (int).
        max_concurrency: how many turns run at once; further ones wait (int).
        min_interval: least time between the starts of two turns, in seconds (float).
        limits: sizes that are still taken, a `Limits`.

    Raises:
        InvalidConfigError: an argument can't be used.
        MissingRequirementsError: the transport's package is not installed.
    """

    def __init__(
        self,
        site: str = DEFAULT_SITE,
        *,
        bot: str | int | None = None,
        api_key: str | None = None,
        system: str | Default | None = DEFAULT,
        transport: Literal["auto", "requests", "curl_cffi"] | Transport = "auto",
        impersonate: str = "chrome",
        proxy: str | None = None,
        verify: bool | str | os.PathLike[str] = True,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | CookieJar | None = None,
        trust_env: bool = True,
        timeout: Timeout | float | None = None,
        retries: int = 2,
        max_concurrency: int = 4,
        min_interval: float = 0.0,
        limits: Limits | None = None,
    ) -> None:
        self._config = Config.of(
            ClientArguments(
                site=site,
                bot=bot,
                api_key=api_key,
                system=system,
                transport=transport,
                impersonate=impersonate,
                proxy=proxy,
                verify=verify,
                headers=headers,
                cookies=cookies,
                trust_env=trust_env,
                timeout=timeout,
                retries=retries,
                max_concurrency=max_concurrency,
                min_interval=min_interval,
                limits=limits,
            )
        )
        self._start(str(uuid4()))
        _ = self.session  # What can't work is said here, not at the first turn.

    @classmethod
    def _deferred(cls, config: Config) -> Client:
        """A client whose transport, slow to import, is made with its first turn."""
        client = cls.__new__(cls)
        client._config = config
        client._start(str(uuid4()))
        return client

    def _start(self, visitor: str) -> None:
        self.visitor: str = visitor
        """The id this client shows to the site (a UUID); the owner's limits hang on it."""
        self._closed = False
        self._session: Session | None = None
        self._renew()

    def __repr__(self) -> str:
        bot = "" if self._config.bot is None else f", bot={self._config.bot!r}"
        return f"<Client {self.site}{bot}{', closed' if self._closed else ''}>"

    def __getstate__(self) -> dict[str, Any]:
        return {"arguments": dict(self._config.arguments), "visitor": self.visitor}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._config = Config.of(state["arguments"])
        self._start(state["visitor"])

    @property
    def site(self) -> str:
        """The site's URL, without user name and password (str)."""
        return self._config.site

    @property
    def system(self) -> str | None:
        """The text put before a conversation's first prompt (str), or None."""
        return self._config.system

    @property
    def timeout(self) -> Timeout:
        """The limits of a turn."""
        return self._config.timeout

    @property
    def limits(self) -> Limits:
        """The sizes that are still taken."""
        return self._config.limits

    def chat(
        self,
        prompt: Messages,
        *,
        images: Sequence[ImageSource] = (),
        web_search: bool = False,
        timeout: Timeout | float | None = None,
    ) -> Reply:
        """Say `prompt` and wait for the whole answer.

        Args:
            prompt: what to say (str), or a list of messages that ends in a user message.
            images: pictures that go with it: paths, bytes, or `data:` URLs.  A `wpaicg` site takes
                one (jpeg, png, webp, gif), an `aipkit` bot that takes any up to four (jpeg, png,
                webp), the REST API none.
            web_search: ask the bot to search the web, where it offers that (`Bot.web_search`).
            timeout: limits of this turn: a `Timeout`, or seconds for the whole of it.

        Raises:
            InvalidMessageError: the prompt, or an image, can't be sent; nothing was.
            InvalidConfigError: the bot does not offer a web search; nothing was sent.
            TransportError: there was no response.
            ResponseError: the response was no answer.
        """
        return drained(self.stream(prompt, images=images, web_search=web_search, timeout=timeout))

    def stream(
        self,
        prompt: Messages,
        *,
        images: Sequence[ImageSource] = (),
        web_search: bool = False,
        timeout: Timeout | float | None = None,
    ) -> Stream:
        """Say `prompt` and hear the answer as it comes.

        The arguments are checked here; the turn starts with the stream's first use.  Arguments
        and errors as `chat`.
        """
        plan = self._plan(prompt, images, web_search, timeout)
        plan.read_files()
        return Stream(plan)

    def _plan(
        self,
        prompt: Messages,
        images: Sequence[ImageSource],
        web_search: bool,
        timeout: Timeout | float | None,
    ) -> Single:
        messages = check(prompt, self.limits, images)
        self._check_offered(messages, web_search)
        return Single(self, timeout, messages, web_search)

    def _check_offered(self, messages: Sequence[Message], web_search: bool) -> None:
        """What no bot behind a key does need not wait for the site to be refused."""
        if not isinstance(web_search, bool):
            raise InvalidConfigError(f"web_search must be True or False, not {web_search!r}.")
        if self._config.api_key is None:
            return
        if any(message.images for message in messages):
            raise InvalidMessageError(
                "The REST API takes no images: talk to the bot's page instead (without api_key)."
            )
        if web_search:
            raise InvalidConfigError(
                "web_search: the REST API does not offer it: talk to the bot's page instead"
                " (without api_key)."
            )

    def conversation(
        self, saved: Mapping[str, Any] | str | os.PathLike[str] | None = None
    ) -> Conversation:
        """A new conversation, or one that goes on.

        Args:
            saved: what `Conversation.to_dict()` gave, or the path of a file that
                `Conversation.save()` wrote.

        Raises:
            InvalidConfigError: `saved` is neither.
            OSError: the file can't be read.
        """
        return Conversation(self, saved)

    def bots(self, *, timeout: Timeout | float | None = None) -> list[Bot]:
        """The bots that the page shows (with a key: the one that was named).

        The page is read once; a client that has talked to it knows them already.

        Raises:
            BotNotFoundError: it shows none.
            TransportError, ResponseError: the page could not be read.
        """
        self._check_open()
        deadline = Deadline(self.timeout.override(timeout))
        ticket = self.slots.acquire(deadline)
        try:
            with self._cuttable(deadline):
                return self._bots(deadline)
        finally:
            ticket.release()

    def close(self) -> None:
        """End what is running and close the connections.  Any thread, any number of times."""
        self._check_process()
        with self._lock:
            self._closed = True
            running = list(self._running)
            session = self._session
        for each in running:
            each._cut()
        if session is not None and isinstance(self._config.arguments.get("transport", "auto"), str):
            session.sender.transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # What plans, conversations and the async shim stand on.

    @property
    def session(self) -> Session:
        """The connections and what is known of the page, in this process."""
        self._check_process()
        session = self._session
        if session is None:
            # A lock of its own: imports may take long, and an event loop takes the other one.
            with self._making:
                session = self._session
                if session is None:
                    session = self._session = _session(self._config)
        return session

    @property
    def slots(self) -> Slots:
        """How many turns run at once, in this process."""
        self._check_process()
        return self._slots

    def _check_process(self) -> None:
        # After a fork, locks may be held by threads that don't exist here, and connections are
        # the parent's.
        if self._pid != os.getpid():
            self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._making = threading.RLock()
        self._running: weakref.WeakSet[Stream | _Cuttable] = weakref.WeakSet()
        self._slots = Slots(self._config.max_concurrency, self._config.min_interval)
        self._session = None

    def _bots(self, deadline: Deadline) -> list[Bot]:
        try:
            return [endpoint.bot for endpoint in self.session.endpoints(deadline)]
        except ChatGptEsError as error:
            self._explain(error)
            raise

    def _started(self, turn: Stream | _Cuttable) -> None:
        self._check_process()
        with self._lock:
            self._check_open()
            self._running.add(turn)

    @contextmanager
    def _cuttable(self, deadline: Deadline) -> Iterator[None]:
        """What runs in this block ends with `close()`."""
        cuttable = _Cuttable(deadline)
        self._started(cuttable)
        yield
        del cuttable

    def _check_open(self) -> None:
        if self._closed:
            raise ChatGptEsError("This client is closed; make a new one.")

    def _explain(self, error: ChatGptEsError) -> None:
        """Take secrets out of an error's texts, and offer ways on where the default site fails."""
        found = self._session.secrets() if self._session is not None else []
        secrets = [*found, *self._config.secrets]
        for each in _chain(error):
            each.excerpt = _without(each.excerpt, secrets)
            each.code = _without(each.code, secrets)
            each.args = (_without(str(each), secrets) or "", *each.args[1:])
        message = str(error)
        if (
            self._config.is_default
            and isinstance(error, (TransportError, ResponseError))
            and not isinstance(error, TurnCancelled)
            and getattr(error, "phase", None) != "slot"
            and ELSEWHERE not in message
        ):
            message = f"{message} {ELSEWHERE}"
        error.args = (message, *error.args[1:])


class _Cuttable:
    """What `close()` ends, beside streams."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def _cut(self) -> None:
        self._deadline.cancel()


def _forms(secret: str) -> list[str]:
    """A secret as it is, and as JSON writes it (PHP's with `\\/`)."""
    written = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    return list(dict.fromkeys([secret, *written, *(each.replace("/", "\\/") for each in written)]))


class Single(ClientPlan):
    """A turn on its own."""

    def __init__(
        self,
        client: Client,
        timeout: Timeout | float | None,
        messages: tuple[Message, ...],
        web_search: bool = False,
    ) -> None:
        super().__init__(client, timeout)
        self._messages = messages
        self._web_search = web_search

    def read_files(self) -> None:
        self._messages = with_files(self._messages, self.client.limits)

    def ask(self) -> Ask:
        self.read_files()
        return Ask(
            self._messages,
            self.client.system,
            self.client.visitor,
            str(uuid4()),
            images=images_of(self._messages),
            web_search=self._web_search,
        )


def _session(config: Config) -> Session:
    arguments = config.arguments
    transport = select(
        arguments.get("transport", "auto"),
        default_site=config.is_default,
        impersonate=arguments.get("impersonate", "chrome"),
        proxy=arguments.get("proxy"),
        verify=arguments.get("verify", True),
        trust_env=arguments.get("trust_env", True),
        max_headers=config.limits.headers,
    )
    if getattr(transport, "impersonates", False):
        for name in config.headers:
            if name.startswith(_IDENTITY):
                raise InvalidConfigError(
                    f"headers: {name!r} belongs to the browser that curl_cffi looks like: a session"
                    ' that says two things of itself is neither. Use transport="requests".'
                )
    return Session(
        site=config.site,
        bot=config.bot,
        api_key=config.api_key,
        sender=Sender(
            transport,
            Cookies(arguments.get("cookies"), config.site),
            config.headers,
            config.retries,
            config.limits,
        ),
        limits=config.limits,
    )


def _chain(error: ChatGptEsError) -> list[ChatGptEsError]:
    """`error`, and those of ours that led to it."""
    found: list[ChatGptEsError] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ChatGptEsError) and each not in found:
            found.append(each)
            waiting += [each.__cause__, each.__context__]
    return found


def _without(text: str | None, secrets: list[str]) -> str | None:
    if text is not None:
        for secret in sorted(map(_forms, secrets), key=lambda forms: len(forms[0]), reverse=True):
            for form in secret:
                text = text.replace(form, "…")
                # Where an excerpt was cut, the cut may have gone through one.
                for length in range(min(len(form), len(text)) - 1, _TELLING - 1, -1):
                    text = text.replace(f"{form[:length]}…", "…")
    return text
