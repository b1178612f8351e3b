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
from ..transport.errors import name_not_found
from ..transport.settings import Routes
from ..turn.blocking import run_steps
from ..turn.config import DEFAULT_SITE, OtherArguments
from ..turn.core import NOT_OURS
from ..turn.steps import Steps
from ..values.deadline import Deadline
from ..values.text import sanitize_line
from ..values.urls import redact
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

    It reads the page, over the transport that a turn takes, and has its nonce checked by an empty
    message, which reaches no model.  It makes a handful of requests, and repeats none.
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
            if self._core.config.api_key is not None:
                self._find_api()
            else:
                page = self._read_page()
                endpoint = self._choose_bot(page)
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

    def _note_way(self, end: StepName, status: int | None) -> None:
        """Note that the steps before `end` are good: the transport has taken them."""
        site, arguments = self._client.site, self._core.config.arguments
        left_to = ""
        if not isinstance(arguments.get("transport", "auto"), str):
            left_to = "your own transport"
        elif Routes.read(arguments.get("proxy"), arguments.get("trust_env", True)).route(site):
            left_to = "the proxy"
        parts = urlsplit(site)
        host, secure = parts.hostname or "", parts.scheme == "https"
        verify: Any = arguments.get("verify", True)
        trust = "the certificate was accepted"
        if verify is False:
            trust = "the certificate was not checked (verify is off)"
        elif not secure:
            trust = "http:// has none: whoever is between can read along"
        way: dict[StepName, tuple[bool | None, str]] = {
            "name": (True, host),
            "connection": (True, f"{host}, port {parts.port or (443 if secure else 80)}"),
            "TLS": (secure or None, trust),
            "page": (True, f"something answered, with status {status}"),
        }
        if left_to:
            for name in STEPS[:3]:
                way[name] = (None, f"left to {left_to}")
        for name in STEPS[: STEPS.index(end)]:
            self._note(name, *way[name])

    @contextmanager
    def _errors_fail(self, name: StepName) -> Iterator[None]:
        """Errors of the library in this block are the failure of the step `name`.

        Those in reading the page may be that of an earlier step, or of the next one.
        """
        try:
            yield
        except ChatGptEsError as error:
            if name == "page":
                name = _step_of(error)
                # Neither a proxy nor a limit of time tells how far it got, but for one of silence.
                tells = isinstance(error, (errors.TransportError, errors.ResponseError))
                silent = getattr(error, "phase", "read") == "read"
                if tells and silent and not isinstance(error, errors.ProxyError):
                    self._note_way(name, error.status)
            self._core.finish_error(error)
            detail = error.in_words({})
            if name == "nonce" and isinstance(error, errors.EmptyReplyError):
                # No model was asked.
                detail = "The site answered nothing at all to an empty message."
            hint = advice(error, name, self._door)
            raise StepFailed(name, detail, hint, type(error).__name__) from None

    def _read_page(self) -> BufferedResponse:
        session = self._core.session
        request = session.page_request()
        with self._errors_fail("page"):
            page = self._run(session.sender.fetch(request, self._deadline, error_for_page, "page"))
        moved = "" if page.url == self._client.site else f", at {redact(page.url)}"
        self._note_page(f"status {page.status}, {len(page.body):,} bytes{moved}")
        return page

    def _note_page(self, detail: str) -> None:
        self._note_way("page", None)
        self._note("page", True, detail)
        self._note("gate", True, "no bot check")

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
        bot = chosen.bot
        hint = "The page asks its visitors for consent first: read it before you go on."
        found = f"{bot.dialect} ({bot.kind}), {plugin(page, chosen)}"
        self._note("dialect", True, found, hint if bot.consent else "")
        if "admin-ajax.php" not in chosen.url:
            self._door = "rest"
        return chosen

    def _note_abilities(self, endpoints: Iterable[Endpoint]) -> None:
        self._bots = tuple(
            BotCapabilities(
                sanitize_line(each.bot.id),
                sanitize_line(each.bot.name),
                each.bot.dialect,
                capabilities(each, dialect_named(each.bot.dialect)),
            )
            for each in endpoints
        )

    def _find_api(self) -> None:
        """With the owner's key the page only tells where the API is."""
        session = self._core.session
        with self._errors_fail("page"):
            endpoint = self._run(session.endpoint(self._deadline))
        self._note_page(f"the API is at {redact(endpoint.url)}")
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
    if isinstance(error, errors.ConnectError):
        no_name = error.message == name_not_found(error.url or "").message
        return "name" if no_name else "connection"
    slow = isinstance(error, errors.RequestTimeout) and error.phase == "connect"
    return "connection" if slow or isinstance(error, errors.ProxyError) else "page"
