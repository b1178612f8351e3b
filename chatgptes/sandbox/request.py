"""Requests as the sandbox receives them: reading them off a connection, and their forms."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

_MOST_BODY = 256 << 20
_MOST_LINE = 1 << 20
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104
"""Hosts to listen on that stand for every address of this machine."""


class BadRequest(Exception):
    """A request that is not HTTP, or too large for the sandbox."""


@dataclass(slots=True)
class Received:
    """A request that reached the sandbox.

    Attributes:
        method: "GET", "POST", …
        target: path and query as they were sent (str).
        path: the path (str, percent-decoding undone).
        query: the query's parameters; of several with one name the last, as PHP has it.
        headers: names in lower case; several values of one name joined by ", ".
        body: the body (bytes).
        form: the fields of a urlencoded or multipart body, like `query`.
        files: the files of a multipart body: name -> (content type, bytes).
        time: when it was read (seconds since the epoch).
        connection: the number of the TCP connection it came on (int, from 1).
        version: "HTTP/1.1" or "HTTP/1.0".
    """

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    form: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    time: float = 0.0
    connection: int = 0
    version: str = "HTTP/1.1"

    @property
    def keep_alive(self) -> bool:
        """The client is ready to use the connection again."""
        return self.version == "HTTP/1.1" and "close" not in self.headers.get("connection", "")

    def param(self, name: str) -> str:
        """A parameter of the form or else of the query, or ""."""
        return self.form.get(name, self.query.get(name, ""))

    def is_for(self, listens: str, port: int, *, secure: bool, origin: str) -> bool:
        """Tell whether its `Host` is a name of the site that listens there, or has that origin
        (with `www.` or without).

        A browser that was led here under another name (DNS rebinding) would otherwise let the
        pages of that name read what the sandbox answers.
        """
        host = self.headers.get("host", "")
        own = urlsplit(origin).netloc.removeprefix("www.")
        if not host or (own and host.removeprefix("www.") == own):
            return True
        try:
            parts = urlsplit(f"//{host}")
            name, given = parts.hostname or "", parts.port or (443 if secure else 80)
        except ValueError:
            return False
        if given != port:
            return False
        if listens in _EVERYWHERE:
            return name == "localhost" or _is_address(name)
        return name in {"127.0.0.1", "localhost", "::1", listens.lower()}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def read_request(reader: BinaryIO, go_on: Callable[[], None]) -> Received | None:
    """The next request on a connection, or None at its end.

    `go_on` is called where the client waits for a "100 Continue".

    Raises:
        BadRequest: what came is not HTTP.
        OSError: the connection broke.
    """
    line = reader.readline(_MOST_LINE)
    if line in (b"\r\n", b"\n"):  # Some clients send an empty line behind a body.
        line = reader.readline(_MOST_LINE)
    if not line:
        return None
    match = re.fullmatch(rb"([A-Z]+) (\S+) (HTTP/1\.[01])\r?\n", line)
    if not match:
        raise BadRequest("no request line")
    method, target, version = (part.decode("latin-1") for part in match.groups())
    headers = _headers(reader)
    if headers.get("expect", "").lower() == "100-continue":
        go_on()
    path, _, query = target.partition("?")
    request = Received(
        method, target, unquote(path), _pairs(query), headers,
        body=_body(reader, headers), time=time.time(), version=version,
    )  # fmt: skip
    _fill_form(request)
    return request


def _headers(reader: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    while True:
        line = reader.readline(_MOST_LINE)
        if line in (b"\r\n", b"\n"):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or len(headers) > 1000:
            raise BadRequest("no header line")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value


def _body(reader: BinaryIO, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunks(reader)
    try:
        length = int(headers.get("content-length", "0"))
    except ValueError:
        raise BadRequest("bad length") from None
    if not 0 <= length <= _MOST_BODY:
        raise BadRequest("bad length")
    body = reader.read(length)
    if len(body) < length:
        raise ConnectionResetError("the body broke off")
    return body


def _chunks(reader: BinaryIO) -> bytes:
    body = bytearray()
    while True:
        try:
            size = int(reader.readline(_MOST_LINE).split(b";")[0], 16)
        except ValueError:
            raise BadRequest("bad chunk") from None
        if size < 0 or len(body) + size > _MOST_BODY:
            raise BadRequest("bad chunk")
        if not size:
            while reader.readline(_MOST_LINE) not in (b"\r\n", b"\n", b""):
                pass
            return bytes(body)
        body += reader.read(size)
        reader.readline(_MOST_LINE)


def _pairs(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True, errors="replace"))


def _fill_form(request: Received) -> None:
    kind = request.headers.get("content-type", "")
    if kind.lower().startswith("application/x-www-form-urlencoded"):
        request.form = _pairs(request.body.decode("utf-8", "replace"))
    elif kind.lower().startswith("multipart/form-data"):
        match = re.search(r'boundary="?([^";]+)', kind, re.IGNORECASE)
        if match:
            _fill_multipart(request, match[1].encode("latin-1"))


def _fill_multipart(request: Received, boundary: bytes) -> None:
    for part in (b"\r\n" + request.body).split(b"\r\n--" + boundary)[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        heads = head.decode("utf-8", "replace")
        name = re.search(r'[; ]name="([^"]*)"', heads)
        if not blank or not name:
            continue
        if re.search(r"filename\*?=", heads):
            kind = re.search(r"content-type:\s*(\S+)", heads, re.IGNORECASE)
            request.files[name[1]] = (kind[1] if kind else "", content)
        else:
            request.form[name[1]] = content.decode("utf-8", "replace")
