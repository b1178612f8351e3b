"""A site's bot as a chat model of LangChain."""

from __future__ import annotations

from .model import ChatGptEsChat

__all__ = ["ChatGptEsChat"]
