"""Your own bots behind an API of OpenAI's shape: `create_app` for any ASGI server, `run` to serve.

Needs the extra `serve` (starlette, uvicorn).  For sites of one's own: see docs/howto/serve.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import MissingRequirementsError
from .settings import Settings, SiteSettings, load_settings, new_token

if TYPE_CHECKING:
    from .app import create_app
    from .serving import make_server, run

__all__ = [
    "Settings", "SiteSettings", "create_app", "load_settings", "make_server", "new_token", "run",
]  # fmt: skip


_MODULES = {"create_app": "app", "make_server": "serving", "run": "serving"}


if not TYPE_CHECKING:  # A type checker would take it to mean that there is any name at all.

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f".{_MODULES[name]}", __name__), name)
        except ModuleNotFoundError as error:
            raise MissingRequirementsError(
                f"The server needs {error.name}: pip install starlette uvicorn"
            ) from error
