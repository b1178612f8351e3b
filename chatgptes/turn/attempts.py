"""The next attempt of a request that was refused for its nonce, or went to a wrong address."""

from __future__ import annotations

from dataclasses import replace

from ..errors import (
    ChallengeError,
    RateLimitError,
    RefusedError,
    ResponseError,
    TransportError,
    TurnCancelled,
    UnexpectedStatusError,
)
from ..sites import dialect_named
from ..sites.dialect import Endpoint, NonceRefused
from ..sites.errors import elsewhere
from ..values.deadline import Deadline
from .session import Session
from .steps import Steps

__all__ = ["Attempts"]


class Attempts:
    """The attempts of one turn, whose message may arrive only once."""

    def __init__(self, session: Session, deadline: Deadline) -> None:
        self._session = session
        self._deadline = deadline
        self._renewed = False
        self._without_cookies = False
        self._wrong: UnexpectedStatusError | None = None

    def next(
        self,
        endpoint: Endpoint,
        error: NonceRefused | UnexpectedStatusError,
        accepted: bool = False,
    ) -> Steps[Endpoint]:
        """The endpoint to ask after `endpoint` has answered with `error`.

        There is none if the site has `accepted` an earlier part of the message at `endpoint`.

        Raises:
            RefusedError: there is no other nonce.
            UnexpectedStatusError: there is no other address.
            ChatGptEsError: a gate stands before it, or the turn's time is over.
        """
        if isinstance(error, NonceRefused):
            return (yield from self._with_other_nonce(endpoint, error))
        if accepted or not elsewhere(error):
            raise error
        if self._wrong is None or elsewhere(error) > elsewhere(self._wrong):
            self._wrong = error  # Of several wrong addresses, the most telling one's.
        if not endpoint.further_urls:
            raise self._wrong from None
        url, *further = endpoint.further_urls
        return replace(endpoint, url=url, further_urls=tuple(further))

    def _with_other_nonce(self, stale: Endpoint, refused: NonceRefused) -> Steps[Endpoint]:
        session, cookies = self._session, self._session.sender.cookies
        # The same error as users know it: what the site said of the message counts.
        plain = RefusedError(
            refused.message, url=refused.url, status=refused.status, excerpt=refused.excerpt
        )
        plain.code = refused.code
        try:
            if not self._renewed:
                self._renewed = True
                endpoint = yield from session.renewed(stale, self._deadline)
                if endpoint.nonce != stale.nonce:
                    return endpoint
            if self._without_cookies:
                cookies.accept_new()  # That the site got none has changed nothing.
            elif not dialect_named(stale.bot.dialect).cookie_is_visitor and cookies.refuse_new():
                # With a session cookie, a shop's for one, WordPress expects another nonce than
                # the page has that it gives to a visitor without: so once as such a visitor.
                self._without_cookies = True
                try:
                    return (yield from session.reread(self._deadline))
                except BaseException:
                    cookies.accept_new()
                    raise
        except (ChallengeError, RateLimitError, TurnCancelled):
            raise
        except (TransportError, ResponseError) as error:
            self._deadline.check()
            raise plain from error
        raise plain
