"""Does the site take a nonce?  Asked by an empty message, which no version passes to a model."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..errors import ChatGptEsError, QuotaError, RefusedError
from ..sites import dialect
from ..sites.dialect import BufferedResponse, Dialect, Endpoint, NonceRefused, Question
from ..sites.text import parse_json
from ..turn.session import Session
from ..turn.steps import Steps
from ..values.deadline import Deadline

__all__ = ["CACHED", "FORBIDDEN", "NEVER_TAKEN", "NONE_GIVEN", "how_taken", "probe"]

Verdict = Literal["good", "dead", "forbidden"]

# Of a nonce's form, and none: it is sent only to `wpaicg` sites, to hear how they say no.
_WRONG = "0000000000"


def probe(
    session: Session, endpoint: Endpoint, deadline: Deadline
) -> Steps[tuple[Verdict, RefusedError | None]]:
    """Ask the site about the nonce of `endpoint`: its verdict, and its refusal.

    "good": it goes on to say that the message is empty.  "dead": it refuses the nonce.
    "forbidden": something before the plugin refuses the request, as firewalls do.

    Raises:
        ChatGptEsError: it answers nothing of the kind.
    """
    verdict, page, refused = yield from _say_nothing(session, endpoint, deadline)
    if verdict is not None:
        return verdict, refused
    if endpoint.bot.dialect != "wpaicg":
        return "dead", refused
    # 1.8.79 refuses nonces and empty messages alike, with status 200 and a sentence: how it says
    # no to a wrong one tells which of the two this was.
    wrong = replace(endpoint, nonce=_WRONG)
    verdict, other, _ = yield from _say_nothing(session, wrong, deadline)
    if verdict is None and other.body == page.body:
        return "dead", refused
    return "good", None


def _say_nothing(
    session: Session, endpoint: Endpoint, deadline: Deadline
) -> Steps[tuple[Verdict | None, BufferedResponse, RefusedError | None]]:
    """The verdict, or None where the answer alone does not tell; the answer; the refusal."""
    its_dialect = dialect(endpoint.bot.dialect)
    question = Question(endpoint, "", visitor="0" * 10)
    requests = its_dialect.requests(question)
    request = next(requests)
    seen: list[BufferedResponse] = []

    def classify(page: BufferedResponse) -> ChatGptEsError | None:
        seen.append(page)
        return None if 200 <= page.status < 300 else its_dialect.error_for(page)

    try:
        page = yield from session.sender.fetch(request, deadline, classify, "answer")
        if request.final:
            _decode(its_dialect, question, page, session)
        else:
            requests.send(page)  # Which says what a good status alone does not.
    except NonceRefused as error:
        page = seen[-1]
        if page.status < 300:
            return None, page, error
        return ("dead" if _of_plugin(error, endpoint, page) else "forbidden"), page, error
    except QuotaError:
        return "good", seen[-1], None
    except RefusedError as error:
        if error.blocked:
            return "forbidden", seen[-1], error
        if seen[-1].status not in (200, 400) and (error.code or not _says_no(seen[-1])):
            raise
        return "good", seen[-1], None
    finally:
        requests.close()
    return "good", page, None


def _of_plugin(error: NonceRefused, endpoint: Endpoint, page: BufferedResponse) -> bool:
    """Does a site refuse a nonce in this way?

    In JSON, up to 1.9.18 (and in 2.2) with a sentence and no page around it; a mere -1 is how
    WordPress itself does.
    """
    if error.code is not None or page.body.strip() == b"-1":
        return True
    return endpoint.bot.dialect == "wpaicg" and b"<html" not in page.body[:2000].lower()


def _says_no(page: BufferedResponse) -> bool:
    """Is it the plugin's own refusal, behind WordPress's check of the nonce (`mwai`: with 403)?"""
    data = parse_json(page.body)
    return isinstance(data, dict) and data.get("success") is False


def _decode(
    its_dialect: Dialect, question: Question, page: BufferedResponse, session: Session
) -> None:
    decoder = its_dialect.decoder(question, page, session.limits)
    decoder.feed(page.body)
    decoder.end()
    if decoder.error is not None:
        raise decoder.error


CACHED = (
    "The site refuses the nonce in the page as too old, and gives the same one when asked again.",
    "Most often the page comes from a cache that keeps it longer than a nonce lives (12 to 24 "
    "hours), so the chat fails in browsers too. Owner: empty the cache, and let it keep this page "
    "for half a day at most; if there is none, see that all servers of the site have the same keys "
    "and salts. Others: tell the owner, or come back later.",
)
NEVER_TAKEN = (
    "The site refuses the nonce in the page, and the fresh one that it gives instead.",
    "It may take messages of members only, or its servers have different keys and salts, or "
    "something before it answers in its place. Owner: try the chat in a private window of a "
    "browser. Others: ask the owner.",
)
NONE_GIVEN = (
    "The site asks for a nonce and gives none: neither its page nor a new session has one.",
    "Its plugin is of a version that can't be talked to, or something before it keeps sessions "
    "from starting. Owner: try the chat in a private window of a browser, and update the plugin. "
    "Others: ask the owner.",
)
FORBIDDEN = (
    "Something refuses messages (status 403) in another way than the plugin does, though it gives "
    "the page."
)


def how_taken(endpoint: Endpoint, starts_session: bool) -> str:
    """Return in which way a site has taken the nonce of `endpoint`."""
    if not starts_session:
        return "the site takes the one in the page"
    if not endpoint.nonce:
        return "none is needed: the site starts no sessions, and takes messages without one"
    return "a session was started, and the site takes its nonce"
