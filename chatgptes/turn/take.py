"""One turn: find the bot, ask it, renew its nonce if that was refused, and read the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from uuid import uuid4

from ..errors import (
    ChatGptEsError,
    InvalidConfigError,
    InvalidMessageError,
    StreamInterruptedError,
    TurnCancelled,
    UnexpectedStatusError,
)
from ..sites import dialect_named
from ..sites.dialect import BufferedResponse, Decoder, Endpoint, NonceRefused, Question
from ..sites.text import is_blank
from ..values.deadline import Deadline
from ..values.images import Image
from ..values.messages import (
    Message,
    Messages,
    check,
    images_of,
    with_files,
    with_system,
    written_out,
)
from ..values.reply import Reply
from .attempts import Attempts
from .core import Core
from .options import TurnOptions, check_names
from .queueing import Limiter, Permit
from .sending import AnyResponse, drain, raise_transport_error, unless_success
from .steps import Read, Steps, Text

__all__ = ["CLOSED", "Turn", "new_turn", "place_of"]

CLOSED = "The client was closed in the middle of the turn."


def place_of(endpoint: Endpoint) -> str:
    """Dialect, bot and address: where a site's memory of a conversation is, if it has one.

    The state of the last turn means something only there.
    """
    return f"{endpoint.bot.dialect} {endpoint.bot.id} {endpoint.url}"


class Turn:
    """A turn of a client: its prompt, checked, its time, and what came of it so far.

    Attributes:
        messages: the new ones, the user's last.
        history: those of the conversation's turns before.
        system: text put before the first user message, or None.
        visitor: the visitor's id.
        conversation: the conversation's id, or "" for a new one.
        place: the bot that gave the answers so far ("" for none): see `place_of`.
        state: what the last turn left, for the same place.
        deadline: its clock, which runs while somebody waits for it.
        permits: those that it waits for or holds.
        question: the question as it was last put to a bot, or None.
        decoder: knows all that came beside the text, or None.
        text: the chunks that were handed on.
    """

    def __init__(
        self,
        core: Core,
        messages: tuple[Message, ...],
        options: TurnOptions,
        visitor: str | None = None,
    ) -> None:
        check_names(options, TurnOptions, "A turn")
        self.core = core
        self.messages = messages
        self.web_search = options.get("web_search", False)
        if not isinstance(self.web_search, bool):
            raise InvalidConfigError(f"web_search must be True or False, not {self.web_search!r}.")
        if core.config.api_key is not None:
            instead = "talk to the bot's page instead, without the key."
            if any(message.images for message in messages):
                raise InvalidMessageError(f"The REST API takes no images: {instead}")
            if self.web_search:
                raise InvalidConfigError(f"web_search: the REST API does not offer it: {instead}")
        self.history: Sequence[Message] = ()
        self.system = core.config.system
        self.visitor = visitor or core.visitor
        self.conversation = self.place = ""
        self.state: Mapping[str, str] = {}
        self.deadline = Deadline(core.config.timeout.override(options.get("timeout")))
        self.deadline.pause()
        self.permits: list[Permit] = []
        self.question: Question | None = None
        self.decoder: Decoder | None = None
        self.text: list[str] = []
        self._accepted = False  # The site has taken a part of the question, such as its message.
        self._uploaded: dict[int, str] = {}

    @property
    def needs_loading(self) -> bool:
        """There are files to be read by `load`."""
        return any(not isinstance(i, Image) for each in self.messages for i in each.images)

    def load(self) -> None:
        """Read the files of its images.  Blocks."""
        self.messages = with_files(self.messages, self.core.config.limits)

    # These four are what kinds of turns differ in, such as a conversation's.

    def limiters(self) -> Iterable[Limiter]:
        """The queues it waits in, in this order."""
        return (self.core.limiter,)

    def prepare(self) -> Steps[None]:
        """Get what the question needs, once all permits are held."""
        yield from ()

    def succeeded(self, text: str) -> None:
        """Called once with the whole text, while the permits are held."""

    def failed(self) -> None:
        """Called once when the turn ends otherwise, while the permits are held."""

    def take(self, holder: object) -> Steps[Reply]:
        """Take the turn, for the thread or task `holder`.

        Raises:
            ChatGptEsError: whatever went wrong; a `StreamInterruptedError` after the first text.
        """
        session, deadline = self.core.session, self.deadline
        try:
            for limiter in self.limiters():
                self.permits.append((yield from limiter.acquire(deadline, holder)))
            yield from self.prepare()
            endpoint = yield from session.shown(deadline)
            if endpoint.nonce_first:
                # Before that starts a session, a request on the visitor's behalf, too.
                dialect_named(endpoint.bot.dialect).check(self._question(endpoint))
                endpoint = yield from session.renewed(endpoint, deadline)
            attempts = Attempts(session, deadline)
            while True:
                try:
                    response, decoder = yield from self._open(endpoint)
                    with closing(response):
                        # Not deeper: each generator around it costs every chunk a call.
                        yield from _read_answer(response, decoder, deadline, self.text)
                    break
                except (NonceRefused, UnexpectedStatusError) as error:
                    failed = error
                endpoint = yield from attempts.next(endpoint, failed, self._accepted)
            if deadline.cancelled:
                raise TurnCancelled(CLOSED)
            session.note_answer(endpoint, decoder.details.nonce)
            reply = self.reply()
            self.succeeded(reply.text)
            return reply
        except BaseException as error:
            self.failed()
            if not isinstance(error, ChatGptEsError):
                raise
            final = self.final_error(error)
            raise final from final.__cause__
        finally:
            for permit in reversed(self.permits):
                permit.release()

    def _open(self, endpoint: Endpoint) -> Steps[tuple[AnyResponse, Decoder]]:
        """Send the requests of one attempt; the last one's response, and its decoder."""
        sender, deadline = self.core.session.sender, self.deadline
        its_dialect = dialect_named(endpoint.bot.dialect)
        self.question = question = self._question(endpoint)
        self._accepted = False
        requests = its_dialect.requests(question)
        request = next(requests)
        classify = unless_success(its_dialect.error_for)
        while not request.final:
            buffered = yield from sender.fetch(request, deadline, classify, "answer")
            request = requests.send(buffered)
            self._accepted = True
        requests.close()
        response = yield from sender.open(request, deadline, its_dialect.error_for)
        head = BufferedResponse(response.url, response.status, response.headers, b"")
        self.decoder = its_dialect.decoder(question, head, self.core.config.limits)
        return response, self.decoder

    def _question(self, endpoint: Endpoint) -> Question:
        """The question as it is put to a bot."""
        conversation = self.conversation = self.conversation or str(uuid4())
        same_place = self.place == place_of(endpoint)
        pairs = with_system([*self.history, *self.messages], self.system)
        history, prompt = tuple(pairs[:-1]), pairs[-1][1]
        if dialect_named(endpoint.bot.dialect).remembers:
            history = ()
            if not same_place:
                # The site's memory knows nothing of what came before: tell it, in a conversation
                # of a new id, so that it is not mixed with another's.
                prompt = written_out(pairs)
                if self.place:
                    conversation = str(uuid4())
        return Question(
            endpoint,
            prompt,
            history,
            self.visitor,
            conversation,
            self.state if same_place else {},
            self.web_search,
            images_of(self.messages),
            self._uploaded,
        )

    def final_error(self, error: ChatGptEsError) -> ChatGptEsError:
        """`error` as the user sees it: without secrets, and with the text that came before it."""
        self.core.finish_error(error)
        text = "".join(self.text)
        if is_blank(text):
            return error  # Nobody sees a byte order mark or an empty line: no text has come.
        interrupted = StreamInterruptedError(
            f"The answer broke off after {len(text):,} characters: {error.message}",
            partial=text,
            url=error.url,
            status=error.status,
            excerpt=error.excerpt,
            hint=error.hint,
        )
        interrupted.code = error.code
        interrupted.__cause__ = error
        return interrupted

    def reply(self) -> Reply:
        """The reply of a turn that was answered, with the text so far and all beside it."""
        question, decoder = self.question, self.decoder
        assert question is not None
        assert decoder is not None
        details = decoder.details
        return Reply(
            text="".join(self.text),
            site=self.core.config.site,
            bot=question.endpoint.bot.id,
            dialect=question.endpoint.bot.dialect,
            model=details.model,
            message_id=details.message_id,
            conversation_id=question.conversation,
            usage=details.usage,
            citations=tuple(details.citations),
            images=tuple(details.images),
            finish_reason=details.finish_reason,
            streamed=decoder.streamed,
            elapsed=self.deadline.elapsed,
        )


def new_turn(
    core: Core, prompt: Messages, options: TurnOptions, visitor: str | None = None
) -> Turn:
    """A turn that asks `prompt`."""
    messages = check(prompt, core.config.limits, options.get("images", ()))
    return Turn(core, messages, options, visitor)


def _read_answer(
    response: AnyResponse, decoder: Decoder, deadline: Deadline, text: list[str]
) -> Steps[None]:
    """Read a response to the end of the answer; its text, and then the error if there is one."""
    chunks: list[str] = []  # Empty: the consumer learns that the site has begun to answer.
    step = Read(response, chunks)
    try:
        while data := (yield step):
            chunks = decoder.feed(data)
            text += chunks
            if decoder.error is not None or decoder.complete:
                break
            step.text = chunks or None
        else:
            chunks = []
        if decoder.error is None:
            # After an end mark, too: an answer without text is none.
            last = decoder.end()
            text += last
            chunks = [*chunks, *last]
    except OSError as error:
        # Why it broke is known already; the text that had arrived is not lost.
        chunks = decoder.end()
        text += chunks
        if chunks:
            yield Text(chunks)
        raise_transport_error(error)
    if chunks:
        yield Text(chunks)
    if decoder.error is not None:
        raise decoder.error
    if decoder.complete:
        yield from drain(response, deadline)
