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
from ...values.text import sanitize_line
from .line import CHOICES, ChatError, filled, help_text, parse_options
from .showing import show, show_error

if TYPE_CHECKING:
    from ...sandbox import Site

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_WHOM = {"site", "sandbox", "with"}
"""The options that say to whom the cells talk."""
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
                print(help_text())
                return
            talk = self._conversation(options)
            if cell is not None and cell.strip():
                self._ask(talk, filled(cell.strip(), self._names), options)
            elif not options:
                print(f"{talk!r}. `%chat --help` lists the options.")
        except ChatGptEsError as error:
            text = f"{type(error).__name__}: {error.in_words(_OPTIONS)}"
            raise ChatError(sanitize_line(text)) from error

    def _ask(self, talk: Conversation, text: str, options: dict[str, Any]) -> None:
        stream = talk.stream(text, timeout=options.get("timeout"))
        try:
            show(stream, notebook=getattr(self.shell, "kernel", None) is not None)
        except KeyboardInterrupt:
            raise _Interrupted from None
        if not {"sandbox", "with"} & self._settings.keys():
            keep(talk, talk.client.core.config.bot)
        if "to" in options:
            self._names[options["to"]] = stream.reply

    def close(self) -> None:
        """Close the client and the sandbox."""
        if self._own is not None:
            self._own.close()
        if self._sandbox is not None:
            self._sandbox.stop()
        self._talk = self._own = self._sandbox = None

    def _conversation(self, options: dict[str, Any]) -> Conversation:
        """Return the notebook's conversation, or a new one if the options ask for that."""
        settings = {name: options[name] for name in (*_WHOM, *CHOICES) if name in options}
        if not options.keys() & {*_WHOM, "continue"}:
            settings = self._settings | settings
        whom = settings.keys() & _WHOM
        if len(whom) > 1 or ("with" in whom and len(settings) > 1):
            raise ChatError("--with can't be used with other choices, nor --sandbox with --site.")
        if "continue" in options:
            if "new" in options or whom - {"site"}:
                raise ChatError("-c can't be used with --new, --sandbox or --with.")
            saved = last_conversation(settings.get("site"))
            settings.setdefault("site", saved["site"])
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
            arguments = {name: value for name, value in settings.items() if name != "sandbox"}
            if "sandbox" in settings:
                from ...sandbox import Site

                self._sandbox = self._sandbox or Site(chunk_delay=0.02).start()
                arguments["site"] = self._sandbox.url
            client = Client(**arguments)
            if self._own is not None:
                self._own.close()
            self._own = client
        self._talk = self._own.conversation(saved)


def load_ipython_extension(shell: Any) -> None:
    """Register the magic; `%load_ext chatgptes` calls this."""
    shell.register_magics(ChatMagics(shell))
    if not shell.custom_exceptions:  # Else the user has a handler of errors.
        shell.set_custom_exc((ChatGptEsError,), show_error)


def unload_ipython_extension(shell: Any) -> None:
    """Remove the magic; `%unload_ext chatgptes` calls this."""
    magics = shell.magics_manager.registry.pop(ChatMagics.__name__, None)
    if magics is not None:
        magics.close()
        if shell.custom_exceptions == (ChatGptEsError,):
            shell.set_custom_exc((), None)
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop("chat", None)
