"""The client's side of SOCKS 5 (RFC 1928, RFC 1929), over a socket that is connected already.

PySocks would open its own sockets, whose waits nothing could end.
"""

from __future__ import annotations

import socket
import struct

from .sockets import Operation, PlainSocket

__all__ = ["SocksRefused", "negotiate"]

_VERSION = b"\x05"
_NO_LOGIN, _LOGIN = 0, 2
_REPLIES = {
    1: "it failed",
    2: "its rules forbid the connection",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the site refused the connection",
    6: "it took too long",
    7: "it does not know the command",
    8: "it does not know this type of address",
}


class SocksRefused(Exception):
    """The proxy said no; the text says why ("password" for the login)."""


def negotiate(operation: Operation, sock: PlainSocket, host: str, port: int) -> None:
    """Make the proxy at the other end of `sock` connect to `host` and `port`."""
    proxy = operation.proxy
    assert proxy is not None
    login = proxy.username is not None or proxy.password is not None
    methods = bytes([_NO_LOGIN, _LOGIN] if login else [_NO_LOGIN])
    sock.sendall(_VERSION + bytes([len(methods)]) + methods)
    version, method = _exactly(sock, 2)
    if version != 5:
        raise SocksRefused("it does not speak SOCKS 5")
    if method == _LOGIN and login:
        user, word = (proxy.username or "").encode(), (proxy.password or "").encode()
        sock.sendall(b"\x01" + bytes([len(user)]) + user + bytes([len(word)]) + word)
        if _exactly(sock, 2)[1] != 0:
            raise SocksRefused("password")
    elif method != _NO_LOGIN:
        raise SocksRefused("password")
    address = _address(host, port, resolve=proxy.scheme == "socks5")
    sock.sendall(_VERSION + b"\x01\x00" + address + struct.pack("!H", port))
    _, reply, _, kind = _exactly(sock, 4)
    if reply != 0:
        raise SocksRefused(_REPLIES.get(reply, f"code {reply}"))
    # The address it is bound to, of no interest; but what follows it is the site's.
    length = {1: 4, 4: 16}.get(kind) or _exactly(sock, 1)[0]
    _exactly(sock, length + 2)


def _address(host: str, port: int, *, resolve: bool) -> bytes:
    """`host` as SOCKS writes it; its name is resolved here, or left to the proxy."""
    for family, kind in ((socket.AF_INET, b"\x01"), (socket.AF_INET6, b"\x04")):
        try:
            return kind + socket.inet_pton(family, host)
        except OSError:
            continue
    if resolve:
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        # IPv4 first: many SOCKS servers have no IPv6 on their other side.
        found.sort(key=lambda item: item[0] != socket.AF_INET)
        return _address(str(found[0][4][0]).partition("%")[0], port, resolve=False)
    name = host.encode("ascii" if host.isascii() else "idna")
    return b"\x03" + bytes([len(name)]) + name


def _exactly(sock: PlainSocket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise ConnectionResetError("closed")
        data += piece
    return data
