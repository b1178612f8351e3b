"""The module that the program `llm` loads, whichever version of it is installed.

Every command of everybody who has both packages loads it, with or without the extra `llm`.  So
nothing here needs more of `llm` than its oldest versions have.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

import llm

__all__ = ["register_models"]


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    """Register the models, or say that `llm` is too old for them."""
    try:
        from .model import AsyncChatGptEsModel, ChatGptEsModel
    except ImportError:
        _warn()
        return
    register(ChatGptEsModel(), AsyncChatGptEsModel())


@functools.cache  # `llm` asks for its models many times.
def _warn() -> None:
    print("chatgptes needs llm 0.33 or later", file=sys.stderr)
