"""Bodies in gzip and deflate, decoded at most 64 KiB at a time: a few bytes can hold gigabytes.

A body that breaks off before its end is an error, which `requests` does not notice.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

__all__ = ["ACCEPTED", "BadEncoding", "decode"]

ACCEPTED = "gzip, deflate"
_PIECE = 1 << 16
_MOST_CODINGS = 5
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_UNASKED = frozenset({"br", "zstd", "compress", "x-compress"})
"""Other names encode nothing: servers put charsets, media types and "aws-chunked" (how files reach
an object store, which keeps the name and undoes the encoding) into the header."""
_MEMBER = b"\x1f\x8b"


class BadEncoding(Exception):
    """The body can't be decoded; `coding` names the encoding."""

    def __init__(self, coding: str, reason: str) -> None:
        super().__init__(reason)
        self.coding = coding


def decode(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Decode the body in `pieces`; the header value `encoding` lists its encodings.

    Names count in upper case, in quotes and with parameters, too, as servers write them.
    """
    names = [name.partition(";")[0].strip("\"' \t").lower() for name in encoding.split(",")]
    codings = [name for name in names if name in _WINDOWS or name in _UNASKED]
    if len(codings) > _MOST_CODINGS:
        raise BadEncoding(f"{len(codings)} of them", "that many make no sense")
    for coding in reversed(codings):
        if coding in _UNASKED:
            raise BadEncoding(coding, "that was not asked for")
        pieces = _inflate(pieces, coding, _WINDOWS[coding])
    yield from pieces  # A generator, so that an unknown coding is an error of the first read.


def _inflate(pieces: Iterable[bytes], coding: str, window: int) -> Iterator[bytes]:
    stream = zlib.decompressobj(window)
    started = False
    rest = b""
    for piece in pieces:
        rest += piece
        while rest:
            if stream.eof:
                # gzip may have several members; zero bytes behind the last are padding.  Anything
                # else there, such as a cache's comment, is no part of the encoded body.
                rest = rest.lstrip(b"\0")
                if coding == "deflate" or not _MEMBER.startswith(rest[:2]):
                    for _ in pieces:
                        pass
                    return
                if len(rest) < len(_MEMBER):
                    break
                stream = zlib.decompressobj(window)
            try:
                yield from _bounded(stream, rest)
            except zlib.error:
                if started or coding != "deflate" or window < 0:
                    raise BadEncoding(coding, "is not") from None
                # "deflate" means zlib's format, but some servers send it without.
                window = -zlib.MAX_WBITS
                stream = zlib.decompressobj(window)
                continue
            started = True
            rest = stream.unused_data
    if started and not stream.eof:
        raise BadEncoding(coding, "breaks off before its end")


def _bounded(stream: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while True:
        piece = stream.decompress(data, _PIECE)
        if piece:
            yield piece
        data = stream.unconsumed_tail
        if stream.eof or (not data and len(piece) < _PIECE):
            return
