"""Probes below HTTP: the name, a connection, TLS."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from typing import Any

from .values import StepFailed

__all__ = ["connection", "name", "tls"]


def name(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of `host`.

    Raises:
        StepFailed: it has none, or the lookup took longer than `seconds`.
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
    found = result[0] if result else None
    if isinstance(found, list):
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
    if found is None:
        detail = f"No answer in {seconds:g} s about the name {host}."
        hint = "Your network's name server is slow or not reachable: check your connection."
    elif isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN:
        detail = f"The name {host} could not be looked up just now."
        hint = (
            "Most often your own connection is down, or its name server; if other sites work, "
            "check the address for a typing error."
        )
    else:
        detail = f"There is no such name as {host}."
        hint = (
            "Check the address for a typing error. If it was right before, the owner's domain may "
            "have run out."
        )
    raise StepFailed("name", detail, hint, "ConnectError")


def connection(addresses: list[str], port: int, seconds: float) -> socket.socket:
    """Connect to the first address that lets us.

    Raises:
        StepFailed: none did within `seconds`.
    """
    end = time.monotonic() + seconds
    errors: list[OSError] = []
    for address in addresses:
        if (left := end - time.monotonic()) <= 0:
            break
        try:
            return socket.create_connection((address, port), left)
        except OSError as error:
            errors.append(error)
    where = f"{', '.join(addresses[:3])}, port {port},"
    if any(isinstance(error, ConnectionRefusedError) for error in errors):
        detail = f"{where} refuses connections."
        hint = (
            "Nothing listens there: check the port and http or https. If they are right, the web "
            "server is down, and its owner must start it."
        )
    elif errors and not any(isinstance(error, TimeoutError) for error in errors):
        detail = f"{where} can't be reached: {errors[0].strerror or errors[0]}."
        hint = "Check your network; a VPN, a firewall or a missing route stands between."
    else:
        detail = f"{where} did not take a connection within {seconds:g} s."
        hint = (
            "The server is down or overloaded, or a firewall (yours, your network's or the "
            "owner's) drops the connection. Check the port; if you need a proxy, give it."
        )
    raise StepFailed("connection", detail, hint, "ConnectError")


_UNKNOWN = (
    "The certificate comes from an authority that is not known here, or the owner's server does "
    "not send its intermediate certificate. If it is your company's or your own authority, put its "
    "file into the variable REQUESTS_CA_BUNDLE (in a program: verify=)."
)
# OpenSSL's X509_V_ERR numbers.
_CERTIFICATE = {
    9: "The certificate is not valid yet: check this computer's clock.",
    10: "The certificate has expired: the owner must renew it. (Check this computer's clock, too.)",
    18: f"It is self-signed: the owner should get a real one (they are free). {_UNKNOWN}",
    19: _UNKNOWN,
    20: _UNKNOWN,
    62: "The certificate is for another name: check the address (with or without www.); the owner "
    "must get one for this name.",
    64: "The certificate does not name this address: use the site's name; or the owner must get "
    "one for the address.",
}


def tls(sock: socket.socket, host: str, ca: str | None, seconds: float) -> str:
    """Shake hands; return what was agreed, in words.

    Args:
        sock: connected; stays the caller's to close.
        host: whom the certificate must name.
        ca: file or directory of trusted certificates, or None to verify nothing.
        seconds: how long it may take.

    Raises:
        StepFailed: the handshake or the certificate is bad.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(**{"capath" if os.path.isdir(ca) else "cafile": ca})
    try:
        sock.settimeout(seconds)
        with context.wrap_socket(sock.dup(), server_hostname=host) as secure:
            if ca is None:
                return f"{secure.version()}; the certificate was not checked (verify is off)"
            certificate: Any = secure.getpeercert()
            issuer = dict(pair for part in certificate["issuer"] for pair in part)
            by = issuer.get("organizationName") or issuer.get("commonName") or "?"
            until = certificate["notAfter"]
            return f"{secure.version()}, certificate by {by}, good until {until}"
    except ssl.SSLCertVerificationError as error:
        detail = f"The certificate is not good: {error.verify_message.rstrip('.')}."
        hint = _CERTIFICATE.get(error.verify_code, "The owner must replace the certificate.")
        hint += " Don't switch the check off: anybody between could read along."
    except TimeoutError:
        detail = f"The TLS handshake was not done within {seconds:g} s."
        hint = "The server is overloaded, or something between drops encrypted connections."
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or "the connection was closed"
        detail = f"The TLS handshake failed: {str(reason).replace('_', ' ').lower()}."
        hint = (
            "What listens there may speak no TLS (is it http://?), only old versions of it, or a "
            "middlebox cuts it off."
        )
    raise StepFailed("TLS", detail, hint, "TLSError")
