"""What a test may reach: the site it was given, this machine, and nothing else by accident."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import InvalidConfigError
from ...turn import config
from ...turn.guard import guarded_by
from ...values.urls import ascii_url, origin

if TYPE_CHECKING:
    from ...values.proxy import Proxy

__all__ = ["DEFAULT_HOSTS", "ENDED", "guarded", "hosts", "is_loopback", "with_www"]

DEFAULT_HOSTS = frozenset({"chatgpt.es", "www.chatgpt.es"})
ENDED: set[str] = set()
"""Where stand-ins of earlier tests listened: scheme, host and port."""

_OTHER = (
    "Give the program chatgptes_site.url, or allow the host with @pytest.mark.chatgptes(allow=[…])."
)
_EARLY = (
    "In this test, new clients for chatgpt.es get chatgptes_site; this one was made before the test"
    " began, when a module was imported, perhaps. Make it in a function that the test calls, or use"
    " chatgptes.chat(), or give the program chatgptes_site.url."
)
_NO_SITE = (
    "It is what programs get that name no site; with the fixture chatgptes_site, they get the"
    " test's own."
)
_PROXY = (
    "It is a proxy: make the client without (trust_env=False passes over the environment's), or"
    " allow its host with @pytest.mark.chatgptes(allow=[…])."
)


def is_loopback(host: str) -> bool:
    """Is `host` a name or an address of this machine?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def with_www(host: str) -> set[str]:
    """`host` with `www.` and without: the library takes both for one site."""
    bare = host.removeprefix("www.")
    return {bare, f"www.{bare}"}


def hosts(allow: Any) -> set[str]:
    """The hosts that a marker's `allow` names, as they are compared.

    Raises:
        TypeError, ValueError: it is neither a host nor a list of them.
    """
    given = [allow] if isinstance(allow, str) else allow
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise TypeError(f"allow is a host or a list of hosts, not {allow!r}")
    return {_host(each) for each in given}


def _host(text: Any) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except (ValueError, AttributeError):
        pass
    wrong = ValueError(f"allow names hosts, such as 'wordpress.test', not {text!r}")
    if not isinstance(text, str) or not text or any(c in "/:@?#[]" or c <= " " for c in text):
        raise wrong
    try:
        return urlsplit(ascii_url(f"http://{text}/")).hostname or ""
    except ValueError:
        raise wrong from None


class _Guard:
    """Holds back what would leave this machine for a host that is not `allowed`.

    Attributes:
        held: where that would have gone -> what to do about it.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self.held: dict[str, str] = {}
        self._allowed = allowed

    def check_url(self, url: str) -> None:
        """Say no to a request for `url`."""
        if origin(url) in ENDED:
            raise _ended(url)
        self.check(urlsplit(url).hostname or "", origin(url))

    def check(self, host: str, where: str, proxy: Proxy | None = None) -> None:
        """Say no to a request for `host`; `where` is what errors call it.

        Raises:
            InvalidConfigError: it was held back.
        """
        if host in self._allowed:
            return  # Whichever way leads there.
        if not is_loopback(host):
            self._hold(where, _advice(host))
        if proxy is not None and proxy.host not in self._allowed and not is_loopback(proxy.host):
            self._hold(proxy.address, _PROXY)

    def _hold(self, where: str, advice: str) -> None:
        self.held[where] = advice
        raise InvalidConfigError(
            f"This is a test, and {where} is not its site: the pytest plugin of chatgptes held the"
            f" request back. {advice}"
        )


def _advice(host: str) -> str:
    if host not in DEFAULT_HOSTS:
        return _OTHER
    redirected = config.site_of(config.DEFAULT_SITE).host not in DEFAULT_HOSTS
    return _EARLY if redirected else _NO_SITE


@contextmanager
def guarded(allowed: Collection[str]) -> Iterator[dict[str, str]]:
    """While this holds, the library reaches no hosts but those of this machine and `allowed`.

    Gives what was held back, and what to do about it; it grows: programs may swallow the error.  A
    client with a transport of its own goes where that leads.
    """
    guard = _Guard(allowed)
    with guarded_by(guard.check_url):
        yield guard.held


def _ended(url: str) -> InvalidConfigError:
    return InvalidConfigError(
        f"{origin(url)} was the stand-in of an earlier test, and has ended: a client was kept from"
        " that test to this one. Make one for each test, or use chatgptes.chat(), whose clients"
        " end with the test."
    )
