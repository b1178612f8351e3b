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
        self._registry = client.CollectorRegistry()

        def made(kind: Any, name: str, text: str, labels: tuple[str, ...] = (), **more: Any) -> Any:
            return kind(f"chatgptes_{name}", text, labels, registry=self._registry, **more)

        seconds = "Seconds from the request to the first text."
        self._first = made(
            client.Histogram, "first_chunk_seconds", seconds, ("model",), buckets=_BUCKETS
        )
        self._running = made(client.Gauge, "turns_running", "Turns under way.")
        turns, failures = "Turns that have ended.", "Turns that have failed."
        self._turns = made(client.Counter, "turns", turns, ("model", "outcome"))
        self._failures = made(client.Counter, "failures", failures, ("model", "error"))

    def begin(self) -> None:
        """Count a turn under way."""
        if self.available:
            self._running.inc()

    def first_chunk(self, model: str, seconds: float) -> None:
        """Note when the first text of a turn came."""
        if self.available:
            self._first.labels(model).observe(seconds)

    def end(self, model: str, outcome: str, failure: str) -> None:
        """Count a turn that ended ("ok", "failed", "client_gone"), and the class of its error."""
        if self.available:
            self._running.dec()
            self._turns.labels(model, outcome).inc()
            if failure:
                self._failures.labels(model, failure).inc()

    def text(self) -> tuple[bytes, str]:
        """All numbers in Prometheus's format, and its content type."""
        return self._client.generate_latest(self._registry), self._client.CONTENT_TYPE_LATEST
