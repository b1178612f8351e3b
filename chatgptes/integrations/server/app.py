"""The server as an ASGI application: its routes, and one turn for each request for an answer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ...aio.tasks import TaskTurn
from ...errors import ChatGptEsError
from .chat import ChatRequest, Completion
from .failures import ApiError, api_error_for
from .gate import Gate, JSONResponse, Record, error_response, read_body
from .metrics import Metrics
from .models import Models, visitor_id
from .responses import ResponseForm
from .settings import Settings

__all__ = ["create_app"]

_LARGE = 256 << 10
"""Bytes from which on a body's JSON is read in a thread: about a millisecond's work."""

Form = Completion | ResponseForm


def create_app(settings: Settings) -> Starlette:
    """The application: models, completions, responses, `/healthz` and `/metrics`.

    Raises:
        MissingRequirementsError, InvalidConfigError: the Redis of `settings` can't be used.
    """
    models = Models(settings.sites, settings.redis)
    metrics: Metrics | None = None
    with contextlib.suppress(ModuleNotFoundError):
        metrics = Metrics()
    started = int(time.time())

    def shown(name: str) -> dict[str, Any]:
        owner = name.partition("/")[0] if "/" in name else "site"
        return {"id": name, "object": "model", "created": started, "owned_by": owner}

    async def list_models(request: Request) -> Response:
        names = await models.names()
        return JSONResponse({"object": "list", "data": [shown(name) for name in names]})

    async def one_model(request: Request) -> Response:
        return JSONResponse(shown((await models.get(request.path_params["name"])).id))

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def show_metrics(request: Request) -> Response:
        if metrics is None:
            raise ApiError(404, "prometheus-client is not installed.", "no_metrics")
        text, kind = metrics.text()
        return Response(text, media_type=kind)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await models.aclose()

    completions: Any = _Answers(models, settings, metrics, Completion)
    responses: Any = _Answers(models, settings, metrics, ResponseForm)
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", completions, methods=["POST"]),
            Route("/v1/responses", responses, methods=["POST"]),
            Route("/v1/models", list_models),
            Route("/v1/models/", list_models),
            Route("/v1/models/{name:path}", one_model),
            Route("/healthz", healthz),
            Route("/metrics", show_metrics),
        ],
        middleware=[Middleware(Gate, settings=settings)],
        exception_handlers=dict.fromkeys((ApiError, ChatGptEsError, HTTPException), _on_error),
        lifespan=lifespan,
    )
    # It would name this server's http:// address: behind a proxy with TLS, clients that follow it
    # would send their token in the clear.
    app.router.redirect_slashes = False
    app.state.models = models
    return app


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        code = "not_found" if error.status_code == 404 else "not_allowed"
        error = ApiError(error.status_code, error.detail, code, headers=dict(error.headers or {}))
    assert isinstance(error, (ApiError, ChatGptEsError))
    shown = api_error_for(error)
    request.state.record.fields["error"] = shown.code
    return error_response(shown)


@dataclass(frozen=True)
class _Answers:
    """Answers requests in one form of them.  An ASGI application."""

    models: Models
    settings: Settings
    metrics: Metrics | None
    form: type[Form]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a turn and send its answer; an `ApiError` is raised if nothing was sent."""
        parse = self.form.parse
        body = await read_body(receive, self.settings.max_body, self.settings.body_timeout)
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
        if self.metrics:
            self.metrics.begin()
        try:
            model = await self.models.get(request.model)
            fields["model"] = model.id
            form = self.form(model.id, request)
            visitor = visitor_id(token, request.user)
            turn = model.turn(request.messages, visitor, web_search=request.web_search)
            with contextlib.closing(model.client.running_turn(turn)) as running:
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
            error.param = self.form.fields.get(error.param or "", error.param)
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
            if self.metrics:
                self.metrics.end(fields)
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
