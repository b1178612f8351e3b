"""Deadlines, slots and single flight: what every wait in a turn stands on."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chatgptes import InvalidConfigError, RequestTimeout, Timeout, TransportError, TurnCancelled
from chatgptes.errors import ChatGptEsError
from chatgptes.turn.queueing import OneAtATime, SingleFlight, Slots
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
    assert deadline._callbacks == {}


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
            with pytest.raises(TurnCancelled):
                deadline.wait(Signal(), 5)
    finally:
        gc.set_threshold(*threshold)


def test_slots_are_first_come_first_served() -> None:
    slots = Slots(2)
    order: list[int] = []
    tickets = [slots.request(lambda n=n: order.append(n), n) for n in range(6)]
    assert order == [0, 1]
    tickets[3].release()  # Leaves the queue.
    tickets[1].release()
    tickets[1].release()
    assert order == [0, 1, 2]
    tickets[0].release()
    tickets[2].release()
    assert order == [0, 1, 2, 4, 5]


def test_slots_under_many_threads() -> None:
    slots = Slots(3)
    running: list[int] = []
    most: list[int] = []

    def turn(_: int) -> None:
        ticket = slots.acquire(Deadline(Timeout(total=60)))
        running.append(1)
        most.append(len(running))
        running.pop()
        ticket.release()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(turn, range(500)))
    assert max(most) <= 3
    assert slots._free == 3


def test_waiting_for_a_slot_ends_with_the_deadline() -> None:
    slots = Slots(1)
    held = slots.acquire(Deadline())
    with pytest.raises(RequestTimeout) as caught:
        slots.acquire(Deadline(Timeout(total=0.05)))
    assert caught.value.phase == "slot"
    deadline = Deadline()
    deadline.cancel()
    with pytest.raises(TurnCancelled):
        slots.acquire(deadline)
    assert not slots._queue
    # A ticket that nobody has any more, as Ctrl-C can leave one, gives its slot back.
    del held
    slots.acquire(Deadline(Timeout(total=5)))


def test_starts_are_an_interval_apart() -> None:
    slots = Slots(10, 0.5)
    delays = [slots.start_delay() for _ in range(3)]
    assert delays[0] == 0
    assert 0.4 < delays[1] <= 0.5
    assert 0.9 < delays[2] <= 1.0


def test_one_at_a_time_knows_its_owner() -> None:
    queue = OneAtATime()
    ticket = queue.request(lambda: None, "me")
    with pytest.raises(ChatGptEsError, match="has not ended"):
        queue.request(lambda: None, "me")
    other = queue.request(lambda: None, "you")
    assert not other.granted
    ticket.release()
    assert other.granted
    assert not queue.request(lambda: None, "me").granted


def test_single_flight_is_one_flight() -> None:
    flight: SingleFlight[int] = SingleFlight()
    calls: list[int] = []
    everybody = threading.Barrier(8, timeout=30)
    leader_in = threading.Event()
    go_on = threading.Event()

    def work() -> int:
        calls.append(1)
        leader_in.set()
        go_on.wait(30)
        return 42

    def ask(_: int) -> int:
        everybody.wait()
        return flight.do(work, Deadline())

    with ThreadPoolExecutor(8) as pool:
        results = pool.map(ask, range(8))
        leader_in.wait(30)
        # Until the seven others are in the queue.
        while flight._call is None or len(flight._call.waiters) < 7:
            threading.Event().wait(0.001)
        go_on.set()
        assert list(results) == [42] * 8
    assert len(calls) == 1


def test_single_flight_shares_failures_as_copies() -> None:
    flight: SingleFlight[int] = SingleFlight()
    go_on = threading.Event()

    def work() -> int:
        go_on.wait(30)
        raise TransportError("It broke.", url="http://x/")

    errors: list[TransportError] = []

    def ask() -> None:
        try:
            flight.do(work, Deadline())
        except TransportError as error:
            errors.append(error)

    threads = [in_thread(ask) for _ in range(4)]
    while flight._call is None or len(flight._call.waiters) < 3:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len({id(error) for error in errors}) == 4
    assert {(str(error), error.url) for error in errors} == {("It broke.", "http://x/")}


def test_when_the_leader_is_cancelled_another_takes_over() -> None:
    flight: SingleFlight[str] = SingleFlight()
    leader = Deadline()
    leading = threading.Event()

    def slow() -> str:
        leading.set()
        leader.sleep(1000)
        return "never"

    def lead() -> None:
        with pytest.raises(TurnCancelled):
            flight.do(slow, leader)

    first = in_thread(lead)
    leading.wait(10)
    got: list[str] = []
    second = in_thread(lambda: got.append(flight.do(lambda: "other", Deadline())))
    while flight._call is None or not flight._call.waiters:
        threading.Event().wait(0.001)
    leader.cancel()
    first.join(10)
    second.join(10)
    assert got == ["other"]
