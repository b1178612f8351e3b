"""Images that come with a message."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

Picture = tuple[str, bytes]
"""Its kind ("image/png", …), and the file."""

AIPKIT_TYPES = ("image/jpeg", "image/png", "image/webp")
AIPKIT_MOST = 4
WPAICG_TYPES = (*AIPKIT_TYPES, "image/gif")


def kind_of(data: bytes) -> str:
    """The type of a file, by its content; "" if it is no picture."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/gif" if data[:6] in (b"GIF87a", b"GIF89a") else ""


def is_animated(data: bytes) -> bool:
    """A GIF of more than one frame, going by its graphic control blocks."""
    return kind_of(data) == "image/gif" and data.count(b"\x21\xf9\x04") > 1


def from_json(text: str) -> tuple[list[Picture], str]:
    """The pictures in an aipkit message's `image_inputs`, or the code for what is wrong with it."""
    try:
        items: Any = json.loads(text)
        found = [(item["mime_type"], item["base64_data"]) for item in items]
        pictures = [(str(kind), base64.b64decode(data, validate=True)) for kind, data in found]
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        return [], "invalid_image_payload"
    if len(pictures) > AIPKIT_MOST:
        return [], "too_many_images"
    if not all(kind in AIPKIT_TYPES for kind, _ in pictures):
        return [], "invalid_image_type"
    return pictures, ""
