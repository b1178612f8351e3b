"""Limiters and single flight, by hand and under threads."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chatgptes import ChatGptEsError, RequestTimeout, Timeout, TransportError, TurnCancelled
from chatgptes.turn.blocking import run_steps
from chatgptes.turn.queueing import ConversationQueue, Limiter, Permit, SingleFlight
from chatgptes.turn.steps import Steps, Wait
from chatgptes.values.deadline import Deadline

NO_TRANSPORT: Any = None


def acquire(limiter: Limiter, deadline: Deadline, holder: object = "me") -> Permit:
    """A permit, waited for in this thread."""
    return run_steps(limiter.acquire(deadline, holder), NO_TRANSPORT, deadline)


def returned(steps: Steps[Any], sent: Any = None) -> Any:
    """The value that steps return without another wait."""
    with pytest.raises(StopIteration) as end:
        steps.send(sent)
    return end.value.value


def test_permits_go_first_come_first_served() -> None:
    limiter = Limiter(2)
    permits = [limiter.request(number) for number in range(6)]

    def granted() -> list[int]:
        return [number for number, permit in enumerate(permits) if permit.signal.is_set]

    assert granted() == [0, 1]
    permits[3].release()  # Leaves the queue.
    permits[1].release()
    permits[1].release()
    assert granted() == [0, 1, 2]
    permits[0].release()
    permits[2].release()
    assert granted() == [0, 1, 2, 4, 5]


def test_permits_under_many_threads() -> None:
    limiter = Limiter(3)
    running: list[int] = []
    most: list[int] = []

    def turn(_: int) -> None:
        permit = acquire(limiter, Deadline(Timeout(total=60)))
        running.append(1)
        most.append(len(running))
        running.pop()
        permit.release()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(turn, range(500)))
    assert max(most) <= 3
    assert (
        len([each for each in (limiter.request("x") for _ in range(4)) if each.signal.is_set]) <= 3
    )


def test_waiting_for_a_permit_ends_with_the_deadline() -> None:
    limiter = Limiter(1)
    held = acquire(limiter, Deadline())
    with pytest.raises(RequestTimeout, match=r"free slot: .* max_concurrency=1 ") as caught:
        acquire(limiter, Deadline(Timeout(total=0.05)))
    assert caught.value.phase == "slot"
    deadline = Deadline()
    deadline.cancel()
    with pytest.raises(TurnCancelled):
        acquire(limiter, deadline)
    # A permit that nobody has any more, as Ctrl-C can leave one, is given back.
    del held
    acquire(limiter, Deadline(Timeout(total=5)))


def test_a_wait_that_is_given_up_leaves_the_queue() -> None:
    limiter = Limiter(1)
    held = limiter.request("somebody")
    steps = limiter.acquire(Deadline(), "me")
    assert isinstance(next(steps), Wait)
    steps.close()
    held.release()
    assert limiter.request("else").signal.is_set


def test_a_lost_permit_is_given_back() -> None:
    limiter = Limiter(1)
    limiter.request("somebody")
    gc.collect()
    assert limiter.request("else").signal.is_set


@pytest.mark.parametrize("count", [1, 2])
def test_a_permit_lost_in_the_queue_is_given_back(count: int) -> None:
    """As Ctrl-C leaves it behind: the queue alone holds it."""
    limiter = Limiter(count)
    limiter._queue[Permit(limiter, 1)] = None
    permits = [limiter.request(2) for _ in range(count + 1)]
    assert [permit.signal.is_set for permit in permits] == [True] * count + [False]


def test_starts_are_an_interval_apart() -> None:
    limiter = Limiter(10, 0.5)
    assert limiter.start_delay() == 0
    assert 0.4 < limiter.start_delay() <= 0.5
    assert 0.4 < limiter.start_delay() <= 0.5


def test_turns_that_never_start_take_no_start_away() -> None:
    limiter = Limiter(10, 1000.0)
    assert limiter.start_delay() == 0
    for _ in range(5):
        steps = limiter.acquire(Deadline(), "me")
        step = next(steps)
        assert isinstance(step, Wait)
        assert step.seconds is not None
        assert step.seconds <= 1000
        steps.close()


def test_leaving_a_long_queue_takes_no_search() -> None:
    limiter = Limiter(1)
    permits = [limiter.request(number) for number in range(20_000)]
    for permit in reversed(permits[1:]):
        permit.release()
    permits[0].release()
    assert limiter.request("next").signal.is_set


def test_a_conversation_knows_who_runs_it() -> None:
    queue = ConversationQueue()
    permit = queue.request("me")
    with pytest.raises(ChatGptEsError, match="has not ended"):
        queue.request("me")
    other = queue.request("you")
    assert not other.signal.is_set
    permit.release()
    assert other.signal.is_set
    assert not queue.request("me").signal.is_set
    with pytest.raises(RequestTimeout, match="turn before it to end"):
        acquire(queue, Deadline(Timeout(total=0.05)))


def test_a_turn_that_nobody_waits_for_does_not_count_as_ones_own() -> None:
    queue, limiter = ConversationQueue(), Limiter(1)
    permits = queue.request("me"), limiter.request("me")
    for permit in permits:
        permit.abandon()
    following = queue.request("me")
    assert not following.signal.is_set  # The next turn builds on the end of this one.
    assert limiter.request("else").signal.is_set
    permits[0].release()
    assert following.signal.is_set


def work(*results: Any) -> Any:
    """Work for a flight that waits once and then ends with one of the results."""
    left = list(results)

    def run() -> Steps[Any]:
        yield Wait(None, 1.0)
        result = left.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    return run


def test_single_flight_is_one_flight() -> None:
    flight: SingleFlight[int] = SingleFlight()
    run = work(42)
    leader, *others = (flight.run(run, Deadline()) for _ in range(8))
    assert next(leader) == Wait(None, 1.0)
    waits = [next(each) for each in others]
    assert not any(wait.signal.is_set for wait in waits if isinstance(wait, Wait) and wait.signal)
    assert returned(leader) == 42
    assert [returned(each, True) for each in others] == [42] * 7


def test_single_flight_shares_errors_as_copies() -> None:
    flight: SingleFlight[int] = SingleFlight()
    run = work(TransportError("It broke.", url="http://x/"))
    leader, *others = (flight.run(run, Deadline()) for _ in range(4))
    for each in (leader, *others):
        next(each)
    errors = []
    for each, sent in ((leader, None), *((other, True) for other in others)):
        with pytest.raises(TransportError) as caught:
            each.send(sent)
        errors.append(caught.value)
    assert len({id(error) for error in errors}) == 4
    assert {(str(error), error.url) for error in errors} == {("It broke.", "http://x/")}


@pytest.mark.parametrize(
    "error",
    [TurnCancelled("Left."), RequestTimeout("Late.", phase="total"), KeyboardInterrupt()],
    ids=["cancelled", "its own total", "Ctrl-C"],
)
def test_when_the_leader_gives_up_another_takes_over(error: BaseException) -> None:
    flight: SingleFlight[str] = SingleFlight()
    run = work(error, "other")
    leader, other = flight.run(run, Deadline()), flight.run(run, Deadline())
    next(leader)
    next(other)
    with pytest.raises(type(error)):
        leader.send(None)
    assert other.send(True) == Wait(None, 1.0)
    assert returned(other) == "other"


def test_a_closed_leader_leaves_the_work_to_another() -> None:
    flight: SingleFlight[str] = SingleFlight()
    run = work("other")
    leader, other = flight.run(run, Deadline()), flight.run(run, Deadline())
    next(leader)
    next(other)
    leader.close()
    other.send(True)
    assert returned(other) == "other"


def test_a_cancelled_leader_that_hangs_holds_nobody_up() -> None:
    flight: SingleFlight[str] = SingleFlight()
    run = work("late", "other")
    cancelled = Deadline()
    leader, other = flight.run(run, cancelled), flight.run(run, Deadline())
    next(leader)
    wait = next(other)
    cancelled.cancel()
    assert isinstance(wait, Wait)
    assert wait.signal is not None
    assert wait.signal.is_set
    assert other.send(True) == Wait(None, 1.0)
    assert returned(leader) == "late"
    assert returned(other) == "other"


def test_a_leader_with_stricter_limits_does_not_speak_for_others() -> None:
    flight: SingleFlight[str] = SingleFlight()
    run = work(RequestTimeout("Silent.", phase="read"), "other")
    strict, patient = Deadline(Timeout(read=1)), Deadline(Timeout(read=60))
    leader, alike, other = (flight.run(run, each) for each in (strict, strict, patient))
    for each in (leader, alike, other):
        next(each)
    with pytest.raises(RequestTimeout):
        leader.send(None)
    with pytest.raises(RequestTimeout):
        alike.send(True)
    assert other.send(True) == Wait(None, 1.0)
