"""Numbers for Prometheus, where its package is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

__all__ = ["Metrics"]

_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
"""Seconds: a model's first words take a second or more."""


class Metrics:
    """Turns by outcome, failures by class, seconds to the first chunk.

    Raises:
        ModuleNotFoundError: prometheus-client is not installed.
    """

    def __init__(self) -> None:
        client: Any = import_module("prometheus_client")
        self._client = client
        self._registry = client.CollectorRegistry()

        def made(kind: Any, name: str, text: str, *labels: str, **more: Any) -> Any:
            return kind(f"chatgptes_{name}", text, labels, registry=self._registry, **more)

        seconds = "Seconds from the request to the first text."
        self._running = made(client.Gauge, "turns_running", "Turns under way.")
        self._first = made(
            client.Histogram, "first_chunk_seconds", seconds, "model", buckets=_BUCKETS
        )
        self._turns = made(client.Counter, "turns", "Turns that have ended.", "model", "outcome")
        self._failures = made(client.Counter, "failures", "Turns that failed.", "model", "error")

    def begin(self) -> None:
        """Count a turn under way."""
        self._running.inc()

    def end(self, fields: Mapping[str, Any]) -> None:
        """Count a turn that ended, by its fields in the access log."""
        self._running.dec()
        model = fields.get("model", "")
        self._turns.labels(model, fields["outcome"]).inc()
        if "failure" in fields:
            self._failures.labels(model, fields["failure"]).inc()
        if "first_chunk" in fields:
            self._first.labels(model).observe(fields["first_chunk"])

    def text(self) -> tuple[bytes, str]:
        """All numbers in Prometheus's format, and its content type."""
        return self._client.generate_latest(self._registry), self._client.CONTENT_TYPE_LATEST
