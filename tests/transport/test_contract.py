"""The names of other packages that are not quite public, and that the transports rest on.

When one of these fails after an upgrade, `transport/curl/handle.py`, `transport/plain/pools.py` or
`transport/plain/sockets.py` has to follow it.
"""

from __future__ import annotations

import http.client
import inspect
import socket
import ssl
from typing import Any

import curl_cffi
import pytest
import requests.adapters
import urllib3.connection
import urllib3.connectionpool
from curl_cffi import Curl, CurlInfo, CurlOpt, ffi, lib
from curl_cffi.requests.impersonate import REAL_TARGET_MAP, BrowserType
from servers import Connection, Server, head, limits

from chatgptes.transport.curl import handle
from chatgptes.transport.curl.handle import Handle
from chatgptes.transport.curl.multi import Multi
from chatgptes.transport.curl.setup import CurlSettings
from chatgptes.transport.curl.transfer import Transfer
from chatgptes.values.http import Request


def test_names_of_curl_cffi() -> None:
    for name in (
        "curl_multi_init", "curl_multi_cleanup", "curl_multi_add_handle", "curl_multi_perform",
        "curl_multi_remove_handle", "curl_multi_info_read", "curl_multi_poll", "curl_multi_wakeup",
        "curl_multi_setopt", "curl_easy_pause", "curl_easy_getinfo", "curl_slist_append",
        "curl_slist_free_all", "curl_version", "_curl_easy_setopt",
    ):  # fmt: skip
        assert hasattr(lib, name), name
    for option in (
        "URL", "POST", "POSTFIELDS", "POSTFIELDSIZE_LARGE", "HTTPHEADER", "ACCEPT_ENCODING",
        "NOSIGNAL", "QUICK_EXIT", "CONNECTTIMEOUT_MS", "PROXY", "NOPROXY", "PROXYUSERNAME",
        "PROXYPASSWORD", "SUPPRESS_CONNECT_HEADERS", "CAINFO", "CAPATH", "PROXY_CAINFO",
        "PROXY_CAPATH", "PREREQFUNCTION", "PREREQDATA", "FRESH_CONNECT", "WRITEFUNCTION",
        "HEADERFUNCTION", "HTTP_VERSION", "FORBID_REUSE", "UPLOAD_BUFFERSIZE",
    ):  # fmt: skip
        assert hasattr(CurlOpt, option), option
    for info in ("ACTIVESOCKET", "NUM_CONNECTS", "OS_ERRNO", "HTTP_CONNECTCODE", "PROXY_ERROR",
                 "NAMELOOKUP_TIME_T", "SIZE_UPLOAD_T", "SIZE_DOWNLOAD_T"):  # fmt: skip
        assert hasattr(CurlInfo, info), info
    assert REAL_TARGET_MAP["chrome"] in {item.value for item in BrowserType}


def test_a_handle_has_what_the_engine_uses() -> None:
    easy = Curl()
    assert easy._curl
    assert ffi.string(easy._error_buffer) == b""
    assert easy._get_callback_exception() is None
    assert easy.impersonate(REAL_TARGET_MAP["chrome"]) == 0
    assert easy.impersonate("netscape4") != 0
    assert isinstance(Curl._WS_RECV_BUFFER_SIZE, int)
    easy.clean_handles_and_buffers()
    easy.close()
    assert easy._curl is None


def test_libcurl_can_be_told_not_to_repeat() -> None:
    easy = Curl()
    assert lib._curl_easy_setopt(easy._curl, CurlOpt.PREREQFUNCTION, handle._callback) == 0
    easy.close()


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ValueError])
def test_what_a_callback_raises_comes_out(raised: type[BaseException]) -> None:
    def interrupted() -> int:
        raise raised

    easy, multi = Handle(), Multi()
    settings = CurlSettings(trust_env=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        transfer = Transfer(
            settings, Request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/"), limits()
        )
        settings.apply(easy, transfer.request, (), None, None)
        easy.report_to(transfer.write, transfer.header, interrupted)
        multi.add(easy)
        while not (ended := multi.step()):
            multi.wait(0.1)
        assert ended[0][1] == handle.REFUSED
        assert isinstance(easy.callback_fault(), raised)
        multi.remove(easy)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_libcurl_counts_the_bytes_of_a_body(scheme: str, h2_site: Any) -> None:
    def handler(connection: Connection) -> None:
        connection.hear()
        connection.send(head("Transfer-Encoding: chunked"))
        connection.chunk(b"text")
        connection.chunk(b" and more")
        connection.chunk(b"")

    with Server(handler) as server:
        url = server.url if scheme == "http" else h2_site.proxy.origin + "/"
        easy, multi = Handle(), Multi()
        settings = CurlSettings(trust_env=False, verify=h2_site.ca_file)
        transfer = Transfer(
            settings, Request("GET", url, {"Accept-Encoding": "identity"}), limits()
        )
        assert transfer.begin(easy, multi) is None
        while not multi.step():
            assert easy.progress() == (0, transfer.body_size)
            multi.wait(0.1)
        assert easy.progress() == (0, transfer.body_size)
        assert transfer.body_size > 0
        transfer.leave(multi)


def test_names_of_urllib3_and_requests() -> None:
    for kind in (urllib3.connection.HTTPConnection, urllib3.connection.HTTPSConnection):
        for name in ("_new_conn", "_tunnel", "connect", "request"):
            assert callable(getattr(kind, name)), name
        assert issubclass(kind, http.client.HTTPConnection)
    assert isinstance(urllib3.connection.HTTPConnection("h")._dns_host, str)
    assert callable(urllib3.connectionpool.HTTPConnectionPool._put_conn)
    assert "ConnectionCls" in vars(urllib3.connectionpool.HTTPConnectionPool)
    assert "read1" in vars(urllib3.HTTPResponse)
    assert isinstance(urllib3.PoolManager().pool_classes_by_scheme, dict)
    assert callable(urllib3.PoolManager().pools.keys)
    adapter = requests.adapters.HTTPAdapter
    for name in ("build_connection_pool_key_attributes", "proxy_manager_for", "cert_verify"):
        assert callable(getattr(adapter, name)), name
    assert "stream" in inspect.signature(adapter.send).parameters


def test_names_of_the_standard_library() -> None:
    assert callable(http.client.HTTPResponse._read_status)  # type: ignore[attr-defined]
    assert http.client.HTTPConnection.response_class is http.client.HTTPResponse
    source = inspect.getsource(http.client.HTTPConnection._tunnel)  # type: ignore[attr-defined]
    assert "Tunnel connection failed: {code}" in source
    assert ssl.SSLContext.sslsocket_class is ssl.SSLSocket
    assert curl_cffi.__version__
