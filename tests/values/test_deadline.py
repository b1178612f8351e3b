"""Timeouts, deadlines and signals: what every wait in a turn stands on."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from chatgptes import InvalidConfigError, RequestTimeout, Timeout, TurnCancelled
from chatgptes.values.deadline import Deadline, Signal


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_timeout_values() -> None:
    assert Timeout().override(5).total == 5
    assert Timeout(connect=1).override(5).connect == 1
    assert Timeout().override(Timeout(1, 2, 3)) == Timeout(1, 2, 3)
    assert Timeout().override(None) == Timeout()
    assert Timeout(total=1e300).total is None
    for wrong in (0, -1, True, "5", float("nan")):
        with pytest.raises(InvalidConfigError):
            Timeout(read=wrong)  # type: ignore[arg-type]


def test_remaining_is_the_least_of_all() -> None:
    deadline = Deadline(Timeout(total=100))
    left = deadline.remaining()
    assert left is not None
    assert 99 < left <= 100
    assert deadline.remaining(5) == 5
    with deadline.within(1):
        inner = deadline.remaining(5)
        assert inner is not None
        assert inner <= 1
    assert deadline.remaining(5) == 5
    endless = Deadline(Timeout(total=None))
    assert endless.remaining() is None
    assert endless.remaining(5) == 5


def test_the_clock_stands_still_while_paused() -> None:
    deadline = Deadline(Timeout(total=0.2))
    deadline.pause()
    deadline.pause()
    spent = deadline.elapsed
    threading.Event().wait(0.3)  # Time that must not count.
    assert deadline.elapsed == spent
    deadline.check()
    deadline.resume()
    with pytest.raises(RequestTimeout) as caught:
        deadline.sleep(5)
    assert caught.value.phase == "total"


def test_cancel_calls_everybody_once_from_any_thread() -> None:
    deadline = Deadline()
    called: list[str] = []
    deadline.on_cancel(lambda: called.append("a"))

    def broken() -> None:
        raise RuntimeError

    deadline.on_cancel(broken)
    with deadline.on_cancel(lambda: called.append("taken back")):
        pass
    deadline.on_cancel(lambda: called.append("b"))
    in_thread(deadline.cancel).join()
    deadline.cancel()
    deadline.on_cancel(lambda: called.append("late"))
    assert sorted(called) == ["a", "b", "late"]
    with pytest.raises(TurnCancelled):
        deadline.check()
    assert not deadline._waiting


def test_cancel_ends_a_sleep() -> None:
    deadline = Deadline(Timeout(total=None))
    asleep = threading.Event()
    ended: list[BaseException] = []

    def sleep() -> None:
        asleep.set()
        try:
            deadline.sleep(1000)
        except TurnCancelled as error:
            ended.append(error)

    thread = in_thread(sleep)
    asleep.wait()
    deadline.cancel()
    thread.join(10)
    assert len(ended) == 1


def test_after_close_a_callback_does_not_run() -> None:
    """Whatever moment the two meet, what the callback refers to is safe after `close()`."""
    for _ in range(300):
        deadline = Deadline()
        freed = threading.Event()
        misused: list[int] = []

        def use(freed: threading.Event = freed, misused: list[int] = misused) -> None:
            if freed.is_set():
                misused.append(1)

        registration = deadline.on_cancel(use)
        thread = in_thread(deadline.cancel)
        registration.close()
        freed.set()
        thread.join()
        assert not misused


def test_cancel_from_a_finalizer_inside_everything() -> None:
    """The garbage collector may run a finalizer that cancels, inside this very code."""
    deadline = Deadline(Timeout(total=None))

    class Dropped:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            deadline.cancel()

    gc.collect()
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(50):
            Dropped()
            deadline.on_cancel(lambda: None).close()
            if not deadline.cancelled:  # Python 3.13 lets the collector run later.
                gc.collect()
            with pytest.raises(TurnCancelled):
                deadline.wait(Signal(), 5)
    finally:
        gc.set_threshold(*threshold)
