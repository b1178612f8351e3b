"""What an error means for a person, and who can do what about it: the words of `doctor`."""

from __future__ import annotations

from ..errors import (
    AuthenticationError,
    BotNotFoundError,
    ChallengeError,
    ChatGptEsError,
    ConnectError,
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

__all__ = ["advice"]

_BY_CLASS: tuple[tuple[type[ChatGptEsError], str], ...] = (
    (
        ChallengeError,
        "The site lets browsers in and programs not. You: ask the owner for access, or use another "
        "site. Owner: let the address of your program, or admin-ajax.php, past the check; or use "
        "the REST API with a key (api_key= and bot=).",
    ),
    (
        RateLimitError,
        "You: wait, then ask less often (min_interval=, fewer at once). Owner: the limit is set in "
        "the web server, the firewall or a security plugin.",
    ),
    (
        QuotaError,
        "You: wait until the owner's period is over. Owner: the bot's token limits are in its "
        "settings; visitors and members can have different ones.",
    ),
    (
        AuthenticationError,
        "Owner: the plugin's settings have the switch for REST access, and the key; some servers "
        "drop the Authorization header before WordPress sees it.",
    ),
    (
        RefusedError,
        "The bot itself works and said no: its own words are the best hint (members only, a banned "
        "word or address, a missing key of the model's service).",
    ),
    (
        UpstreamError,
        "The site works, the service of its model does not. Owner: check that service's key, "
        "credit and status page. You: try again later.",
    ),
    (
        EmptyReplyError,
        "The model said nothing. Owner: check the bot's model and its limit of tokens. You: try "
        "again.",
    ),
    (
        StreamInterruptedError,
        "The answer began and broke off. You: try again. Owner: look for time limits of PHP, of "
        "the web server and of a proxy in front, and at the log of the model's service.",
    ),
    (
        ResponseTooLargeError,
        "It is no page of a chat, or has no end. Check the address; limits= allows more.",
    ),
    (BotNotFoundError, "Give one of the bots that the page shows, or leave bot= out."),
    (
        ProxyError,
        "Check the proxy's address, name and password (also HTTP_PROXY and HTTPS_PROXY in the "
        "environment), and that it may reach the site.",
    ),
    (
        TLSError,
        "The owner must mend the certificate; for your own authority there is verify=.",
    ),
    (ConnectError, "Check the address and your network; the server may be down."),
)


def advice(error: ChatGptEsError) -> str:
    """What `error` means and who can do what about it."""
    if isinstance(error, RequestTimeout):
        return _timeout(error)
    if isinstance(error, UnexpectedStatusError):
        return _status(error.status or 0)
    if isinstance(error, UnexpectedFormatError):
        return (
            "What answered is not the chat plugin: a page of a firewall, of a maintenance mode or "
            "of another plugin, or a version that is not known yet. Owner: open admin-ajax.php's "
            "answer in the browser's network tools, and switch other plugins off one by one."
        )
    if isinstance(error, RefusedError) and error.status == 403:
        return _status(403)
    if isinstance(error, InvalidConfigError):
        return "Change that argument."
    for cls, text in _BY_CLASS:
        if isinstance(error, cls):
            return text
    return (
        "The connection broke off before an answer was there. You: try again. Owner: look at the "
        "web server's log; PHP may have crashed, or a proxy in front has cut it off."
    )


def _timeout(error: RequestTimeout) -> str:
    if error.phase == "connect":
        return (
            "The server is down or overloaded, or a firewall drops the connection. Check the "
            "address, and whether you need a proxy."
        )
    return (
        "The server took the connection and then kept silent. You: try again, with a longer "
        "timeout. Owner: it is overloaded, or PHP or the model's service hangs."
    )


def _status(status: int) -> str:
    if status == 401:
        return (
            "You: put the name and password into the address, https://user:password@host/, if you "
            "were given them. Owner: admin-ajax.php must be open to the same visitors as the page."
        )
    if status == 400:
        return (
            "The page and the plugin don't fit together. Owner: switch the plugin on; if it was "
            "updated, empty the cache of pages."
        )
    if status == 403:
        return (
            "A firewall or security plugin refuses it. You: ask the owner. Owner: its log says "
            "which rule; let admin-ajax.php and the page be reached by programs."
        )
    if status in (404, 410):
        return "Check the address: copy it from a browser that shows the chat window."
    if status == 503:
        return "The site is in maintenance or overloaded: try again later."
    if status >= 500:
        return "The site is broken just now. You: try later. Owner: PHP's error log says more."
    if 300 <= status < 400:
        return "Give the address that the browser shows in the end, after all redirects."
    return "Check the address: copy it from a browser that shows the chat window."
