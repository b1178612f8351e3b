"""Form bodies, and the images that go with them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from urllib.parse import urlencode

from ..errors import InvalidConfigError, InvalidMessageError
from ..values.images import Image
from .dialect import Turn

__all__ = ["check_images", "check_search", "encoded"]

_URLENCODED = "application/x-www-form-urlencoded; charset=UTF-8"
_LINE = b"\r\n"
_MOST_QUOTED = 8 << 10  # Characters.


def encoded(fields: Mapping[str, str], file: tuple[str, Image] | None = None) -> tuple[str, bytes]:
    """The content type and body of a form.

    With a file (and its field's name) it is multipart, and where there is much to say, too: quoting
    takes fifty nanoseconds a character, so half a second for a few images in base64.
    """
    if file is None and sum(map(len, fields.values())) <= _MOST_QUOTED:
        return _URLENCODED, urlencode(fields).encode("ascii")
    # Random: no text or picture holds it.
    boundary = f"--------{uuid.uuid4().hex}"
    opening = f'--{boundary}\r\nContent-Disposition: form-data; name="'.encode()
    parts = []
    for key, value in fields.items():
        parts += [opening, key.encode(), b'"\r\n\r\n', value.encode(), _LINE]
    if file is not None:
        name, image = file
        filename = f"image.{image.kind.partition('/')[2]}"
        head = f'{name}"; filename="{filename}"\r\nContent-Type: {image.kind}\r\n\r\n'
        parts += [opening, head.encode(), image.data, _LINE]
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


def check_images(turn: Turn, most: int, kinds: Collection[str]) -> None:
    """See that the site takes a turn's images.

    Raises:
        InvalidMessageError: it does not.
    """
    if not turn.images:
        return
    if turn.endpoint.bot.images is False:
        raise InvalidMessageError(f"The bot {turn.endpoint.bot.id} of this site takes no images.")
    if len(turn.images) > most:
        raise InvalidMessageError(
            f"The site takes {most} image{'' if most == 1 else 's'} a turn; these messages have"
            f" {len(turn.images)}."
        )
    for image in turn.images:
        if image.kind not in kinds:
            names = ", ".join(sorted(kind.partition("/")[2] for kind in kinds))
            raise InvalidMessageError(
                f"The site takes no {image.kind.partition('/')[2]} images, only {names}."
            )


def check_search(turn: Turn) -> None:
    """See that a turn that is to search the web can.

    Raises:
        InvalidConfigError: its bot does not offer it.
    """
    if turn.web_search and not turn.endpoint.bot.web_search:
        raise InvalidConfigError(
            f"web_search: the bot {turn.endpoint.bot.id} of this site does not offer it;"
            " client.bots() tells which do."
        )


encode_form, check_web_search = encoded, check_search
