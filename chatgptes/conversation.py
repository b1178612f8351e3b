"""Conversation: messages and ids, nothing of any dialect."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, Unpack
from uuid import uuid4

from .errors import ChatGptEsError, InvalidConfigError, InvalidMessageError
from .sites import dialect
from .transport import Transport
from .turn.ask import Ask, place_of
from .turn.blocking import BlockingTurn
from .turn.core import Core
from .turn.extras import check_site_id, delete, feedback, history
from .turn.options import TurnOptions, check_options
from .turn.queueing import ConversationQueue, Limiter
from .turn.steps import Steps
from .turn.stream import Stream, read_to_end
from .turn.take import Turn
from .values.deadline import Deadline, Timeout
from .values.http import Limits
from .values.images import Unread
from .values.messages import Message, Prompt, check, check_prompt, images_of
from .values.process import PerProcess
from .values.reply import Reply

__all__ = ["Conversation", "ConversationState", "write_json"]

VERSION = 1
_NO_LIMITS = Limits(prompt=1 << 40, image=1 << 40)  # Whatever was sent once is restored.


class ConversationState:
    """The messages of a conversation so far, and all that the next turn needs.

    Its file, if it continues from one, is read by `load`, which may block.
    """

    def __init__(
        self,
        core: Core,
        saved: Mapping[str, Any] | str | os.PathLike[str] | None,
        site_id: str | None = None,
    ) -> None:
        if not (saved is None or isinstance(saved, (Mapping, str, os.PathLike))):
            raise InvalidConfigError(
                "A conversation continues from a dict or the path of a file, not from"
                f" {type(saved).__name__}."
            )
        if saved is not None and site_id is not None:
            raise InvalidConfigError("A conversation continues saved or site_id, not both.")
        self._site_id = None if site_id is None else check_site_id(site_id)
        self.core = core
        self.messages: list[Message] = []
        self.id = str(uuid4())
        self.visitor = core.visitor
        self.system = core.config.system
        self.place = ""
        self.state: dict[str, str] = {}
        self._queue = PerProcess(ConversationQueue)
        self._loading = PerProcess(threading.Lock)
        self._saved = saved
        if isinstance(saved, Mapping):
            self.load()

    @property
    def queue(self) -> ConversationQueue:
        """The queue of its turns; after a fork a turn under way is the parent's."""
        return self._queue.get()

    @property
    def loaded(self) -> bool:
        """Its file has been read, if there is one."""
        return self._saved is None

    def load(self) -> None:
        """Read its file, if there is one that was not read yet.

        Raises:
            InvalidConfigError: the file holds no conversation.
            OSError: it can't be read.
        """
        with self._loading.get():
            saved = self._saved
            if saved is not None:
                self._restore(saved if isinstance(saved, Mapping) else _read(saved))
                self._saved = None

    @property
    def is_fetched(self) -> bool:
        """Its messages were fetched from the site, if they come from there."""
        return self._site_id is None

    def fetch(self, deadline: Deadline) -> Steps[None]:
        """Fetch its messages from the site, if they come from there and were not fetched yet.

        Raises:
            ChatGptEsError: as `extras.history`.
        """
        if self._site_id is None:
            return
        found, endpoint = yield from history(self.core, self._site_id, deadline)
        for asked, answer in found.pairs():
            self.messages += [Message("user", asked), Message("assistant", answer)]
        self.id, self.state, self.place = self._site_id, dict(found.state), place_of(endpoint)
        self._site_id = None

    def delete(self, deadline: Deadline) -> Steps[None]:
        """Delete it on the site, and begin anew.  Its place in the queue must be held.

        Raises:
            ChatGptEsError: as `extras.delete`; it stays as it was.
        """
        if self._site_id is None and not self.place:
            raise InvalidConfigError(
                "This conversation has no turn yet, so there is nothing to delete."
            )
        yield from delete(self.core, self._site_id or self.id, self.visitor, deadline)
        self.messages, self.state, self.place = [], {}, ""
        self.id, self._site_id = str(uuid4()), None

    def check_loaded(self) -> None:
        """Raise if its file was not read yet, or its messages not fetched."""
        if self._site_id is not None:
            raise ChatGptEsError(
                "The conversation's messages have not been fetched yet: await the conversation"
                " first (`talk = await client.conversation(site_id=…)`), or take a turn."
            )
        if self._saved is not None:
            raise ChatGptEsError(
                "The conversation's file has not been read yet: await the conversation first"
                " (`talk = await client.conversation(path)`), or take a turn."
            )

    def turn(self, prompt: Prompt, options: TurnOptions) -> Turn:
        """The next turn.

        Raises:
            InvalidMessageError, InvalidConfigError: an argument can't be used.
        """
        check_options(options)
        message = check_prompt(prompt, self.core.config.limits, options.get("images", ()))
        return _NextTurn(self, message, options)

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on, as plain JSON values."""
        self.check_loaded()
        return {
            "version": VERSION,
            "id": self.id,
            "visitor": self.visitor,
            "site": self.core.config.site,
            "system": self.system,
            "messages": [message.as_dict() for message in self.messages],
            "memory": self.place,
            "state": dict(self.state),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` to a file, as a whole or not at all; only its owner may read it.

        Raises:
            OSError: it can't be written.
        """
        self.load()
        write_json(Path(path), self.to_dict())

    def _restore(self, saved: Mapping[str, Any]) -> None:
        if saved.get("version") != VERSION:
            raise InvalidConfigError(
                f"This is no saved conversation of version {VERSION}: its version is"
                f" {saved.get('version')!r}."
            )
        texts = {name: saved.get(name) for name in ("id", "visitor", "memory")}
        state, system, messages = saved.get("state"), saved.get("system"), saved.get("messages")
        if (
            not all(isinstance(text, str) for text in texts.values())
            or not (texts["id"] and texts["visitor"])
            or not isinstance(state, Mapping)
            or not all(isinstance(item, str) for pair in state.items() for item in pair)
            or not (system is None or isinstance(system, str))
            or not isinstance(messages, list)
        ):
            raise InvalidConfigError("The saved conversation is damaged: a field is missing.")
        try:
            json.dumps([texts, dict(state), system, messages], ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:  # Half a character is a UnicodeEncodeError.
            raise InvalidConfigError(
                f"The saved conversation is damaged: it can't be written again ({error})."
            ) from None
        self.messages = _saved_messages(messages)
        self.id, self.visitor = str(texts["id"]), str(texts["visitor"])
        self.place, self.state, self.system = str(texts["memory"]), dict(state), system


class _NextTurn(Turn):
    """The next turn of a conversation: its question is known once the turn before has ended."""

    def __init__(
        self, conversation: ConversationState, message: Message, options: TurnOptions
    ) -> None:
        super().__init__(conversation.core, (message,), options)
        self._conversation = conversation

    @property
    def needs_loading(self) -> bool:
        return super().needs_loading or not self._conversation.loaded

    def load(self) -> None:
        super().load()
        self._conversation.load()

    def limiters(self) -> Iterable[Limiter]:
        # The conversation's own first: a turn that waits for the one before takes no permit.
        return (self._conversation.queue, *super().limiters())

    def prepare(self) -> Steps[None]:
        yield from self._conversation.fetch(self.deadline)

    def ask(self) -> Ask:
        conversation = self._conversation
        return Ask(
            messages=[*conversation.messages, *self.messages],
            system=conversation.system,
            visitor=conversation.visitor,
            conversation=conversation.id,
            place=conversation.place,
            state=conversation.state,
            images=images_of(self.messages),
            web_search=self.web_search,
        )

    def succeeded(self, text: str) -> None:
        conversation, answer = self._conversation, self.answer
        assert answer.decoder is not None
        conversation.messages += [*self.messages, Message("assistant", text)]
        conversation.id = answer.conversation
        kept = conversation.state if conversation.place == answer.place else {}
        conversation.state = {**kept, **answer.decoder.details.state}
        conversation.place = answer.place

    def failed(self) -> None:
        # A site that keeps no conversation may still have noted what was asked: what the turn
        # before left goes with a history that it no longer has.
        endpoint = self.answer.endpoint
        if endpoint is not None and not dialect(endpoint.bot.dialect).remembers:
            self._conversation.state = {}


def write_json(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a file that only its owner may read.  It is the old one or the new, never a part.

    Raises:
        OSError: it can't be written.
    """
    # mkstemp makes it with mode 0600, in the same folder, so that the rename is atomic.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(fields, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class ConversationClient(Protocol):
    """The part of a client that its conversations use."""

    @property
    def core(self) -> Core:
        """The part that its turns share."""

    def connect(self) -> Transport:
        """Its transport."""

    def perform(
        self,
        steps: Callable[[Deadline], Steps[None]],
        timeout: Timeout | float | None = None,
        queue: ConversationQueue | None = None,
    ) -> None:
        """Perform steps that are no turn."""


class Conversation:
    """Turns that follow one another.  Made by `Client.conversation()`.

    One turn at a time: a second one from another thread waits for the first.  A turn that failed
    or was left early leaves the conversation as it was (though an `aipkit` site, which keeps the
    conversation itself, may remember what it was asked).
    """

    def __init__(
        self,
        client: ConversationClient,
        saved: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        *,
        site_id: str | None = None,
    ) -> None:
        self.client = client
        self._state = ConversationState(client.core, saved, site_id)
        self._state.load()
        if not self._state.is_fetched:
            client.perform(self._state.fetch, queue=self._state.queue)

    def __reduce__(self) -> tuple[Any, ...]:
        return Conversation, (self.client, self.to_dict())

    def __repr__(self) -> str:
        if "_state" not in self.__dict__:
            return "<Conversation, not made>"
        state = self._state
        return f"<Conversation of {len(state.messages)} messages with {state.core.config.site}>"

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages so far, as `{"role": …, "content": …}` (a copy).

        The content is a string, or for a message with images a list of parts, in which they are
        `data:` URLs.
        """
        return [message.as_dict() for message in self._state.messages]

    @property
    def id(self) -> str:
        """The conversation's id (a UUID), under which an `aipkit` site remembers it."""
        return self._state.id

    def chat(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> Reply:
        """Say `prompt` and wait for the whole answer.

        Args:
            prompt: the next user message (str, or a list of parts).
            **options: `images`, `web_search` and `timeout` of this turn: see `TurnOptions`.  A
                site's bot sees images with this message only: later turns bring the words of
                earlier ones along, not their pictures.

        Raises:
            ChatGptEsError: as `Client.chat`.
        """
        return read_to_end(self._turn(prompt, options))

    def stream(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> Stream:
        """Say `prompt` and read the answer as it comes.  Arguments and errors as `chat`."""
        return Stream(self._turn(prompt, options))

    def _turn(self, prompt: Prompt, options: TurnOptions) -> BlockingTurn:
        turn = self._state.turn(prompt, options)
        turn.load()
        return BlockingTurn(turn, self.client.connect)

    def feedback(
        self,
        reply: Reply,
        verdict: Literal["up", "down"],
        comment: str | None = None,
        *,
        timeout: Timeout | float | None = None,
    ) -> None:
        """Give an answer of this conversation a thumb: see `Client.feedback`."""
        state = self._state
        steps = feedback(state.core, reply, verdict, comment, state.visitor)
        self.client.perform(steps, timeout)

    def delete(self, *, timeout: Timeout | float | None = None) -> None:
        """Delete the conversation on the site, and begin anew: for `aipkit` sites.

        Raises:
            InvalidConfigError: the site deletes nothing for visitors, or there was no turn yet.
            TransportError, ResponseError: the site did not delete it; it stays as it was.
        """
        self.client.perform(self._state.delete, timeout, self._state.queue)

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on, as plain JSON values: see `Client.conversation`."""
        return self._state.to_dict()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` to a file, as a whole or not at all; only its owner may read it.

        Raises:
            OSError: it can't be written.
        """
        self._state.save(path)


def _saved_messages(messages: list[Any]) -> list[Message]:
    """Pairs of a user's and an assistant's message: what `save()` writes."""
    restored = []
    for index, item in enumerate(messages):
        role = ("user", "assistant")[index % 2]
        if not isinstance(item, Mapping) or item.get("role") != role:
            raise InvalidConfigError(
                f"The saved conversation is damaged: message {index} is not the {role}'s."
            )
        content = item.get("content")
        if isinstance(content, str):
            restored.append(Message(role, content))
            continue
        try:
            restored.append(check([{"role": "user", "content": content}], _NO_LIMITS)[0])
        except InvalidMessageError as error:
            raise InvalidConfigError(f"The saved conversation is damaged: {error}") from None
        images = restored[-1].images
        if role != "user" or not all(isinstance(each, Unread) and each.is_data for each in images):
            # A file that somebody else wrote must not make us read others.
            raise InvalidConfigError(
                f"The saved conversation is damaged: message {index} is not as save() writes it."
            )
    if len(restored) % 2:
        raise InvalidConfigError("The saved conversation is damaged: its last answer is missing.")
    return restored


def _read(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidConfigError(f"{path} is no saved conversation: {error}.") from None
    if not isinstance(saved, Mapping):
        raise InvalidConfigError(f"{path} is no saved conversation.")
    return saved
