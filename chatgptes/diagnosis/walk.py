"""doctor(): what a turn needs, step by step, and what to do about the first thing missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, Unpack
from urllib.parse import urlsplit

from ..client import Client
from ..errors import (
    ChallengeError,
    ChatGptEsError,
    ConnectError,
    EmptyReplyError,
    ProxyError,
    RefusedError,
    RequestTimeout,
    TLSError,
    UnexpectedFormatError,
)
from ..sites import KEY_DIALECTS, dialect, find_bots
from ..sites.dialect import BufferedResponse, Endpoint
from ..sites.errors import error_for_page
from ..sites.text import site_said
from ..transport.settings import Routes, ca_path
from ..turn.blocking import run_steps
from ..turn.config import DEFAULT_SITE, OtherArguments
from ..turn.core import ELSEWHERE
from ..turn.guard import check_address
from ..turn.steps import Steps
from ..values.deadline import Deadline
from ..values.text import sanitize_line
from ..values.urls import redact
from . import page as page_reading
from . import probes
from .advice import OTHER_HOST, advice
from .capabilities import BotCapabilities, capabilities_of
from .nonce import CACHED, FORBIDDEN, NEVER_TAKEN, NONE_GIVEN, how_taken, probe
from .statuses import Place, of_status
from .values import STEPS, UNREACHED, Diagnosis, Step, StepName

__all__ = ["doctor"]

T = TypeVar("T")

QUESTION = "Hello"


def doctor(
    site: str = DEFAULT_SITE, *, ask: bool = False, **arguments: Unpack[OtherArguments]
) -> Diagnosis:
    """Walk what a turn with a site needs, up to the first thing that fails.

    It looks the name up, connects, shakes hands, reads the page, and has its nonce checked by an
    empty message, which reaches no model.  It makes a handful of requests, and repeats none.
    With `api_key` it sees that the site has the plugin's REST API; the key itself is tested by
    `ask` only.

    Args:
        site: URL of the page that should show the bot, as for `Client`.
        ask: also take a test turn, which makes the model speak and may count against a limit.
        **arguments: those of `Client` (bot, api_key, transport, proxy, timeout, …).

    Raises:
        InvalidConfigError: an argument can't be used.
        MissingRequirementsError: the transport's package is not installed.
    """
    arguments.setdefault("retries", 0)
    with Client(site, **arguments) as client:
        return _Walk(client, arguments, ask).diagnosis()


class _Failed(Exception):
    """The walk ends here: `steps` has why."""


class _Walk:
    def __init__(self, client: Client, arguments: Mapping[str, Any], ask: bool) -> None:
        self._client = client
        self._arguments = arguments
        self._ask = ask
        self._deadline = Deadline(client.timeout)
        self._steps: dict[StepName, Step] = {}
        self._parts = urlsplit(client.site)
        self._capabilities: tuple[BotCapabilities, ...] = ()
        self._door: Place = "ajax" if client.core.config.api_key is None else "api"

    def diagnosis(self) -> Diagnosis:
        """Take the steps."""
        try:
            self._reach()
            if self._client.core.config.api_key is not None:
                self._rest()
            else:
                page = self._page()
                endpoint = self._bots(page)
                self._dialect(page, endpoint)
                self._nonce(endpoint)
            self._turn()
        except _Failed:
            pass
        steps = (self._steps.get(name, Step(name, None, UNREACHED)) for name in STEPS)
        return Diagnosis(redact(self._client.site), tuple(steps), self._capabilities)

    def _run(self, steps: Steps[T]) -> T:
        return run_steps(steps, self._client.connect(), self._deadline)

    # What the steps are written down with.

    def _good(self, name: StepName, detail: str, hint: str = "") -> None:
        # What a page says may steer a terminal, or look like a further step.
        self._steps[name] = Step(name, True, sanitize_line(detail), sanitize_line(hint))

    def _skipped(self, name: StepName, why: str) -> None:
        self._steps[name] = Step(name, None, why)

    def _bad(self, name: StepName, detail: str, hint: str, error: str | None = None) -> _Failed:
        self._steps[name] = Step(name, False, sanitize_line(detail), sanitize_line(hint), error)
        return _Failed()

    @contextmanager
    def _errors_are(self, name: StepName) -> Iterator[None]:
        """Errors of the library in this block are the failure of the step `name`."""
        try:
            yield
        except ChatGptEsError as error:
            raise self._failure(name, error) from None

    def _failure(self, name: StepName, error: ChatGptEsError) -> _Failed:
        self._client.core.finish_error(error)
        detail = error.in_words({})
        if name == "nonce" and isinstance(error, EmptyReplyError):
            detail = "The site answered nothing at all to an empty message."  # No model was asked.
        return self._bad(name, detail, advice(error, name, self._door), type(error).__name__)

    # The steps.

    def _reach(self) -> None:
        """Name, connection and TLS, on plain sockets: they tell more than a transport."""
        transport = self._arguments.get("transport", "auto")
        trust = self._arguments.get("trust_env", True)
        proxy = None
        why = ""
        if not isinstance(transport, str):
            why = "left to your own transport"
        else:
            proxy = Routes.read(self._arguments.get("proxy"), trust).route(self._client.site)
            why = "left to the proxy" if proxy is not None else ""
        if why:
            for name in ("name", "connection", "TLS"):
                self._skipped(name, why)
            return
        limit = self._client.timeout.connect
        seconds = self._deadline.remaining(limit) or limit or 60.0
        host = self._parts.hostname or ""
        secure = self._parts.scheme == "https"
        port = self._parts.port or (443 if secure else 80)
        check_address(self._client.site)
        found = self._probe("name", ConnectError, lambda: probes.name(host, port, seconds))
        self._good("name", f"{host} is {found}" if str(found) != host else f"{host}, an address")
        sock, where = self._probe(
            "connection", ConnectError, lambda: probes.connection(found, seconds)
        )
        self._good("connection", where)
        with sock:
            if not secure:
                self._skipped("TLS", "http:// has none: whoever is between can read along")
                return
            ca = ca_path(self._arguments.get("verify", True), trust)
            self._good(
                "TLS", self._probe("TLS", TLSError, lambda: probes.tls(sock, host, ca, seconds))
            )

    def _probe(self, name: StepName, cls: type[ChatGptEsError], look: Callable[[], Any]) -> Any:
        try:
            return look()
        except probes.Trouble as trouble:
            detail = trouble.detail
            if self._client.core.config.is_default:
                detail = f"{detail} {ELSEWHERE}"  # Nobody has typed the address.
            raise self._bad(name, detail, trouble.advice, cls.__name__) from None

    def _page(self) -> BufferedResponse:
        session = self._client.core.session
        with self._arriving():
            page = self._run(
                session.sender.fetch(session.page_request(), self._deadline, error_for_page, "page")
            )
        if odd := page_reading.not_a_page(page):
            raise self._bad("page", *odd, "BotNotFoundError")
        moved = "" if page.url == self._client.site else f", at {redact(page.url)}"
        self._good("page", f"status {page.status}, {len(page.body):,} bytes{moved}")
        self._good("gate", "no bot check")
        return page

    @contextmanager
    def _arriving(self) -> Iterator[None]:
        """The page is read in this block; each way to fail belongs to its own step."""
        try:
            yield
        except ChallengeError as error:
            self._good("page", f"something answered, with status {error.status}")
            raise self._failure("gate", error) from None
        except (ConnectError, ProxyError) as error:
            raise self._failure("connection", error) from None
        except TLSError as error:
            raise self._failure("TLS", error) from None
        except ChatGptEsError as error:
            early = isinstance(error, RequestTimeout) and error.phase == "connect"
            raise self._failure("connection" if early else "page", error) from None

    def _bots(self, page: BufferedResponse) -> Endpoint:
        try:
            endpoints = tuple(find_bots(page))
        except UnexpectedFormatError as error:
            self._client.core.finish_error(error)
            raise self._bad("bots", error.message, OTHER_HOST, type(error).__name__) from None
        if not endpoints:
            raise self._bad("bots", *page_reading.no_bots(page), "BotNotFoundError")
        session = self._client.core.session
        session.keep(endpoints)
        self._capabilities = capabilities_of(endpoints)
        with self._errors_are("bots"):
            chosen = session.choose(endpoints)
        named = [
            f"{each.bot.id} ({each.bot.name})" if each.bot.name else each.bot.id
            for each in endpoints
        ]
        asked = f"; bot {chosen.bot.id} is asked" if len(endpoints) > 1 else ""
        count = f"{len(endpoints)} bot{'s' if len(endpoints) > 1 else ''}"
        self._good("bots", f"{count}: {', '.join(named)}{asked}")
        return chosen

    def _dialect(self, page: BufferedResponse, endpoint: Endpoint) -> None:
        bot = endpoint.bot
        hint = ""
        if bot.consent:
            hint = "The page asks its visitors for consent first: read it before you go on."
        if "admin-ajax.php" not in endpoint.url:
            self._door = "rest"
        self._good(
            "dialect", f"{bot.dialect} ({bot.kind}), {page_reading.plugin(page, endpoint)}", hint
        )

    def _nonce(self, endpoint: Endpoint) -> None:
        session = self._client.core.session
        starts_session = endpoint.nonce_first
        with self._errors_are("nonce"):
            if starts_session:
                endpoint = self._run(session.renewed(endpoint, self._deadline))
            verdict, refused = self._run(probe(session, endpoint, self._deadline))
            if verdict == "good":
                self._good("nonce", how_taken(endpoint, starts_session))
                return
            if verdict == "dead" and not endpoint.nonce:
                raise self._refused(refused, *NONE_GIVEN)
            fresh = self._run(session.renewed(endpoint, self._deadline))
            if verdict == "dead" and fresh.nonce == endpoint.nonce and not starts_session:
                raise self._refused(refused, *CACHED)
            if fresh.nonce != endpoint.nonce:
                verdict, refused = self._run(probe(session, fresh, self._deadline))
        if verdict == "dead":
            raise self._refused(refused, *NEVER_TAKEN)
        if verdict == "forbidden":
            raise self._refused(refused, FORBIDDEN, of_status(403, self._door))
        self._good(
            "nonce",
            "the one in the page had run out; the site gave a fresh one, as it does for a turn",
            "Nothing to do for you. Owner: a cache keeps the page for too long; half a day is the "
            "most.",
        )

    def _refused(self, refused: RefusedError | None, detail: str, hint: str) -> _Failed:
        said = ""
        if refused is not None:
            self._client.core.finish_error(refused)
            said = site_said(refused.excerpt or "")
        return self._bad("nonce", f"{detail}{said}", hint, "RefusedError")

    def _rest(self) -> None:
        """With the owner's key the page only tells where the API is."""
        with self._arriving():
            try:
                endpoint = self._run(self._client.core.session.endpoint(self._deadline))
            except UnexpectedFormatError as error:
                self._client.core.finish_error(error)
                raise self._bad("page", error.message, OTHER_HOST, type(error).__name__) from None
        self._good("page", f"the API is at {redact(endpoint.url)}")
        self._good("gate", "no bot check")
        self._capabilities = capabilities_of([endpoint])
        self._skipped("bots", f"bot {endpoint.bot.id}, as you named it")
        self._namespaces(endpoint)
        tested = "the test turn tests the key" if self._ask else "the key is not tested"
        self._skipped("nonce", f"none is needed with a key; {tested}")

    def _namespaces(self, endpoint: Endpoint) -> None:
        """The site's REST API lists its namespaces; one of them must be the plugin's."""
        present = self._client.core.session.namespaces
        known = [each for each in KEY_DIALECTS if each.namespace in present]
        if known:
            its_dialect = dialect(endpoint.bot.dialect)
            names = ", ".join(each.namespace for each in known)
            who = f"{its_dialect.name} (with your key), {its_dialect.plugin}"
            self._good("dialect", f"{who}; the REST API has {names}")
            return
        wanted = " or ".join(each.namespace for each in KEY_DIALECTS)
        detail = (
            f"The site's REST API lists none of the namespaces that take a key ({wanted})."
            if present
            else "The site gives no list of its REST API's namespaces."
        )
        if self._ask:
            self._skipped("dialect", f"{detail} The test turn tells more.")
            return
        raise self._bad("dialect", detail, of_status(404, "api"))

    def _turn(self) -> None:
        if not self._ask:
            self._skipped("turn", "not asked for: it makes the model speak, and may count")
            return
        with self._errors_are("turn"):
            reply = self._client.chat(QUESTION)
        how = "streamed" if reply.streamed else "in one piece"
        self._good("turn", f"{len(reply.text):,} characters in {reply.elapsed:.1f} s, {how}")
