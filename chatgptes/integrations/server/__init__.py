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
else:  # A type checker would take it to mean that there is any name at all.

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            module = import_module(f".{'app' if name == 'create_app' else 'serving'}", __name__)
        except ModuleNotFoundError as error:
            raise MissingRequirementsError(
                f"The server needs {error.name}: pip install starlette uvicorn"
            ) from error
        return getattr(module, name)


__all__ = [
    "Settings", "SiteSettings", "create_app", "load_settings", "make_server", "new_token", "run",
]  # fmt: skip
