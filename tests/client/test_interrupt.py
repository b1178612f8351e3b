"""Ctrl-C in a blocking call, in every phase: benchmarks/interrupt.py has the figures."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "interrupt.py"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("interrupt", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INTERRUPT = load()


@pytest.mark.parametrize("transport", INTERRUPT.TRANSPORTS)
@pytest.mark.parametrize("phase", INTERRUPT.PHASES)
def test_it_comes_through_and_the_client_goes_on(transport: str, phase: str) -> None:
    # A tenth of a second is promised; a machine that is busy may need more.
    assert INTERRUPT.measure(transport, phase) < 2.0
