"""Form bodies, and the images that go with them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from urllib.parse import urlencode

from ..values.http import Request
from ..values.images import Image
from .dialect import Endpoint

__all__ = ["encode_form", "form_request"]

_URLENCODED = "application/x-www-form-urlencoded; charset=UTF-8"
_MOST_QUOTED = 8 << 10  # Characters.


def encode_form(
    fields: Mapping[str, str], file: tuple[str, Image] | None = None
) -> tuple[str, bytes]:
    """Return the content type and body of a form.

    With a file (and its field's name) it is multipart, and with long fields, too: quoting takes
    fifty nanoseconds a character, so half a second for a few images in base64.
    """
    if file is None and sum(map(len, fields.values())) <= _MOST_QUOTED:
        return _URLENCODED, urlencode(fields).encode("ascii")
    # Random: no text or picture holds it.
    boundary = f"--------{uuid.uuid4().hex}"
    opening = f'--{boundary}\r\nContent-Disposition: form-data; name="'.encode()
    parts = []
    for key, value in fields.items():
        parts += [opening, key.encode(), b'"\r\n\r\n', value.encode(), b"\r\n"]
    if file is not None:
        name, image = file
        filename = f"image.{image.kind.partition('/')[2]}"
        head = f'{name}"; filename="{filename}"\r\nContent-Type: {image.kind}\r\n\r\n'
        parts += [opening, head.encode(), image.data, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


def form_request(
    endpoint: Endpoint,
    fields: Mapping[str, str],
    file: tuple[str, Image] | None = None,
    *,
    repeatable: bool = False,
    final: bool = False,
) -> Request:
    """Return the request that posts a form to the address of a bot (see `Request`)."""
    kind, body = encode_form(fields, file)
    return Request(
        "POST",
        endpoint.url,
        headers={"Content-Type": kind},
        body=body,
        referrer=endpoint.bot.page,
        repeatable=repeatable,
        final=final,
    )
