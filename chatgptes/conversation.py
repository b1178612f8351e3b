"""Conversation: messages and ids, nothing of any dialect."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from .errors import ChatGptEsError, InvalidConfigError, InvalidMessageError
from .turn.plan import ClientPlan
from .turn.queueing import OneAtATime
from .turn.stream import Stream, drained
from .turn.take import Ask, Outcome
from .values.deadline import Timeout
from .values.http import Limits
from .values.images import ImageSource, Unread
from .values.messages import Message, Prompt, check, check_prompt, images_of, with_files
from .values.reply import Reply

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Conversation"]

VERSION = 1
_ANY = Limits(prompt=1 << 40, image=1 << 40)  # What was sent once is taken back.


class _Next(ClientPlan):
    """The next turn of a conversation: what it says is known once the one before has ended."""

    def __init__(
        self,
        client: Client,
        timeout: Timeout | float | None,
        conversation: Conversation,
        message: Message,
        web_search: bool,
    ) -> None:
        super().__init__(client, timeout, conversation.queue)
        self._conversation = conversation
        self._message = message
        self._web_search = web_search

    def read_files(self) -> None:
        (self._message,) = with_files([self._message], self.client.limits)

    def ask(self) -> Ask:
        self.read_files()
        return self._conversation._ask(self._message, self._web_search)

    def finish(self, outcome: Outcome, text: str, elapsed: float) -> Reply:
        self._conversation._finished(self._message, outcome, text)
        return super().finish(outcome, text, elapsed)


class Conversation:
    """Turns that follow one another.  Made by `Client.conversation()`.

    One turn at a time: a second one from another thread waits for the first.  A turn that failed
    or was left early leaves the conversation as it was (though an `aipkit` site, which keeps the
    conversation itself, may remember what it was asked).
    """

    def __init__(
        self, client: Client, saved: Mapping[str, Any] | str | os.PathLike[str] | None = None
    ) -> None:
        self._start(client, saved)
        self._load()

    @classmethod
    def _deferred(
        cls, client: Client, saved: Mapping[str, Any] | str | os.PathLike[str] | None
    ) -> Conversation:
        """A conversation whose file is read when it is first needed."""
        conversation = cls.__new__(cls)
        conversation._start(client, saved)
        if isinstance(saved, Mapping):
            conversation._load()
        return conversation

    def _start(
        self, client: Client, saved: Mapping[str, Any] | str | os.PathLike[str] | None
    ) -> None:
        self._client = client
        self._new_queue()
        self._messages: list[Message] = []
        self._id = str(uuid4())
        self._visitor = client.visitor
        self._system = client.system
        self._memory = ""
        self._state: dict[str, str] = {}
        if not (saved is None or isinstance(saved, (Mapping, str, os.PathLike))):
            raise InvalidConfigError(
                "A conversation goes on from a dict or the path of a file, not from"
                f" {type(saved).__name__}."
            )
        self._saved = saved

    def _new_queue(self) -> None:
        self._pid = os.getpid()
        self._queue = OneAtATime()
        self._loading = threading.Lock()

    @property
    def queue(self) -> OneAtATime:
        """Where its turns wait for one another, in this process."""
        if self._pid != os.getpid():
            self._new_queue()  # After a fork: a turn under way is the parent's.
        return self._queue

    def _load(self) -> None:
        _ = self.queue  # After a fork, the lock is a new one too.
        with self._loading:
            saved = self._saved
            if saved is not None:
                self._restore(saved if isinstance(saved, Mapping) else _read(saved))
                self._saved = None

    def _check_loaded(self) -> None:
        if self._saved is not None:
            raise ChatGptEsError(
                "The conversation's file has not been read yet: await the conversation first"
                " (`talk = await client.conversation(path)`), or take a turn."
            )

    def __repr__(self) -> str:
        return f"<Conversation of {len(self._messages)} messages with {self._client.site}>"

    def __reduce__(self) -> tuple[Any, ...]:
        self._load()
        return Conversation, (self._client, self.to_dict())

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages so far, as `{"role": …, "content": …}` (a copy).

        The content is a string, or for a message with images a list of parts, in which they are
        `data:` URLs.
        """
        self._check_loaded()
        return [message.as_dict() for message in self._messages]

    @property
    def id(self) -> str:
        """The conversation's id (a UUID), under which an `aipkit` site remembers it."""
        self._check_loaded()
        return self._id

    def chat(
        self,
        prompt: Prompt,
        *,
        images: Sequence[ImageSource] = (),
        web_search: bool = False,
        timeout: Timeout | float | None = None,
    ) -> Reply:
        """Say `prompt` and wait for the whole answer.

        Args:
            prompt: the next user message (str, or a list of parts).
            images: as `Client.chat`.  A site's bot sees them with this message only: later turns
                bring the words of earlier ones along, not their pictures.
            web_search: as `Client.chat`, for this turn.
            timeout: limits of this turn: a `Timeout`, or seconds for the whole of it.

        Raises:
            ChatGptEsError: as `Client.chat`.
        """
        return drained(self.stream(prompt, images=images, web_search=web_search, timeout=timeout))

    def stream(
        self,
        prompt: Prompt,
        *,
        images: Sequence[ImageSource] = (),
        web_search: bool = False,
        timeout: Timeout | float | None = None,
    ) -> Stream:
        """Say `prompt` and hear the answer as it comes.  Arguments and errors as `chat`."""
        plan = self._plan(prompt, images, web_search, timeout)
        plan.read_files()
        return Stream(plan)

    def _plan(
        self,
        prompt: Prompt,
        images: Sequence[ImageSource],
        web_search: bool,
        timeout: Timeout | float | None,
    ) -> ClientPlan:
        message = check_prompt(prompt, self._client.limits, images)
        self._client._check_offered([message], web_search)
        return _Next(self._client, timeout, self, message, web_search)

    def _ask(self, message: Message, web_search: bool) -> Ask:
        self._load()
        return Ask(
            messages=[*self._messages, message],
            system=self._system,
            visitor=self._visitor,
            conversation=self._id,
            memory=self._memory,
            state=self._state,
            images=images_of([message]),
            web_search=web_search,
        )

    def _finished(self, message: Message, outcome: Outcome, text: str) -> None:
        self._messages += [message, Message("assistant", text)]
        self._id = outcome.conversation
        self._memory = outcome.memory
        self._state = {**self._state, **outcome.heard.state} if outcome.memory else {}

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on, as plain JSON values: see `Client.conversation`."""
        self._check_loaded()
        return {
            "version": VERSION,
            "id": self._id,
            "visitor": self._visitor,
            "site": self._client.site,
            "system": self._system,
            "messages": self.messages,
            "memory": self._memory,
            "state": dict(self._state),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict()` to a file, as a whole or not at all; only its owner may read it.

        Raises:
            OSError: it can't be written.
        """
        self._load()
        target = Path(path)
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=1)
        # mkstemp makes it with mode 0600, in the same folder, so that the rename is atomic.
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

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
        self._id, self._visitor = str(texts["id"]), str(texts["visitor"])
        self._memory, self._state, self._system = str(texts["memory"]), dict(state), system
        self._messages = _saved_messages(messages)


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
            restored.append(check([{"role": "user", "content": content}], _ANY)[0])
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
