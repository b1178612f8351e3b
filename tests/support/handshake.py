"""A TLS listener that keeps what a client's handshake and HTTP/2 preface look like."""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import h2.config
import h2.connection
import h2.events
import hpack

__all__ = ["Handshakes", "Look"]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _WINDOW_UPDATE = 0, 1, 4, 8
_SNI, _ALPN, _SIGNATURES, _VERSIONS = 0, 16, 13, 43


def _grease(value: int) -> bool:
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        taken, self.data = self.data[:size], self.data[size:]
        assert len(taken) == size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> _Reader:
        """What follows its own length, itself `size` bytes."""
        return _Reader(self.take(self.number(size)))

    def numbers(self) -> list[int]:
        return [value for (value,) in struct.iter_unpack(">H", self.data)]


@dataclass
class Look:
    """What one connection looked like.

    Attributes:
        ja4: the fingerprint of its ClientHello, as FoxIO defines it.
        grease: it held values that stand for nothing.
        settings: HTTP/2's, in order.
        window: how much its connection's window grew at once.
        priority: the fields of the first HEADERS frame.
        headers: of the first request, in order, pseudo-headers included.
    """

    ja4: str
    grease: bool
    settings: list[tuple[int, int]] = field(default_factory=list)
    window: int = 0
    priority: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    @property
    def connection(self) -> tuple[Any, ...]:
        """All but the headers."""
        return (self.ja4, self.grease, self.settings, self.window, self.priority)


def _read_hello(record: bytes) -> Look:
    reader = _Reader(record)
    reader.take(5 + 4)  # The record's and the message's heads.
    version = reader.number(2)
    reader.take(32)
    reader.block(1)
    ciphers = reader.block(2).numbers()
    reader.block(1)
    rest = reader.block(2)
    extensions: dict[int, _Reader] = {}
    while rest.data:
        kind = rest.number(2)
        extensions[kind] = rest.block(2)
    grease = any(map(_grease, (*ciphers, *extensions)))
    if _VERSIONS in extensions:
        versions = extensions[_VERSIONS].block(1).numbers()
        version = max(value for value in versions if not _grease(value))
    alpn = extensions[_ALPN].block(2).block(1).data.decode() if _ALPN in extensions else ""
    signatures = extensions[_SIGNATURES].block(2).numbers() if _SIGNATURES in extensions else []
    ciphers = [value for value in ciphers if not _grease(value)]
    kinds = [kind for kind in extensions if not _grease(kind)]

    def digest(values: list[int], more: list[int]) -> str:
        text = ",".join(f"{value:04x}" for value in sorted(values))
        if more:
            text += "_" + ",".join(f"{value:04x}" for value in more)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    counted = [kind for kind in kinds if kind not in (_SNI, _ALPN)]
    ja4 = (
        f"t{ {0x0304: '13', 0x0303: '12'}.get(version, '00') }"
        f"{'d' if _SNI in extensions else 'i'}{len(ciphers):02}{len(kinds):02}"
        f"{alpn[:1] + alpn[-1:] if alpn else '00'}"
        f"_{digest(ciphers, [])}_{digest(counted, signatures)}"
    )
    return Look(ja4, grease)


class Handshakes:
    """The listener, in a thread.

    Attributes:
        url: where it listens.
        looks: of every connection, in order.
    """

    def __init__(self, pem: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listener.getsockname()[1]}/"
        self.looks: list[Look] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Handshakes:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                try:
                    self._serve(sock)
                except OSError:
                    pass  # The client hung up.

    def _serve(self, sock: socket.socket) -> None:
        head = sock.recv(5, socket.MSG_PEEK | socket.MSG_WAITALL)
        size = 5 + int.from_bytes(head[3:], "big")
        look = _read_hello(sock.recv(size, socket.MSG_PEEK | socket.MSG_WAITALL))
        self.looks.append(look)
        with self._context.wrap_socket(sock, server_side=True) as secure:
            connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            connection.initiate_connection()
            raw = b""
            while data := secure.recv(65536):
                raw += data
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.StreamEnded):
                        _read_frames(raw, look)
                        connection.send_headers(event.stream_id, [(":status", "200")])
                        connection.send_data(event.stream_id, b"ok", end_stream=True)
                secure.sendall(connection.data_to_send())


def _read_frames(raw: bytes, look: Look) -> None:
    """Fill `look` from what a client has sent up to the end of its first request."""
    if look.headers:
        return
    assert raw.startswith(_PREFACE)
    rest = _Reader(raw[len(_PREFACE) :])
    while rest.data:
        size, kind, flags, stream = (
            rest.number(3), rest.number(1), rest.number(1), rest.number(4),
        )  # fmt: skip
        payload = rest.take(size)
        if kind == _SETTINGS and not flags & 1:
            look.settings = list(struct.iter_unpack(">HI", payload))
        elif kind == _WINDOW_UPDATE and stream == 0 and not look.headers:
            look.window = int.from_bytes(payload, "big")
        elif kind == _HEADERS and not look.headers:
            if flags & 0x20:
                look.priority, payload = payload[:5], payload[5:]
            look.headers = [(str(n), str(v)) for n, v in hpack.Decoder().decode(payload)]
