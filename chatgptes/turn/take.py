"""One turn: which bot, what to send, the nonce again if it was refused, and the answer's text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from ..errors import (
    ChallengeError,
    ChatGptEsError,
    RateLimitError,
    RefusedError,
    ResponseError,
    TransportError,
    TurnCancelled,
)
from ..sites import dialect
from ..sites.dialect import Decoder, Dialect, Endpoint, NonceRefused
from ..sites.dialect import Question as Turn
from ..sites.dialect import ReplyDetails as Heard
from ..transport.base import Response
from ..values.deadline import Deadline
from ..values.images import Image
from ..values.messages import Message, with_system, written_out
from .sending import drain, foreign
from .session import Session

__all__ = ["Ask", "Batch", "Outcome", "take_turn"]


Batch = Sequence[str]
"""The text chunks that arrived together."""


class _Mark(tuple[str, ...]):
    """An empty batch that can be told from another."""

    __slots__ = ()


SENT = _Mark()
"""What a turn gives first: nothing yet, but the site has taken the request."""
LAST = _Mark()
"""What a stream gives after the last chunk, before it counts as ended."""


@dataclass(frozen=True)
class Ask:
    """What a turn is to say, whatever the dialect turns out to be.

    Attributes:
        messages: the whole conversation, the new user message last.
        system: text put before its first user message, or None.
        visitor: this client's id.
        conversation: the conversation's id.
        memory: whose server remembers the messages before the last ("" for none).
        state: what the last turn left.
        images: what goes with the new user message.
        web_search: ask the bot to search the web.
    """

    messages: Sequence[Message]
    system: str | None
    visitor: str
    conversation: str
    memory: str = ""
    state: Mapping[str, str] = field(default_factory=dict)
    images: tuple[Image, ...] = ()
    web_search: bool = False


@dataclass
class Outcome:
    """What a turn has learned, filled in as it goes."""

    endpoint: Endpoint | None = None
    decoder: Decoder | None = None
    heard: Heard = field(default_factory=Heard)
    conversation: str = ""
    memory: str = ""

    @property
    def streamed(self) -> bool:
        """The answer comes as an event stream: known once there is text."""
        return self.decoder is not None and self.decoder.streamed


def take_turn(session: Session, ask: Ask, deadline: Deadline, outcome: Outcome) -> Iterator[Batch]:
    """The text of the answer as it arrives, after one empty batch once the site has answered.

    Closing the generator ends the request.

    Raises:
        ChatGptEsError: whatever went wrong; what was given before stays valid.
    """
    endpoint = session.endpoint(deadline)
    try:
        yield from _speak(session, endpoint, ask, deadline, outcome)
        return
    except NonceRefused as error:
        refused = error
    try:
        fresh = session.renewed(endpoint, deadline)
    except (ChallengeError, RateLimitError, TurnCancelled):
        raise
    except (TransportError, ResponseError) as error:
        deadline.check()
        raise _plain(refused) from error  # What the site said of the message is what counts.
    if fresh.nonce == endpoint.nonce:
        raise _plain(refused) from None
    try:
        yield from _speak(session, fresh, ask, deadline, outcome)
    except NonceRefused as error:
        raise _plain(error) from None


def _plain(error: NonceRefused) -> RefusedError:
    """The same as users know it."""
    plain = RefusedError(str(error), url=error.url, status=error.status, excerpt=error.excerpt)
    plain.code = error.code
    plain.blocked = error.blocked
    return plain


def _turn(endpoint: Endpoint, speaks: Dialect, ask: Ask, outcome: Outcome) -> Turn:
    pairs = with_system(ask.messages, ask.system)
    conversation, state = ask.conversation, ask.state
    outcome.memory = f"{speaks.name} {endpoint.bot.id} {endpoint.url}" if speaks.remembers else ""
    if not speaks.remembers:
        history, prompt = tuple(pairs[:-1]), pairs[-1][1]
    elif ask.memory == outcome.memory:
        history, prompt = (), pairs[-1][1]
    else:
        # The site's memory knows nothing of what came before: tell it, in a conversation of its
        # own, lest it be mixed with another's.
        history, prompt = (), written_out(pairs)
        state = {}
        if ask.memory:
            conversation = str(uuid4())
    outcome.conversation = conversation
    return Turn(
        endpoint, prompt, history, ask.visitor, conversation, state, ask.web_search, ask.images
    )


def _speak(
    session: Session, endpoint: Endpoint, ask: Ask, deadline: Deadline, outcome: Outcome
) -> Iterator[Batch]:
    speaks = dialect(endpoint.bot.dialect)
    turn = _turn(endpoint, speaks, ask, outcome)
    outcome.endpoint = endpoint
    steps = speaks.requests(turn)
    request = next(steps)
    while not request.final:
        page = session.sender.page(
            request,
            deadline,
            lambda page: None if 200 <= page.status < 300 else speaks.error_for(page),
            "answer",
        )
        request = steps.send(page)
    steps.close()
    response = session.sender.open(request, deadline, speaks.error_for)
    try:
        decoder = speaks.decoder(
            turn, response.url, response.status, response.headers, session.limits
        )
        outcome.decoder, outcome.heard = decoder, decoder.details
        yield SENT
        yield from _hear(response, decoder, deadline)
    finally:
        response.close()


def _hear(response: Response, decoder: Decoder, deadline: Deadline) -> Iterator[Batch]:
    try:
        for data in response:
            yield from _together(decoder, decoder.feed(data))
            if decoder.complete:
                drain(response, deadline)
                break
    except OSError as error:
        if chunks := decoder.end():
            yield chunks
        if isinstance(error, ChatGptEsError):
            raise
        raise foreign(error) from error
    yield from _together(decoder, decoder.end())


def _together(decoder: Decoder, chunks: list[str]) -> Iterator[Batch]:
    if chunks:
        yield chunks
    if decoder.error is not None:
        raise decoder.error
