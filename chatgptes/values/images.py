"""Images that go with a message: a file, bytes, or a data URL, recognized by the first bytes.

Nothing is downloaded: a program fetches an image with a web address itself.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ..errors import Hint, InvalidMessageError

__all__ = ["Image", "ImageSource", "Unread", "image_of", "loaded"]

ImageSource = str | os.PathLike[str] | bytes
"""The path of a file, the bytes of one, or a `data:` URL."""

_KINDS = re.compile(
    rb"(?P<png>\x89PNG\r\n\x1a\n)|(?P<jpeg>\xff\xd8\xff)|(?P<gif>GIF8[79]a)|(?P<webp>RIFF.{4}WEBP)",
    re.DOTALL,
)
_DATA_URL = re.compile(r"(?is)data:[^,]*;\s*base64,(.*)")
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
class Unread:
    """A picture whose bytes are still to be got from `source`, a path or `data:` URL: see `loaded`.

    Errors call it `where`.
    """

    source: str = field(repr=False)
    where: str

    @property
    def is_data(self) -> bool:
        """It is a `data:` URL, and no file."""
        return self.source[:5].lower() == "data:"


def image_of(source: Any, where: str, limit: int) -> Image | Unread:
    """The picture that a caller named, called `where` in errors; a file or URL is only noted."""
    if isinstance(source, (bytes, bytearray)):
        return _recognised(bytes(source), where, limit)
    path: Any = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
    if not isinstance(path, str):
        raise InvalidMessageError(
            f"{where} is of type {type(source).__name__}: an image is a path, bytes or a data: URL."
        )
    if _WEB.match(path):
        raise InvalidMessageError(
            f"{where} is an address, and nothing is fetched here: get it yourself, and give its"
            " bytes."
        )
    unread = Unread(path, where)
    if unread.is_data and len(path) > 2 * limit + 1000:
        raise _too_large(where, limit)
    return unread


def loaded(image: Image | Unread, limit: int) -> Image:
    """`image`, got if that is still to be done.  May take a while: not for an event loop."""
    if isinstance(image, Image):
        return image
    data = _decoded(image) if image.is_data else _read(image, limit)
    return _recognised(data, image.where, limit)


def _read(image: Unread, limit: int) -> bytes:
    where = f"{image.where} ({image.source!r})"
    try:
        # A pipe or a device would keep us waiting.
        if stat.S_ISREG(os.stat(image.source).st_mode):
            with open(image.source, "rb") as file:
                return file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidMessageError(f"{where} can't be read: {reason}.") from error
    raise InvalidMessageError(f"{where} is not a file.")


def _decoded(image: Unread) -> bytes:
    match = _DATA_URL.fullmatch(image.source)
    if match is None:
        raise InvalidMessageError(f"{image.where} is a data: URL without data in base64.")
    try:
        return base64.b64decode("".join(unquote(match[1]).split()), validate=True)
    except ValueError:  # binascii.Error is one.
        raise InvalidMessageError(f"{image.where} is a data: URL; its base64 is damaged.") from None


def _recognised(data: bytes, where: str, limit: int) -> Image:
    if not data:
        raise InvalidMessageError(f"{where} is empty.")
    if len(data) > limit:
        raise _too_large(where, limit)
    if found := _KINDS.match(data):
        return Image(f"image/{found.lastgroup}", data)
    raise InvalidMessageError(
        f"{where} is no picture that a site takes: jpeg, png, webp or gif, whatever its name says."
    )


def _too_large(where: str, limit: int) -> InvalidMessageError:
    return InvalidMessageError(
        f"{where} has more than the {limit:,} bytes allowed; most sites take no more than a few"
        " million.",
        hint=Hint("limits.image", purpose="to allow more"),
    )
