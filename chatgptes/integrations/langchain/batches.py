"""Batches that begin no more turns at once than the model's client runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from .fields import ClientFields

__all__ = ["PacedBatches"]


class PacedBatches(ClientFields):
    """LangChain begins a whole batch at once, or as many as its machine has threads for.

    Those beyond `max_concurrency` would wait for a place on their turns' own time, and a long
    batch would end in timeouts.
    """

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        paced = self._paced(config)
        return super().batch(inputs, paced, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        paced = self._paced(config)
        return await super().abatch(inputs, paced, return_exceptions=return_exceptions, **kwargs)

    def batch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        plain: Any = super().batch_as_completed
        paced = self._paced(config)
        yield from plain(inputs, paced, return_exceptions=return_exceptions, **kwargs)

    async def abatch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        plain: Any = super().abatch_as_completed
        paced = self._paced(config)
        async for each in plain(inputs, paced, return_exceptions=return_exceptions, **kwargs):
            yield each

    def _paced(self, config: Any) -> Any:
        """`config`, or each of several, with no more at once than the client runs at once."""
        if isinstance(config, Sequence):
            return [self._paced(each) for each in config]
        self._shared_client()  # Says what is wrong with a `max_concurrency` that was set later.
        wanted = ensure_config(config).get("max_concurrency") or self.max_concurrency
        return {**(config or {}), "max_concurrency": min(wanted, self.max_concurrency)}
