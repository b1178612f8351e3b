"""`python -m chatgptes.sandbox`: serve a sandbox site until it is stopped."""

from __future__ import annotations

import argparse
import contextlib
import errno
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import NoReturn
from urllib.parse import urlsplit

from .request import Received
from .site import Site

PROGRAM = "python -m chatgptes.sandbox"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Serve until Ctrl-C or SIGTERM; gives the exit status.

    `program` is how the user has called it, for the texts about usage.
    """
    options = _parser(program).parse_args(arguments)
    tls = None
    if options.tls_cert:
        import ssl

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            tls.load_cert_chain(options.tls_cert, options.tls_key)
        except OSError as error:  # An SSLError is one.
            print(f"Can't serve https with {options.tls_cert}: {error}", file=sys.stderr)
            return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    site = Site(
        options.host, options.port, tls=tls, folder=options.folder,
        chunk_delay=options.chunk_delay, quota=options.quota,
    )  # fmt: skip
    site.lists_faults = options.faults
    site.log = _log
    try:
        site.start()
    except OSError as error:
        print(f"Can't listen on {options.host}, port {options.port}: {error}", file=sys.stderr)
        if error.errno == errno.EADDRINUSE:
            print("Does a sandbox run already? --port 0 takes a free port.", file=sys.stderr)
        return 1
    with site:
        print(listing(site, faults=options.faults) if options.list else welcome(site), flush=True)
        # In slices: on some systems a wait without end is deaf to Ctrl-C.
        while not stop.wait(0.5):
            pass
    return 0


def welcome(site: Site) -> str:
    """Return what is printed at the start: one address, and how to get the rest."""
    return "\n".join(
        [
            "A sandbox site is running. Ctrl-C stops it.",
            "",
            f"  {site.url}",
            "",
            "In a browser it is a page to chat in, with a list of the other pages.",
            f'In a second terminal: chatgptes --site {site.url} "Hello"',
            "Started with --list, it prints every page, the passwords and the API key.",
            "",
        ]
    )


def listing(site: Site, *, faults: bool = False) -> str:
    """Return what a site offers, for a person to read; its bots that always fail with `faults`."""
    from .catalogue import PAGES

    lines = ["A sandbox site is running. Ctrl-C stops it.", "", f"  {site.url}", "", "Pages:"]
    hidden = 0
    for name, page in PAGES.items():
        if name.startswith("fault-") and not faults:
            hidden += 1
        else:
            lines.append(f"  {name:26} {site.page(name):48} {page.about}")
    if hidden:
        lines.append(f"  … and {hidden} whose bot always fails in some way (--faults lists them)")
    user, password = site.credentials
    lines += [
        "",
        f"The staging pages want the user {user!r} and the password {password!r}.",
        f"Over the REST API ({site.api_root}) bot {site.rest_bot} answers to the key",
        f"  {site.api_key}",
        "and so does every bot of the engine pages, by its name (“default”).",
    ]
    if faults:
        lines += ["and these bots fail:"]
        lines += [f"  {number:6} {name}" for name, number in site.rest_bots.items()]
    return "\n".join([*lines, ""])


def _log(request: Received, status: int) -> None:
    """Print a line for a request: when, what, and the status of its answer."""
    # No query: it would show nonces and messages' keys.  Of an action, a name only.
    path = urlsplit(request.target).path[:100].encode("ascii", "backslashreplace").decode()
    path = "".join(character if character.isprintable() else "?" for character in path)
    action = re.fullmatch(r"\w{1,60}", request.param("action"), re.ASCII)
    parts = [time.strftime("%H:%M:%S"), str(status or "---"), f"{request.method:4}", path]
    if action:
        parts.append(action[0])
    with contextlib.suppress(OSError, ValueError):  # Nobody reads it any more.
        print(" ".join(parts), file=sys.stderr, flush=True)


def _number(least: float, most: float, kind: type[float] = int) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least:,} and {most:,}")
        return value

    return number


class _Parser(argparse.ArgumentParser):
    """A parser that speaks as the other commands do; without click, which may not be there."""

    def format_help(self) -> str:
        text = super().format_help().replace("usage:", "Usage:", 1)
        return text.replace("\noptions:", "\nOptions:", 1)

    def format_usage(self) -> str:
        return super().format_usage().replace("usage:", "Usage:", 1)

    def error(self, message: str) -> NoReturn:
        told = f"Try '{self.prog} --help' for help.\n\nError: {message[:1].upper()}{message[1:]}.\n"
        self.exit(2, self.format_usage() + told)


_DESCRIPTION = """\
  Serve a local sandbox for WordPress sites with a chat bot, until stopped.

  In a browser its pages are windows to chat in. Each request is logged in a
  line on standard error."""


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=34)


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program,
        usage="%(prog)s [OPTIONS]",
        description=_DESCRIPTION,
        formatter_class=_formatter,
        add_help=False,
    )
    add = parser.add_argument
    add("--host", metavar="ADDRESS", default="127.0.0.1",
        help="Address to listen on. [default: %(default)s]")  # fmt: skip
    add("--port", metavar="NUMBER", type=_number(0, 65_535), default=8400,
        help="Port; 0 for a free one. [default: %(default)s]")  # fmt: skip
    add("--folder", metavar="PATH", default="", help="The sub-folder WordPress lives in.")
    add("--tls-cert", metavar="FILE", help="Certificate chain: serve https.")
    add("--tls-key", metavar="FILE", help="Its key, if not in the same file.")
    add("--chunk-delay", metavar="SECONDS", type=_number(0, 3600, float), default=0.03,
        help="Pause after each chunk of an answer. [default: %(default)s]")  # fmt: skip
    add("--quota", metavar="NUMBER", type=_number(0, 2**31),
        help="Turns that each visitor has. [no limit]")  # fmt: skip
    add("--list", action="store_true", help="Print every page, the passwords and the API key.")
    faults = "Name the bots that always fail, too: in the browser's list, and with --list."
    add("--faults", action="store_true", help=faults)
    add("-h", "--help", action="help", help="Show this message and exit.")
    return parser


if __name__ == "__main__":
    sys.exit(main())
