"""Form bodies, the images that go with them, and the headers of the owner's key."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping
from urllib.parse import quote_plus

from ..errors import Hint, InvalidConfigError, InvalidMessageError
from ..values.images import Image
from .dialect import Question

__all__ = ["check_images", "check_web_search", "encode_form", "key_headers"]

_URLENCODED = "application/x-www-form-urlencoded; charset=UTF-8"
_SAFE = re.compile(r"[\w.~-]*", re.ASCII).fullmatch
_LINE = b"\r\n"
_MOST_QUOTED = 8 << 10  # Characters.


def encode_form(
    fields: Mapping[str, str], file: tuple[str, Image] | None = None
) -> tuple[str, bytes]:
    """Return the content type and body of a form.

    With a file (and its field's name) it is multipart, and with long fields, too: quoting takes
    fifty nanoseconds a character, so half a second for a few images in base64.
    """
    if file is None and sum(map(len, fields.values())) <= _MOST_QUOTED:
        # Most fields are ids: looking costs a tenth of quoting them.
        pairs = [
            f"{key}={value if _SAFE(value) else quote_plus(value)}" for key, value in fields.items()
        ]
        return _URLENCODED, "&".join(pairs).encode("ascii")
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


def check_images(question: Question, most: int, kinds: Collection[str]) -> None:
    """Check that the site takes a question's images.

    Raises:
        InvalidMessageError: it does not.
    """
    if not question.images:
        return
    if question.endpoint.bot.images is False:
        raise InvalidMessageError(
            f"The bot {question.endpoint.bot.id} of this site takes no images."
        )
    if len(question.images) > most:
        raise InvalidMessageError(
            f"The site takes {most} image{'' if most == 1 else 's'} a turn; these messages have"
            f" {len(question.images)}."
        )
    for image in question.images:
        if image.kind not in kinds:
            names = ", ".join(sorted(kind.partition("/")[2] for kind in kinds))
            raise InvalidMessageError(
                f"The site takes no {image.kind.partition('/')[2]} images, only {names}."
            )


def check_web_search(question: Question) -> None:
    """Check that a bot that is to search the web can.

    Raises:
        InvalidConfigError: its bot does not offer it.
    """
    if question.web_search and not question.endpoint.bot.web_search:
        raise InvalidConfigError(
            f"web_search: the bot {question.endpoint.bot.id} of this site does not offer it.",
            hint=Hint("bot", purpose="to choose one that does"),
        )


def key_headers(api_key: str, bot_id: str) -> dict[str, str]:
    """Return the headers that bring the owner's key, for a bot of the plugins' REST APIs.

    Raises:
        InvalidConfigError: the key can't stand in a header, or there is no bot id.
    """
    if not api_key.strip() or not api_key.isascii() or not api_key.isprintable():
        raise InvalidConfigError("api_key must be the key as the site shows it: one line of ASCII.")
    if not bot_id.strip():
        raise InvalidConfigError("bot must be the bot's id on the site.")
    return {"Authorization": f"Bearer {api_key.strip()}"}
