"""What the tests of the pytest plugin share; `run` itself is in `integrations/conftest.py`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

import pytest

MODULE = "chatgptes.integrations.pytest_plugin"
INSTALLED = list(entry_points(group="pytest11", name="chatgptes"))
Run = Callable[..., pytest.RunResult]


def assert_all(result: pytest.RunResult, **outcomes: int) -> None:
    assert result.parseoutcomes() == outcomes, result.stdout.str()
