"""Batches: every reply is written once, whatever ends the run."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chatgptes
from chatgptes import (
    BatchProgress,
    BatchResult,
    Client,
    InvalidConfigError,
    RefusedError,
    Reply,
)
from chatgptes.batches.file import Journal
from chatgptes.batches.prompts import prompts_of
from chatgptes.batches.run import IN_A_ROW
from chatgptes.sandbox import Site

ROOT = Path(__file__).parents[2]


def run(prompts: Any, **arguments: Any) -> list[BatchResult]:
    return list(chatgptes.batch(prompts, **arguments))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def asked(site: Site) -> list[str]:
    return [messages[-1]["content"] for messages in site.messages]


def test_no_thread_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(chatgptes.ChatGptEsError, match="the system gives none"):
        run(["one"], site="https://example.org/")


def test_results(site: Site) -> None:
    told: list[BatchProgress] = []
    prompts = [
        "one",
        {"id": "b", "prompt": "two"},
        {"id": 70, "messages": [{"role": "user", "content": "three"}]},
        " ",
    ]
    results = {result.id: result for result in run(prompts, site=site.url, progress=told.append)}
    assert set(results) == {0, "b", 70, 3}
    for name, index, text in ((0, 0, "one"), ("b", 1, "two"), (70, 2, "three")):
        assert results[name].ok
        assert results[name].index == index
        assert f"> {text}" in str(results[name].reply)
    assert isinstance(results[3].error, chatgptes.InvalidMessageError)
    assert not results[3].ok
    assert told[0] == BatchProgress(4)
    assert told[-1] == BatchProgress(4, 0, 3, 1, 0)
    assert told[-1].done == 4


def test_nothing_starts_before_it_is_wanted(site: Site, tmp_path: Path) -> None:
    chatgptes.batch(["one"], site=site.url, out=tmp_path / "out")
    assert site.requests == []
    assert not (tmp_path / "out").exists()


def test_an_endless_iterable_is_taken_as_there_is_room(site: Site) -> None:
    taken = itertools.count()
    replies = chatgptes.batch((f"say {number}" for number in taken), site=site.url, jobs=2)
    assert len(list(itertools.islice(replies, 5))) == 5
    replies.close()  # type: ignore[attr-defined]
    assert next(taken) < 12


def test_what_was_written_is_not_asked_again(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert len(run(["one", "two"], site=site.url, out=out)) == 2
    assert {line["id"]: line["ok"] for line in lines(out)} == {0: True, 1: True}
    assert "> one" in next(line["text"] for line in lines(out) if line["id"] == 0)
    told: list[BatchProgress] = []
    results = run(["one", "two", "three"], site=site.url, out=out, progress=told.append)
    assert [result.id for result in results] == [2]
    assert told[-1] == BatchProgress(3, skipped=2, answered=1)
    assert sorted(asked(site)) == ["one", "three", "two"]


def test_a_changed_prompt_is_noticed(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(["one", "two"], site=site.url, out=out)
    before = out.read_bytes()
    with pytest.raises(chatgptes.InvalidConfigError, match="another prompt with the id 1"):
        run(["one", "changed", "more"], site=site.url, out=out)
    assert len(site.messages) == 2
    assert out.read_bytes() == before
    # Ids of one's own stand for themselves, wherever they are.
    named = [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "y"}]
    other = tmp_path / "named.jsonl"
    run(named, site=site.url, out=other)
    assert run(named[::-1], site=site.url, out=other) == []


@pytest.mark.parametrize("left", [1, 20, -2])
def test_a_torn_last_line_is_asked_again(site: Site, tmp_path: Path, left: int) -> None:
    out = tmp_path / "out.jsonl"
    run(["one", "two", "three"], site=site.url, out=out)
    *whole, last = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(whole) + last[:left])
    results = run(["one", "two", "three"], site=site.url, out=out)
    assert [result.id for result in results] == [json.loads(last)["id"]]
    assert sorted(line["id"] for line in lines(out)) == [0, 1, 2]
    assert len(site.messages) == 4


@pytest.mark.parametrize("text", ["my notes", "my notes\n", '{"a": 1}\n', '{"other": "x', "[]\n"])
def test_a_file_of_something_else_is_left_alone(site: Site, tmp_path: Path, text: str) -> None:
    out = tmp_path / "notes.txt"
    out.write_text(text)
    with pytest.raises(chatgptes.InvalidConfigError, match="not a file of batch replies"):
        run(["one"], site=site.url, out=out)
    assert out.read_text() == text
    assert site.requests == []


def test_failures_are_kept_and_retried_alone(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    site.next("model-500")
    (failed,) = [r for r in run(["one", "two"], site=site.url, out=out, jobs=1) if not r.ok]
    (line,) = [line for line in lines(out) if not line["ok"]]
    assert (line["id"], line["error"]) == (failed.id, "UpstreamError")
    assert "problem of its own" in line["message"]
    assert run(["one", "two"], site=site.url, out=out) == []
    (again,) = run(["one", "two", "three"], site=site.url, out=out, retry_failed=True)
    assert (again.id, again.ok) == (failed.id, True)
    assert "three" not in asked(site)
    assert run(["one", "two"], site=site.url, out=out, retry_failed=True) == []
    # The last line of an id counts.
    journal = Journal(out)
    assert {name: ok for name, (_, ok) in journal.known.items()} == {0: True, 1: True}
    journal.close()


def test_what_failed_before_is_counted(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    site.next("model-500", 2)
    run(["one", "two", "three"], site=site.url, out=out, jobs=1)
    prompts = ["one", "two", "three", "four"]

    def last(**arguments: Any) -> BatchProgress:
        told: list[BatchProgress] = []
        run(prompts, site=site.url, out=out, jobs=1, progress=told.append, **arguments)
        return told[-1]

    site.next("model-500")
    assert last(retry_failed=True) == BatchProgress(4, 1, answered=1, failed=1, unasked=1)
    progress = last()
    assert progress == BatchProgress(4, 2, answered=1, failed_before=1)
    assert progress.done == 4
    assert last(retry_failed=True) == BatchProgress(4, 3, answered=1)
    prompts.append("five")
    assert last() == BatchProgress(5, 4, answered=1)
    assert last() == BatchProgress(5, 5)


def test_a_partial_answer_is_kept(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    site.next("cut")
    run(["one"], site=site.url, out=out)
    (line,) = lines(out)
    assert line["error"] == "StreamInterruptedError"
    assert line["partial"].startswith("**I am")


def test_a_quota_ends_it_and_the_next_day_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    prompts = [f"say {number}" for number in range(6)]
    with Site(quota=2) as site:
        results = []
        with pytest.raises(chatgptes.QuotaError, match="stopped, with 2 of 6") as caught:
            for result in chatgptes.batch(prompts, site=site.url, out=out, jobs=1):
                results.append(result)
        assert "continues from here" in str(caught.value)
        assert [result.id for result in results] == [0, 1]
        assert [line["ok"] for line in lines(out)] == [True, True]
        site.quota = None
        assert len(run(prompts, site=site.url, out=out)) == 4
        assert sorted(asked(site)) == prompts


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ("challenge", chatgptes.ChallengeError),
        ("limited-long", chatgptes.RateLimitError),
        ("nobot", chatgptes.BotNotFoundError),
        ("fault-ts-required", chatgptes.ChallengeError),
        ("fault-quota", chatgptes.QuotaError),
    ],
)
def test_it_does_not_hammer_a_site_that_says_no(
    site: Site, page: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        run(map(str, range(50)), site=site.page(page), jobs=2)
    assert len(site.requests) <= 8


def test_a_wrong_key_ends_it(site: Site) -> None:
    with pytest.raises(chatgptes.AuthenticationError):
        run(["one"] * 50, site=site.url, api_key="sandbox-wrong", bot=5, jobs=2)
    assert len(site.requests) <= 5


def test_many_failures_in_a_row_end_it(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(chatgptes.UpstreamError, match="in a row"):
        run(map(str, range(50)), site=site.page("fault-model-500"), out=out)
    assert IN_A_ROW <= len(lines(out)) <= IN_A_ROW + 4
    # What is said of the batch is said once, and not of the result.
    results = []
    with pytest.raises(chatgptes.UpstreamError, match="the batch has stopped"):
        for result in chatgptes.batch(map(str, range(50)), site=site.page("fault-model-500")):
            results.append(result)
    assert not any("the batch has stopped" in str(result.error) for result in results)
    # An answer between them makes them others' business.
    turns = iter(range(1, 100))

    def nine_of_ten(_: object) -> str:
        if next(turns) % IN_A_ROW:
            raise OSError("no")
        return "yes"

    with Site(answer=nine_of_ten) as other:
        found = run((f"say {n}" for n in range(2 * IN_A_ROW)), site=other.url, jobs=1)
    assert [result.ok for result in found].count(False) == 2 * (IN_A_ROW - 1)
    # A site that refuses everything is not asked on; what only the prompt is to blame for is none.
    with pytest.raises(chatgptes.RefusedError, match="in a row"):
        run(map(str, range(50)), site=site.page("fault-plain-banned-word"))
    blank = run([" "] * (IN_A_ROW + 5), site=site.url)
    assert all(isinstance(result.error, chatgptes.InvalidMessageError) for result in blank)
    assert len(blank) == IN_A_ROW + 5


def test_no_more_than_jobs_at_once() -> None:
    now = 0
    most = 0
    lock = threading.Lock()
    three = threading.Event()

    def answer(messages: list[dict[str, str]]) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == 3:
                three.set()
        three.wait(10)
        with lock:
            now -= 1
        return "done"

    with Site(answer=answer) as site:
        assert len(run(map(str, range(12)), site=site.url, jobs=3)) == 12
    assert most == 3


def test_an_iterable_that_fails_loses_nothing(tmp_path: Path) -> None:
    """What is under way when it does is written and given first."""
    failed = threading.Event()

    def prompts() -> Iterator[str]:
        yield "one"
        yield "two"
        failed.set()
        raise ValueError("the end of the tape")

    def answer(messages: list[dict[str, str]]) -> str:
        failed.wait(10)
        return "done"

    out = tmp_path / "out.jsonl"
    results = []
    with Site(answer=answer) as site:
        replies = chatgptes.batch(prompts(), site=site.url, out=out)
        with pytest.raises(ValueError, match="the end of the tape"):
            for result in replies:
                results.append(result)
    assert sorted(result.id for result in results) == [0, 1]
    assert [line["ok"] for line in lines(out)] == [True, True]


def test_a_bad_prompt_in_an_iterable_loses_nothing(site: Site) -> None:
    results = []
    with pytest.raises(chatgptes.InvalidMessageError, match=r"^Prompt 2: .*'promt'\.$"):
        for result in chatgptes.batch(iter(["a", "b", {"promt": "c"}, "d"]), site=site.url):
            results.append(result.id)
    assert sorted(results) == [0, 1]


def test_a_slow_iterable_holds_no_reply_back(site: Site) -> None:
    """One that goes on only when the reply before was seen would else wait forever."""
    seen = threading.Semaphore(0)

    def prompts() -> Iterator[str]:
        for number in range(3):
            yield f"say {number}"
            assert seen.acquire(timeout=10)

    ids = []
    for result in chatgptes.batch(prompts(), site=site.url):
        ids.append(result.id)
        seen.release()
    assert ids == [0, 1, 2]


def test_starts_are_apart() -> None:
    starts: list[float] = []

    def answer(messages: list[dict[str, str]]) -> str:
        starts.append(time.monotonic())
        return "done"

    with Site(answer=answer) as site:
        # Its waits are nobody's turn: a total of less than they take together does not matter.
        results = run(["a", "b", "c"], site=site.url, jobs=3, min_interval=0.4)
    assert all(result.ok for result in results)
    assert starts[-1] - starts[0] > 0.4


def test_leaving_early_ends_what_runs(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    replies = chatgptes.batch(["one", "two", "three"], site=site.url, out=out, jobs=1)
    next(replies)
    replies.close()  # type: ignore[attr-defined]
    before = len(lines(out))
    site.next("stall")
    replies = chatgptes.batch(["one", "two", "three"], site=site.url, out=out, jobs=2)
    next(replies)
    replies.close()  # type: ignore[attr-defined]
    assert all(line["ok"] for line in lines(out))
    assert len(lines(out)) > before
    ids = [line["id"] for line in lines(out)]
    assert len(ids) == len(set(ids))
    run(["one", "two", "three"], site=site.url, out=out)
    assert sorted(line["id"] for line in lines(out)) == [0, 1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_a_file_has_one_writer(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    first = chatgptes.batch(["one", "two", "three"], site=site.url, out=out, jobs=1)
    next(first)
    with pytest.raises(chatgptes.InvalidConfigError, match="Another batch"):
        run(["one"], site=site.url, out=out)
    assert len(list(first)) == 2
    assert run(["one", "two", "three"], site=site.url, out=out) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_full_disk_is_told(site: Site, tmp_path: Path) -> None:
    """What could not be written is not counted as answered."""
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("".join(f"{'word ' * 40}{number}\n" for number in range(40)))
    command = [sys.executable, "-m", "chatgptes", "batch", str(source), "-o", str(out)]
    limited = subprocess.run(
        ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *command, "--site", site.url],
        capture_output=True, text=True, timeout=60, cwd=ROOT,
        # Else it writes half a file of each module that it is the first to import.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert limited.returncode == 1
    whole = sum(line.endswith("\n") for line in out.read_text().splitlines(keepends=True))
    assert 0 < whole < 40
    assert f"chatgptes: {whole} answered, {40 - whole} left." in limited.stderr
    assert f"{out}" in limited.stderr.splitlines()[-1]
    again = subprocess.run(
        [*command, "--site", site.url], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert f"{40 - whole} answered, {whole} answered before." in again.stderr


def test_who_leaves_waits_for_a_reply_that_is_being_written(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()
    write = Journal.write

    def slowly(self: Journal, result: BatchResult) -> None:
        if result.id == 1:
            writing.set()
            go_on.wait(20)
        write(self, result)

    monkeypatch.setattr(Journal, "write", slowly)
    out = tmp_path / "out.jsonl"
    replies = chatgptes.batch(["one", "two"], site=site.url, out=out, jobs=2)
    assert next(replies).id == 0
    assert writing.wait(20)
    threading.Timer(0.1, go_on.set).start()
    replies.close()  # type: ignore[attr-defined]
    assert [line["id"] for line in lines(out)] == [0, 1]


def test_a_file_is_of_one_site(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(["one"], site=site.page("aipkit-two"), out=out)
    for elsewhere in ({"site": site.page("classic")}, {"site": site.page("aipkit-two"), "bot": 5}):
        with pytest.raises(InvalidConfigError, match="give another file"):
            run(["one", "two"], out=out, **elsewhere)
    assert len(run(["one", "two"], site=site.page("aipkit-two"), bot=6, out=out)) == 1
    with Site() as moved:  # Another port of this machine.
        assert len(run(["one", "two", "three"], site=moved.page("aipkit-two"), out=out)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        [3],
        [{"text": "hi"}],
        [{"prompt": "a", "messages": []}],
        [{"prompt": "a", "more": 1}],
        [{"prompt": ["a"]}],
        [{"messages": "a"}],
        [{"prompt": "a", "id": 1.5}],
        [{"prompt": "a", "id": True}],
        ["a", {"prompt": "b", "id": 0}],  # As the first has, by its place.
        [{"messages": [{"role": "user", "content": object()}]}],
    ],
)
def test_wrong_prompts(site: Site, wrong: Any) -> None:
    with pytest.raises(chatgptes.InvalidMessageError, match="Prompt"):
        chatgptes.batch(wrong, site=site.url)
    assert site.requests == []


def test_wrong_arguments(site: Site) -> None:
    wrong: dict[str, Any] = {
        "jobs": 0, "max_concurrency": 3, "retry_failed": True, "min_interval": -1,
    }  # fmt: skip
    for name, value in wrong.items():
        with pytest.raises(chatgptes.InvalidConfigError):
            chatgptes.batch(["a"], site=site.url, **{name: value})
    with pytest.raises(TypeError):
        chatgptes.batch(["a"], sight=site.url)  # type: ignore[call-arg]


def test_formats() -> None:
    assert prompts_of("one\n\n  two \r\nthree\u2028still\n", "p.txt") == [
        "one", "  two ", "three\u2028still",
    ]  # fmt: skip
    objects = '{"prompt": "one"}\n\n{"id": 4, "messages": []}\n"two"\n'
    expected = [{"prompt": "one"}, {"id": 4, "messages": []}, "two"]
    assert prompts_of(objects, "p.jsonl") == expected
    assert prompts_of(objects, "p.txt") == expected
    assert prompts_of("", "p.jsonl") == []
    for text in (
        "[INST] hello", "{x} and {y}?\n", '"quoted"\n', "[1]", "{}, not JSON",
        '{"a": 1} explain this', 'Say it.\n{"a": 1} explain this', "Say it.\n[1]\n{x} and {y}?",
        'Say it.\n["a", "b"]: sort these',
    ):  # fmt: skip
        assert prompts_of(text, "p.txt") == text.strip().split("\n")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("one\n", 0, "no prompt in JSON (Expecting value, column 1)"),
        ('{"prompt": "a"}\n{"prompt": \n', 2, "no prompt in JSON"),
        ("[1]\n", 0, "neither a string nor a dict"),
        ('{"prompt": "a"}\n3\n', 2, "neither a string nor a dict"),
        ('\n{"promt": "a"}\n', 2, "it has 'promt'"),
        ('{"prompt": "a"}\n\n{"promt": "a"}\n', 3, "it has 'promt'"),
        ('{"prompt": "a", "model": "b"}\n', 1, "it has 'model', 'prompt'"),
        ('{"prompt": 3}\n', 1, "must be a string"),
        ('{"id": 7, "prompt": "a"}\n{"id": 7, "prompt": "b"}\n', 2, "the id 7 too"),
        ('{"prompt": "a",}\n', 1, "no prompt in JSON"),
        ('[\n  {"prompt": "a"},\n  {"prompt": "b"}\n]\n', 1, "no prompt in JSON"),
        ('[{"prompt": "a"}]', 1, "no prompt in JSON"),
        ('\n["a",\n"b"]', 2, "no prompt in JSON"),
        ('{\n  "prompt": "a"\n}\n', 1, "no prompt in JSON"),
        ('# mine\n{"prompt": "a"}\n', 2, "the file's first line is none"),
        ('one\n  {"prompt": "a"},\n', 2, "the file's first line is none"),
        ('one\n{"a": 1}\n', 2, "the file's first line is none"),
    ],
)
def test_json_that_is_no_prompt_is_not_asked(text: str, line: int, said: str) -> None:
    """`line` 0: only by a file's name is it JSON."""
    for name in ("p.jsonl",) if line == 0 else ("p.txt", "p.json"):
        with pytest.raises(chatgptes.InvalidMessageError) as caught:
            prompts_of(text, name)
        assert str(caught.value).startswith(f"{name}, line {line or 1}: ")
        assert said in str(caught.value)


def start_batch(source: Path, out: Path, site: Site) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "chatgptes", "batch", str(source), "-o", str(out),
            "--site", site.url, "--jobs", "3",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for_lines(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    end = time.monotonic() + 30
    while not out.exists() or out.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_ctrl_c_again_and_again(tmp_path: Path) -> None:
    """It ends at once, however often, and what was written is whole."""
    source, out = tmp_path / "prompts.txt", tmp_path / "replies.jsonl"
    source.write_text("".join(f"say {number}\n" for number in range(400)))
    with Site(chunk_delay=0.01) as site:
        for enough in (3, 6, 9):
            site.next("stall", 2)
            process = start_batch(source, out, site)
            wait_for_lines(process, out, enough)
            end = time.monotonic() + 30
            while process.poll() is None and time.monotonic() < end:
                process.send_signal(signal.SIGINT)
                time.sleep(0.003)  # So that it hits the cleaning up, wherever that is.
            _, stderr = process.communicate(timeout=30)
            assert process.returncode == 130, stderr
            assert b"Traceback" not in stderr
        counted = Counter(line["id"] for line in lines(out))
        assert max(counted.values()) == 1
        assert out.read_bytes().endswith(b"\n")


PROGRAM = """
import sys, threading, chatgptes

class Deaf:
    def send(self, request, deadline):
        print("sent", flush=True)
        threading.Event().wait()

    def close(self):
        pass

list(chatgptes.batch(["one", "two"], out=sys.argv[1], transport=Deaf(), site="http://127.0.0.1:9/"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_no_turn_that_hangs_keeps_a_program_from_ending(tmp_path: Path) -> None:
    """Not even in a transport that hears of no cancel."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "out.jsonl")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"sent\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert stderr.splitlines()[-1] == b"KeyboardInterrupt"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_killed_and_gone_on(tmp_path: Path) -> None:
    """kill -9 in the middle, twice: nothing asked twice that was written, nothing lost."""
    prompts = [f"say {number}" for number in range(40)]
    source, out = tmp_path / "prompts.txt", tmp_path / "replies.jsonl"
    source.write_text("\n".join(prompts))

    def answer(messages: list[dict[str, str]]) -> list[str]:
        return ["You", " said: ", messages[-1]["content"]]

    with Site(answer=answer, chunk_delay=0.02) as site:
        written: set[int] = set()
        for enough in (6, 16):
            process = start_batch(source, out, site)
            wait_for_lines(process, out, enough)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
            # As if the kill had hit in the middle of a write, which it seldom does.
            *whole, last = out.read_bytes().splitlines(keepends=True)
            torn = last[: len(last) // 2]
            out.write_bytes(b"".join(whole) + torn)
            written |= {json.loads(line)["id"] for line in whole}
        before = Counter(asked(site))
        process = start_batch(source, out, site)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        assert f"{len(written)} answered before" in stderr.decode()
        after = Counter(asked(site))
    records = lines(out)
    assert sorted(record["id"] for record in records) == list(range(40))
    for record in records:
        assert record["text"] == f"You said: say {record['id']}"
    for number in written:
        assert after[f"say {number}"] == before[f"say {number}"]
    assert len(written) >= 15


def test_a_huge_line_of_others_is_not_read_whole(tmp_path: Path) -> None:
    """Its beginning is enough."""
    file = tmp_path / "dump.json"
    size = 64 << 20
    for beginning in (b'{"name": "', b"[", b""):
        file.write_bytes(beginning)
        os.truncate(file, size)  # A hole: it takes no room.
        tracemalloc.start()
        try:
            with pytest.raises(InvalidConfigError, match="not a file of batch replies"):
                Journal(file)
            assert tracemalloc.get_traced_memory()[1] < size / 8
        finally:
            tracemalloc.stop()
        assert file.stat().st_size == size


def test_a_long_first_line_of_ours_is_read(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with Site(answer=lambda _: "x" * 100_000) as site:
        prompts = [{"id": 'an "id"', "prompt": "one"}]
        (result,) = run(prompts, out=out, site=site.url)
        assert result.ok
        assert run(prompts, out=out, site=site.url) == []
        # Another program may have written it anew.
        out.write_text(json.dumps(lines(out)[0], separators=(",", ":")) + "\n")
        assert run(prompts, out=out, site=site.url) == []


def test_nothing_is_written_behind_half_a_line(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk may take a part of a line, and have room again for the next one."""
    out = tmp_path / "out.jsonl"
    run(["one"], out=out, site=site.url)
    journal = Journal(out)
    good = out.read_bytes()
    result = BatchResult(5, 5, "ab", error=chatgptes.ResponseError("no"))

    class Full:
        closed = False

        def write(self, line: bytes) -> int:
            if len(line) < 40:
                raise OSError(28, "No space left on device")
            return file.write(line[: len(line) - 30])

    file = journal._file
    monkeypatch.setattr(journal, "_file", Full())
    with pytest.raises(OSError, match="No space"):
        journal.write(result)
    monkeypatch.setattr(journal, "_file", file)
    with pytest.raises(OSError, match="No space"):
        journal.write(result)
    journal.close()
    journal.write(result)
    assert len(out.read_bytes()) > len(good)
    Journal(out).close()
    assert out.read_bytes() == good


def test_files_of_others_are_left_alone(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    for content in (
        '{"id": 7, "name": "precious"}',
        '{"id": "a", "prompt": "one"}',
        '{"id": 7, "index": "no", "digest": 5}',
        '{"id": 7, "na',
        "[1, 2]",
        "text",
    ):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(InvalidConfigError, match="not a file of batch replies"):
            list(chatgptes.batch(["one"], out=file, site=site.url))
        assert file.read_text(encoding="utf-8") == content
    assert site.requests == []


def test_a_reply_that_lost_its_line_end_counts(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "replies.jsonl"
    list(chatgptes.batch(["one"], out=file, site=site.url))
    whole = file.read_bytes()
    file.write_bytes(whole.rstrip(b"\n"))
    assert list(chatgptes.batch(["one"], out=file, site=site.url)) == []
    assert file.read_bytes() == whole
    # Cut short, it is asked again; of the only line, enough must be there to know it by.
    for length in range(whole.index(b"digest") + 11, len(whole) - 1, 7):
        file.write_bytes(whole[:length])
        assert len(list(chatgptes.batch(["one"], out=file, site=site.url))) == 1


def limited_site(monkeypatch: pytest.MonkeyPatch, refusals: list[str]) -> Any:
    """A client's `chat` of a bot that gives an answer, or the refusals, in turn ("" answers)."""
    asked: list[str] = []

    def chat(self: Client, prompt: str, **_: object) -> Reply:
        asked.append(prompt)
        words = refusals.pop(0) if refusals else ""
        if words:
            raise RefusedError(f"The site refused: {words}", excerpt=words)
        return Reply(text=prompt, site=self.site, bot="5", dialect="aipkit")

    monkeypatch.setattr(Client, "chat", chat)
    return asked


def test_a_limit_of_messages_per_minute_is_waited_for(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By behaviour: the bot has just answered, and refuses the next without a code."""
    asked = limited_site(monkeypatch, ["", "too fast", "too fast"])
    monkeypatch.setattr("chatgptes.batches.run.MINUTE", 1.0)
    out = tmp_path / "out.jsonl"
    results = run(["a", "b", "c"], site=site.url, out=out, jobs=1)
    assert [result.ok for result in results] == [True, False, True]
    assert asked == ["a", "b", "b", "c"]
    assert [line["ok"] for line in lines(out)] == [True, False, True]
    asked = limited_site(monkeypatch, ["", "too fast"])
    results = run(["a", "b", "c"], site=site.url, jobs=1)
    assert all(result.ok for result in results)
    assert asked == ["a", "b", "b", "c"]


def test_a_refusal_of_one_prompt_costs_one_wait(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same words are not waited for twice; nor is a bot that never answered."""
    monkeypatch.setattr("chatgptes.batches.run.MINUTE", 1.0)
    asked = limited_site(monkeypatch, ["", "a bad word", "a bad word", "", "a bad word"])
    results = run(["a", "b", "c", "d"], site=site.url, jobs=1)
    assert [result.ok for result in results] == [True, False, True, False]
    assert asked == ["a", "b", "b", "c", "d"]
    asked = limited_site(monkeypatch, ["members only"])
    assert [result.ok for result in run(["a", "b"], site=site.url, jobs=1)] == [False, True]
    assert asked == ["a", "b"]


def test_a_firewall_ends_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def chat(self: Client, prompt: str, **_: object) -> Reply:
        error = RefusedError("A firewall refused it.")
        error.blocked = True
        asked.append(prompt)
        raise error

    asked: list[str] = []
    monkeypatch.setattr(Client, "chat", chat)
    with pytest.raises(RefusedError, match="the batch has stopped, with 0 of 50"):
        run([f"say {number}" for number in range(50)], site=site.url, jobs=1)
    assert asked == ["say 0"]


@pytest.mark.parametrize("wrong", ["a string", b"bytes", {"prompt": "x"}, None, 5])
def test_one_prompt_is_no_list(site: Site, wrong: object) -> None:
    with pytest.raises(InvalidConfigError, match="list"):
        chatgptes.batch(wrong, site=site.url)  # type: ignore[arg-type]
    assert site.requests == []
