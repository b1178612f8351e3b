"""Runs of pytest with the plugin, each in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from textwrap import dedent

import pytest
from plugin_runs import INSTALLED, MODULE, Run


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `source` as a test file in a process of its own, without other plugins or with all."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(
        source: str,
        *options: str,
        env: Mapping[str, str] | None = None,
        company: bool = False,
        plugin: bool = True,
    ) -> pytest.RunResult:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        pytester.makepyfile(f"import chatgptes\nimport pytest\n{dedent(source)}")
        command = [sys.executable, "-m", "pytest", "--strict-markers", "-ra"]
        if company:
            monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
        else:
            monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
            command += ["-W", "error", "-p", "no:cacheprovider"]
        if plugin and not (company and INSTALLED):
            command += ["-p", "chatgptes" if INSTALLED else MODULE]
        return pytester.run(*command, *options, timeout=60)

    return run
