"""The command line on a real (pseudo-)terminal."""

from __future__ import annotations

import base64
import codecs
import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatgptes.sandbox import Site

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

ROOT = Path(__file__).parents[2]
ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_=>])")


class Terminal:
    """A process whose standard streams are a terminal of 24 lines and (if not told) 80 columns."""

    def __init__(
        self,
        *arguments: str,
        program: tuple[str, ...] = ("-m", "chatgptes"),
        columns: int = 80,
        **variables: str,
    ) -> None:
        import fcntl
        import struct
        import termios

        self._end, inside = os.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {
            **{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")},
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            "TERM": "xterm-256color",
            "INPUTRC": "/dev/null",
        }
        self.process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=environment | variables,
            # A session of its own, whose terminal this is: so that Ctrl-C reaches it as a signal.
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(inside)
        self.raw = ""
        # A read may end within a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._seen = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._end)

    @property
    def text(self) -> str:
        """What was shown so far, without what steers the terminal."""
        return ESCAPE.sub("", self.raw).replace("\r", "")

    def see(self, text: str, seconds: float = 30) -> None:
        """Wait until `text` was shown, after what was waited for before."""
        end = time.monotonic() + seconds
        while (at := self.text.find(text, self._seen)) < 0:
            assert time.monotonic() < end, self.text
            assert self._more(0.2) or text in self.text[self._seen :], self.text
        self._seen = at + len(text)

    def interrupt(self, text: str) -> None:
        """Ctrl-C until `text` is shown.

        Once is not always enough at a prompt: Python looks for signals before it waits for the
        next key, and one that comes in between is noticed with that key only.
        """
        for _ in range(30):
            self.type("\x03")
            with contextlib.suppress(AssertionError):
                self.see(text, 1)
                return
        raise AssertionError(self.text)

    def fileno(self) -> int:
        return self._end

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def done(self, seconds: float = 30) -> int:
        """Its exit status, once it has ended and all was read."""
        end = time.monotonic() + seconds
        while self._more(0.2):
            assert time.monotonic() < end, self.text
        return self.process.wait(seconds)

    def _more(self, seconds: float) -> bool:
        if not select.select([self._end], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._end, 65536)
        except OSError:  # Linux's way to say that the other side is closed.
            data = b""
        self.raw += self._decoder.decode(data)
        return bool(data)


def test_markdown_is_drawn(site: Site) -> None:
    with Terminal("--site", site.url, "Hello") as terminal:
        assert terminal.done() == 0
        assert "\x1b[1mI am the sandbox\x1b[0m" in terminal.raw
        assert "**" not in terminal.text.splitlines()[-1]
        assert "▌ Hello" in terminal.text


@pytest.mark.parametrize(
    ("options", "variables"),
    [(["--plain"], {}), ([], {"TERM": "dumb"})],
)
def test_plain(site: Site, options: list[str], variables: dict[str, str]) -> None:
    with Terminal("--site", site.url, *options, "Hello", **variables) as terminal:
        assert terminal.done() == 0
        assert "\x1b" not in terminal.raw
        assert "**I am the sandbox**" in terminal.raw


def test_no_color() -> None:
    code = "```python\nimport this\n```\n"
    with Site(answer=lambda _: code) as site:
        with Terminal("--site", site.url, "Hello", NO_COLOR="1") as terminal:
            assert terminal.done() == 0
            assert "import this" in terminal.text
            assert not re.search(r"\x1b\[[0-9;]*(?:3[0-9]|4[0-9])[0-9;]*m", terminal.raw)
        with Terminal("--site", site.url, "Hello") as terminal:
            assert terminal.done() == 0
            assert re.search(r"\x1b\[[0-9;]*(?:3[0-9]|4[0-9])[0-9;]*m", terminal.raw)


def test_a_long_answer_is_there_once() -> None:
    """More than a screen: what is finished scrolls away, and nothing is lost or doubled."""
    paragraphs = "\n\n".join(f"Paragraph number {n}." for n in range(40))
    items = "\n".join(f"- item number {n}." for n in range(60))
    code = "```\n" + "\n".join(f"line number {n}." for n in range(60)) + "\n```"
    answer = f"{paragraphs}\n\n{items}\n\n{code}\n\nThe end."
    with Site(answer=lambda _: answer, chunk_delay=0.001) as site:
        with Terminal("--site", site.url, "Hello") as terminal:
            assert terminal.done() == 0
    shown = Screen(80, 24, terminal.raw).text
    for what, count in (("Paragraph", 40), ("item", 60), ("line", 60)):
        found = re.findall(rf"{what} number (\d+)\.", shown)
        assert found == [str(number) for number in range(count)]
    assert shown.rstrip().endswith("The end.")


def test_it_looks_the_same_however_it_comes() -> None:
    """Word by word, each block for itself, or all at once."""
    answer = (
        "# Title\n\nText.\n\n```\ncode\n```\n\n[A](https://example.org/) link.\n\n---\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n\n  more\n- two\n\n> quote\n\n    code\n\n"
        "## End\n\nThe end.\n"
    )
    looks = set()
    for options, delay in (([], 0.02), ([], 0.0), (["--no-stream"], 0.0)):
        with Site(answer=lambda _: answer, chunk_delay=delay) as site:
            with Terminal("--site", site.url, *options, "Hello") as terminal:
                assert terminal.done() == 0
        looks.add(Screen(80, 24, terminal.raw).text.rstrip())
    (look,) = looks
    assert "\n\n\n" not in look
    assert look.endswith("The end.")


CODE = "call(first_argument, second_argument, third_argument)  # a comment"


@pytest.mark.parametrize(
    "answer",
    [
        f"- words {'word ' * 12}\n\n  ```python\n  {CODE}\n  short\n  ```\n- two\n",
        f"9. one\n10. two\n    - three {'word ' * 12}\n\n      ```\n      {CODE}\n      ```\n",
        f"> words {'word ' * 12}\n>\n> ```sh\n> {CODE}\n> ```\n",
        f"1. > - words {'word ' * 12}\n   >\n   >       {CODE}\n",
    ],
)
@pytest.mark.parametrize("options", [[], ["--no-stream"]])
def test_code_in_lists_and_quotes_is_never_broken(answer: str, options: list[str]) -> None:
    with Site(answer=lambda _: answer, chunk_delay=0.001) as site:
        with Terminal("--site", site.url, *options, "Hello", columns=40) as terminal:
            assert terminal.done() == 0
    # As it stays: a slow machine has drawn parts of it before, and erased them.
    shown = ESCAPE.sub("", terminal.raw.rpartition("\x1b[2K")[2]).splitlines()
    assert any(line.endswith(CODE) for line in shown)
    assert max(len(line) for line in shown if CODE not in line) <= 40


@pytest.mark.parametrize(
    "answer",
    [
        f"{'> ' * 25}deep\n{'> ' * 25}deeper\n\nThe end.",
        f"{'- ' * 12}deep\n{'  ' * 12}deeper\n\nThe end.",
        f"{'> - ' * 200}deep deeper\n\nThe end.",
        f"| a | b |\n|---|---|\n| {'long' * 20}deep | {'long' * 20}deeper |\n\nThe end.",
    ],
)
def test_no_text_is_left_out(answer: str) -> None:
    with Site(answer=lambda _: answer) as site:
        with Terminal("--site", site.url, "Hello", columns=60) as terminal:
            assert terminal.done() == 0
    shown = re.sub(r"[\s▌]", "", terminal.text)
    assert {"deep", "deeper", "Theend."} <= set(re.findall("deeper|deep|Theend.", shown))


@pytest.mark.parametrize(
    ("begin", "end"), [("```\n", "```\n"), ("- one\n\n  ```\n  ", ""), ("> ```\n> ", "> ```\n")]
)
def test_code_that_is_being_written_is_there_once(begin: str, end: str) -> None:
    rest = threading.Event()

    def answer(_: object) -> Iterator[str]:
        yield f"First.\n\n{begin}{CODE * 3}\n"
        rest.wait(30)
        yield f"{end}\nSecond.\n\nThe end.\n"

    with Site(answer=answer) as site:
        with Terminal("--site", site.url, "Hello", columns=40) as terminal:
            terminal.see("call(")
            rest.set()
            assert terminal.done() == 0
    assert Screen(40, 24, terminal.raw).text.count("call(") == 3


def test_the_end_of_a_long_block_is_shown_while_it_is_written() -> None:
    rest = threading.Event()

    def answer(_: object) -> Iterator[str]:
        yield from (f"- item number {n}.\n" for n in range(60))
        rest.wait(30)
        yield "- the last\n"

    with Site(answer=answer) as site, Terminal("--site", site.url, "Hello") as terminal:
        terminal.see("item number 59.")
        shown = Screen(80, 24, terminal.raw).text.splitlines()
        assert 10 < len(shown) < 24
        rest.set()
        assert terminal.done() == 0
        assert terminal.text.rstrip().endswith("the last")


class Screen:
    """What a terminal would show, scrolled-off lines included: enough of one for rich's Live."""

    def __init__(self, columns: int, rows: int, raw: str) -> None:
        self._lines = [""]
        self._row = self._column = 0
        self._columns = columns
        for match in re.finditer(r"\x1b\[([0-?]*)([@-~])|\x1b.|\r|\n|[^\x1b\r\n]", raw):
            text = match[0]
            if text == "\r":
                self._column = 0
            elif text == "\n":
                self._down()
            elif not text.startswith("\x1b"):
                self._put(text)
            elif match[2] == "A":
                # It can't go up beyond the first row that is still on the screen.
                first = max(0, len(self._lines) - rows)
                self._row = max(first, self._row - int(match[1] or 1))
            elif match[2] == "K":
                self._lines[self._row] = (
                    "" if match[1] == "2" else self._lines[self._row][: self._column]
                )
            else:
                assert match[2] in ("m", "h", "l"), f"unknown: {text!r}"

    def _down(self) -> None:
        self._row += 1
        if len(self._lines) == self._row:
            self._lines.append("")

    def _put(self, char: str) -> None:
        if self._column == self._columns:
            self._down()
            self._column = 0
        line = self._lines[self._row].ljust(self._column)
        self._lines[self._row] = line[: self._column] + char + line[self._column + 1 :]
        self._column += 1

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._lines)


def test_nothing_in_an_answer_steers_the_terminal() -> None:
    evil = (
        "a\x1b[31mred \x9b2J \x1b]0;title\x07 [bold]not markup[/bold] [link=x]y[/link]\n\n"
        "&#27;[31m &#12; &#13;over &#x202e;drow\n\n"
        "List<String> and <b>tags</b> `<i>`\n\n<div>shown</div>\n\n"
        "[click](javascript:x) [site](https://example.org/a)\n"
    )
    with Site(answer=lambda _: evil) as site:
        with Terminal("--site", site.url, "Hello") as terminal:
            assert terminal.done() == 0
    shown = terminal.text
    assert "a␛[31mred" in shown
    assert "[bold]not markup[/bold]" in shown
    assert "List<String> and <b>tags</b> <i>" in shown
    assert "<div>shown</div>" in shown
    assert "https://example.org/a" in shown
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\x0c", "\u202e"}
    # Of rich's own there are colours, and the moves of its live display.
    for sequence in re.findall(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|.)", terminal.raw):
        assert re.fullmatch(r"\x1b\[(?:[0-9;]*m|\?25[hl]|\d*A|2K)", sequence), repr(sequence)


def test_what_came_before_an_error_stays(site: Site) -> None:
    site.next("cut")
    with Terminal("--site", site.url, "Hello") as terminal:
        assert terminal.done() == 1
        assert "I am" in terminal.text
        assert "chatgptes: StreamInterruptedError" in terminal.text.splitlines()[-1]


def test_a_question_is_needed(site: Site) -> None:
    with Terminal("--site", site.url) as terminal:
        assert terminal.done() == 2
        assert "Nothing to ask" in terminal.text


def test_a_pipe_from_which_nothing_comes_is_named(site: Site) -> None:
    """The program waits for its end: a user who did not mean that must know why."""
    program = (
        "-c",
        "import os, subprocess, sys; reading, writing = os.pipe();"
        "command = [sys.executable, '-m', 'chatgptes', *sys.argv[1:]];"
        "child = subprocess.Popen(command, stdin=reading);"
        "input(); os.close(writing); sys.exit(child.wait())",
    )
    with Terminal("--site", site.url, "Hello", program=program) as terminal:
        terminal.see("Reading standard input (none: `< /dev/null`)")
        terminal.type("\n")
        terminal.see("▌ Hello")
        assert terminal.done() == 0


def test_alone_it_shows_what_there_is() -> None:
    with Terminal() as terminal:
        assert terminal.done() == 0
        shown = terminal.text.rstrip().splitlines()
        assert "Commands:" in shown
        # All of it, on a screen of 80 columns and 24 lines; no line is cut off.
        assert len(shown) <= 23
        assert max(map(len, shown)) <= 80
        assert not [line for line in shown if line.endswith("...") and "Usage" not in line]


def test_json_is_indented_and_coloured(site: Site) -> None:
    for arguments in (("--site", site.url, "--json", "Hello"), ("bots", "--json", site.url)):
        with Terminal(*arguments) as terminal:
            assert terminal.done() == 0
            assert re.search(r'\n +"dialect": "aipkit"', terminal.text)
            assert re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal.raw)
            json.loads(terminal.text)


def test_tables(site: Site) -> None:
    with Terminal("bots", site.page("aipkit-two")) as terminal:
        assert terminal.done() == 0
        assert re.search(r" 6 +Second +aipkit +inline", terminal.text)
    with Terminal("doctor", site.page("nobot")) as terminal:
        assert terminal.done() == 1
        assert re.search(r"bots +failed +The page has traces", terminal.text)
        assert "bots: The chat may be a popup" in terminal.text
    with Terminal("doctor", site.url) as terminal:
        assert terminal.done() == 0
        assert "Nothing stands in the way." in terminal.text


def test_a_conversation(tmp_path: Path) -> None:
    with Site() as site, Terminal("chat", "--site", site.url) as terminal:
        terminal.see("Talking to Sandbox on ")
        terminal.see("/help for help, /exit to leave.")
        terminal.see("Hello! I'm the sandbox")
        terminal.see("\n>")
        terminal.type("My name is Ada\n")
        terminal.see("This is message 1")
        terminal.see("\n>")
        site.next("stall")
        terminal.type("What is my name?\n")
        wait_for(lambda: site.stalled == 1)
        terminal.type("\x03")  # Ctrl-C stops the answer …
        terminal.see("Stopped")
        terminal.see("\n>")
        terminal.type("half a line")
        terminal.see("half a line")
        terminal.interrupt("(Ctrl-D or /exit leaves.)\n>")  # … and at the prompt drops the line.
        terminal.type("\x1b[A\n")  # Up: what was said last comes back.
        terminal.see("you said:")
        terminal.see("\n>")
        site.next("quota")
        terminal.type("More\n")
        terminal.see("chatgptes: QuotaError")
        terminal.see("\n>")
        terminal.type("/new\n")
        terminal.see("A new conversation.\n>")
        terminal.type(f"/save {tmp_path / 'talk.json'}\n")
        terminal.see("Saved 0 messages")
        terminal.see("\n>")
        terminal.type("\x04")  # Ctrl-D
        assert terminal.done() == 0
        assert "Traceback" not in terminal.text
        prompts = [messages[-1]["content"] for messages in site.messages]
        assert prompts[:2] == ["My name is Ada", "What is my name?"]
        assert prompts[2] == "What is my name?"


@pytest.mark.parametrize("columns", [80, 40])
def test_the_help_of_chat_fits_a_terminal(site: Site, columns: int) -> None:
    with Terminal("chat", "--site", site.url, columns=columns) as terminal:
        terminal.see("\n>")
        terminal.type("/help\n")
        terminal.see("with //.")
        terminal.see("\n>")
        terminal.type("\x04")
        assert terminal.done() == 0
    shown = terminal.text.split("/help\n", 1)[1]
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= columns


def test_ctrl_d_ends_a_message_of_several_lines(site: Site) -> None:
    with Terminal("chat", "--site", site.url) as terminal:
        terminal.see(">")
        terminal.type('"""one\n')
        terminal.see("…")
        terminal.type("two\n")
        terminal.see("…")
        terminal.type("\x04")
        terminal.see("This is message 1")
        terminal.see("\n>")
        terminal.type("/exit\n")
        assert terminal.done() == 0
    assert [messages[-1]["content"] for messages in site.messages] == ["one\ntwo"]


def test_pasted_lines_are_one_message(site: Site, tmp_path: Path) -> None:
    with Terminal("chat", "--site", site.url, CHATGPTES_DATA=str(tmp_path)) as terminal:
        terminal.see("\n>")
        assert "\x1b[?2004h" in terminal.raw
        terminal.type("\x1b[200~one\ntwo\nthree\x1b[201~\n")
        terminal.see("This is message 1")
        terminal.see("\n>")
        terminal.type("\x04")
        assert terminal.done() == 0
    assert [messages[-1]["content"] for messages in site.messages] == ["one\ntwo\nthree"]
    with Terminal("chat", "--site", site.url, CHATGPTES_DATA=str(tmp_path)) as terminal:
        terminal.see("\n>")
        terminal.type("\x1b[A\n")  # Up: what was sent in the session before.
        terminal.see("This is message")
        terminal.see("\n>")
        terminal.type("\x04")
        assert terminal.done() == 0
    assert site.messages[-1][-1]["content"] == "one\ntwo\nthree"
    assert (tmp_path / "history").stat().st_mode & 0o77 == 0


def test_typing_ahead(site: Site) -> None:
    """It does not show within the answer, and is there at the next prompt."""
    rest = threading.Event()

    def answer(_: object) -> Iterator[str]:
        yield "begin "
        rest.wait(30)
        yield "end"

    with Site(answer=answer) as site, Terminal("chat", "--site", site.url) as terminal:
        terminal.see("\n>")
        terminal.type("Hello\n")
        terminal.see("begin")
        terminal.type("typed ahexad\x1b[D\x1b[D\x7f")
        rest.set()
        terminal.see("end")
        assert "typed" not in terminal.text
        terminal.see("typed ahead")
        terminal.type("\n")
        terminal.see("end")
        terminal.see("\n>")
        terminal.type("/exit\n")
        assert terminal.done() == 0
        assert site.messages[-1][-1]["content"] == "typed ahead"


def test_a_spinner_until_the_first_word() -> None:
    first = threading.Event()

    def answer(_: object) -> Iterator[str]:
        first.wait(30)
        yield "The answer."

    with Site(answer=answer) as site, Terminal("--site", site.url, "Hello") as terminal:
        terminal.see("⠙")
        terminal.see("⠹")
        first.set()
        assert terminal.done() == 0
    assert Screen(80, 24, terminal.raw).text.strip() == "The answer."


def test_commands_of_a_conversation(site: Site, tmp_path: Path) -> None:
    picture = tmp_path / "dot.gif"
    picture.write_bytes(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;")
    with Terminal("chat", "--site", site.page("classic")) as terminal:
        terminal.see("\n>")
        for line, shown in {
            "/retry": "There is no message",
            "/copy": "There is no answer",
            f"/image {tmp_path}/no": "there is no such file",
            f"/image {picture}": "dot.gif: sent with your next message.",
            "What is it?": "1 image: image/gif, 14 bytes",
            "/retry ": "1 image: image/gif, 14 bytes",
            "/copy ": "Copied",
            "Again": "message 2 of",
            "/system": "There is no system text",
            "/system Be brief.": "A new conversation",
            "Hello": "message 1 of",
            "/he\t": "/retry ",
        }.items():
            terminal.type(f"{line}\n")
            terminal.see(shown)
            terminal.see("\n>")
        terminal.type("/exit\n")
        assert terminal.done() == 0
        copied = re.search(r"\x1b\]52;c;([\w+/=]+)\x07", terminal.raw)
        assert copied is not None
        assert b"14 bytes" in base64.b64decode(copied[1])
    prompts = [messages[-1]["content"] for messages in site.messages]
    assert "Be brief." in prompts[-1]


def test_another_bot(site: Site) -> None:
    with Terminal("chat", "--site", site.page("aipkit-two")) as terminal:
        terminal.see("The page shows 2 bots")
        terminal.see("Talking to Second on ")
        for line, shown in {
            "/bot": "/bot 5   Sandbox",
            "/bot 77": "shows no bot '77'",
            "/bot 5": "A new conversation, with Sandbox.",
            "Hello": "message 1 of",
        }.items():
            terminal.type(f"{line}\n")
            terminal.see(shown)
            terminal.see("\n>")
        terminal.type("/exit\n")
        assert terminal.done() == 0
    assert [request.form["bot_id"] for request in site.requests if "bot_id" in request.form] == [
        "5"
    ]


def test_code_is_never_wrapped() -> None:
    line = "value = " + " + ".join(f"number_{n}" for n in range(20))
    answer = f"Text.\n\n```python\nshort = 1\n{line}\n```\n\nThe end."
    with Site(answer=lambda _: answer) as site, Terminal("--site", site.url, "Hi") as terminal:
        assert terminal.done() == 0
    lines = [shown.strip() for shown in terminal.text.splitlines()]
    assert line in lines  # In one piece: the terminal wraps it, and a copy has no line break.
    assert "short = 1" in lines


def test_a_narrower_window_leaves_nothing_behind() -> None:
    import fcntl
    import struct
    import termios

    rest = threading.Event()

    def answer(_: object) -> Iterator[str]:
        yield " ".join(f"word{n:02}" for n in range(30))  # 210 columns: three lines of 78.
        rest.wait(30)
        yield " last"

    with Site(answer=answer) as site, Terminal("--site", site.url, "Hi") as terminal:
        terminal.see("word29")
        fcntl.ioctl(terminal.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
        before = len(terminal.raw)
        rest.set()
        assert terminal.done() == 0
    # Three lines that a terminal has wrapped into six, or five: two or three more than were drawn.
    erased = re.search(r"(?:\x1b\[2K\x1b\[1?A)+", terminal.raw[before:])
    assert erased is not None
    drawn = [len(line) for line in ("x" * 76, "x" * 76, "x" * 55)]
    assert erased[0].count("\x1b[2K") == sum(-(-width // 40) - 1 for width in drawn)


def wait_for(condition: object) -> None:
    end = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_ctrl_c_ends_one_question(site: Site) -> None:
    site.next("stall")
    with Terminal("--site", site.url, "Hello") as terminal:
        wait_for(lambda: site.stalled == 1)
        terminal.see("I am")
        terminal.type("\x03")
        assert terminal.done() == 130
        assert "Traceback" not in terminal.text
        # The cursor is back.
        assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")


@pytest.mark.parametrize(
    "answer", ["x" * 60 + " end", "x " * 40 + "end", "```\n" + "x" * 70 + " end"]
)
def test_ctrl_c_leaves_what_is_drawn_there_once(answer: str) -> None:
    """The terminal writes ^C behind it: that must not begin a line that nobody takes away."""
    rest = threading.Event()

    def half(_: object) -> Iterator[str]:
        yield answer
        rest.wait(30)

    with Site(answer=half) as site, Terminal("--site", site.url, "Hello") as terminal:
        terminal.see("end")
        terminal.type("\x03")
        assert terminal.done() == 130
        rest.set()
    assert "^C" in terminal.text
    assert Screen(80, 24, terminal.raw).text.count("x") == answer.count("x")


CTRL_C_AT = """
import os, signal, sys, threading
import rich.live

def interrupted(owner, name, which=lambda self: True, before=False):
    real = getattr(owner, name)
    def call(self, *args, **kwargs):
        chosen = which(self)
        if chosen and before:
            os.kill(os.getpid(), signal.SIGINT)
        result = real(self, *args, **kwargs)
        if chosen and not before:
            os.kill(os.getpid(), signal.SIGINT)
        return result
    setattr(owner, name, call)

ours = lambda self: self.name == "chatgptes-screen"
{
    "Live.start": lambda: interrupted(rich.live.Live, "start"),
    "show_cursor": lambda: interrupted(rich.console.Console, "show_cursor"),
    "Thread.start": lambda: interrupted(threading.Thread, "start", ours),
    "Thread.join": lambda: interrupted(threading.Thread, "join", ours, True),
}[sys.argv.pop(1)]()
from chatgptes.__main__ import main
main()
"""


@pytest.mark.parametrize("moment", ["Live.start", "show_cursor", "Thread.start", "Thread.join"])
def test_ctrl_c_when_drawing_begins_or_ends(site: Site, moment: str) -> None:
    """A real signal at that moment: the cursor comes back."""
    program = ("-c", CTRL_C_AT, moment)
    with Terminal("--site", site.url, "Hello", program=program) as terminal:
        assert terminal.done() == 130
        assert "Traceback" not in terminal.text
        assert "\x1b[?25l" in terminal.raw
        assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")


@pytest.mark.parametrize("moment", ["Live.start", "show_cursor"])
def test_ctrl_c_when_a_bar_begins(site: Site, tmp_path: Path, moment: str) -> None:
    source = tmp_path / "in.txt"
    source.write_text("one\ntwo\n")
    program = ("-c", CTRL_C_AT, moment)
    command = ("batch", str(source), "-o", str(tmp_path / "out"), "--site", site.url)
    with Terminal(*command, program=program) as terminal:
        assert terminal.done() == 130
        assert "Traceback" not in terminal.text
        assert "\x1b[?25l" in terminal.raw
        assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_lacks_characters(encoding: str) -> None:
    with Site(answer=lambda _: "- 世界 –\n- **end**\n") as site:
        with Terminal("--site", site.url, "hi", PYTHONIOENCODING=encoding) as terminal:
            assert terminal.done() == 0
    assert "?? " in terminal.text
    assert "end" in terminal.text
    assert "Traceback" not in terminal.text


def test_a_batch_has_a_bar(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(f"say {number}\n" for number in range(12)))
    site.next("model-500")
    out = str(tmp_path / "out")
    with Terminal("batch", str(source), "-o", out, "--site", site.url) as terminal:
        assert terminal.done() == 1
        assert "12/12" in terminal.text
        assert "/min" in terminal.text
        assert "1 failed" in terminal.text
    # Below the bar, not in it.
    shown = Screen(80, 24, terminal.raw).text.splitlines()
    assert "chatgptes: 11 answered, 1 failed (1 UpstreamError)." in shown
    assert shown[-1] == "chatgptes: --retry-failed asks those again that failed."
    assert len([line for line in shown if "12/12" in line]) == 1


@pytest.mark.parametrize("columns", range(66, 80, 3))
def test_ctrl_c_leaves_one_bar(tmp_path: Path, columns: int) -> None:
    """The terminal writes ^C behind it, which must not begin a new line."""
    source = tmp_path / "in.txt"
    source.write_text("".join(f"say {number}\n" for number in range(2000)))
    command = ("batch", str(source), "-o", str(tmp_path / "out"))
    with Site() as site:
        site.next("stall", 4)
        with Terminal(*command, "--site", site.url, columns=columns) as terminal:
            wait_for(lambda: site.stalled == 4)
            terminal.see("0/2000")
            terminal.type("\x03")
            assert terminal.done() == 130
    assert "^C" in terminal.text
    assert Screen(columns, 24, terminal.raw).text.count("0/2000") == 1


def test_the_bar_of_a_batch_that_goes_on_has_what_is_left(site: Site, tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", str(tmp_path / "out")
    source.write_text("one\ntwo\n")
    with Terminal("batch", str(source), "-o", out, "--site", site.url) as terminal:
        assert terminal.done() == 0
    source.write_text("one\ntwo\nthree\nfour\nfive\n")
    with Terminal("batch", str(source), "-o", out, "--site", site.url) as terminal:
        assert terminal.done() == 0
        assert "3/3" in terminal.text
        assert "3 answered, 2 answered before." in terminal.text


def test_printed_replies_and_a_bar_do_not_mix(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("one\ntwo\nthree\n")
    with Terminal("batch", str(source), "--site", site.url, columns=2000) as terminal:
        assert terminal.done() == 0
        shown = terminal.text.splitlines()
        assert "\x1b[" not in terminal.raw
    assert [line for line in shown if line.startswith("{")] == shown[:3]
    assert shown[3:] == ["chatgptes: 3 answered."]


def test_a_narrow_terminal(tmp_path: Path) -> None:
    """Nothing is cut, and wide characters are not broken over its edge."""
    source = tmp_path / "in.txt"
    source.write_text("".join(f"say {number}\n" for number in range(12)))
    answer = "世界" * 50 + "\n\n| a | b |\n|---|---|\n| " + "word " * 20 + "| 世界 |\n"
    with Site(answer=lambda _: answer) as site:
        out = str(tmp_path / "out")
        with Terminal("batch", str(source), "-o", out, "--site", site.url, columns=40) as terminal:
            assert terminal.done() == 0
        last = ESCAPE.sub("", terminal.raw).split("\r")
        assert any(re.search(r"12/12 +\d+/min +0 failed +left +\d", line) for line in last)
        with Terminal("--site", site.url, "Hello", columns=40) as terminal:
            assert terminal.done() == 0
        shown = terminal.text.splitlines()
        assert "".join(shown).count("世") >= 51
        widths = [len(line) + len(re.findall("[世界]", line)) for line in shown]
        assert max(widths) <= 40
        with Terminal("doctor", site.url, columns=40) as terminal:
            assert terminal.done() == 0
        assert max(map(len, terminal.text.splitlines())) <= 40


def test_hung_up(site: Site) -> None:
    """The window is closed in the middle: nothing is left behind."""
    site.next("stall")
    with Terminal("--site", site.url, "Hello") as terminal:
        wait_for(lambda: site.stalled == 1)
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.process.wait(30) != 0
