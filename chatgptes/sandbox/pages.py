"""The sandbox's pages: our own small markup, with the elements that bots are known by."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import aipkit, mwai_page, window, wpaicg
from .catalogue import BOTS, PageSpec
from .faults import http_fault
from .php import escaped, php_json, version

if TYPE_CHECKING:
    from .exchange import Exchange
    from .spec import BotSpec
    from .wordpress import WordPress

GREETING = 'Hello! I\'m the sandbox & "no model".'
_AJAX = "wp-admin/admin-ajax.php"
_FOREIGN = "https://elsewhere.invalid/wp-admin/admin-ajax.php"


def serve(exchange: Exchange, site: WordPress, page: PageSpec) -> None:
    """Answer a GET of `page`."""
    if page.trick.startswith("moved"):
        _moved(exchange, site, page.trick)
    elif http_fault(exchange, page.trick, site.home):
        pass
    elif page.trick == "endless":
        exchange.start(200, "text/html; charset=UTF-8")
        while True:
            exchange.write("<p>and on and on</p>\n" * 3000)
    elif page.trick == "binary":
        exchange.respond(200, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "image/png")
    else:
        _show(exchange, site, page)


def _moved(exchange: Exchange, site: WordPress, trick: str) -> None:
    home = urlsplit(site.home)
    # Another name for this very server, so that a client that follows it is seen to.
    other = "127.0.0.1" if home.hostname == "localhost" else "localhost"
    targets = {
        "moved": site.home,
        "moved-relative": "../classic/",
        "moved-away": f"{home.scheme}://{other}:{home.port}{home.path}",
        "moved-loop": site.page("moved-loop"),
    }
    headers = [("Location", targets[trick])] if trick in targets else []
    exchange.respond(302, "", headers=headers)


def _show(exchange: Exchange, site: WordPress, page: PageSpec) -> None:
    headers = []
    if page.trick not in ("rest-tag", "rest-none"):
        root = f"{site.home}?rest_route=/" if page.trick == "rest-query" else site.api_root
        if page.name in ("engine-old", "engine-ancient"):
            root = f"{mwai_page.root(site, BOTS['mwai', page.shows[0][0]].plugin)}/"
        headers.append(("Link", f'<{root}>; rel="https://api.w.org/"'))
    if page.trick == "cookie":
        headers.append(("Set-Cookie", "sandbox_visitor=1; Path=/; HttpOnly"))
    if page.trick == "fronted":
        headers += [("Server", "cloudflare"), ("CF-RAY", "0123456789abcdef-TXL")]
    body = _page(site, page).encode()
    if page.trick == "odd-bytes":
        body = body.replace(b"<h1>", b"\xff\xfe\xc3<h1>\xe9\x80").replace(b"</h", b"\xe2\x82</h")
    if page.trick == "odd-bom":
        body = b"\xef\xbb\xbf" + body
    kind = "text/html; charset=UTF-8"
    if page.trick in ("stall-body", "cut-body"):
        exchange.start(200, kind, headers)
        exchange.write(body[: len(body) // 2])
        exchange.cut() if page.trick == "cut-body" else exchange.stall()
        exchange.write(body[len(body) // 2 :])
        return
    exchange.respond(200, body, kind, headers)


def _page(site: WordPress, page: PageSpec) -> str:
    root = urlsplit(site.home).path
    head = [f"<title>{html.escape(page.name)}</title>", *window.head(root)]
    if page.trick == "rest-tag":
        head.append(f'<link rel="https://api.w.org/" href="{site.api_root}">')
    if page.trick == "fronted":
        head.append('<script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js"></script>')
    classic = any(kind in ("shortcode", "widget") for _, kind in page.shows)
    if (classic or page.trick == "traces") and page.trick != "no-nonce":
        ajax = _FOREIGN if page.trick == "foreign" else ajax_url(site, page)
        params = {"ajax_url": ajax, "search_nonce": site.nonces.shown(wpaicg.NONCE)}
        head.append(f"<script>\nvar wpaicgParams = {php_json(params)};\n</script>")
    elements = []
    for number, (bot_id, kind) in enumerate(page.shows):
        if kind.startswith("engine"):
            elements.append(mwai_page.element(site, page, BOTS["mwai", bot_id], kind))
        elif kind in ("shortcode", "widget"):
            elements.append(_classic_element(site, page, BOTS["wpaicg", bot_id], kind))
        else:
            broken = page.trick == "broken-json" or (page.trick == "broken-first" and number == 0)
            bot = BOTS["aipkit", bot_id]
            elements.append(_aipkit_element(site, page, bot, kind, broken=broken))
    if page.trick == "discussions":
        elements.append(mwai_page.discussions(site))
    body = _around(page, "\n".join(elements))
    index = window.index(root, faults=site.lists_faults) if page.name == "front" else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        + "\n".join(head)
        + f"\n</head>\n<body>\n{window.top(root, page)}<main>\n<h1>{html.escape(page.about)}</h1>\n"
        + f"{body}\n</main>\n{index}</body></html>\n"
    )


def ajax_url(site: WordPress, page: PageSpec) -> str:
    """The address that the page's bots listen at."""
    return site.home + ("staging/" if page.trick == "auth" else "") + _AJAX


def _around(page: PageSpec, elements: str) -> str:
    """The elements with what the page puts around them."""
    if page.trick == "long":
        return "<p>Much is said before it.</p>\n" * 7000 + elements
    if page.trick == "raw-shortcode":
        return "<p>[wpaicg_chatgpt]</p>"
    if page.trick == "odd-comment":
        decoy = elements.replace("5", "6").replace('data-bot-id="0"', 'data-bot-id="32"')
        return (
            f"<!-- {decoy} -->\n<script>var later = `{decoy}`;</script>\n"
            f"<textarea>{decoy}</textarea>\n{elements}"
        )
    if page.trick == "odd-unclosed":
        return f"<p class=\"a>b\" title='<div>'>1 < 2 and <<b>3\n{elements}\n<div <p"
    if page.trick == "cut-tag":
        return elements[: len(elements) // 2]
    return elements


def _classic_element(site: WordPress, page: PageSpec, bot: BotSpec, kind: str) -> str:
    css = "wpaicg-chatbox sandbox-floating" if kind == "widget" else "wpaicg-chat-shortcode"
    lies = page.trick == "lies"
    attributes = {
        "class": css,
        "data-nonce": site.nonces.shown(wpaicg.NONCE),
        "data-post-id": "<15" if kind == "widget" else "12",
        "data-url": site.page(page.name),
        "data-bot-id": bot.id,
        "data-openai_stream_nav": "1" if bot.streams and not lies else "0",
        "data-feedback_btn": "1" if bot.thumbs else "",
        "data-type": kind,
    }
    if page.trick == "no-nonce":
        del attributes["data-nonce"]
    tag = _tag(page, attributes, '"')
    # Real pages show a button for images: here this says that the bot takes them.
    hint = " data-takes-image" if bot.images else ""
    inside = _classic_inside(bot, kind)
    return f'{tag}\n<div class="{css.split()[0]}-content"{hint}>{inside}</div></div>'


def _classic_inside(bot: BotSpec, kind: str) -> str:
    """The texts of a classic bot's window before the first message."""
    said = "wpaicg-chat-ai-message" if kind == "widget" else "wpaicg-ai-message"
    notice = '<li class="log_notification"><span class="wpaicg-chat-message">Kept.</span></li>'
    greeting = f'<span class="wpaicg-chat-message">\n{escaped(GREETING)}\n</span>'
    parts = [f'<ul>{notice}\n<li class="{said}">{greeting}</li></ul>']
    if bot.starters:
        button = '<button type="button" class="wpaicg-conversation-starter">{}</button>'
        shown = "\n".join(button.format(escaped(each)) for each in bot.starters)
        parts.append(f'<div class="wpaicg-conversation-starters">{shown}</div>')
    return "\n".join(parts)


def _aipkit_element(
    site: WordPress, page: PageSpec, bot: BotSpec, kind: str, *, broken: bool
) -> str:
    config = {
        "botId": int(bot.id),
        "ajaxUrl": _FOREIGN if page.trick == "foreign" else ajax_url(site, page),
        "nonce": site.nonces.shown(aipkit.NONCE),
        "postId": 13,
        "headerName": bot.name,
        "footerText": 'it\'s a <b>sandbox</b> & no "model" · ünïcödé',
        "provider": "OpenAI",
        "requireConsentCompliance": bot.consent,
        "imageUploadEnabledUI": bot.images,
        "enableOpenAIConversationState": bot.state,
        "allowWebSearchTool": bot.state,
        "enableFeedback": bot.thumbs,
        "enableStarters": bool(bot.starters),
        "starters": list(bot.starters),
        "text": {
            "initialGreeting": GREETING,
            "consentTitle": "One thing first",
            "consentMessage": "All you write is answered by a program, and kept by this site.",
        },
    }
    if version(bot.plugin) <= (2, 4, 0):
        config["streamEnabled"] = bot.streams
    text = php_json(config)
    if broken:
        text = text[: len(text) // 2]
    inner = {"class": "aipkit_chat_container sandbox", "data-bot-id": bot.id}
    if kind == "popup":
        outer = {"class": "aipkit_popup_wrapper", "data-config": text}
        return f"{_tag(page, outer, chr(39))}{_tag(page, inner, chr(34))}</div></div>"
    return f"{_tag(page, inner | {'data-config': text}, chr(39))}</div>"


def _tag(page: PageSpec, attributes: dict[str, str], quote: str) -> str:
    """A div with `attributes`, as odd as the page wants it."""
    items = list(attributes.items())
    equals = "="
    if page.trick == "odd-order":
        items = [("data-bind", "a > b"), *reversed(items), ("class", "late"), ("hidden", "")]
    if page.trick == "odd-case":
        items, equals = [(name.upper(), value) for name, value in items], "\n = \t"
    parts = []
    for name, value in items:
        if page.trick == "odd-quotes":
            quote = "" if value and not set(value) & set(" \"'=<>`{}/") else "'\""[quote == "'"]
        parts.append(f"{name}{equals}{quote}{_escaped(page, name, value)}{quote}")
    return "<div " + "\n     ".join(parts) + ">"


def _escaped(page: PageSpec, name: str, value: str) -> str:
    if page.trick == "odd-entities" and name != "class":
        named = {'"': "&#x22;", ":": "&colon;", ",": "&comma;", "&": "&AMP;"}
        return "".join(c if c.isalnum() else named.get(c, f"&#{ord(c)};") for c in value)
    if value.startswith("<"):
        return value  # The widget's post id, broken by the plugin itself.
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return value.replace('"', "&quot;").replace("'", "&#039;")
