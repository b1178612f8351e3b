"""Random sequences of turns against a site that plays random faults, dirt and gates.

    python benchmarks/fault_sequences.py --sequences 10000

Each sequence is a client of its own (blocking over requests or curl_cffi, or on an event loop) that
takes some turns with a bot of one of the dialects.  The site, raw sockets in the same process, cuts
answers at any byte, closes and resets connections, puts dirt around and into streams, refuses
nonces, sends cached pages, bot checks and errors.  Then two things are counted:

    where messages arrive: a message that reached the model twice;
    where text arrives: text that was sent before a cut, and is neither in the reply nor in
        `.partial`; and text that was never sent.

The exit status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import concurrent.futures
import random
import sys
import time
from typing import Any

from fault_site import DIALECTS, FaultSite, World

import chatgptes
from chatgptes import ChatGptEsError, Timeout
from chatgptes.turn import sending

MODES = ("requests", "curl_cffi", "loop", "loop", "loop over requests")
AT_ONCE = 8


class Sequence:
    """The turns of one client, and what was found out about them."""

    def __init__(self, site: FaultSite, number: int, seed: int) -> None:
        self.random = random.Random(f"{seed} {number}")
        self.mode = self.random.choice(MODES)
        self.world = World(number, self.random.choice(DIALECTS), self.random.random())
        self.prompts = [f"m{number}-{turn}-end" for turn in range(self.random.randint(1, 4))]
        self.arguments: dict[str, Any] = {
            "site": site.add(self.world),
            "trust_env": False,
            "retries": self.random.randint(0, 3),
            "timeout": Timeout(5, 2 if self.world.may_stall else 20, 60),
            **self.world.arguments,
        }
        self.streamed = [self.random.random() < 0.5 for _ in self.prompts]
        self.outcomes: list[tuple[str, str, str]] = []

    def note(self, prompt: str, text: str, seen: str | None, error: Exception | None) -> None:
        if isinstance(error, ChatGptEsError):
            text = getattr(error, "partial", "")
        elif error is not None:
            raise error
        if seen is not None and seen != text:
            self.outcomes.append((prompt, seen, "seen"))
        self.outcomes.append((prompt, text, f"{type(error).__name__}: {error}" if error else ""))

    def run(self, transport: Any) -> None:
        """Take the turns, blocking."""
        with chatgptes.Client(transport=transport, **self.arguments) as client:
            for prompt, streamed in zip(self.prompts, self.streamed, strict=True):
                text, seen, error = "", None, None
                try:
                    if streamed:
                        seen = ""
                        with client.stream(prompt) as stream:
                            for chunk in stream:
                                seen += chunk
                            text = stream.reply.text
                    else:
                        text = client.chat(prompt).text
                except ChatGptEsError as caught:
                    error = caught
                self.note(prompt, text, seen, error)

    async def run_on_a_loop(self, transport: Any) -> None:
        """Take the turns on an event loop."""
        async with chatgptes.AsyncClient(transport=transport, **self.arguments) as client:
            for prompt, streamed in zip(self.prompts, self.streamed, strict=True):
                text, seen, error = "", None, None
                try:
                    if streamed:
                        seen = ""
                        async with client.stream(prompt) as stream:
                            async for chunk in stream:
                                seen += chunk
                            text = stream.reply.text
                    else:
                        text = (await client.chat(prompt)).text
                except ChatGptEsError as caught:
                    error = caught
                self.note(prompt, text, seen, error)

    def problems(self) -> list[str]:
        """What went wrong, in words."""
        found = []
        world = self.world
        for prompt, times in world.reached.items():
            if times > 1:
                found.append(f"{prompt} reached the model {times} times")
        for prompt, text, error in self.outcomes:
            whole, sent = world.answers.get(prompt, ("", ""))
            if not whole.startswith(text):
                found.append(f"{prompt}: text that was never sent: {text!r} of {whole!r} ({error})")
            elif not text.startswith(sent):
                found.append(f"{prompt}: text was lost: {text!r} of {sent!r} ({error})")
            elif not error and text != whole:
                found.append(f"{prompt}: half an answer as a success: {text!r} of {whole!r}")
        if found:
            about = f"sequence {world.number} ({self.mode}, {world.dialect}): {world.met}"
            found.append(about)
        return found


async def on_a_loop(todo: list[Sequence]) -> None:
    """Run sequences on one event loop, some at once."""
    from chatgptes.transport.curl.hub import CurlHub
    from chatgptes.transport.plain.transport import RequestsTransport

    hub: Any = CurlHub(impersonate=None, verify=False, trust_env=False)
    plain = RequestsTransport(verify=False, trust_env=False)
    left = iter(todo)

    async def work() -> None:
        for each in left:
            await each.run_on_a_loop(hub if each.mode == "loop" else plain)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await hub.aclose()
    plain.close()


def blocking(todo: list[Sequence], kind: str) -> None:
    """Run sequences one after the other over one transport."""
    from chatgptes.transport import select

    transport = select(
        kind, default_site=False, impersonate="chrome", proxy=None, verify=False, trust_env=False,
        max_headers=256 << 10,
    )  # fmt: skip
    for each in todo:
        each.run(transport)
    transport.close()


def run(first: int, count: int, seed: int) -> tuple[collections.Counter[str], list[str]]:
    """Run sequences; how often what happened, and what went wrong."""
    sending.FIRST_DELAY, sending.LATE = 0.001, 0.001
    seen: collections.Counter[str] = collections.Counter()
    with FaultSite() as site:
        todo = [Sequence(site, number, seed) for number in range(first, first + count)]
        by_mode: dict[str, list[Sequence]] = collections.defaultdict(list)
        for each in todo:
            by_mode["loop" if "loop" in each.mode else each.mode].append(each)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = [pool.submit(asyncio.run, on_a_loop(by_mode.pop("loop", [])))]
            runs += [pool.submit(blocking, some, kind) for kind, some in by_mode.items()]
            for each_run in runs:
                each_run.result()
    for each in todo:
        seen["sequences"] += 1
        seen["requests"] += each.world.requests
        seen["messages that reached the model"] += sum(each.world.reached.values())
        for _, _, error in each.outcomes:
            if error != "seen":
                seen["turns"] += 1
                seen[f"turns: {error.partition(':')[0] or 'a whole answer'}"] += 1
        seen.update(f"site: {fault}" for fault in each.world.met)
    return seen, [problem for each in todo for problem in each.problems()]


def main() -> int:
    """Run the program; its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first sequence")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    started = time.monotonic()
    size = min(500, -(-options.sequences // options.jobs))
    firsts = range(options.first, options.first + options.sequences, size)
    end = options.first + options.sequences
    seen: collections.Counter[str] = collections.Counter()
    problems: list[str] = []
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run, first, min(size, end - first), options.seed) for first in firsts]
        for each in concurrent.futures.as_completed(runs):
            some, wrong = each.result()
            seen += some
            problems += wrong
            for problem in wrong:
                print(problem, flush=True)
    for name, number in sorted(seen.items()):
        print(f"{number:>9,}  {name}")
    print(f"{len(problems):>9,}  problems, in {time.monotonic() - started:.0f} s")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
