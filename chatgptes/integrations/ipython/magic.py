"""`%load_ext chatgptes`: a conversation in the cells of a notebook.

    %%chat --site https://example.org/chat/
    What can you do?

The answer grows in the cell while it is written.  The turn is a blocking one, in the thread that
runs the cell: the notebook's event loop is neither used nor changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class

from ...client import Client
from ...conversation import Conversation
from ...errors import ChatGptEsError
from ...kept import keep, last_conversation
from ...turn.config import Config
from .line import CHOICES, ChatError, filled, parse_options
from .showing import Growing, Printed, plain
from .tracebacks import leave_tracebacks, shorten_tracebacks

if TYPE_CHECKING:
    from ...sandbox import Site
    from ...turn.stream import Stream
    from ...values.reply import Reply

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
  -c, --continue      continue the last one, of a notebook or the command line
  --to NAME           put the Reply into a variable of that name
  --help              show this help

Options stay for the cells that follow; --site, --sandbox and --with replace them.
IPython replaces {name} and $name in the line of the options.  In the text, {name} is
replaced if there is a variable of that name; {{name}} stands for {name} itself."""

_OPTIONS = {
    "bot": "--bot",
    "consent": "--with NAME, a client made with consent=True,",
    "proxy": "--proxy",
    "site": "--site URL",
    "timeout.total": "--timeout",
    "verify": "the variable REQUESTS_CA_BUNDLE",
}
"""The magic's words for the arguments that hints name; there is no option for others."""


class _Interrupted(KeyboardInterrupt):
    """A KeyboardInterrupt, so that no further cells run; shown as one line."""

    def _render_traceback_(self) -> list[str]:
        return ["Interrupted. The conversation is as it was before."]


@magics_class
class ChatMagics(Magics):
    """`%chat` and `%%chat`, with one conversation for the notebook."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._names: dict[str, Any] = shell.user_ns
        self._settings: dict[str, Any] = {}
        self._talk: Conversation | None = None
        self._own: Client | None = None
        self._sandbox: Site | None = None

    @line_cell_magic
    def chat(self, line: str, cell: str | None = None) -> None:
        """Send a cell to a site's bot; `%chat --help` lists the options."""
        try:
            options = parse_options(line)
            if "help" in options:
                print(HELP)
                return
            talk = self._conversation(options)
            if cell is not None and cell.strip():
                text = filled(cell.strip(), self._names)
                reply = self._turn(talk.stream(text, timeout=options.get("timeout")))
                if not {"sandbox", "with"} & set(self._settings):
                    keep(talk, talk.client.core.config.bot)
                if "to" in options:
                    self._names[options["to"]] = reply
            elif not options:
                print(f"{talk!r}. `%chat --help` lists the options.")
        except ChatGptEsError as error:
            text = " ".join(plain(error.in_words(_OPTIONS)).split())
            raise ChatError(f"{type(error).__name__}: {text}") from error

    def close(self) -> None:
        """Close the client and the sandbox."""
        if self._own is not None:
            self._own.close()
        if self._sandbox is not None:
            self._sandbox.stop()
        self._talk = self._own = self._sandbox = None

    def _conversation(self, options: dict[str, Any]) -> Conversation:
        """Return the notebook's conversation, or a new one if the options ask for that."""
        settings = dict(self._settings)
        if {"site", "sandbox", "with", "continue"} & set(options):
            settings = {}
        settings |= {name: options[name] for name in ("site", "sandbox", "with", *CHOICES)
                     if name in options}  # fmt: skip
        if len({"site", "sandbox", "with"} & set(settings)) > 1 or (
            "with" in settings and len(settings) > 1
        ):
            raise ChatError("--with can't be used with other choices, nor --sandbox with --site.")
        if "continue" in options:
            if {"new", "sandbox", "with"} & (set(options) | set(settings)):
                raise ChatError("-c can't be used with --new, --sandbox or --with.")
            saved = last_conversation()
            if (
                Config.of({"site": settings.setdefault("site", saved["site"])}).site
                != saved["site"]
            ):
                raise ChatError(f"The last conversation is one with {saved['site']}.")
            if saved.get("bot") is not None:
                settings.setdefault("bot", saved["bot"])
            self._begin(settings, saved)
        elif "with" in settings:
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

    def _begin(self, settings: dict[str, Any], saved: Mapping[str, Any] | None = None) -> None:
        """Begin a conversation, or continue a saved one.

        The client is a new one only if the settings have changed.
        """
        if self._own is None or settings != self._settings:
            arguments: dict[str, Any] = {
                name: settings[name] for name in ("site", *CHOICES) if name in settings
            }
            if "sandbox" in settings:
                arguments["site"] = self._local().url
            client = Client(**arguments)
            if self._own is not None:
                self._own.close()
            self._own = client
        self._talk = self._own.conversation(saved)

    def _local(self) -> Site:
        if self._sandbox is None:
            from ...sandbox import Site

            self._sandbox = Site(chunk_delay=0.02).start()
        return self._sandbox

    def _turn(self, stream: Stream) -> Reply:
        # In a terminal every update of a display would be printed below the one before.
        notebook = getattr(self.shell, "kernel", None) is not None
        shown: Growing | Printed = Growing() if notebook else Printed()
        try:
            with stream:
                for chunk in stream:
                    shown.add(chunk, stream)
        except KeyboardInterrupt:
            raise _Interrupted from None
        finally:
            shown.end(stream)
        return stream.reply


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
