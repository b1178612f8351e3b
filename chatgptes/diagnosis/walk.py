"""doctor(): what a turn needs, step by step, and what to do about the first thing missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, Unpack
from urllib.parse import urlsplit

from .. import errors
from ..client import Client
from ..errors import ChatGptEsError
from ..sites import KEY_DIALECTS, dialect_named, find_bots
from ..sites.dialect import BufferedResponse, Endpoint
from ..sites.errors import error_for_page
from ..sites.extras import capabilities
from ..transport.settings import Routes, ca_path
from ..turn.blocking import run_steps
from ..turn.config import DEFAULT_SITE, OtherArguments
from ..turn.core import NOT_OURS
from ..turn.guard import check_address
from ..turn.steps import Steps
from ..values.deadline import Deadline
from ..values.text import sanitize_line
from ..values.urls import redact
from . import probes
from .advice import Place, advice, advice_on_status
from .nonce import check_nonce
from .page import no_bots, plugin
from .values import STEPS, BotCapabilities, Diagnosis, Step, StepFailed, StepName

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
        return _Walk(client, ask).diagnosis()


class _Walk:
    def __init__(self, client: Client, ask: bool) -> None:
        self._client = client
        self._core = client.core
        self._ask = ask
        self._deadline = Deadline(client.timeout)
        self._steps: dict[StepName, Step] = {}
        self._bots: tuple[BotCapabilities, ...] = ()
        self._door: Place = "ajax" if client.core.config.api_key is None else "api"

    def diagnosis(self) -> Diagnosis:
        """Take the steps."""
        try:
            self._reach()
            if self._core.config.api_key is not None:
                self._find_api()
            else:
                page = self._read_page()
                endpoint = self._choose_bot(page)
                self._describe(page, endpoint)
                with self._errors_fail("nonce"):
                    check = check_nonce(self._core, endpoint, self._deadline, self._door)
                    self._note("nonce", True, *self._run(check))
            self._take_turn()
        except StepFailed as failed:
            step = failed.step
            if self._core.config.is_default and NOT_OURS not in step.detail:
                step = replace(step, detail=f"{step.detail} {NOT_OURS}")
            self._steps[step.name] = step
        # What a site says may steer a terminal, or look like a further step.
        steps = tuple(
            replace(step, detail=sanitize_line(step.detail), advice=sanitize_line(step.advice))
            for step in (self._steps.get(name, Step(name, None, "not reached")) for name in STEPS)
        )
        return Diagnosis(redact(self._client.site), steps, self._bots)

    def _run(self, steps: Steps[T]) -> T:
        return run_steps(steps, self._client.connect(), self._deadline)

    def _note(self, name: StepName, ok: bool | None, detail: str, hint: str = "") -> None:
        self._steps[name] = Step(name, ok, detail, hint)

    @contextmanager
    def _errors_fail(self, name: StepName) -> Iterator[None]:
        """Errors of the library in this block are the failure of the step `name`.

        Those in reading the page may be that of an earlier step, or of the next one.
        """
        try:
            yield
        except ChatGptEsError as error:
            self._core.finish_error(error)
            if name == "page":
                name = _step_of(error)
            if name == "gate":
                self._note("page", True, f"something answered, with status {error.status}")
            detail = error.in_words({})
            if name == "nonce" and isinstance(error, errors.EmptyReplyError):
                # No model was asked.
                detail = "The site answered nothing at all to an empty message."
            hint = advice(error, name, self._door)
            raise StepFailed(name, detail, hint, type(error).__name__) from None

    def _reach(self) -> None:
        """Name, connection and TLS, on plain sockets: they tell more than a transport."""
        get: Any = self._core.config.arguments.get
        trust = get("trust_env", True)
        left_to = ""
        if not isinstance(get("transport", "auto"), str):
            left_to = "your own transport"
        elif Routes.read(get("proxy"), trust).route(self._client.site) is not None:
            left_to = "the proxy"
        if left_to:
            for name in STEPS[:3]:
                self._note(name, None, f"left to {left_to}")
            return
        limit = self._client.timeout.connect
        seconds = self._deadline.remaining(limit) or limit or 60.0
        check_address(self._client.site)
        parts = urlsplit(self._client.site)
        host = parts.hostname or ""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        found = probes.name(host, port, seconds)
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        known = f"{host} is {', '.join(found[:3])}{more}"
        self._note("name", True, known if found != [host] else f"{host}, an address")
        with probes.connection(found, port, seconds) as sock:
            self._note("connection", True, f"{sock.getpeername()[0]}, port {port}")
            if secure:
                ca = ca_path(get("verify", True), trust)
                self._note("TLS", True, probes.tls(sock, host, ca, seconds))
            else:
                self._note("TLS", None, "http:// has none: whoever is between can read along")

    def _read_page(self) -> BufferedResponse:
        session = self._core.session
        request = session.page_request()
        with self._errors_fail("page"):
            page = self._run(session.sender.fetch(request, self._deadline, error_for_page, "page"))
        moved = "" if page.url == self._client.site else f", at {redact(page.url)}"
        self._note("page", True, f"status {page.status}, {len(page.body):,} bytes{moved}")
        self._note("gate", True, "no bot check")
        return page

    def _choose_bot(self, page: BufferedResponse) -> Endpoint:
        session = self._core.session
        with self._errors_fail("bots"):
            endpoints = tuple(find_bots(page))
            if not endpoints:
                raise StepFailed("bots", *no_bots(page), "BotNotFoundError")
            session.keep(endpoints)
            self._note_abilities(endpoints)
            chosen = session.choose(endpoints)
        bots = [each.bot for each in endpoints]
        named = ", ".join(f"{bot.id} ({bot.name})" if bot.name else bot.id for bot in bots)
        count, asked = "1 bot", ""
        if len(bots) > 1:
            count, asked = f"{len(bots)} bots", f"; bot {chosen.bot.id} is asked"
        self._note("bots", True, f"{count}: {named}{asked}")
        return chosen

    def _note_abilities(self, endpoints: Iterable[Endpoint]) -> None:
        for endpoint in endpoints:
            bot = endpoint.bot
            can = capabilities(endpoint, dialect_named(bot.dialect))
            shown = sanitize_line(bot.id), sanitize_line(bot.name)
            self._bots += (BotCapabilities(*shown, bot.dialect, can),)

    def _describe(self, page: BufferedResponse, endpoint: Endpoint) -> None:
        bot = endpoint.bot
        hint = "The page asks its visitors for consent first: read it before you go on."
        if "admin-ajax.php" not in endpoint.url:
            self._door = "rest"
        found = f"{bot.dialect} ({bot.kind}), {plugin(page, endpoint)}"
        self._note("dialect", True, found, hint if bot.consent else "")

    def _find_api(self) -> None:
        """With the owner's key the page only tells where the API is."""
        session = self._core.session
        with self._errors_fail("page"):
            endpoint = self._run(session.endpoint(self._deadline))
        self._note("page", True, f"the API is at {redact(endpoint.url)}")
        self._note("gate", True, "no bot check")
        self._note_abilities([endpoint])
        self._note("bots", None, f"bot {endpoint.bot.id}, as you named it")
        # The site's REST API lists its namespaces; one of them must be the plugin's.
        wanted = [each.namespace for each in KEY_DIALECTS]
        known = [name for name in wanted if name in session.namespaces]
        if known:
            its_dialect = dialect_named(endpoint.bot.dialect)
            who = f"{its_dialect.name} (with your key), {its_dialect.plugin}"
            self._note("dialect", True, f"{who}; the REST API has {', '.join(known)}")
        else:
            detail = "The site gives no list of its REST API's namespaces."
            if session.namespaces:
                detail = (
                    "The site's REST API lists none of the namespaces that take a key"
                    f" ({' or '.join(wanted)})."
                )
            if not self._ask:
                raise StepFailed("dialect", detail, advice_on_status(404, "api"), None)
            self._note("dialect", None, f"{detail} The test turn tells more.")
        tested = "the test turn tests the key" if self._ask else "the key is not tested"
        self._note("nonce", None, f"none is needed with a key; {tested}")

    def _take_turn(self) -> None:
        if not self._ask:
            self._note("turn", None, "not asked for: it makes the model speak, and may count")
            return
        with self._errors_fail("turn"):
            reply = self._client.chat(QUESTION)
        how = "streamed" if reply.streamed else "in one piece"
        self._note("turn", True, f"{len(reply.text):,} characters in {reply.elapsed:.1f} s, {how}")


def _step_of(error: ChatGptEsError) -> StepName:
    """Return the step that failed with `error`, in reading the page."""
    if isinstance(error, errors.ChallengeError):
        return "gate"
    if isinstance(error, errors.TLSError):
        return "TLS"
    if isinstance(error, errors.RequestTimeout) and error.phase == "connect":
        return "connection"
    return "connection" if isinstance(error, (errors.ConnectError, errors.ProxyError)) else "page"
