"""Conversations: their state, the form in which they are saved, and the blocking `Conversation`."""

from __future__ import annotations

from .conversation import Conversation
from .state import ConversationState

__all__ = ["Conversation", "ConversationState"]
