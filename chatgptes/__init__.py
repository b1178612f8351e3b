"""Talk to the chat bot of a WordPress site that runs the AI Power (AI Puffer) plugin.

    import chatgptes

    print(chatgptes.chat("Hello"))

Start with `chat`, `stream`, `Client`, `AsyncClient` and `sandbox`; `errors` has every exception.
Nothing is imported before it is used: this module alone costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import errors, sandbox
    from .aio.client import AsyncClient
    from .aio.conversation import AsyncConversation
    from .aio.stream import AsyncStream
    from .batches.batch import batch
    from .batches.values import BatchProgress, BatchResult
    from .client import Client
    from .conversation import Conversation
    from .diagnosis import Diagnosis, Step, doctor
    from .errors import *
    from .provider import AsyncGeneratorProvider, ChatGptEs, ProviderModelMixin
    from .shared import chat, stream
    from .sites.dialect import Bot
    from .transport.base import AsyncResponse, AsyncTransport, Response, Transport
    from .turn.config import DEFAULT
    from .turn.stream import Stream
    from .values.deadline import Deadline, Timeout
    from .values.http import Headers, Limits, Request
    from .values.images import ImageSource
    from .values.remembered import SiteConversation
    from .values.reply import Citation, Reply, Usage

__all__ = [
    "DEFAULT", "AsyncClient", "AsyncConversation", "AsyncGeneratorProvider", "AsyncResponse",
    "AsyncStream", "AsyncTransport", "AuthenticationError", "BatchProgress", "BatchResult", "Bot",
    "BotNotFoundError", "ChallengeError", "ChatGptEs", "ChatGptEsError", "Citation", "Client",
    "ConnectError", "ConsentRequiredError", "Conversation", "Deadline", "Diagnosis",
    "EmptyReplyError", "Headers", "ImageSource", "InvalidConfigError", "InvalidMessageError",
    "Limits", "MissingRequirementsError", "ProviderModelMixin", "ProxyError", "QuotaError",
    "RateLimitError", "RefusedError", "Reply", "Request", "RequestTimeout", "Response",
    "ResponseError", "ResponseTooLargeError", "SiteConversation", "Step", "Stream",
    "StreamInterruptedError", "TLSError", "Timeout", "Transport", "TransportError", "TurnCancelled",
    "UnexpectedFormatError", "UnexpectedStatusError", "UpstreamError", "Usage", "__version__",
    "batch", "chat", "doctor", "errors", "sandbox", "stream",
]  # fmt: skip

_MODULES = {
    "aio.client": ("AsyncClient",),
    "aio.conversation": ("AsyncConversation",),
    "aio.stream": ("AsyncStream",),
    "batches.batch": ("batch",),
    "batches.values": ("BatchProgress", "BatchResult"),
    "client": ("Client",),
    "turn.config": ("DEFAULT",),
    "conversation": ("Conversation",),
    "values.deadline": ("Deadline", "Timeout"),
    "diagnosis": ("Diagnosis", "Step", "doctor"),
    "values.http": ("Headers", "Limits", "Request"),
    "values.images": ("ImageSource",),
    "integrations.ipython": ("load_ipython_extension", "unload_ipython_extension"),
    "provider": ("AsyncGeneratorProvider", "ChatGptEs", "ProviderModelMixin"),
    "values.remembered": ("SiteConversation",),
    "values.reply": ("Citation", "Reply", "Usage"),
    "shared": ("chat", "stream"),
    "sites.dialect": ("Bot",),
    "turn.stream": ("Stream",),
    "transport.base": ("AsyncResponse", "AsyncTransport", "Response", "Transport"),
}  # fmt: skip
_WHERE = {name: module for module, names in _MODULES.items() for name in names}
_SUBMODULES = ("errors", "sandbox")


if not TYPE_CHECKING:  # A type checker would take it to mean that there is any name at all.

    def __getattr__(name: str) -> Any:
        if name in _SUBMODULES:
            return import_module(f".{name}", __name__)
        module = _WHERE.get(name, "errors")
        if name not in _WHERE and name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{module}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
