"""Does the site take a nonce?  Asked by an empty message, which no version passes to a model."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..errors import ChatGptEsError, QuotaError, RefusedError
from ..sites import dialect
from ..sites.dialect import BufferedResponse, Dialect, Endpoint, NonceRefused, Question
from ..turn.session import Session
from ..values.deadline import Deadline

__all__ = ["probe"]

Verdict = Literal["good", "dead", "forbidden"]

# Of a nonce's form, and none: it is sent only to hear how a site says no.
_WRONG = "0000000000"


def probe(
    session: Session, endpoint: Endpoint, deadline: Deadline
) -> tuple[Verdict, NonceRefused | None]:
    """What the site makes of the nonce of `endpoint`, and how it refused it.

    "good": it goes on to say that the message is empty.  "dead": it refuses the nonce.
    "forbidden": it refuses the request in another way than the plugin's, as firewalls do.

    Raises:
        ChatGptEsError: it answers nothing of the kind.
    """
    verdict, page, refused = _say_nothing(session, endpoint, deadline)
    if verdict is not None:
        return verdict, refused
    # 1.8.79 refuses nonces and empty messages alike, with status 200 and a sentence: how it says
    # no to a wrong one tells which of the two this was.
    verdict, other, _ = _say_nothing(session, replace(endpoint, nonce=_WRONG), deadline)
    if verdict is None and other.body == page.body:
        return "dead", refused
    return "good", None


def _say_nothing(
    session: Session, endpoint: Endpoint, deadline: Deadline
) -> tuple[Verdict | None, BufferedResponse, NonceRefused | None]:
    """The verdict, or None where the answer alone does not tell; the answer; the refusal."""
    bot_dialect = dialect(endpoint.bot.dialect)
    question = Question(endpoint, "", visitor="0" * 10)
    steps = bot_dialect.requests(question)
    request = next(steps)
    seen: list[BufferedResponse] = []

    def fault(page: BufferedResponse) -> ChatGptEsError | None:
        seen.append(page)
        return None if 200 <= page.status < 300 else bot_dialect.error_for(page)

    try:
        page = session.sender.page(request, deadline, fault, "answer")
        if request.final:
            _decode(bot_dialect, question, page, session)
        else:
            steps.send(page)  # Which says what a good status alone does not.
    except NonceRefused as error:
        page = seen[-1]
        if page.status < 300:
            return None, page, error
        return ("dead" if _of_plugin(error, endpoint, page) else "forbidden"), page, error
    except QuotaError:
        return "good", seen[-1], None
    except RefusedError:
        if seen[-1].status not in (200, 400):
            raise
        return "good", seen[-1], None
    finally:
        steps.close()
    return "good", page, None


def _of_plugin(error: NonceRefused, endpoint: Endpoint, page: BufferedResponse) -> bool:
    """Does a site refuse a nonce in this way?

    In JSON, up to 1.9.18 (and in 2.2) with a sentence and no page around it; a bare -1 is how
    WordPress itself does.
    """
    if error.code is not None or page.body.strip() == b"-1":
        return True
    return endpoint.bot.dialect == "wpaicg" and b"<html" not in page.body[:2000].lower()


def _decode(
    bot_dialect: Dialect, question: Question, page: BufferedResponse, session: Session
) -> None:
    decoder = bot_dialect.decoder(question, page.url, page.status, page.headers, session.limits)
    decoder.feed(page.body)
    decoder.end()
    if decoder.error is not None:
        raise decoder.error
