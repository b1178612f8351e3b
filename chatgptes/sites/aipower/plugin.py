"""The plugin AI Power (AI Puffer): what all of its dialects have in common."""

from __future__ import annotations

from ..dialect import Dialect, Endpoint

__all__ = ["NO_FEEDBACK", "AiPower"]

NO_FEEDBACK = "no_feedback"
"""Key in `Endpoint.extra`: the bot's window has no thumbs."""


class AiPower(Dialect):
    """The attributes of `Dialect` that are the plugin's, whatever its version."""

    plugin = "AI Power (AI Puffer)"
    slug = "gpt3-ai-content-generator"
    plugin_traces = (slug.encode(), b"gpt-ai-content-generator")

    def offers_feedback(self, endpoint: Endpoint) -> bool:
        """See `TakesFeedback.offers_feedback`."""
        return not endpoint.extra.get(NO_FEEDBACK)
