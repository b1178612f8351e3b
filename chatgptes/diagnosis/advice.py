"""The words of `doctor`: the meaning of an error for a person, and who can do what about it.

The same error means different things at different steps: a 404 in place of the page is a wrong
address, and in place of an answer it is something before the site's admin-ajax.php.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import (
    AuthenticationError,
    BotNotFoundError,
    ChallengeError,
    ChatGptEsError,
    ConnectError,
    ConsentRequiredError,
    EmptyReplyError,
    InvalidConfigError,
    ProxyError,
    QuotaError,
    RateLimitError,
    RefusedError,
    RequestTimeout,
    ResponseTooLargeError,
    StreamInterruptedError,
    TLSError,
    UnexpectedFormatError,
    UnexpectedStatusError,
    UpstreamError,
)
from .statuses import Place, of_status
from .values import StepName

__all__ = ["OTHER_HOST", "advice"]

OTHER_HOST = (
    "Messages would go to another site, so none is sent. Owner: the addresses in WordPress's "
    "settings (General) must be those that visitors use; a copy of the site (staging, CDN) still "
    "names the original. Others: if you trust that host, give its page instead."
)

_BROKEN_OFF = (
    "The connection broke off before an answer was there. You: try again. Owner: look at the web "
    "server's log; PHP may have crashed, or a proxy in front has cut it off."
)
_NOTHING = (
    "The site took the request and answered nothing at all: most often PHP has broken off. Owner: "
    "PHP's error log says more. You: try again later, and tell the owner."
)
_MODEL_SILENT = (
    "The model said nothing, or PHP broke off before it could. Owner: check the bot's model, its "
    "limit of tokens and its service's credit, and PHP's error log. You: try again."
)
_NO_REST = (
    "What answered is not the plugin's REST API: a page of a firewall, of a maintenance mode or of "
    "another plugin, a version that is not known yet, or, where there is no text at all, PHP that "
    "broke off. Owner: look into PHP's error log, and switch other plugins off one by one."
)
_NO_PLUGIN: dict[Place, str] = {
    "page": "What answered is no page that can be used: check the address.",
    "ajax": (
        "What answered is not the chat plugin: a page of a firewall, of a maintenance mode or of "
        "another plugin, a version that is not known yet, or, where there is no text at all, PHP "
        "that broke off. Owner: open admin-ajax.php's answer in the browser's network tools, look "
        "into PHP's error log, and switch other plugins off one by one."
    ),
    "rest": _NO_REST,
    "api": _NO_REST,
}
_NO_CHAT = (
    "The answer is no chat's, or has no end. Owner: look at what the bot answers in a browser. "
    "You: limits= allows more."
)
_NO_END: dict[Place, str] = {
    "page": "It is no page of a chat, or has no end. Check the address. In a program, limits= "
    "allows more.",
    "ajax": _NO_CHAT,
    "rest": _NO_CHAT,
    "api": _NO_CHAT,
}
_LETS_BROWSERS_IN = (
    "The site lets browsers in and programs not. You: ask the owner for access, or use another "
    "site. Owner: let the address of your program"
)
_CHALLENGE: dict[Place, str] = {
    "page": f"{_LETS_BROWSERS_IN} past the check; or use the REST API with the owner's key, if "
    "the check lets that through.",
    "ajax": f"{_LETS_BROWSERS_IN}, or admin-ajax.php, past the check; or use the REST API with "
    "the owner's key.",
    "rest": f"{_LETS_BROWSERS_IN}, or the REST API (/wp-json/), past the check.",
    "api": f"{_LETS_BROWSERS_IN}, or the REST API (/wp-json/), past the check.",
}
# By the plugin's own codes (2.3.20 to 2.4.71).
_KEYS = {
    "rest_aipkit_api_access_disabled": "Owner: the plugin's settings have the switch for REST "
    "access, and it is off. You: without it only the page is left, and no key is needed.",
    "rest_aipkit_no_api_key_configured": "Owner: the plugin's settings have no key for REST access "
    "yet: make one there, and use that.",
    "rest_aipkit_invalid_api_key": "Check the key: it is another one than in the plugin's "
    "settings, or some server drops the Authorization header before WordPress sees it (Owner: "
    "then the web server must be told to pass it on).",
}


def _key(error: ChatGptEsError, step: StepName, place: Place) -> str:
    if known := _KEYS.get(error.code or ""):
        return known
    if error.code is None:
        return (
            "Not the plugin said so, but something before it: a firewall, a security plugin that "
            "closes the REST API to visitors, or a password on the whole site. Owner: its log says "
            "which; let the REST API (/wp-json/) be reached with an Authorization header. You: ask "
            "the owner."
        )
    return (
        "Owner: the plugin's settings have the switch for REST access, and the key; a security "
        "plugin may close the REST API to visitors, and some servers drop the Authorization "
        "header before WordPress sees it."
    )


def _refused(error: ChatGptEsError, step: StepName, place: Place) -> str:
    if error.code in ("embed_not_available", "cors_denied"):
        return (
            "The plugin itself refuses it, since it takes the request for one from another site. "
            "You: give the address of the bot's own site, as the browser shows it (www, https), "
            "not of one that embeds the bot, and give no Origin among the headers. Owner: the "
            "addresses in WordPress's settings (General) must be those that visitors use; a copy "
            "of the site (staging, CDN) still names the original. If another site is to show the "
            "bot, the plugin must be set to allow it."
        )
    if error.code == "empty_data_to_cache":
        return (
            "The message did not arrive, though it was sent: something before the plugin has taken "
            "it out. Owner: look at firewalls and security plugins that clean requests."
        )
    if isinstance(error, RefusedError) and error.blocked:
        return of_status(403, place)
    if place in ("rest", "api"):
        return (
            "The site does not tell the cause; its own words are the best hint. Members only, a "
            "limit of the owner's, a banned word or address, a missing key of the model's service, "
            "a bot that was deleted, or the model itself."
        )
    if error.status == 403 and error.code is None:
        return of_status(403, place)
    return (
        "The plugin answered and said no before the model was asked: its own words are the best "
        "hint. Members only, a limit, a banned word or address, a missing key of the model's "
        "service, a bot that was deleted or is a draft, more than 60 messages a minute from your "
        "address (what the newest plugin takes); where it misses the message or finds it too old, "
        "a cache of the site's that forgets between two requests."
    )


def _interrupted(error: ChatGptEsError, step: StepName, place: Place) -> str:
    cause = error.__cause__
    if isinstance(cause, ResponseTooLargeError):
        return _NO_END[place]
    if isinstance(cause, RequestTimeout) and cause.phase == "total":
        return (
            "The answer was still coming when the time was over. You: allow more time. "
            "Owner: if it has no end in a browser either, look at the bot's limit of tokens."
        )
    if isinstance(cause, UpstreamError) and cause.excerpt:
        return (
            "The answer began, and then the service of the site's model failed. You: try again. "
            "Owner: check that service's status page, credit and log."
        )
    return (
        "The answer began and broke off. You: try again. Owner: look for time limits of PHP, of "
        "the web server and of a proxy in front, and at the log of the model's service."
    )


def _timeout(error: ChatGptEsError, step: StepName, place: Place) -> str:
    phase = error.phase if isinstance(error, RequestTimeout) else "read"
    if phase == "connect":
        return (
            "The server is down or overloaded, or a firewall drops the connection. Check the "
            "address, and whether you need a proxy."
        )
    hangs = "PHP or the model's service hangs" if step == "turn" else "PHP or its database hangs"
    if phase == "total":
        return (
            "It was not done when the time was over. You: allow more time. Owner: the server "
            f"is overloaded, or {hangs}."
        )
    return (
        "The server took the connection and then kept silent. You: try again, with a longer "
        f"timeout. Owner: it is overloaded, or {hangs}."
    )


def _empty(error: ChatGptEsError, step: StepName, place: Place) -> str:
    return _MODEL_SILENT if step == "turn" else _NOTHING


def _status(error: ChatGptEsError, step: StepName, place: Place) -> str:
    return of_status(error.status or 0, place)


_Words = str | dict[Place, str] | Callable[[ChatGptEsError, StepName, Place], str]
# The first that an error is an instance of.
_BY_CLASS: tuple[tuple[type[ChatGptEsError], _Words], ...] = (
    (RequestTimeout, _timeout),
    (UnexpectedStatusError, _status),
    (UnexpectedFormatError, _NO_PLUGIN),
    (ChallengeError, _CHALLENGE),
    (AuthenticationError, _key),
    (RefusedError, _refused),
    (EmptyReplyError, _empty),
    (StreamInterruptedError, _interrupted),
    (ResponseTooLargeError, _NO_END),
    (
        RateLimitError,
        "You: wait, then ask less often and fewer at once. Owner: the limit is set in "
        "the web server, the firewall or a security plugin.",
    ),
    (
        QuotaError,
        "You: wait until the owner's period is over. Owner: the bot's token limits are in its "
        "settings; visitors and members can have different ones.",
    ),
    (
        UpstreamError,
        "The site works, the service of its model does not. Owner: check that service's key, "
        "credit and status page. You: try again later.",
    ),
    (BotNotFoundError, "Give one of the bots that the page shows, or none."),
    (
        ProxyError,
        "Check the proxy's address, name and password (also HTTP_PROXY and HTTPS_PROXY in the "
        "environment), and that it may reach the site.",
    ),
    (
        TLSError,
        "The owner must renew the certificate. For your own authority, put its file into the "
        "variable REQUESTS_CA_BUNDLE (in a program: verify=).",
    ),
    (ConnectError, "Check the address and your network; the server may be down."),
    (
        ConsentRequiredError,
        "Read what the page asks. If you agree, give consent=True (on the command line --consent); "
        "nothing was sent.",
    ),
    (InvalidConfigError, "Change that argument."),
)


def advice(error: ChatGptEsError, step: StepName, door: Place = "ajax") -> str:
    """Return what `error` means and who can do what about it.

    Args:
        error: what the library raised.
        step: where it was raised.
        door: where the site takes messages.
    """
    place: Place = "page"
    if step in ("nonce", "turn") or (door == "api" and step in ("gate", "dialect")):
        place = door
    words = next((words for cls, words in _BY_CLASS if isinstance(error, cls)), _BROKEN_OFF)
    if isinstance(words, str):
        return words
    return words[place] if isinstance(words, dict) else words(error, step, place)
