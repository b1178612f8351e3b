"""Check that the site takes a nonce, by an empty message, which no version passes to a model."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ChatGptEsError, QuotaError, RefusedError
from ..sites import dialect_named
from ..sites.dialect import BufferedResponse, Endpoint, NonceRefused, Question
from ..sites.text import parse_json, site_said
from ..turn.core import Core
from ..turn.session import Session
from ..turn.steps import Steps
from ..values.deadline import Deadline
from .advice import Place, advice_on_status
from .values import StepFailed

__all__ = ["check_nonce"]

# Of a nonce's form, and none: it is sent only to `wpaicg` sites, to hear how they say no.
_WRONG = "0000000000"

_CACHED = (
    "The site refuses the nonce in the page as too old, and gives the same one when asked again.",
    "Most often the page comes from a cache that keeps it longer than a nonce lives (12 to 24 "
    "hours), so the chat fails in browsers too. Owner: empty the cache, and let it keep this page "
    "for half a day at most; if there is none, see that all servers of the site have the same keys "
    "and salts. Others: tell the owner, or come back later.",
)
_PRIVATE = (
    "It may take messages of members only, its servers may have different keys and salts, or "
    "something before it answers in its place or keeps sessions from starting. Owner: try the chat "
    "in a private window of a browser, and update the plugin. Others: ask the owner."
)
_NEVER_TAKEN = "The site refuses the nonce in the page, and the fresh one that it gives instead."
_NONE_GIVEN = (
    "The site asks for a nonce and gives none: neither its page nor a new session has one."
)
_FORBIDDEN = "Something refuses messages (status 403) in another way than the plugin does."
_REPLACED = (
    "the one in the page had run out; the site gave a fresh one, as it does for a turn",
    "Nothing to do for you. Owner: a cache keeps the page for too long; half a day is the most.",
)


def check_nonce(
    core: Core, endpoint: Endpoint, deadline: Deadline, door: Place
) -> Steps[tuple[str, str]]:
    """See that the site takes the nonce of `endpoint`, or a fresh one, as a turn would.

    Returns:
        What was found, and advice ("" for none).

    Raises:
        StepFailed: the site takes neither.
        ChatGptEsError: it answers nothing of the kind.
    """
    session = core.session
    starts_session, taken = endpoint.nonce_first, "the site takes the one in the page"
    if starts_session:
        endpoint = yield from session.renewed(endpoint, deadline)
        taken = "none is needed: the site starts no sessions, and takes messages without one"
        if endpoint.nonce:
            taken = "a session was started, and the site takes its nonce"
    refusal = yield from _refusal(session, endpoint, deadline)
    if refusal is None:
        return taken, ""
    fresh = (yield from session.renewed(endpoint, deadline)) if endpoint.nonce else endpoint
    if fresh.nonce != endpoint.nonce:
        refusal = yield from _refusal(session, fresh, deadline)
        if refusal is None:
            return _REPLACED
    error, page = refusal
    # WordPress refuses a nonce by -1, the plugin in JSON or by a sentence; a page is of others.
    if error.blocked or (error.code is None and b"<html" in page.body[:2000].lower()):
        detail, hint = _FORBIDDEN, advice_on_status(403, door)
    elif not endpoint.nonce:
        detail, hint = _NONE_GIVEN, _PRIVATE
    elif fresh.nonce == endpoint.nonce and not starts_session:
        detail, hint = _CACHED
    else:
        detail, hint = _NEVER_TAKEN, _PRIVATE
    core.finish_error(error)
    raise StepFailed("nonce", detail + site_said(error.excerpt or ""), hint, "RefusedError")


def _refusal(
    session: Session, endpoint: Endpoint, deadline: Deadline
) -> Steps[tuple[RefusedError, BufferedResponse] | None]:
    """Return how the site refuses the nonce of `endpoint`, if it does."""
    refusal = yield from _send_nothing(session, endpoint, deadline)
    if refusal is None or endpoint.bot.dialect != "wpaicg" or refusal[1].status >= 300:
        return refusal
    # 1.8.79 refuses nonces and empty messages alike, with status 200 and a sentence: how it says
    # no to a wrong one tells which of the two this was.
    other = yield from _send_nothing(session, replace(endpoint, nonce=_WRONG), deadline)
    is_same = other is not None and other[1].body == refusal[1].body
    return refusal if is_same or refusal[0].blocked else None


def _send_nothing(
    session: Session, endpoint: Endpoint, deadline: Deadline
) -> Steps[tuple[RefusedError, BufferedResponse] | None]:
    """Send an empty message; return a refusal that may be the nonce's, and its response.

    Raises:
        ChatGptEsError: the site says neither that nor that the message is empty.
    """
    its_dialect = dialect_named(endpoint.bot.dialect)
    question = Question(endpoint, "", visitor="0" * 10)
    requests = its_dialect.requests(question)
    request = next(requests)
    page: BufferedResponse

    def classify(response: BufferedResponse) -> ChatGptEsError | None:
        nonlocal page
        page = response
        return None if 200 <= page.status < 300 else its_dialect.error_for(page)

    try:
        yield from session.sender.fetch(request, deadline, classify, "answer")
        if request.final:
            decoder = its_dialect.decoder(question, page, session.config.limits)
            decoder.feed(page.body)
            decoder.end()
            if decoder.error is not None:
                raise decoder.error
        else:
            requests.send(page)  # Which says what a good status alone does not.
    except QuotaError:
        return None
    except RefusedError as error:
        if error.blocked or isinstance(error, NonceRefused):
            return error, page
        # The plugin's own refusal, behind WordPress's check of the nonce: `mwai` gives it with 403.
        data = parse_json(page.body)
        says_no = isinstance(data, dict) and data.get("success") is False
        if page.status not in (200, 400) and (error.code or not says_no):
            raise
    finally:
        requests.close()
    return None
