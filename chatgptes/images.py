"""Images that go with a message: from a file, bytes, or a data URL; known by what they begin with.

Nothing is downloaded: an image with a web address is the caller's to fetch.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from .errors import InvalidMessageError

__all__ = ["Image", "ImageFile", "ImageSource", "image_of", "loaded"]

ImageSource = str | os.PathLike[str] | bytes
"""The path of a file, the bytes of one, or a `data:` URL."""

_BEGINNINGS = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
)
_DATA_URL = re.compile(r"(?is)data:[^,]*?(?P<base64>;\s*base64)?,(?P<data>.*)")
_WEB = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # Two letters at least: "C:\\" is a path.


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, ready to be sent.

    Attributes:
        kind: "image/jpeg", "image/png", "image/webp" or "image/gif".
        data: the file (bytes).
    """

    kind: str
    data: bytes = field(repr=False)

    @property
    def url(self) -> str:
        """It as a `data:` URL."""
        return f"data:{self.kind};base64,{self.base64}"

    @property
    def base64(self) -> str:
        """Its data in base64."""
        return base64.b64encode(self.data).decode("ascii")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A picture that is still to be read: see `loaded`."""

    path: str
    where: str


def image_of(source: Any, where: str, limit: int) -> Image | ImageFile:
    """The picture that a caller named; of a file, only that it is one to be read.

    Args:
        source: an `ImageSource`.
        where: what to call it in errors.
        limit: how many bytes it may have.

    Raises:
        InvalidMessageError: it is no picture, too large, or on the web.
    """
    if isinstance(source, (bytes, bytearray)):
        return _recognised(bytes(source), where, limit)
    if isinstance(source, str) and source[:5].lower() == "data:":
        return _from_data_url(source, where, limit)
    if isinstance(source, str) and _WEB.match(source):
        raise InvalidMessageError(
            f"{where} is a web address, and nothing is downloaded here: fetch it yourself, and give"
            " its bytes."
        )
    path: Any = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
    if not isinstance(path, str):
        raise InvalidMessageError(
            f"{where} is of type {type(source).__name__}: an image is a path, bytes or a data: URL."
        )
    return ImageFile(path, where)


def loaded(image: Image | ImageFile, limit: int) -> Image:
    """`image`, read if it is a file.

    Raises:
        InvalidMessageError: the file can't be read, is no picture, or has over `limit` bytes.
    """
    if isinstance(image, Image):
        return image
    try:
        # A pipe or a device would keep us waiting.
        if not stat.S_ISREG(os.stat(image.path).st_mode):
            raise InvalidMessageError(f"{image.where} is not a file.")
        with open(image.path, "rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidMessageError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InvalidMessageError(f"{image.where} can't be read: {reason}.") from error
    return _recognised(data, image.where, limit)


def _from_data_url(url: str, where: str, limit: int) -> Image:
    match = _DATA_URL.fullmatch(url)
    if match is None:
        raise InvalidMessageError(f"{where} is a data: URL without data.")
    text = match["data"]
    if len(text) > 3 * limit + 8:  # The longest way to write a byte is "%41".
        raise _too_large(where, limit)
    data = unquote_to_bytes(text)
    if match["base64"]:
        try:
            data = base64.b64decode(b"".join(data.split()), validate=True)
        except binascii.Error:
            raise InvalidMessageError(f"{where} is a data: URL whose base64 is damaged.") from None
    return _recognised(data, where, limit)


def _recognised(data: bytes, where: str, limit: int) -> Image:
    if not data:
        raise InvalidMessageError(f"{where} is empty.")
    if len(data) > limit:
        raise _too_large(where, limit)
    for kind, beginning in _BEGINNINGS:
        if beginning.match(data):
            return Image(kind, data)
    raise InvalidMessageError(
        f"{where} is no picture that a site takes: jpeg, png, webp or gif, whatever its name says."
    )


def _too_large(where: str, limit: int) -> InvalidMessageError:
    return InvalidMessageError(
        f"{where} has more than the {limit:,} bytes allowed (Client(limits=Limits(image=…)) allows"
        " more; most sites take no more than a few million)."
    )
