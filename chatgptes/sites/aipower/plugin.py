"""The plugin AI Power (AI Puffer): what all of its dialects have in common."""

from __future__ import annotations

from ..dialect import Dialect

__all__ = ["AiPower"]


class AiPower(Dialect):
    """The attributes of `Dialect` that are the plugin's, whatever its version."""

    plugin = "AI Power (AI Puffer)"
    slug = "gpt3-ai-content-generator"
    plugin_traces = (slug.encode(), b"gpt-ai-content-generator")
