"""What a bot of the sandbox is like."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BotSpec:
    """One bot of the sandbox.

    Attributes:
        id: its id (str).
        name: its name (str).
        dialect: "wpaicg" or "aipkit"; an `aipkit` bot can be reached over REST too.
        plugin: the plugin version whose habits it has.
        streams: it streams (a classic bot may not; the others always do).
        fault: the name of a fault that every turn with it meets, or "".
        state: it keeps the model's own response ids, may search the web, and cites.
        images: it takes images.
        consent: its page asks for consent.
        cookie: its turns need the cookie that its page sets.
    """

    id: str
    name: str
    dialect: str
    plugin: str
    streams: bool = True
    fault: str = ""
    state: bool = False
    images: bool = False
    consent: bool = False
    cookie: bool = False
