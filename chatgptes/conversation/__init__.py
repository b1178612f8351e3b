"""Conversations: their state, the form in which they are saved, and the blocking `Conversation`."""

from .conversation import BaseConversation, Conversation
from .state import ConversationState

__all__ = ["BaseConversation", "Conversation", "ConversationState"]
