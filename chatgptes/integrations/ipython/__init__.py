"""The notebook extension: `%load_ext chatgptes`."""

from __future__ import annotations

from .magic import load_ipython_extension, unload_ipython_extension

__all__ = ["load_ipython_extension", "unload_ipython_extension"]
