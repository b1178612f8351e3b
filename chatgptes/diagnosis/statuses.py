"""The meaning of an HTTP status for a person, by what was spoken to."""

from __future__ import annotations

from typing import Literal

__all__ = ["Place", "of_status"]

Place = Literal["page", "ajax", "rest", "api"]
"""What was spoken to: the page, the plugin behind admin-ajax.php, the plugin behind the REST API
(as visitors do), or its API for the owner's key."""

_ADDRESS = "Check the address: copy it from a browser that shows the chat window."
_BEFORE_AJAX = (
    "The page is there, but the address of admin-ajax.php that it names {what}, so the chat most "
    "likely fails in browsers too. Owner: {cause}; the addresses in WordPress's settings (General) "
    "must be those that visitors end up at. You: tell the owner; if the chat works in a browser, "
    "give the page's address as it is shown there (www, https)."
)
# (place, status) -> text; a status of 0 stands for those that are not named.
_STATUSES: dict[tuple[Place, int], str] = {
    ("page", 401): "You: put the name and password into the address, "
    "https://user:password@host/, if you were given them. Owner: admin-ajax.php must be open to "
    "the same visitors as the page.",
    ("ajax", 401): "The page is open, but admin-ajax.php asks for a password, so the chat fails in "
    "browsers too. Owner: a password on wp-admin must leave admin-ajax.php out. You: tell the "
    "owner; if you were given a password, put it into the address, https://user:password@host/.",
    ("page", 403): "A firewall or security plugin refuses it. You: ask the owner. Owner: its log "
    "says which rule; let admin-ajax.php and the page be reached by programs.",
    ("ajax", 400): "The page and the plugin don't fit together. Owner: switch the plugin on; if it "
    "was updated, empty the cache of pages.",
    ("ajax", 403): "A firewall or security plugin stands before admin-ajax.php. Owner: look into "
    "its log, and let admin-ajax.php be reached by programs. You: ask the owner.",
    ("ajax", 404): _BEFORE_AJAX.format(
        what="leads nowhere",
        cause="a security plugin that hides or locks wp-admin, or a rule of the web server, must "
        "leave admin-ajax.php out",
    ),
    ("api", 400): "The plugin does not take the message in this form: its version may be newer "
    "than the library. The site's own words are the best hint.",
    ("rest", 401): "The page is open, but the REST API (/wp-json/) is closed to visitors or asks "
    "for a password, so the chat fails in browsers too. Owner: let it be reached without one. "
    "You: tell the owner; if you were given a password, put it into the address, "
    "https://user:password@host/.",
    ("rest", 403): "A firewall or security plugin stands before the REST API (/wp-json/). Owner: "
    "look into its log, and let the REST API be reached by programs. You: ask the owner.",
    ("rest", 404): "The page is there, but the plugin's part of the REST API (/wp-json/) is not, "
    "so the chat most likely fails in browsers too. Owner: switch the plugin on, empty the cache "
    "of pages, and see that no security plugin or rule of the web server closes the REST API. "
    "You: tell the owner.",
    ("rest", 300): "The REST API's address that the page names sends visitors elsewhere, where "
    "messages may not follow. Owner: no login page or redirect may stand before the REST API; the "
    "addresses in WordPress's settings (General) must be those that visitors end up at. You: give "
    "the page's address as the browser shows it in the end (www, https).",
    ("api", 404): "The site has no REST API of this plugin there. Check that the address is of "
    "the right site. Owner: the plugin must be switched on (AI Power: 2.3 or later; AI Engine: "
    "with its public API on), and no security plugin or rule of the web server may close the REST "
    "API.",
    ("api", 500): "Check the bot's id first: the plugin answers an unknown one in this "
    "way. Owner: PHP's error log says more. You: try later.",
    ("page", 503): "The site is in maintenance or overloaded: try again later.",
    ("page", 300): "Give the address that the browser shows in the end, after all redirects. If it "
    "goes in circles there too, redirects of the owner's contradict each other (http and https, "
    "with and without www.).",
    ("ajax", 300): _BEFORE_AJAX.format(
        what="sends visitors elsewhere, where messages may not follow",
        cause="a login page, a security plugin or a rule of the web server must leave "
        "admin-ajax.php out",
    ),
    ("api", 300): "The REST API's address sends programs elsewhere, where a key may not follow. "
    "You: give the site's address as the browser shows it in the end (www, https). Owner: no login "
    "page or redirect may stand before the REST API.",
    ("page", 500): "The site is broken just now. You: try later. Owner: PHP's error log says more.",
    ("page", 0): _ADDRESS,
    ("ajax", 0): "Something before the plugin refuses the message. Owner: look into the logs of "
    "the web server and of the firewall. You: ask the owner.",
    ("rest", 0): "Something before the plugin refuses the message. Owner: look into the logs of "
    "the web server and of the firewall. You: ask the owner.",
    ("api", 0): "Something refuses the message; its own words are the best hint. Owner: look into "
    "the logs of the web server and of the firewall. You: ask the owner.",
}


def of_status(status: int, place: Place) -> str:
    """Return what `status` means there, and who can do what about it."""
    if status == 410:
        status = 404
    elif 300 <= status < 400:
        status = 300
    elif status > 500 and status != 503:
        # Of a proxy in front of the site, most often: whatever it was to lead to.
        status, place = 500, "page"
    known = _STATUSES.get((place, status))
    if known is None and status >= 500:
        known = _STATUSES["page", status]
    return known or _STATUSES[place, 0]
