"""`python -m chatgptes.sandbox`: serve a sandbox site until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence

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
    try:
        site.start()
    except OSError as error:
        print(f"Can't listen on {options.host}, port {options.port}: {error}", file=sys.stderr)
        return 1
    with site:
        print(listing(site, faults=options.faults), flush=True)
        # In slices: on some systems a wait without end is deaf to Ctrl-C.
        while not stop.wait(0.5):
            pass
    return 0


def listing(site: Site, *, faults: bool = False) -> str:
    """What a site offers, for a person to read."""
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
    return "\n".join(lines)


def _number(least: float, most: float, kind: type[float] = int) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least:,} and {most:,}")
        return value

    return number


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Serve a local stand-in for WordPress sites with a chat bot, until stopped.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=_number(0, 65_535), default=8400, help="port (%(default)s); 0: a free one"
    )
    parser.add_argument("--folder", default="", help="the sub-folder WordPress lives in")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate chain: serve https")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, if not in the same file")
    parser.add_argument(
        "--chunk-delay", type=_number(0, 3600, float), default=0.03, metavar="SECONDS",
        help="pause after each chunk of an answer (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--quota", type=_number(0, 2**31), help="turns that each visitor has (no limit)"
    )
    parser.add_argument("--faults", action="store_true", help="list the pages that fail, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
