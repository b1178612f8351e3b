"""Numbers for Prometheus, where its package is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["Metrics"]

_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
"""Seconds: a model's first words take a second or more."""


class Metrics:
    """Turns by outcome, failures by class, seconds to the first chunk.

    Attributes:
        available: prometheus-client is installed; without it nothing is counted.
    """

    def __init__(self) -> None:
        try:
            client: Any = import_module("prometheus_client")
        except ModuleNotFoundError:
            self.available = False
            return
        self.available = True
        self._client = client
        self._registry = registry = client.CollectorRegistry()
        self._turns = client.Counter(
            "chatgptes_turns", "Turns that have ended.", ["model", "outcome"], registry=registry
        )
        self._failures = client.Counter(
            "chatgptes_failures", "Turns that have failed.", ["model", "error"], registry=registry
        )
        self._first = client.Histogram(
            "chatgptes_first_chunk_seconds",
            "Seconds from the request to the first text.",
            ["model"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._running = client.Gauge(
            "chatgptes_turns_running", "Turns under way.", registry=registry
        )

    def begin(self) -> None:
        """A turn begins."""
        if self.available:
            self._running.inc()

    def first_chunk(self, model: str, seconds: float) -> None:
        """The first text of a turn has come."""
        if self.available:
            self._first.labels(model).observe(seconds)

    def end(self, model: str, outcome: str, failure: str = "") -> None:
        """A turn has ended.

        Args:
            outcome: "ok", "failed" or "client_gone".
            failure: the class of its error.
        """
        if not self.available:
            return
        self._running.dec()
        self._turns.labels(model, outcome).inc()
        if failure:
            self._failures.labels(model, failure).inc()

    def text(self) -> tuple[bytes, str]:
        """All numbers in Prometheus's format, and its content type."""
        return self._client.generate_latest(self._registry), self._client.CONTENT_TYPE_LATEST
