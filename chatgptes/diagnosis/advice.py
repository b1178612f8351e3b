"""The words of `doctor`: the meaning of an error for a person, and who can do what about it.

The same error means different things in different places: a 404 instead of the page is a wrong
address, and instead of an answer it is something before the site's admin-ajax.php.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from .. import errors
from ..errors import ChatGptEsError
from .values import StepName

__all__ = ["Place", "advice", "advice_on_status"]

Place = Literal["page", "ajax", "rest", "api"]
"""What was spoken to: the page, the plugin behind admin-ajax.php, the plugin behind the REST API
(as visitors do), or its API for the owner's key."""

_REST = "the REST API (/wp-json/)"
_DOORS: Mapping[Place, str] = {"ajax": "admin-ajax.php", "rest": _REST, "api": _REST}
_SETTINGS = "the addresses in WordPress's settings (General) must be those that visitors use"
_LOGS = "Owner: look into the logs of the web server and of the firewall. You: ask the owner."

# Status 0 stands for those that are not named, 300 and 500 for similar ones.  "You" is who asks.
_OF_PAGE = {
    401: "You: put the name and password into the address, https://user:password@host/, if you "
    "were given them. Owner: admin-ajax.php must be open to the same visitors as the page.",
    403: "A firewall or security plugin refuses it. You: ask the owner. Owner: its log says which "
    "rule; let admin-ajax.php and the page be reached by programs.",
    503: "The site is in maintenance or overloaded: try again later.",
    300: "Give the address that the browser shows in the end, after all redirects. If it goes in "
    "circles there too, redirects of the owner's contradict each other (https, www.).",
    500: "The site is broken just now. You: try later. Owner: PHP's error log says more.",
    0: "Copy the address from a browser that shows the chat window.",
}
# Of where visitors' messages go.
_OF_DOOR = {
    400: "The page and the plugin don't fit together. Owner: switch the plugin on; if it was "
    "updated, empty the cache of pages.",
    401: "The page is open, but {door} asks for a password, so the chat fails in browsers too. "
    "Owner: let visitors reach it (a password on wp-admin must leave admin-ajax.php out). You: if "
    "you were given a password, put it into the address, https://user:password@host/.",
    403: "A firewall or security plugin stands before {door}. Owner: look into its log, and let "
    "{door} be reached by programs. You: ask the owner.",
    404: "The address of {door} that the page names leads nowhere, so the chat most likely fails "
    "in browsers too. Owner: switch the plugin on, empty the cache of pages, and see that no "
    f"security plugin or rule of the web server closes {{door}}; {_SETTINGS}. You: if the chat "
    "works in a browser, give the page's address as it is shown there (www, https).",
    300: "The address of {door} sends visitors elsewhere, where neither messages nor a key may "
    "follow. Owner: no login page, security plugin or rule of the web server may redirect it; "
    f"{_SETTINGS}. You: give the address as a browser shows it in the end (www, https).",
    0: f"Something before the plugin refuses the message. {_LOGS}",
}
_OF_API = {
    **_OF_DOOR,
    404: "The site has no REST API of this plugin there. Check that the address is of the right "
    "site. Owner: the plugin must be switched on (AI Power: 2.3 or later; AI Engine: with its "
    "public API on), and no security plugin or rule of the web server may close the REST API.",
    500: "Check the bot's id first: the plugin answers an unknown one in this way. Owner: PHP's "
    "error log says more. You: try later.",
    0: "Something refuses the message; its own words are the best hint. The plugin may be newer "
    f"than this library. {_LOGS}",
}
_STATUSES = {"page": _OF_PAGE, "ajax": _OF_DOOR, "rest": _OF_DOOR, "api": _OF_API}


def advice_on_status(status: int, place: Place) -> str:
    """Return what an HTTP status means there, and who can do what about it."""
    if status == 410:
        status = 404
    elif 300 <= status < 400:
        status = 300
    elif status > 500 and status != 503:
        # Of a proxy in front of the site, most often: whatever it was to lead to.
        status, place = 500, "page"
    known = _STATUSES[place]
    fallback = _OF_PAGE.get(status) if status >= 500 else None
    return (known.get(status) or fallback or known[0]).format(door=_DOORS.get(place))


def _of_key(error: ChatGptEsError, step: StepName, place: Place) -> str:
    if error.code is not None:  # The plugin's: its words, in the error, say what is wrong.
        return (
            "Owner: the plugin's settings have the switch for REST access, and the key. You: check "
            "that this is the same key. If it is, some server may drop the Authorization header "
            "before WordPress sees it, and must be told to pass it on."
        )
    return (
        "Not the plugin said so, but something before it: a firewall, a security plugin that "
        "closes the REST API to visitors, or a password on the whole site. Owner: its log says "
        "which; let the REST API (/wp-json/) be reached with an Authorization header."
    )


def _of_challenge(error: ChatGptEsError, step: StepName, place: Place) -> str:
    door = f", or {_DOORS[place]}," if place in _DOORS else ""
    key = "; or use the REST API with the owner's key" if place in ("page", "ajax") else ""
    return (
        "The site lets browsers in and programs not. You: ask the owner for access, or use another "
        f"site. Owner: let the address of your program{door} past the check{key}."
    )


def _of_format(error: ChatGptEsError, step: StepName, place: Place) -> str:
    if place == "page":  # An address that it names.
        return (
            f"Messages would go to another site, so none is sent. Owner: {_SETTINGS}; a copy of "
            "the site (staging, CDN) still names the original. Others: if you trust that host, "
            "give its page instead."
        )
    plugin = "the chat plugin" if place == "ajax" else "the plugin's REST API"
    return (
        f"What answered is not {plugin}: a page of a firewall, of a maintenance mode or of another "
        "plugin, a version that is not known yet, or, where there is no text at all, PHP that "
        "broke off. Owner: look at the answer in a browser's network tools and into PHP's error "
        "log, and switch other plugins off one by one."
    )


def _of_refusal(error: ChatGptEsError, step: StepName, place: Place) -> str:
    if error.code in ("embed_not_available", "cors_denied"):
        return (
            "The plugin itself refuses it, since it takes the request for one from another site. "
            "You: give the address of the bot's own site, as the browser shows it (www, https), "
            "not of one that embeds the bot, and give no Origin among the headers. Owner: "
            f"{_SETTINGS}. If another site is to show the bot, the plugin must be set to allow it."
        )
    blocked = isinstance(error, errors.RefusedError) and error.blocked
    if blocked or (place in ("page", "ajax") and error.status == 403 and error.code is None):
        return advice_on_status(403, place)
    if place in ("rest", "api"):
        return (
            "The site does not tell the cause; its own words are the best hint. Members only, a "
            "limit of the owner's, a banned word or address, a missing key of the model's service, "
            "a bot that was deleted, or the model itself."
        )
    return (
        "The plugin answered and said no before the model was asked: its own words are the best "
        "hint. Members only, a limit, a banned word or address, a missing key of the model's "
        "service, a bot that was deleted or is a draft, more than 60 messages a minute from your "
        "address (what the newest plugin takes); where it misses the message, a firewall that "
        "takes it out, or a cache of the site's that forgets between two requests."
    )


def _of_interruption(error: ChatGptEsError, step: StepName, place: Place) -> str:
    cause = error.__cause__
    if isinstance(cause, (errors.RequestTimeout, errors.ResponseTooLargeError)) or (
        isinstance(cause, errors.UpstreamError) and cause.excerpt
    ):
        return _words(cause, step, place)
    return (
        "The answer began and broke off. You: try again. Owner: look for time limits of PHP, of "
        "the web server and of a proxy in front, and at the log of the model's service."
    )


def _of_timeout(error: ChatGptEsError, step: StepName, place: Place) -> str:
    if isinstance(error, errors.RequestTimeout) and error.phase == "connect":
        return _OF_CONNECTION
    slow = "the model's service" if step == "turn" else "its database"
    return (
        "You: try again, and allow more time. Owner: the server is overloaded, or PHP or "
        f"{slow} hangs."
    )


def _of_silence(error: ChatGptEsError, step: StepName, place: Place) -> str:
    if step == "turn":
        return (
            "The model said nothing, or PHP broke off before it could. Owner: check the bot's "
            "model, its limit of tokens and its service's credit, and PHP's error log."
        )
    return "Most often PHP has broken off. You: try again later. Owner: PHP's error log says more."


_OF_CONNECTION = (
    "Check the address, its port, and your network: a VPN, a firewall, or a proxy that is missing. "
    "If they are right, the owner's server is down or overloaded, or the domain has run out."
)
# The first that an error is an instance of.
_BY_CLASS: dict[type[ChatGptEsError], str | Callable[[ChatGptEsError, StepName, Place], str]] = {
    errors.RequestTimeout: _of_timeout,
    errors.UnexpectedStatusError: lambda error, _, place: advice_on_status(
        error.status or 0, place
    ),
    errors.UnexpectedFormatError: _of_format,
    errors.ChallengeError: _of_challenge,
    errors.AuthenticationError: _of_key,
    errors.RefusedError: _of_refusal,
    errors.EmptyReplyError: _of_silence,
    errors.StreamInterruptedError: _of_interruption,
    errors.ResponseTooLargeError: "This is no page of a chat, or an answer that has no end. Owner: "
    "look at what the bot answers in a browser. In a program, limits= allows more.",
    errors.RateLimitError: "You: wait, then ask less often and fewer at once. Owner: the limit is "
    "set in the web server, the firewall or a security plugin.",
    errors.QuotaError: "You: wait until the owner's period is over. Owner: the bot's token limits "
    "are in its settings; visitors and members can have different ones.",
    errors.UpstreamError: "The site works, the service of its model does not. Owner: check that "
    "service's key, credit and status page. You: try again later.",
    errors.BotNotFoundError: "Give one of the bots that the page shows, or none.",
    errors.ProxyError: "Check the proxy's address, name and password (also HTTP_PROXY and "
    "HTTPS_PROXY in the environment), and that it may reach the site.",
    errors.TLSError: "Check the address (www, https or http) and this computer's clock. Owner: get "
    "a certificate for this name (they are free), renew it in time, and send the intermediate "
    "ones. You: for an authority of your own, put its file into the variable REQUESTS_CA_BUNDLE "
    "(in a program: verify=). Don't switch the check off: anybody between could read along.",
    errors.ConnectError: _OF_CONNECTION,
    errors.ConsentRequiredError: "Read what the page asks. If you agree, give consent=True (on the "
    "command line --consent); nothing was sent.",
    errors.InvalidConfigError: "Change that argument.",
    ChatGptEsError: "The connection broke off before an answer was there. You: try again. Owner: "
    "look at the web server's log; PHP may have crashed, or a proxy in front has cut it off.",
}


def advice(error: ChatGptEsError, step: StepName, door: Place) -> str:
    """Return what `error` means and who can do what about it.

    Args:
        error: what the library raised.
        step: where it was raised.
        door: where the site takes messages.
    """
    place: Place = "page"
    if step in ("nonce", "turn") or (door == "api" and step in ("gate", "dialect")):
        place = door
    return _words(error, step, place)


def _words(error: ChatGptEsError, step: StepName, place: Place) -> str:
    words = next(words for cls, words in _BY_CLASS.items() if isinstance(error, cls))
    return words if isinstance(words, str) else words(error, step, place)
