"""How long Ctrl-C takes to come through a blocking call, in every phase of a turn.

    python benchmarks/interrupt.py [ROUNDS]

Each round is a process of its own: it begins a turn, interrupts itself once the turn waits where it
should, and uses the same client again afterwards.  Name resolution is not among the phases: inside
requests nothing can interrupt it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from chatgptes import Client
from chatgptes.sandbox import Site

TRANSPORTS = ("requests", "curl_cffi")
PHASES = ("connect", "first byte", "mid-stream", "retry sleep", "slot")
BOUND = 0.1
"""Seconds that it may take."""


def measure(transport: str, phase: str) -> float:
    """Seconds from the signal to `KeyboardInterrupt`, in a new process.

    Raises:
        subprocess.CalledProcessError: it did not come, or the client did not work afterwards.
    """
    done = subprocess.run(
        [sys.executable, __file__, transport, phase],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    if done.stderr:
        raise subprocess.CalledProcessError(0, done.args, done.stdout, done.stderr)
    return float(done.stdout)


def interrupted(call: Callable[[], object], waits: Callable[[], object]) -> float:
    """Interrupt `call` a moment after `waits()` has become true."""
    sent = [0.0]

    def interrupt() -> None:
        while not waits():
            time.sleep(0.002)
        time.sleep(0.05)
        sent[0] = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        call()
    except KeyboardInterrupt:
        took = time.perf_counter() - sent[0]
    else:
        raise RuntimeError("The call ended without an interrupt.")
    thread.join()
    return took


def in_connect(transport: str) -> float:
    """To a port whose backlog is full: it neither takes connections nor refuses them."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        client = Client(f"http://127.0.0.1:{port}/", transport=transport, trust_env=False)  # type: ignore[arg-type]
        took = interrupted(lambda: client.chat("Hi"), after(0.2))
    with Site(port=port), client:
        assert client.chat("Hello").text
    return took


def elsewhere(transport: str, phase: str) -> float:
    options = {"transport": transport, "trust_env": False, "max_concurrency": 1}
    with Site() as site, Client(site.page("classic"), **options) as client:  # type: ignore[arg-type]
        client.chat("Hello")
        first = client.stream("Wait for me")
        waits: Callable[[], object] = lambda: site.stalled  # noqa: E731
        if phase == "first byte":
            site.next("stall-headers")
        elif phase == "mid-stream":
            site.next("stall")
        elif phase == "retry sleep":
            site.next("rate-limit")  # Asks for a second: long after the signal.
            waits = noticing("again in")
        else:
            next(first)  # Holds the only slot from now on.
            waits = after(0.1)
        took = interrupted(lambda: client.chat("Hi"), waits)
        first.close()
        site.release()
        assert client.chat("Hello").text
    return took


def after(seconds: float) -> Callable[[], bool]:
    """Tells if so many seconds have gone since now."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def noticing(words: str) -> Callable[[], bool]:
    """Tells if the library's log has said `words`."""
    said = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                said.set()

    log = logging.getLogger("chatgptes")
    log.setLevel(logging.DEBUG)
    log.addHandler(Handler())
    log.propagate = False
    return said.is_set


def main(rounds: int) -> int:
    print(f"Ctrl-C, {rounds} rounds{'':8}median ms{'':4}worst ms")
    late = False
    for transport in TRANSPORTS:
        for phase in PHASES:
            times = [measure(transport, phase) for _ in range(rounds)]
            late |= max(times) > BOUND
            middle, worst = statistics.median(times) * 1000, max(times) * 1000
            print(f"{transport:12}{phase:14}{middle:10.1f}{worst:12.1f}")
    print(f"bound {BOUND * 1000:.0f} ms: {'NOT kept' if late else 'kept'}")
    return 1 if late else 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        how = in_connect(sys.argv[1]) if sys.argv[2] == "connect" else elsewhere(*sys.argv[1:3])
        print(how)
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
