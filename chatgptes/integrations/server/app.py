"""The server's routes, as an ASGI application."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...errors import ChatGptEsError
from .completions import Completions
from .failures import ApiError, api_error_for
from .gate import Gate, JSONResponse, error_response
from .metrics import Metrics
from .models import Models
from .replies import Completion
from .responses import ResponseForm
from .settings import Settings

__all__ = ["create_app"]


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

    completions: Any = Completions(models, settings, metrics, Completion)
    responses: Any = Completions(models, settings, metrics, ResponseForm)
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
