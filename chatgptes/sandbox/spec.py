"""The properties of a bot of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BotSpec:
    """One bot of the sandbox.

    Attributes:
        id: its id (str).
        name: its name (str).
        dialect: "wpaicg", "aipkit" or "mwai"; the last two can be reached over REST too.
        plugin: the plugin version whose habits it has.
        streams: it streams (a classic bot may not; the others always do).
        fault: the name of a fault that every turn with it meets, or "".
        state: it keeps the model's own response ids, may search the web, and cites.
        images: it takes images.
        consent: its page asks for consent.
        starters: questions that its window offers.
        thumbs: its window has thumbs (not `mwai`).
        cookie: its turns need the cookie that its page sets.
        custom: what an `mwai` bot is called that its page has customised; the page names it by
            this alone where it is the id, too.
        longest: characters of the longest message that an `mwai` bot takes.
        uploads: how many files an `mwai` bot takes with a message, if it takes any.
        paints: it answers with pictures (`mwai`).
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
    starters: tuple[str, ...] = ()
    thumbs: bool = True
    cookie: bool = False
    custom: str = ""
    longest: int = 512
    uploads: int = 1
    paints: bool = False
