"""`%load_ext chatgptes`: a conversation in the cells of a notebook.

    %%chat --site https://example.org/chat/
    What can you do?

The answer grows in the cell while it is written.  The turn is a blocking one, in the thread that
runs the cell: the notebook's event loop is neither used nor changed.
"""

from __future__ import annotations

import keyword
import re
import shlex
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython import display as ipython_display
from IPython.core.magic import Magics, line_cell_magic, magics_class

from ...client import Client
from ...conversation import Conversation
from ...errors import ChatGptEsError
from ...values.markdown import harmless_markdown
from .tracebacks import leave_tracebacks, shorten_tracebacks

if TYPE_CHECKING:
    from ...sandbox import Site
    from ...turn.stream import Stream
    from ...values.reply import Reply

_display: Any = ipython_display.display  # IPython has no types for it.

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

HELP = """\
%%chat [OPTIONS]    send the rest of the cell to the bot
%chat [OPTIONS]     set options only; without options, show the conversation

  --site URL          the page that shows the bot (default: chatgpt.es)
  --bot ID            the bot, when the page shows several
  --system TEXT       put before the first prompt
  --transport NAME    auto, requests or curl_cffi
  --proxy URL         an http, https, socks5 or socks5h proxy
  --sandbox           a local sandbox instead of a site
  --with NAME         a Client or Conversation of yours, by its variable's name
  --timeout SECONDS   for this turn
  --new               begin a new conversation
  --to NAME           put the Reply into a variable of that name
  --help              show this help

Options stay for the cells that follow; --site, --sandbox and --with replace them.
IPython replaces {name} and $name in the line of the options.  In the text, {name} is
replaced if there is a variable of that name; {{name}} stands for {name} itself."""

_FLAGS = ("sandbox", "new", "help")
_CHOICES = ("bot", "system", "transport", "proxy")  # Arguments of a client, beside its site.
_VALUES = ("site", *_CHOICES, "with", "timeout", "to")
_OPTION = re.compile(r"\s*--([a-z]+)(?:(=|\s+|$)((?:\"[^\"]*\"|'[^']*'|[^\s\"'])+)?)?(?=\s|$)")
_BRACES = re.compile(r"\{\{(?P<doubled>[^\W\d]\w*)\}\}|\{(?P<name>[^\W\d]\w*)\}")
_PACE = 0.1
"""Seconds between two updates of a growing answer: each sends the whole answer once more."""
_OPTIONS = {
    "bot": "--bot",
    "proxy": "--proxy",
    "site": "--site URL",
    "timeout.total": "--timeout",
    "verify": "the variable REQUESTS_CA_BUNDLE",
}
"""The magic's words for the arguments that hints name; there is no option for others."""
_BYTES_PER_SECOND = 100_000
"""Notebook servers stop a cell's output when it comes faster than ten times that."""


class _OneLine(Exception):
    """An error of a cell, shown as one line; its cause has the rest."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class _Interrupted(KeyboardInterrupt):
    """A KeyboardInterrupt, so that no further cells run; shown as one line."""

    def _render_traceback_(self) -> list[str]:
        return ["Interrupted. The conversation is as it was before."]


class ChatError(_OneLine):
    """A turn failed: `__cause__` is the library's error."""


@magics_class
class ChatMagics(Magics):
    """`%chat` and `%%chat`, with one conversation for the notebook."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._names: dict[str, Any] = shell.user_ns
        self._settings: dict[str, str] = {}
        self._talk: Conversation | None = None
        self._own: Client | None = None
        self._sandbox: Site | None = None

    @line_cell_magic
    def chat(self, line: str, cell: str | None = None) -> None:
        """Send a cell to a site's bot; `%chat --help` lists the options."""
        try:
            options, rest = _parsed(line)
            if "help" in options:
                print(HELP)
                return
            if rest:
                raise ChatError("Write the text below, in the cell: %%chat, then the text.")
            talk = self._conversation(options)
            if cell is not None and cell.strip():
                text = filled(cell.strip(), self._names)
                reply = self._turn(talk.stream(text, timeout=_seconds(options)))
                if "to" in options:
                    self._names[options["to"]] = reply
            elif not options:
                print(f"{talk!r}. `%chat --help` lists the options.")
        except ChatGptEsError as error:
            text = " ".join(_plain(error.in_words(_OPTIONS)).split())
            raise ChatError(f"{type(error).__name__}: {text}") from error

    def close(self) -> None:
        """Close the client and the sandbox."""
        if self._own is not None:
            self._own.close()
        if self._sandbox is not None:
            self._sandbox.stop()
        self._talk = self._own = self._sandbox = None

    def _conversation(self, options: dict[str, str]) -> Conversation:
        """Return the notebook's conversation, or a new one if the options ask for that."""
        settings = dict(self._settings)
        if {"site", "sandbox", "with"} & set(options):
            settings = {}
        settings |= {name: options[name] for name in ("site", "sandbox", "with", *_CHOICES)
                     if name in options}  # fmt: skip
        if len({"site", "sandbox", "with"} & set(settings)) > 1 or (
            "with" in settings and len(settings) > 1
        ):
            raise ChatError("--with can't be used with other choices, nor --sandbox with --site.")
        if "with" in settings:
            self._take(settings["with"], anew="new" in options)
        elif self._talk is None or settings != self._settings or "new" in options:
            self._begin(settings)
        self._settings = settings
        assert self._talk is not None
        return self._talk

    def _take(self, name: str, *, anew: bool) -> None:
        given = self._names.get(name)
        if isinstance(given, Conversation):
            self._talk = Conversation(given.client) if anew else given
        elif not isinstance(given, Client):
            raise ChatError(f"--with {name}: there is no Client or Conversation of this name.")
        elif anew or self._talk is None or self._talk.client is not given:
            self._talk = given.conversation()

    def _begin(self, settings: dict[str, str]) -> None:
        """Begin a conversation, with a new client only if the settings have changed."""
        if self._own is None or settings != self._settings:
            arguments: dict[str, Any] = {
                name: settings[name] for name in ("site", *_CHOICES) if name in settings
            }
            if "sandbox" in settings:
                arguments["site"] = self._local().url
            client = Client(**arguments)
            if self._own is not None:
                self._own.close()
            self._own = client
        self._talk = self._own.conversation()

    def _local(self) -> Site:
        if self._sandbox is None:
            from ...sandbox import Site

            self._sandbox = Site(chunk_delay=0.02).start()
        return self._sandbox

    def _turn(self, stream: Stream) -> Reply:
        # In a terminal every update of a display would be printed below the one before.
        notebook = getattr(self.shell, "kernel", None) is not None
        shown: _Growing | _Printed = _Growing() if notebook else _Printed()
        try:
            with stream:
                for chunk in stream:
                    shown.add(chunk, stream)
        except KeyboardInterrupt:
            raise _Interrupted from None
        finally:
            shown.end(stream)
        return stream.reply


class _Growing:
    """An answer as Markdown in a cell, one display that is changed in place."""

    def __init__(self) -> None:
        self._display: Any = None
        self._next = 0.0
        self._length = 0

    def add(self, chunk: str, stream: Stream) -> None:
        if time.monotonic() >= self._next:
            self._show(stream.text)

    def end(self, stream: Stream) -> None:
        if len(stream.text) != self._length:
            self._show(stream.text)

    def _show(self, text: str) -> None:
        update = {"text/markdown": harmless_markdown(text), "text/plain": _plain(text)}
        if self._display is None:
            self._display = _display(update, raw=True, display_id=True)
        else:
            self._display.update(update, raw=True)
        self._length = len(text)
        size = sum(len(part.encode("utf-8", "replace")) for part in update.values())
        self._next = time.monotonic() + max(_PACE, size / _BYTES_PER_SECOND)


class _Printed:
    """An answer as text in a terminal."""

    def add(self, chunk: str, stream: Stream) -> None:
        print(_plain(chunk), end="", flush=True)

    def end(self, stream: Stream) -> None:
        if stream.text:
            print(flush=True, file=sys.stdout)


def _plain(text: str) -> str:
    """Return `text` without control characters; joiners of letters and pictures stay."""
    return "".join(sign for sign in text if sign.isprintable() or sign in "\n\t\u200c\u200d")


def filled(text: str, names: Mapping[str, Any]) -> str:
    """Return `text` with each `{name}` of a variable replaced by its value.

    `{{name}}` becomes `{name}`.  Other braces stay as they are: a cell may hold code or JSON.
    """

    def value(found: re.Match[str]) -> str:
        if found["doubled"]:
            return f"{{{found['doubled']}}}"
        name = found["name"]
        return str(names[name]) if name in names else found[0]

    return _BRACES.sub(value, text)


def _parsed(line: str) -> tuple[dict[str, str], str]:
    """Return the options at the beginning of `line`, and the rest as it is."""
    options: dict[str, str] = {}
    while line.lstrip().startswith("--"):
        found = _OPTION.match(line)
        name = found[1] if found else line.split()[0].removeprefix("--")
        if found is None or name not in (*_FLAGS, *_VALUES):
            raise ChatError(f"There is no option --{name} like this: see `%chat --help`.")
        if name in _FLAGS:
            if found[2] == "=":
                raise ChatError(f"--{name} takes no value.")
            options[name] = ""
            line = line[found.end(1) :]
            continue
        if not found[3]:
            raise ChatError(f"--{name} needs a value: see `%chat --help`.")
        options[name] = "".join(shlex.split(found[3]))
        line = line[found.end() :]
    if not _is_name(options.get("to", "reply")):
        raise ChatError(f"--to needs a variable's name, and {options['to']!r} can't be one.")
    return options, line.strip()


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _seconds(options: dict[str, str]) -> float | None:
    if "timeout" not in options:
        return None
    try:
        return float(options["timeout"])
    except ValueError:
        raise ChatError("--timeout needs a number of seconds.") from None


_loaded: dict[int, ChatMagics] = {}


def load_ipython_extension(shell: Any) -> None:
    """Register the magic; `%load_ext chatgptes` calls this."""
    magics = _loaded[id(shell)] = ChatMagics(shell)
    shell.register_magics(magics)
    shorten_tracebacks(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Remove the magic; `%unload_ext chatgptes` calls this."""
    magics = _loaded.pop(id(shell), None)
    if magics is not None:
        magics.close()
        leave_tracebacks(shell)
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("chat", None)
