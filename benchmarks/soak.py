"""Turns, faults and broken-off streams for as long as you like: does anything grow?

    python benchmarks/soak.py [--seconds 600] [--every 30]

Both transports, blocking turns in threads and asynchronous ones on event loops at once, against the
sandbox site in another process, which plays random faults all the time.  The clients of the event
loops outlive them: each serves several loops, one after the other, some of which end while streams
are open.  One line now and then: what was done, what went wrong on
purpose, and this process's memory (resident, and the blocks that Python has in use), descriptors,
threads and tasks.  At the end all clients are closed; the exit status is 1 if something is left
that was not there at the start, if memory kept growing, or if anything but the library's own
errors was raised.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio

from chatgptes import AsyncClient, ChatGptEsError, Client, Limits, Timeout

TRANSPORTS = ("requests", "curl_cffi")
PAGES = ("front", "classic", "classic-plain", "rest")
TIMEOUT = Timeout(connect=5, read=0.3, total=4)
LIMITS = Limits(stream=1 << 20, event=256 << 10)
"""Far below the defaults: answers that never end would otherwise take most of the time."""
TURNS_PER_CLIENT = 200
"""After which a worker closes its client and makes a new one."""
LOOPS_PER_CLIENT = 4
SECONDS_PER_LOOP = 1.0
TASKS = (1, 6)
"""Tasks of a loop, for each of `TRANSPORTS`: over requests a turn has a thread."""
GROWTH = 32 << 20
"""Bytes of resident memory that the second half of a run may have beyond the first: the system's
allocator never fills all of its holes again."""
BLOCKS_GROWTH = 20_000
"""Blocks of memory in use that may be left when all has been closed (of some 150,000)."""

SITE = """
import random, sys, threading
from chatgptes.sandbox import FAULTS, Site

FAULTS = sorted({name for names in FAULTS.values() for name in names} - {"rate-limit-long"})
with Site(answer=lambda messages: (f"word{n} " for n in range(20)), api_key="soak-key") as site:
    stop = threading.Event()
    def play():
        rng = random.Random(1)
        while not stop.wait(0.02):
            for heap in (site.requests, site.messages):
                del heap[:-1000]  # It remembers everything, for tests; not here.
            if len(site._queue) < 4:
                site.next(rng.choice(FAULTS))
            if rng.random() < 0.02:
                site.release()
            if rng.random() < 0.002:
                site.expire_nonces()
    threading.Thread(target=play, daemon=True).start()
    print(*(site.page(name) for name in sys.argv[1:]), site.url, site.rest_bot, flush=True)
    sys.stdin.read()
    stop.set()
"""


@contextlib.contextmanager
def sites() -> Iterator[list[dict[str, Any]]]:
    """The sandbox, as arguments of a client for each kind of bot."""
    process = subprocess.Popen(
        [sys.executable, "-c", SITE, *PAGES[:3]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        *pages, home, bot = process.stdout.readline().split()
        owner = {"site": home, "api_key": "soak-key", "bot": bot}
        yield [*({"site": page} for page in pages), owner]
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(20)


@dataclass
class Tally:
    """What was done, by all workers."""

    turns: int = 0
    left: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[BaseException] = field(default_factory=list)
    tasks: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count a turn, and how it ended."""
        name = ""
        try:
            yield
        except ChatGptEsError as error:
            name = type(error).__name__
        except (asyncio.CancelledError, TimeoutError):
            name = "left"
            raise
        except Exception as error:
            self.wrong.append(error)
        finally:
            with self._lock:
                self.turns += 1
                if name == "left":
                    self.left += 1
                elif name:
                    self.errors[name] += 1


def made(cls: Callable[..., Any], site: dict[str, Any], transport: str) -> Any:
    options = {"timeout": TIMEOUT, "limits": LIMITS, "retries": 1, "trust_env": False}
    return cls(**site, transport=transport, **options)


def blocking(site: dict[str, Any], transport: str, tally: Tally, stop: threading.Event) -> None:
    """A thread's turns, one after the other, ended in every way there is."""
    rng = random.Random(f"{site['site']} {transport}")
    while not stop.is_set():
        client = made(Client, site, transport)
        for _ in range(TURNS_PER_CLIENT):
            if stop.is_set():
                break
            with tally.counted():
                blocking_turn(client, rng)
        if rng.random() < 0.5:
            client.close()
        del client  # Else it is left to the garbage collector.


def blocking_turn(client: Client, rng: random.Random) -> None:
    way = rng.random()
    if way < 0.5:
        client.chat("Tell me everything.")
    elif way < 0.65:
        talk = client.conversation()
        for _ in range(3):
            talk.chat("And then?")
    elif way < 0.8:
        with client.stream("Begin.") as stream:
            next(stream, None)
    elif way < 0.9:
        stream = client.stream("Begin.")
        next(stream, None)  # Dropped as it is.
    else:
        stream = client.stream("Begin.")
        timer = threading.Timer(rng.random() * 0.02, stream.close)
        timer.start()
        try:
            for _ in stream:
                pass
        finally:
            timer.join()


def looping(place: dict[str, Any], tally: Tally, stop: threading.Event) -> None:
    """A thread's event loops, one after the other; turns of several tasks on each."""
    rng = random.Random(f"{place['site']} async")
    while not stop.is_set():
        clients = [made(AsyncClient, place, transport) for transport in TRANSPORTS]
        for _ in range(LOOPS_PER_CLIENT):
            if not stop.is_set():
                asyncio.run(one_loop(clients, tally, stop, rng))
        asyncio.run(close_all(clients))


async def one_loop(
    clients: list[AsyncClient], tally: Tally, stop: threading.Event, rng: random.Random
) -> None:
    """Turns for a while; what still runs then is waited for, or left to the loop's end."""
    until = time.monotonic() + SECONDS_PER_LOOP

    async def turns(client: AsyncClient) -> None:
        while not stop.is_set() and time.monotonic() < until:
            with tally.counted():
                await async_turn(client, rng)
            tally.tasks = len(asyncio.all_tasks())

    tasks = [
        asyncio.create_task(turns(client))
        for client, tasks in zip(clients, TASKS, strict=True)
        for _ in range(tasks)
    ]
    if rng.random() < 0.5:
        await asyncio.gather(*tasks)
    else:
        await asyncio.sleep(SECONDS_PER_LOOP)


async def close_all(clients: list[AsyncClient]) -> None:
    for client in clients:
        await client.aclose()


async def async_turn(client: AsyncClient, rng: random.Random) -> None:
    way = rng.random()
    if way < 0.5:
        await client.chat("Tell me everything.")
    elif way < 0.7:
        async for _ in client.stream("Begin."):
            break
    elif way < 0.85:
        with anyio.move_on_after(rng.random() * 0.02):
            await client.chat("Quick!")
    else:
        async with client.stream("Begin.") as stream:
            async for _ in stream:
                pass


@dataclass(frozen=True)
class Sample:
    """What this process holds at a moment."""

    seconds: float
    memory: int
    blocks: int
    descriptors: int
    threads: int

    @classmethod
    def now(cls, since: float) -> Sample:
        gc.collect()
        blocks = sys.getallocatedblocks()
        seconds = time.monotonic() - since
        return cls(seconds, memory(), blocks, descriptors(), threading.active_count())


def memory() -> int:
    """Resident bytes; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def descriptors() -> int:
    """Open files and sockets; 0 where the system does not say."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1
    except OSError:
        return 0


def settled(descriptors_before: int, threads_before: int) -> Sample:
    """How it is once what was dropped has ended; it has five seconds."""
    started = time.monotonic()
    while True:
        sample = Sample.now(started)
        within = sample.descriptors <= descriptors_before and sample.threads <= threads_before
        if within or sample.seconds > 5:
            return sample
        time.sleep(0.05)


def warm(places: list[dict[str, Any]]) -> None:
    """Import and open whatever is kept for the life of a process."""
    for transport in TRANSPORTS:
        with contextlib.suppress(ChatGptEsError), made(Client, places[0], transport) as client:
            client.chat("Hello")

    async def loop(transport: str) -> None:
        with contextlib.suppress(ChatGptEsError):
            async with made(AsyncClient, places[0], transport) as client:
                await client.chat("Hello")

    for transport in TRANSPORTS:
        asyncio.run(loop(transport))


def run(seconds: float, every: float) -> int:
    """Soak, and print; 0 if nothing grew."""
    tally = Tally()
    stop = threading.Event()
    samples: list[Sample] = []
    with sites() as places:
        warm(places)
        before = settled(sys.maxsize, 1)
        workers = [
            threading.Thread(target=blocking, args=(place, transport, tally, stop))
            for place in places
            for transport in TRANSPORTS
        ]
        workers += [threading.Thread(target=looping, args=(place, tally, stop)) for place in places]
        started = time.monotonic()
        for worker in workers:
            worker.start()
        print(" seconds    turns   left  failed     MiB  blocks   fds  threads  tasks")
        while time.monotonic() - started < seconds:
            time.sleep(min(every, max(0.0, started + seconds - time.monotonic())))
            sample = Sample.now(started)
            samples.append(sample)
            print(
                f"{sample.seconds:8.0f}{tally.turns:9}{tally.left:7}{sum(tally.errors.values()):8}"
                f"{sample.memory / 2**20:8.1f}{sample.blocks:8}"
                f"{sample.descriptors:6}{sample.threads:9}"
                f"{tally.tasks:7}",
                flush=True,
            )
        stop.set()
        for worker in workers:
            worker.join()
        after = settled(before.descriptors, before.threads)
    return verdict(tally, before, samples, after)


def verdict(tally: Tally, before: Sample, samples: list[Sample], after: Sample) -> int:
    for name, count in tally.errors.most_common():
        print(f"{count:9} {name}")
    half = len(samples) // 2
    first = statistics.median(sample.memory for sample in samples[: half or 1])
    second = statistics.median(sample.memory for sample in samples[half:])
    grown = {
        "descriptors": (before.descriptors, after.descriptors, 0),
        "threads": (before.threads, after.threads, 0),
        "blocks": (before.blocks, after.blocks, BLOCKS_GROWTH),
        "memory (MiB, halves' medians)": (first / 2**20, second / 2**20, GROWTH / 2**20),
    }
    failed = False
    for name, (was, now, allowed) in grown.items():
        bad = now > was + allowed
        failed |= bad
        print(f"{name}: {was:g} before, {now:g} after{': GREW' if bad else ''}")
    for error in tally.wrong[:5]:
        print(f"raised: {error!r}")
    return 1 if failed or tally.wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--every", type=float, default=30)
    options = parser.parse_args()
    sys.exit(run(options.seconds, options.every))
