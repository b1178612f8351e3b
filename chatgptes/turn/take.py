"""One turn: find the bot, ask it, renew its nonce if that was refused, and read the answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import uuid4

from ..errors import (
    ChallengeError,
    ChatGptEsError,
    RateLimitError,
    RefusedError,
    ResponseError,
    StreamInterruptedError,
    TransportError,
    TurnCancelled,
    UnexpectedStatusError,
)
from ..sites import dialect
from ..sites.dialect import BufferedResponse, Decoder, Endpoint, NonceRefused
from ..sites.errors import elsewhere
from ..sites.text import is_blank
from ..values.deadline import Deadline
from ..values.images import Image
from ..values.messages import Message, Messages, check, images_of, with_files
from ..values.reply import Reply
from .ask import Answer, Ask, question_for
from .core import Core
from .options import TurnOptions, check_options
from .queueing import Limiter, Permit
from .sending import AnyResponse, drain, transport_failed
from .steps import Read, Steps, Text

__all__ = ["CLOSED", "Turn", "new_turn", "plain_refusal", "with_other_nonce"]

CLOSED = "The client was closed in the middle of the turn."


class Turn:
    """A turn of a client: its question, checked, and its time.

    Attributes:
        deadline: its clock, which runs while somebody waits for it.
        permits: the places in queues that it holds.
        answer: what came of it so far.
    """

    def __init__(
        self,
        core: Core,
        messages: tuple[Message, ...],
        options: TurnOptions,
        visitor: str | None = None,
    ) -> None:
        self.core = core
        self.messages = messages
        self.web_search = options.get("web_search", False)
        core.check_offered(messages, self.web_search)
        self.visitor = visitor or core.visitor
        self.deadline = Deadline(core.config.timeout.override(options.get("timeout")))
        self.deadline.pause()
        self.permits: list[Permit] = []
        self.answer = Answer()

    @property
    def needs_loading(self) -> bool:
        """There are files to be read by `load`."""
        return any(not isinstance(i, Image) for each in self.messages for i in each.images)

    def load(self) -> None:
        """Read the files of its images.  Blocks.

        Raises:
            InvalidMessageError: one can't be read, or is no picture that a site takes.
        """
        self.messages = with_files(self.messages, self.core.config.limits)

    def limiters(self) -> Iterable[Limiter]:
        """The queues it waits in, in this order."""
        return (self.core.limiter,)

    def prepare(self) -> Steps[None]:
        """Get what the question needs from the site, once all permits are held."""
        yield from ()

    def ask(self) -> Ask:
        """The question.  Called once all permits are held."""
        return Ask(
            self.messages,
            self.core.config.system,
            self.visitor,
            str(uuid4()),
            images=images_of(self.messages),
            web_search=self.web_search,
        )

    def succeeded(self, text: str) -> None:
        """Called once with the whole text, while the permits are held."""

    def failed(self) -> None:
        """Called once when the turn ends otherwise, after its question was made."""

    def take(self, owner: object) -> Steps[Reply]:
        """Take the turn.

        Args:
            owner: the thread or task that waits for it.

        Raises:
            ChatGptEsError: whatever went wrong; a `StreamInterruptedError` after the first text.
        """
        try:
            for limiter in self.limiters():
                self.permits.append((yield from limiter.acquire(self.deadline, owner)))
            yield from self.prepare()
            ask = self.ask()
            try:
                yield from self._check_first(ask)
                endpoint = yield from self.core.session.endpoint(self.deadline)
                tried: set[str] = set()
                while True:
                    response, decoder = yield from self._open(endpoint, ask, tried)
                    try:
                        # Not deeper: each generator around it costs every chunk a call.
                        yield from _read_answer(response, decoder, self.deadline, self.answer.text)
                        break
                    except NonceRefused as error:
                        refused = error
                    finally:
                        response.close()
                    endpoint = yield from with_other_nonce(
                        self.core, endpoint, refused, tried, self.deadline
                    )
                if self.deadline.cancelled:
                    raise TurnCancelled(CLOSED)
            except BaseException:
                self.failed()
                raise
            text = "".join(self.answer.text)
            self._note_what_proved_right()
            self.succeeded(text)
            return self.reply(text)
        except ChatGptEsError as error:
            final = self.final_error(error)
            raise final from final.__cause__
        finally:
            for permit in reversed(self.permits):
                permit.release()

    def _check_first(self, ask: Ask) -> Steps[None]:
        """Check what the page alone tells.

        Before a session is started: that is a request on the visitor's behalf, too.
        """
        session = self.core.session
        endpoint = session.choose((yield from session.endpoints(self.deadline)))
        self.core.check_consent(endpoint.bot)
        if endpoint.nonce_first:
            its_dialect = dialect(endpoint.bot.dialect)
            its_dialect.check(question_for(ask, endpoint, its_dialect, Answer()))

    def _open(
        self, endpoint: Endpoint, ask: Ask, tried: set[str]
    ) -> Steps[tuple[AnyResponse, Decoder]]:
        """Ask, and ask again where the site refused the nonce or had no such address.

        Returns the response that will be the answer, and its decoder.

        Raises:
            ChatGptEsError: with several addresses that all were wrong, the most telling one's.
        """
        wrong: UnexpectedStatusError | None = None
        while True:
            try:
                return (yield from self._ask(endpoint, ask))
            except NonceRefused as error:
                refused = error
            except UnexpectedStatusError as error:
                if not elsewhere(error) or self.answer.accepted:
                    raise
                if wrong is None or elsewhere(error) > elsewhere(wrong):
                    wrong = error
                if not endpoint.further_urls:
                    raise wrong from None
                url, *further = endpoint.further_urls
                endpoint = replace(endpoint, url=url, further_urls=tuple(further))
                continue
            endpoint = yield from with_other_nonce(
                self.core, endpoint, refused, tried, self.deadline
            )

    def _ask(self, endpoint: Endpoint, ask: Ask) -> Steps[tuple[AnyResponse, Decoder]]:
        """Send the requests of one attempt; the last one's response, and its decoder."""
        session, deadline = self.core.session, self.deadline
        its_dialect = dialect(endpoint.bot.dialect)
        self.answer.endpoint, self.answer.accepted = endpoint, False
        question = question_for(ask, endpoint, its_dialect, self.answer)
        requests = its_dialect.requests(question)
        request = next(requests)
        while not request.final:
            buffered = yield from session.sender.fetch(
                request,
                deadline,
                lambda each: None if 200 <= each.status < 300 else its_dialect.error_for(each),
                "answer",
            )
            request = requests.send(buffered)
            self.answer.accepted = True
        requests.close()
        response = yield from session.sender.open(request, deadline, its_dialect.error_for)
        head = BufferedResponse(response.url, response.status, response.headers, b"")
        decoder = self.answer.decoder = its_dialect.decoder(question, head, session.limits)
        return response, decoder

    def _note_what_proved_right(self) -> None:
        """Keep for later turns the address that answered, and a fresher nonce."""
        endpoint, decoder = self.answer.endpoint, self.answer.decoder
        if endpoint is not None and decoder is not None:
            self.core.session.note_url(endpoint)
            if decoder.details.nonce:
                self.core.session.note_nonce(endpoint, decoder.details.nonce)

    def final_error(self, error: ChatGptEsError) -> ChatGptEsError:
        """`error` as the user sees it: without secrets, and with the text that came before it."""
        self.core.finish_error(error)
        text = "".join(self.answer.text)
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

    def reply(self, text: str) -> Reply:
        """The reply whose text is `text`, with all that is known beside it."""
        answer = self.answer
        endpoint, decoder = answer.endpoint, answer.decoder
        assert endpoint is not None
        assert decoder is not None
        details = decoder.details
        return Reply(
            text=text,
            site=self.core.config.site,
            bot=endpoint.bot.id,
            dialect=endpoint.bot.dialect,
            model=details.model,
            message_id=details.message_id,
            conversation_id=answer.conversation,
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
    """A turn that asks `prompt`.

    Raises:
        InvalidMessageError, InvalidConfigError: an argument can't be used.
    """
    check_options(options)
    messages = check(prompt, core.config.limits, options.get("images", ()))
    return Turn(core, messages, options, visitor)


def _read_answer(
    response: AnyResponse, decoder: Decoder, deadline: Deadline, text: list[str]
) -> Steps[None]:
    """Read a response to the end of the answer; its text, and then the error if there is one."""
    chunks: list[str] = []
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
        if isinstance(error, ChatGptEsError):
            raise
        raise transport_failed(error) from error
    if chunks:
        yield Text(chunks)
    if decoder.error is not None:
        raise decoder.error
    if decoder.complete:
        yield from drain(response, deadline)


def with_other_nonce(
    core: Core, stale: Endpoint, refused: NonceRefused, tried: set[str], deadline: Deadline
) -> Steps[Endpoint]:
    """`stale` with another nonce than the refused one.

    Args:
        tried: the ways that were tried in this turn.

    Raises:
        RefusedError: there is none.
        ChatGptEsError: a gate stands before it, or the turn's time is over.
    """
    session = core.session
    try:
        if "renewal" not in tried:
            tried.add("renewal")
            endpoint = yield from session.renewed(stale, deadline)
            if endpoint.nonce != stale.nonce:
                return endpoint
        if "cookies" not in tried and not dialect(stale.bot.dialect).cookie_is_visitor:
            # With a session cookie, a shop's for one, WordPress expects another nonce than
            # the page has that it gives to a visitor without: so once as such a visitor.
            tried.add("cookies")
            if session.sender.cookies.refuse_new():
                tried.add("without cookies")
                try:
                    return (yield from session.reread(deadline))
                except BaseException:
                    session.sender.cookies.accept_new()
                    raise
        if "without cookies" in tried:
            session.sender.cookies.accept_new()
    except (ChallengeError, RateLimitError, TurnCancelled):
        raise
    except (TransportError, ResponseError) as error:
        deadline.check()
        raise plain_refusal(refused) from error  # What the site said of the message counts.
    raise plain_refusal(refused) from None


def plain_refusal(error: NonceRefused) -> RefusedError:
    """Return the same error as users know it."""
    plain = RefusedError(error.message, url=error.url, status=error.status, excerpt=error.excerpt)
    plain.code = error.code
    return plain
