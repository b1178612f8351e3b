"""One turn's question before its dialect is known, and all that comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from ..sites.dialect import Decoder, Dialect, Endpoint, Question
from ..values.images import Image
from ..values.messages import Message, with_system, written_out

__all__ = ["Answer", "Ask", "place_of", "question_for"]


@dataclass(frozen=True)
class Ask:
    """A turn's question, whatever the dialect turns out to be.

    Attributes:
        messages: the whole conversation, the new user message last.
        system: text put before its first user message, or None.
        visitor: the visitor's id.
        conversation: the conversation's id.
        place: the bot that gave the answers so far ("" for none): see `Answer.place`.
        state: what the last turn left, for the same place.
        images: pictures that go with the new user message.
        web_search: ask the bot to search the web.
        uploaded: see `Question.uploaded`.
    """

    messages: Sequence[Message]
    system: str | None
    visitor: str
    conversation: str
    place: str = ""
    state: Mapping[str, str] = field(default_factory=dict)
    images: tuple[Image, ...] = ()
    web_search: bool = False
    uploaded: dict[int, str] = field(default_factory=dict)


@dataclass
class Answer:
    """A turn's findings, filled in as it goes.

    Attributes:
        endpoint: the bot that was asked.
        decoder: knows all that came beside the text.
        conversation: the id under which it was asked.
        accepted: the site has taken a part of the question at `endpoint`, such as its message.
        text: the chunks that were handed on.
        place: dialect, bot and address: where a site's memory of the conversation is, if it has
            one, and where the state of the last turn means something.
    """

    endpoint: Endpoint | None = None
    decoder: Decoder | None = None
    conversation: str = ""
    place: str = ""
    accepted: bool = False
    text: list[str] = field(default_factory=list)


def place_of(endpoint: Endpoint) -> str:
    """Return where a site's memory of a conversation with a bot is: see `Answer.place`."""
    return f"{endpoint.bot.dialect} {endpoint.bot.id} {endpoint.url}"


def question_for(ask: Ask, endpoint: Endpoint, its_dialect: Dialect, answer: Answer) -> Question:
    """Put `ask` into a question for a bot; `answer` notes the place and the conversation's id."""
    pairs = with_system(ask.messages, ask.system)
    answer.conversation = ask.conversation
    answer.place = place_of(endpoint)
    same_place = ask.place == answer.place
    history: tuple[tuple[str, str], ...] = ()
    prompt = pairs[-1][1]
    if not its_dialect.remembers:
        history = tuple(pairs[:-1])
    elif not same_place:
        # The site's memory knows nothing of what came before: tell it, in a conversation of
        # a new id, so that it is not mixed with another's.
        prompt = written_out(pairs)
        if ask.place:
            answer.conversation = str(uuid4())
    return Question(
        endpoint,
        prompt,
        history,
        ask.visitor,
        answer.conversation,
        ask.state if same_place else {},
        ask.web_search,
        ask.images,
        ask.uploaded,
    )
