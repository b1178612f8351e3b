"""Sites that speak https and HTTP/2: the fixtures `tls_site` and `h2_site` start them."""

from __future__ import annotations

from h2proxy import H2Proxy

from chatgptes.sandbox import Site

__all__ = ["H2Site", "TlsSite"]


class TlsSite(Site):
    """A site that speaks https; `ca_file` is what its certificate can be verified with."""

    ca_file: str


class H2Site(TlsSite):
    """A site behind an HTTP/2 proxy: `proxy.clients`, `proxy.versions` tell who came, and how."""

    proxy: H2Proxy
