"""One turn for one request for an answer; it ends when its client goes away."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import anyio.to_thread
from starlette.types import Receive, Scope, Send

from ...aio.tasks import TaskTurn
from ...errors import ChatGptEsError
from .failures import ApiError, api_error_for
from .gate import JSONResponse, Record, read_body
from .metrics import Metrics
from .models import Models, visitor_id
from .replies import Completion
from .requests import ChatRequest
from .responses import ResponseForm
from .settings import Settings

__all__ = ["Completions"]

_LARGE = 256 << 10
"""Bytes from which on a body's JSON is read in a thread: about a millisecond's work."""

Form = Completion | ResponseForm


class Completions:
    """Answers requests in one form of them.  An ASGI application."""

    def __init__(
        self, models: Models, settings: Settings, metrics: Metrics | None, form: type[Form]
    ) -> None:
        self._models = models
        self._settings = settings
        self._metrics = metrics
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a turn and send its answer; an `ApiError` is raised if nothing was sent."""
        parse = self._form.parse
        body = await read_body(receive, self._settings.max_body, self._settings.body_timeout)
        large = len(body) > _LARGE
        request = await anyio.to_thread.run_sync(parse, body) if large else parse(body)
        del body
        error = None
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_once_gone, receive, group.cancel_scope)
            error = await self._answer(request, scope, receive, send)
            group.cancel_scope.cancel()
        if error is not None:
            raise error

    async def _answer(
        self, request: ChatRequest, scope: Scope, receive: Receive, send: Send
    ) -> ApiError | None:
        """Take the turn, send its answer and count it; the error if nothing was sent."""
        record: Record = scope["state"]["record"]
        name, token = scope["state"]["user"]
        fields = record.fields
        fields |= {"token": name, "stream": request.stream, "outcome": "client_gone"}
        if self._metrics:
            self._metrics.begin()
        try:
            model = await self._models.get(request.model)
            fields["model"] = model.id
            form = self._form(model.id, request)
            visitor = visitor_id(token, request.user)
            turn = model.turn(request.messages, visitor, web_search=request.web_search)
            with contextlib.closing(model.client.run(turn)) as running:
                # The first text is waited for, so that an error before it has its own status.
                chunks: Sequence[str] | None = ()
                while chunks is not None and not chunks:
                    chunks = await running.advance()
                fields["first_chunk"] = round(time.monotonic() - record.began, 3)
                if request.stream:
                    await _stream(running, chunks, form, send)
                else:
                    while chunks is not None:
                        chunks = await running.advance()
                    assert running.reply is not None
                    await JSONResponse(form.whole(running.reply))(scope, receive, send)
            fields["characters"] = len(running.reply.text) if running.reply else 0
            fields["outcome"] = "ok"
        except (ChatGptEsError, ApiError) as caught:
            error = api_error_for(caught, web_search=request.web_search)
            error.param = self._form.fields.get(error.param or "", error.param)
            failure = error.failure or error.code
            fields |= {"outcome": "failed", "error": error.code, "failure": failure}
            if not record.status:
                return error
            error.partial = ""  # The client has the text that came already.
            await _send_events(send, form.error(error), more=False)
        except Exception:
            fields |= {"outcome": "failed", "failure": "bug"}
            raise
        finally:
            if self._metrics:
                self._metrics.end(fields)
        return None


async def _cancel_once_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """Wait until the client is gone: not only when there is something to send to it."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _stream(running: TaskTurn, chunks: Sequence[str] | None, form: Form, send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    events = form.first()
    while chunks is not None:
        await _send_events(send, events + form.texts(chunks))
        events = b""
        # A site that is faster than its client must not keep the loop from the others.
        await anyio.lowlevel.checkpoint()
        chunks = await running.advance()
    assert running.reply is not None
    await _send_events(send, events + form.last(running.reply), more=False)


async def _send_events(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})
