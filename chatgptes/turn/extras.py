"""Beside the turns: feedback, and the conversations that a site remembers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ..errors import (
    ChatGptEsError,
    Hint,
    InvalidConfigError,
    InvalidMessageError,
    UnexpectedStatusError,
)
from ..sites import DIALECTS, dialect_named
from ..sites.dialect import BufferedResponse, Endpoint, NonceRefused
from ..sites.extras import KeepsConversations, TakesFeedback
from ..values.deadline import Deadline
from ..values.http import Request
from ..values.remembered import RememberedConversation, SiteConversation
from ..values.reply import Reply
from .attempts import Attempts
from .core import Core
from .queueing import ConversationQueue, Permit
from .sending import unless_success
from .steps import Steps
from .take import place_of

__all__ = [
    "check_site_id", "delete", "feedback", "history", "list_conversations", "with_permits",
]  # fmt: skip

T = TypeVar("T")

_SITE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def with_permits(
    core: Core,
    deadline: Deadline,
    holder: object,
    steps: Steps[T],
    queue: ConversationQueue | None = None,
    permits: list[Permit] | None = None,
) -> Steps[T]:
    """Perform `steps` as one of the client's turns, for `holder`, and finish their errors.

    Args:
        queue: that of the conversation that they concern; its place is taken first, as by a turn.
        permits: where the permits are noted, for a caller that may have to abandon them.
    """
    permits = [] if permits is None else permits
    try:
        if queue is not None:
            permits.append((yield from queue.acquire(deadline, holder)))
        permits.append((yield from core.limiter.acquire(deadline, holder)))
        return (yield from steps)
    except ChatGptEsError as error:
        core.finish_error(error)
        raise
    finally:
        for permit in reversed(permits):
            permit.release()


def feedback(
    core: Core, reply: Reply, verdict: str, comment: str | None, visitor: str
) -> Callable[[Deadline], Steps[None]]:
    """Check a feedback, and return a function that gives the steps to send it."""
    if verdict not in ("up", "down"):
        raise InvalidMessageError(f'The feedback must be "up" or "down", not {verdict!r}.')
    if not (comment is None or isinstance(comment, str)):
        raise InvalidMessageError("The comment must be a text.")
    taker = _feedback_dialect(core, reply)
    if comment and not taker.takes_comment:
        raise InvalidMessageError(
            f"A site of this kind ({reply.dialect}) takes a thumb without a comment."
        )

    def request(endpoint: Endpoint) -> Request:
        if endpoint.bot.id != reply.bot:
            raise InvalidMessageError(
                f"This reply is of the bot {reply.bot}, and the client talks to {endpoint.bot.id}."
            )
        if not endpoint.thumbs:
            raise InvalidConfigError(
                f"The window of the bot {endpoint.bot.id} has no thumbs: the owner has switched"
                " feedback off, or the plugin is older."
            )
        return taker.feedback_request(
            endpoint, visitor, reply, up=verdict == "up", comment=comment or ""
        )

    def send(deadline: Deadline) -> Steps[None]:
        yield from _exchange(core, deadline, request, taker.check_done)

    return send


def _feedback_dialect(core: Core, reply: Reply) -> TakesFeedback:
    if not isinstance(reply, Reply):
        raise InvalidMessageError("Feedback is for a Reply, as chat() gives it.")
    if reply.site != core.config.site:
        raise InvalidMessageError("This reply is from another site than the client's.")
    its_dialect = dialect_named(reply.dialect)
    if not isinstance(its_dialect, TakesFeedback):
        raise InvalidConfigError(
            f"The sites of this kind ({reply.dialect}) take no feedback; those of the dialects "
            f"{_names_of(TakesFeedback)} do."
        )
    if not (reply.message_id and reply.conversation_id):
        raise InvalidMessageError("The site has given this reply no id: it can't be named to it.")
    return its_dialect


def list_conversations(core: Core, deadline: Deadline) -> Steps[list[SiteConversation]]:
    """The conversations that the site remembers of this visitor."""
    keeper = yield from _keeper(core, deadline)
    _, found = yield from _exchange(
        core,
        deadline,
        lambda endpoint: keeper.list_request(endpoint, core.visitor),
        keeper.list_from,
    )
    # An id that could not be asked for is no use, and may hold what steers a terminal.
    return [each for each in found if _SITE_ID.fullmatch(each.id)]


def check_site_id(site_id: object) -> str:
    """Check an id of `SiteConversation`."""
    if not isinstance(site_id, str) or not _SITE_ID.fullmatch(site_id):
        raise InvalidConfigError(
            "site_id must be the id of a conversation, as client.conversations() lists them."
        )
    return site_id


def history(
    core: Core, conversation: str, deadline: Deadline
) -> Steps[tuple[RememberedConversation, Endpoint]]:
    """The site's memory of a conversation of this visitor, and the bot that it is with."""
    keeper = yield from _keeper(core, deadline)
    endpoint, found = yield from _exchange(
        core,
        deadline,
        lambda endpoint: keeper.history_request(endpoint, core.visitor, conversation),
        keeper.history_from,
    )
    if not found.messages:
        raise InvalidConfigError(
            f"The site has no conversation {conversation} of this visitor.",
            hint=Hint("visitor", purpose="with the id of the visitor that began it"),
        )
    return found, endpoint


def delete(
    core: Core, conversation: str, visitor: str, place: str, deadline: Deadline
) -> Steps[None]:
    """Delete a conversation on the site; `place` is that of its answers, "" for none yet."""
    keeper = yield from _keeper(core, deadline)

    def request(endpoint: Endpoint) -> Request:
        # A site says that it has deleted what it never had.
        urls = (endpoint.url, *endpoint.further_urls)
        if place and place not in [place_of(replace(endpoint, url=url)) for url in urls]:
            raise InvalidConfigError(
                "This conversation is with another bot than the client's, so it can't be deleted"
                " here: use a client of that bot's page."
            )
        return keeper.deletion_request(endpoint, visitor, conversation)

    yield from _exchange(core, deadline, request, keeper.check_done)


def _names_of(ability: type) -> str:
    return " and ".join(each.name for each in DIALECTS if isinstance(each, ability))


def _keeper(core: Core, deadline: Deadline) -> Steps[KeepsConversations]:
    bot = (yield from core.session.shown(deadline)).bot
    its_dialect = dialect_named(bot.dialect)
    if not isinstance(its_dialect, KeepsConversations):
        raise InvalidConfigError(
            f"Sites of {its_dialect.plugin} (dialect {bot.dialect}) give visitors no list of "
            "their conversations, and delete none for them; those of the dialect "
            f"{_names_of(KeepsConversations)} do.",
            hint=Hint("saved", purpose="to continue one from a file"),
        )
    return its_dialect


def _exchange(
    core: Core,
    deadline: Deadline,
    make: Callable[[Endpoint], Request],
    read: Callable[[BufferedResponse], T],
) -> Steps[tuple[Endpoint, T]]:
    """Send one request, as a turn would; where that was, and what `read` gives of the response."""
    session = core.session
    endpoint = yield from session.endpoint(deadline)
    attempts = Attempts(session, deadline)
    while True:
        classify = unless_success(dialect_named(endpoint.bot.dialect).error_for)
        try:
            request = make(endpoint)
            result = read((yield from session.sender.fetch(request, deadline, classify, "answer")))
        except (NonceRefused, UnexpectedStatusError) as error:
            failed = error
        else:
            session.note_answer(endpoint)
            return endpoint, result
        endpoint = yield from attempts.next(endpoint, failed)
