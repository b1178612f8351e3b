"""Probes below HTTP: the name, a connection, TLS."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Found", "Trouble", "connection", "name", "tls"]


class Trouble(Exception):
    """A probe failed.

    Attributes:
        detail: what happened (str).
        advice: what it means and who can do what (str).
    """

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Found:
    """The addresses that a name leads to, as `socket.getaddrinfo` gives them."""

    addresses: tuple[tuple[Any, ...], ...]

    def __str__(self) -> str:
        shown = list(dict.fromkeys(str(address[4][0]) for address in self.addresses))
        more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
        return ", ".join(shown[:3]) + more


def name(host: str, port: int, seconds: float) -> Found:
    """Look `host` up.

    Raises:
        Trouble: it leads nowhere, or the lookup took longer than `seconds`.
    """
    result: list[Any] = []

    def look_up() -> None:
        try:
            result.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            result.append(error)

    # In a thread, since nothing can interrupt it.
    thread = threading.Thread(target=look_up, name="chatgptes-doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        raise Trouble(
            f"No answer in {seconds:g} s about the name {host}.",
            "Your network's name server is slow or not reachable: check your connection.",
        )
    found = result[0]
    if isinstance(found, Exception):
        if isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN:
            raise Trouble(
                f"The name {host} could not be looked up just now.",
                "Most often your own connection is down, or its name server; if other sites work, "
                "check the address for a typing error.",
            )
        raise Trouble(
            f"There is no such name as {host}.",
            "Check the address for a typing error. If it was right before, the owner's domain may "
            "have run out.",
        )
    return Found(tuple(found))


def connection(found: Found, seconds: float) -> tuple[socket.socket, str]:
    """Connect to the first address that lets us; the socket, and which it was.

    Raises:
        Trouble: none did within `seconds`.
    """
    end = time.monotonic() + seconds
    errors: list[OSError] = []
    for family, kind, protocol, _, address in found.addresses:
        left = end - time.monotonic()
        if left <= 0:
            break
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # No IPv6 on this machine, say.
            errors.append(error)
            continue
        try:
            sock.settimeout(left)
            sock.connect(address)
        except OSError as error:
            sock.close()
            errors.append(error)
        else:
            return sock, f"{address[0]}, port {address[1]}"
    port = found.addresses[0][4][1]
    if any(isinstance(error, ConnectionRefusedError) for error in errors):
        raise Trouble(
            f"{found} refuses connections on port {port}.",
            "Nothing listens there: check the port and http or https. If they are right, the web "
            "server is down, and its owner must start it.",
        )
    if errors and not any(isinstance(error, TimeoutError) for error in errors):
        raise Trouble(
            f"{found}, port {port}, can't be reached: {errors[0].strerror or errors[0]}.",
            "Check your network; a VPN, a firewall or a missing route stands between.",
        )
    raise Trouble(
        f"{found}, port {port}, did not take a connection within {seconds:g} s.",
        "The server is down or overloaded, or a firewall (yours, your network's or the owner's) "
        "drops the connection. Check the port; if you need a proxy, give it.",
    )


_OWNER_CHAIN = (
    " If it is your company's or your own authority, put its file into the variable "
    "REQUESTS_CA_BUNDLE (in a program: verify=)."
)
# OpenSSL's X509_V_ERR numbers.
_CERTIFICATE = {
    9: "The certificate is not valid yet: check this computer's clock.",
    10: "The certificate has expired: the owner must renew it. (Check this computer's clock, too.)",
    18: "The certificate is self-signed, so anybody could have made it: the owner should get a "
    "real one (they are free)." + _OWNER_CHAIN,
    19: "The certificate comes from an authority that is not known here." + _OWNER_CHAIN,
    20: "The certificate comes from an authority that is not known here, or the owner's server "
    "does not send its intermediate certificate." + _OWNER_CHAIN,
    62: "The certificate is for another name: check the address (with or without www.); the owner "
    "must get one for this name.",
    64: "The certificate does not name this address: use the site's name; or the owner must get "
    "one for the address.",
}


def tls(sock: socket.socket, host: str, ca: str | None, seconds: float) -> str:
    """Shake hands; what was agreed, in words.

    Args:
        sock: connected; stays the caller's to close.
        host: whom the certificate must name.
        ca: file or directory of trusted certificates, or None to verify nothing.
        seconds: how long it may take.

    Raises:
        Trouble: the handshake or the certificate is bad.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        place = {"capath": ca} if os.path.isdir(ca) else {"cafile": ca}
        context.load_verify_locations(**place)
    try:
        sock.settimeout(seconds)
        with context.wrap_socket(sock.dup(), server_hostname=host) as secure:
            return _agreed(secure.version(), secure.getpeercert() or {}, verified=ca is not None)
    except ssl.SSLCertVerificationError as error:
        raise Trouble(
            f"The certificate is not good: {error.verify_message.rstrip('.')}.",
            _CERTIFICATE.get(error.verify_code, "The owner must mend the certificate.")
            + " Don't switch the check off: anybody between could read along.",
        ) from None
    except TimeoutError:
        raise Trouble(
            f"The TLS handshake was not done within {seconds:g} s.",
            "The server is overloaded, or something between drops encrypted connections.",
        ) from None
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or "the connection was closed"
        raise Trouble(
            f"The TLS handshake failed: {str(reason).replace('_', ' ').lower()}.",
            "What listens there may speak no TLS (is it http://?), only old versions of it, or a "
            "middlebox cuts it off.",
        ) from None


def _agreed(version: str | None, certificate: Mapping[str, Any], *, verified: bool) -> str:
    if not verified:
        return f"{version}; the certificate was not checked (verify is off)"
    parts = dict(pair for part in certificate.get("issuer", ()) for pair in part)
    issuer = parts.get("organizationName") or parts.get("commonName") or "?"
    until = certificate.get("notAfter", "?")
    return f"{version}, certificate by {issuer}, good until {until}"
