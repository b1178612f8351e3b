"""Does the site take a nonce?  Asked by an empty message, which no version passes to a model."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..deadline import Deadline
from ..errors import ChatGptEsError, QuotaError, RefusedError
from ..session import Session
from ..sites import dialect
from ..sites.dialect import Dialect, Endpoint, NonceRefused, Page, Turn

__all__ = ["probe"]

Verdict = Literal["good", "dead", "forbidden"]

# Of a nonce's form, and none: it is sent only to hear how a site says no.
_WRONG = "0000000000"


def probe(session: Session, endpoint: Endpoint, deadline: Deadline) -> Verdict:
    """What the site makes of the nonce of `endpoint`.

    "good": it goes on to say that the message is empty.  "dead": it refuses the nonce.
    "forbidden": it refuses the request with a page of its own, as firewalls do.

    Raises:
        ChatGptEsError: it answers nothing of the kind.
    """
    verdict, page = _say_nothing(session, endpoint, deadline)
    if verdict is not None:
        return verdict
    # 1.8.79 refuses nonces and empty messages alike, with status 200 and a sentence: how it says
    # no to a wrong one tells which of the two this was.
    verdict, other = _say_nothing(session, replace(endpoint, nonce=_WRONG), deadline)
    return "dead" if verdict is None and other.body == page.body else "good"


def _say_nothing(
    session: Session, endpoint: Endpoint, deadline: Deadline
) -> tuple[Verdict | None, Page]:
    """The verdict, or None where the answer alone does not tell, and the answer."""
    speaks = dialect(endpoint.bot.dialect)
    turn = Turn(endpoint, "", visitor="0" * 10)
    steps = speaks.say(turn)
    request = next(steps)
    seen: list[Page] = []

    def fault(page: Page) -> ChatGptEsError | None:
        seen.append(page)
        return None if 200 <= page.status < 300 else speaks.fault(page)

    try:
        page = session.sender.page(request, deadline, fault, "answer")
        if request.final:
            _hear(speaks, turn, page, session)
        else:
            steps.send(page)  # Which says what a good status alone does not.
    except NonceRefused:
        page = seen[-1]
        if page.status < 300:
            return None, page
        return ("forbidden" if b"<html" in page.body[:2000].lower() else "dead"), page
    except QuotaError:
        return "good", seen[-1]
    except RefusedError:
        if seen[-1].status not in (200, 400):
            raise
        return "good", seen[-1]
    finally:
        steps.close()
    return "good", page


def _hear(speaks: Dialect, turn: Turn, page: Page, session: Session) -> None:
    decoder = speaks.hear(turn, page.url, page.status, page.headers, session.limits)
    for _ in decoder.feed(page.body):
        pass
    for _ in decoder.end():
        pass
