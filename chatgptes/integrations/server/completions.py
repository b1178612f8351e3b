"""One turn for one request for an answer; it ends when its client goes away."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import anyio
import anyio.lowlevel
from starlette.types import Receive, Scope, Send

from ...aio.tasks import TaskTurn
from ...errors import ChatGptEsError, InvalidConfigError
from ...values.reply import Reply
from .failures import ApiError, api_error_for, invalid_request, text_of
from .gate import Record, read_body, send_error, send_json
from .metrics import Metrics
from .models import Model, Models, visitor_id
from .requests import ChatRequest
from .settings import Settings

__all__ = ["Completions"]

_LARGE = 256 << 10
"""Bytes from which on a body's JSON is read in a thread: about a millisecond's work."""


class Form(Protocol):
    """The shapes of an answer."""

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The answer in one piece."""
        ...

    def first(self) -> bytes:
        """The events that begin a stream."""
        ...

    def texts(self, chunks: Sequence[str]) -> bytes:
        """An event for each chunk of text."""
        ...

    def last(self, reply: Reply) -> bytes:
        """The events that end a stream."""
        ...

    def error(self, error: ApiError) -> bytes:
        """The event that ends a stream which failed."""
        ...


class Completions:
    """Answers requests in one form of them.  An ASGI application."""

    def __init__(
        self,
        models: Models,
        settings: Settings,
        metrics: Metrics,
        parse: Callable[[bytes], ChatRequest],
        form: Callable[[str, ChatRequest], Form],
    ) -> None:
        self._parse = parse
        self._form = form
        self._models = models
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self._settings
        record: Record = scope["state"]["record"]
        try:
            body = await read_body(scope, receive, settings.max_body, settings.body_timeout)
            if len(body) > _LARGE:
                request = await anyio.to_thread.run_sync(partial(self._parse, body))
            else:
                request = self._parse(body)
            del body
        except ApiError as error:
            record.fields["error"] = error.code
            await send_error(error, send)
            return
        name, token = scope["state"]["user"]
        record.fields |= {"token": name, "stream": request.stream}
        answer = _Answer(send, record, self._metrics, self._form)
        visitor = visitor_id(token, request.user)
        await answer.while_connected(receive, partial(answer.give, self._models, request, visitor))


class _Answer:
    """One answer, from finding the model to the last byte."""

    def __init__(
        self,
        send: Send,
        record: Record,
        metrics: Metrics,
        form: Callable[[str, ChatRequest], Form],
    ) -> None:
        self._send = send
        self._record = record
        self._metrics = metrics
        self._make_form = form
        self._form: Form | None = None

    async def while_connected(self, receive: Receive, work: Any) -> None:
        """Run `work`, and cancel it when the client goes away."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, receive, group.cancel_scope)
            await work()
            group.cancel_scope.cancel()

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        """Wait until the client is gone: not only when there is something to send to it."""
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def give(self, models: Models, request: ChatRequest, visitor: str) -> None:
        """Take the turn and send its answer, or the error."""
        fields, metrics = self._record.fields, self._metrics
        label, outcome, failure = "", "client_gone", ""
        metrics.begin()
        try:
            model = await models.get(request.model)
            label = fields["model"] = model.id
            await self._take(model, request, visitor)
            outcome = "ok"
        except (ChatGptEsError, ApiError) as caught:
            error = caught if isinstance(caught, ApiError) else api_error_for(caught)
            error.param = request.fields.get(error.param or "", error.param)
            outcome, failure = "failed", error.failure
            fields |= {"error": error.code, "failure": failure}
            await self._fail(error)
        except Exception:
            outcome, failure = "failed", "bug"
            raise
        finally:
            fields["outcome"] = outcome
            metrics.end(label, outcome, failure)

    async def _take(self, model: Model, request: ChatRequest, visitor: str) -> None:
        try:
            turn = model.turn(request.messages, visitor, web_search=request.web_search)
            running = model.client.run(turn)
            try:
                await self._respond(running, model, request)
            finally:
                running.close()
        except InvalidConfigError as error:
            if not request.web_search:
                raise
            # The only argument that a client gives.
            raise invalid_request(
                text_of(error), "web_search_options", "unsupported_value"
            ) from error

    async def _respond(self, running: TaskTurn, model: Model, request: ChatRequest) -> None:
        fields = self._record.fields
        # Up to the first text, so that an error before it has its own status.
        chunks: Sequence[str] | None = ()
        while chunks is not None and not chunks:
            chunks = await running.advance()
        seconds = time.monotonic() - self._record.began
        self._metrics.first_chunk(model.id, seconds)
        fields["first_chunk"] = round(seconds, 3)
        form: Form = self._make_form(model.id, request)
        if request.stream:
            await self._begin_stream(form)
            events = form.first()
            while chunks is not None:
                await self._event(events + form.texts(chunks))
                events = b""
                # A site that is faster than its client must not keep the loop from the others.
                await anyio.lowlevel.checkpoint()
                chunks = await running.advance()
            assert running.reply is not None
            await self._event(events + form.last(running.reply), more=False)
        else:
            while chunks is not None:
                chunks = await running.advance()
            assert running.reply is not None
            await send_json(200, form.whole(running.reply), self._send)
        fields["characters"] = len(running.reply.text)

    async def _begin_stream(self, form: Form) -> None:
        self._form = form  # From here on an error is an event.
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _event(self, data: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def _fail(self, error: ApiError) -> None:
        if self._form is None:
            await send_error(error, self._send)
            return
        # The text that came is with the client already.
        error.extra.pop("partial", None)
        await self._event(self._form.error(error), more=False)
