"""`Site`: a local WordPress site, with its own socket."""

from __future__ import annotations

import base64
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import pages, window
from .aipkit import ACTIONS as AIPKIT_ACTIONS
from .aipkit import Aipkit
from .bot import Message, Model, Scripted
from .catalogue import BOTS, DEFAULT_BOT, PAGES, REST_BOTS
from .exchange import Exchange
from .faults import ASIDE, FAULTS
from .mwai import NAMES as ENGINE_NAMES
from .mwai import NEWEST, Mwai
from .nonces import Nonces
from .php import php_json
from .request import Received
from .rest import NAMES as POWER_NAMES
from .rest import Rest
from .server import Server
from .spec import BotSpec
from .wordpress import JSON, NO_CACHE
from .wpaicg import ACTIONS as WPAICG_ACTIONS
from .wpaicg import Wpaicg

if TYPE_CHECKING:
    import ssl

_AJAX = "wp-admin/admin-ajax.php"
_API = re.compile(r"(?:engine-(?P<plugin>[\d.]+)/)?wp-json(?P<route>/.*)?")


class Site:
    """A local site that shows bots of every dialect and answers for them, over real sockets.

    It starts with `with Site() as site:` or `site.start()`; `site.stop()` ends every thread and
    socket of it.  Any number of sites can run at once.

    Args:
        host: address to listen on (str).
        port: port to listen on (int); 0 for a free one.
        tls: serve https with this context, or None for http.
        folder: the sub-folder that WordPress lives in, such as "/blog" (str).
        nonce_lifetime: how long a nonce lives at most (float, seconds); at least half as long.
        chunk_delay: pause after each chunk of a streamed answer (float, seconds).
        words_per_chunk: how much of an answer a chunk holds (int, words).
        answer: your own bot, called with the conversation as a list of {"role", "content"}, the
            prompt last (with "images", a list of (type, bytes), where some came with it to a bot
            that takes them); gives the answer as a str or as an iterable of str chunks.  What it
            raises becomes an error of the site's model (`ModelError` chooses its status).
            None for the built-in bot.
        quota: how many turns each visitor has (int), or None for no limit.
        cut: "events" sends each event in one piece, "bytes" cuts the stream anywhere.
        api_key: the owner's key for the REST API (str); default: a new one.
        clock: what time it is, for nonces and cached messages (seconds since the epoch).

    Attributes:
        requests: every request received so far, in order (list of `Received`).
        messages: what the model was asked, per turn: the history it saw and the prompt.
        api_key: the owner's key (str).
        credentials: user and password of the "staging" pages.
        chunk_delay, quota, clock: as above; may be changed at any time.
        origin: scheme, host and port that its pages name, "http://127.0.0.1:1234"; set it when a
            proxy stands in front.  None for where it listens.
        lists_faults: the index on its front page names the pages whose bot always fails, too.
        log: called with each request (`Received`) and the status of its answer (int; 0 for none)
            when that has ended, in the connection's thread; or None.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        folder: str = "",
        nonce_lifetime: float = 86400.0,
        chunk_delay: float = 0.0,
        words_per_chunk: int = 1,
        answer: Scripted | None = None,
        quota: int | None = None,
        cut: str = "events",
        api_key: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if nonce_lifetime <= 0 or cut not in ("events", "bytes"):
            raise ValueError("nonce_lifetime must be positive, and cut 'events' or 'bytes'.")
        self.requests: list[Received] = []
        self.api_key = api_key or f"sandbox-{secrets.token_hex(8)}"
        self.credentials = ("visitor", "s3cret pass")
        self.chunk_delay = chunk_delay
        self.quota = quota
        self.clock = clock
        self.origin: str | None = None
        self.lists_faults = False
        self.log: Callable[[Received, int], None] | None = None
        self.model = Model(answer, words_per_chunk)
        self._listen = (host, port, tls, cut)
        self._folder = folder.strip("/")
        self.nonces = Nonces(nonce_lifetime, lambda: self.clock())
        self._spent: Counter[str] = Counter()
        self._carried: dict[str, set[int]] = {}
        self._queue: list[str] = []
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._wpaicg, self._aipkit, self._rest = Wpaicg(self), Aipkit(self), Rest(self)
        self._mwai = Mwai(self)

    # Running it.

    def start(self) -> Site:
        """Begin to listen; a site that runs already just goes on."""
        if self._server is None:
            host, port, tls, cut = self._listen
            self._server = Server(self._answer, host, port, tls=tls, cut=cut)
        return self

    def stop(self) -> None:
        """End every connection and thread, stalled ones too.  Any number of times."""
        server, self._server = self._server, None
        if server:
            server.stop()

    def __enter__(self) -> Site:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Site {self.home}>" if self._server else "<Site, not running>"

    # Where things are.

    @property
    def port(self) -> int:
        """The port it listens on (int)."""
        if self._server is None:
            raise RuntimeError("The site does not run: use `with Site() as site:` or .start().")
        return self._server.port

    @property
    def home(self) -> str:
        """The address of WordPress, with a slash at its end (str)."""
        if self.origin is None:
            host, _, tls, _ = self._listen
            host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
            host = f"[{host}]" if ":" in host else host
            origin = f"{'https' if tls else 'http'}://{host}:{self.port}"
        else:
            origin = self.origin.rstrip("/")
        return f"{origin}/{self._folder}/" if self._folder else f"{origin}/"

    @property
    def url(self) -> str:
        """The front page: a bot of the newest dialect, which streams (str)."""
        return self.home

    @property
    def pages(self) -> dict[str, str]:
        """Every page: name -> URL."""
        return {name: self.page(name) for name in PAGES}

    def page(self, name: str) -> str:
        """The URL of the page `name`; see `pages` for the names.

        Raises:
            KeyError: there is no such page.
        """
        return self.home if PAGES[name].name == "front" else f"{self.home}{name}/"

    @property
    def api_root(self) -> str:
        """The root of the REST API (str)."""
        return f"{self.home}wp-json/"

    @property
    def rest_bot(self) -> str:
        """The id of a bot to talk to over REST (str)."""
        return REST_BOTS["good"]

    @property
    def rest_bots(self) -> dict[str, str]:
        """Bots for the REST API: "good" and "fault-NAME" -> id."""
        return dict(REST_BOTS)

    # What was seen.

    @property
    def messages(self) -> list[list[Message]]:
        """The questions to the model, per turn: [{"role", "content"}, …], the prompt last."""
        return self.model.asked

    @property
    def connections(self) -> dict[str, int]:
        """Path -> how many TCP connections have carried a request to it."""
        with self._lock:
            return {path: len(numbers) for path, numbers in self._carried.items()}

    @property
    def chat_connections(self) -> int:
        """The number of TCP connections that carried a request to admin-ajax.php (int)."""
        return self.connections.get(urlsplit(self.home + _AJAX).path, 0)

    @property
    def accepted(self) -> int:
        """The number of TCP connections there were (int)."""
        return self._server.accepted if self._server else 0

    @property
    def open_connections(self) -> int:
        """The number of TCP connections that are open now (int)."""
        return self._server.open if self._server else 0

    @property
    def stalled(self) -> int:
        """The number of answers that stall now, by a fault (int)."""
        return self._server.stalled if self._server else 0

    # What can be done to it.

    def next(self, fault: str, times: int = 1) -> None:
        """Let the next turn, or the next `times`, meet `fault`: the first that can.

        Raises:
            ValueError: there is no fault of this name (`FAULTS` has them).
        """
        if not any(fault in names for names in (*FAULTS.values(), *ASIDE.values())):
            raise ValueError(f"No fault is called {fault!r}; see chatgptes.sandbox.FAULTS.")
        with self._lock:
            self._queue += [fault] * times

    def release(self) -> None:
        """Let everything that stalls now go on."""
        if self._server:
            self._server.release()

    def expire_nonces(self) -> None:
        """Let two ticks pass: every nonce given out so far is dead."""
        self.nonces.expire()

    @property
    def cache_pages(self) -> bool:
        """Pages come from a cache, so their nonces stay as they are now, dead or not."""
        return self.nonces.cached

    @cache_pages.setter
    def cache_pages(self, cached: bool) -> None:
        self.nonces.cache(cached)

    def purge(self) -> None:
        """Empty the cache of pages: they show a good nonce again."""
        if self.cache_pages:
            self.nonces.cache(True)

    # For the dialects: what a turn asks of its site.

    default_bot = DEFAULT_BOT

    def bot(self, bot_id: str, dialect: str) -> BotSpec | None:
        """The bot with this id, or None."""
        return BOTS.get((dialect, bot_id))

    def custom_bot(self, custom: str) -> BotSpec | None:
        """The `mwai` bot that a page has customised under this name, or None."""
        return next((bot for bot in BOTS.values() if custom and bot.custom == custom), None)

    def within_quota(self, visitor: str) -> bool:
        """Count a turn of `visitor`; False if that is one too many."""
        if self.quota is None or not visitor:
            return True
        with self._lock:
            self._spent[visitor] += 1
            return self._spent[visitor] <= self.quota

    def take_fault(self, bot: BotSpec, where: str, step: int = 2) -> str:
        """The fault that this step of a turn meets, or ""."""
        if bot.fault and belongs(bot.fault, where, step):
            return bot.fault
        return self.meet_aside(where, step)

    def meet_aside(self, where: str, step: int) -> str:
        """The fault of `next()` that this step meets, whichever bot it is for, or ""."""
        with self._lock:
            for at, fault in enumerate(self._queue):
                if belongs(fault, where, step):
                    return self._queue.pop(at)
        return ""

    def expects_second_step(self, key: str) -> None:
        """The turn of this thread's request has a second step, which will name `key`."""

    # Answering.

    def _answer(self, exchange: Exchange) -> None:
        try:
            self._handle(exchange)
        finally:
            if self.log is not None:
                self.log(exchange.request, exchange.status)

    def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        origin, (listens, _, tls, _) = self.origin or "", self._listen
        if not request.is_for(listens, self.port, secure=bool(tls), origin=origin):
            exchange.respond(421, "This site has another name.", "text/plain; charset=UTF-8")
            return
        with self._lock:
            self.requests.append(request)
            self._carried.setdefault(request.path, set()).add(request.connection)
        base = f"/{self._folder}/" if self._folder else "/"
        if not request.path.startswith(base):
            exchange.respond(404, "Nothing is here.", "text/plain; charset=UTF-8")
            return
        path = request.path.removeprefix(base)
        if path in (_AJAX, f"staging/{_AJAX}"):
            self._ajax(exchange, guarded=path != _AJAX)
        elif path in ("", "index.php") and "rest_route" in request.query:
            self._api(exchange, request.query["rest_route"])
        elif match := _API.fullmatch(path):
            self._api(exchange, match["route"] or "", match["plugin"] or "")
        elif path.startswith(window.FOLDER):
            window.serve(exchange, path.removeprefix(window.FOLDER))
        else:
            self._page(exchange, path)

    def _api(self, exchange: Exchange, route: str, engine: str = "") -> None:
        """Answer a request to the REST API: the site's, or of one with that AI Engine alone."""
        route = route.strip("/")
        if not route:
            names = ENGINE_NAMES if engine else (*POWER_NAMES, *ENGINE_NAMES)
            known: dict[str, object] = {"namespaces": ["oembed/1.0", *names, "wp/v2"]}
            if exchange.request.query.get("_fields") != "namespaces":
                known = {"name": "Sandbox", **known, "url": self.home}
            exchange.respond(200, php_json(known), JSON)
        elif engine or route.startswith(("mwai/", "mwai-ui/")):
            self._mwai.handle(exchange, route, engine or NEWEST)
        else:
            self._rest.handle(exchange, route)

    def _ajax(self, exchange: Exchange, *, guarded: bool) -> None:
        if guarded and not self._let_in(exchange):
            return
        request = exchange.request
        action = request.param("action")
        bot = self.bot(request.param("bot_id"), "aipkit")
        cookies = request.headers.get("cookie", "")
        if bot and bot.cookie and "sandbox_visitor=1" not in cookies:
            exchange.respond(403, "Who are you?")
        elif action in WPAICG_ACTIONS:
            self._wpaicg.handle(exchange)
        elif action in AIPKIT_ACTIONS:
            self._aipkit.handle(exchange)
        else:
            exchange.respond(400, "0", headers=[NO_CACHE])

    def _let_in(self, exchange: Exchange) -> bool:
        wanted = base64.b64encode(":".join(self.credentials).encode()).decode()
        if exchange.request.headers.get("authorization", "") == f"Basic {wanted}":
            return True
        headers = [("WWW-Authenticate", 'Basic realm="staging"')]
        exchange.respond(401, "Who are you?", headers=headers)
        return False

    def _page(self, exchange: Exchange, path: str) -> None:
        name = path.strip("/") or "front"
        page = PAGES.get(name)
        if page is None or exchange.request.method not in ("GET", "HEAD"):
            exchange.respond(404 if page is None else 405, "There is no such page.")
        elif path and not path.endswith("/"):
            exchange.respond(301, "", headers=[("Location", self.page(name))])
        elif page.trick != "auth" or self._let_in(exchange):
            pages.serve(exchange, self, page)


_ASIDE_STEPS = {"session": 0, "upload": 1, "memory": 3, "feedback": 3}
"""The steps at which a fault beside the turns is met, by its first word."""


def belongs(fault: str, where: str, step: int) -> bool:
    """Can a bot of this kind meet `fault` at this step of a turn?"""
    if fault in ASIDE.get(where, ()):
        return step == _ASIDE_STEPS[fault.partition("-")[0]]
    if fault not in FAULTS[where]:
        return False
    first = where == "aipkit" and (fault.startswith("cache-") or fault == "unknown-action")
    return step == (1 if first else 2)


__all__ = ["Site"]
