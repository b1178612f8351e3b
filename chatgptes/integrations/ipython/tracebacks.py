"""Short tracebacks: of one of the library's errors IPython shows the user's own frames only."""

from __future__ import annotations

import copy
import sys
import types
from typing import Any

from ...errors import ChatGptEsError

__all__ = ["leave_tracebacks", "shorten_tracebacks"]

_PACKAGE = __name__.partition(".")[0]


def shorten_tracebacks(shell: Any) -> None:
    """Show the library's errors short in `shell`, unless the user has a handler there."""
    if not shell.custom_exceptions:
        shell.set_custom_exc((ChatGptEsError,), _show)


def leave_tracebacks(shell: Any) -> None:
    """Undo `shorten_tracebacks`, unless another handler has replaced it."""
    if shell.custom_exceptions == (ChatGptEsError,):
        shell.set_custom_exc((), None)


def _show(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: types.TracebackType | None,
    tb_offset: int | None = None,
) -> list[str]:
    """Show `error` without the library's frames and causes; `%debug` has all of them."""
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace  # For `%debug`.
    short = _without_library(trace)
    alone = copy.copy(error).with_traceback(short)
    alone.__cause__ = None
    shown: list[str] = shell.InteractiveTB.structured_traceback(
        kind, alone, short, tb_offset=tb_offset
    )
    shell._showtraceback(kind, error, shown)  # As IPython's own handlers do.
    return shown


def _without_library(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return `trace` without the frames of this package, and those that they called."""
    frames: list[types.TracebackType] = []
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        if frames and name.partition(".")[0] == _PACKAGE:
            break
        frames.append(trace)
        trace = trace.tb_next
    short: types.TracebackType | None = None
    for each in reversed(frames):
        short = types.TracebackType(short, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return short
