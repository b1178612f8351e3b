"""Fixtures: sites to talk to, over http, https and HTTP/2."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from h2proxy import H2Proxy
from secure_sites import H2Site, TlsSite

from chatgptes.sandbox import Site

# In the background of a script SIGINT is inherited as ignored, under nohup SIGHUP is, here and by
# the programs that tests start; tests of Ctrl-C and of closed windows need them as elsewhere.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The command line keeps no conversation of a test in the user's folder, and reads no file there.
os.environ |= {"CHATGPTES_DATA": "", "CHATGPTES_CONFIG": os.devnull}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that nobody else trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The authority's certificate as a file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def server_pem(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for loopback and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    authority.issue_cert("localhost", "127.0.0.1", "::1").private_key_and_cert_chain_pem \
        .write_to_path(str(path))  # fmt: skip
    return path


@pytest.fixture
def server_context(server_pem: Path) -> ssl.SSLContext:
    """What a loopback server needs to speak TLS (HTTP/1.1 only)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_pem)
    context.set_alpn_protocols(["http/1.1"])
    return context


@pytest.fixture
def site() -> Iterator[Site]:
    """A site on http."""
    with Site() as site:
        yield site


@pytest.fixture
def tls_site(server_context: ssl.SSLContext, ca_file: str) -> Iterator[TlsSite]:
    """A site on https; `.ca_file` verifies it."""
    site = TlsSite(tls=server_context)
    site.ca_file = ca_file
    with site:
        yield site


@pytest.fixture
def h2_site(server_pem: Path, ca_file: str) -> Iterator[H2Site]:
    """A site behind a server that speaks HTTP/2 over TLS; `.proxy` knows its clients."""
    site = H2Site()
    site.ca_file = ca_file
    with site, H2Proxy(site.port, server_pem) as site.proxy:
        site.origin = site.proxy.origin
        yield site
