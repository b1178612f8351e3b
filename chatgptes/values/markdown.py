"""An answer's Markdown, made so that showing it does nothing but show it.

An answer is text from somebody else's site, and notebooks turn Markdown into HTML with programs
that disagree at the edges.  So nothing here depends on how one of them reads a doubtful place:
fenced code is put where all of them see a fence, inline code is spelt out as entities, and what is
left can open no tag and name no scheme but http, https and mailto.  What an address may begin with
is listed, so that nothing depends on what a program or a browser decodes or drops.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque

__all__ = ["harmless_markdown"]

_NEWLINE = re.compile(r"\r\n?|\x85")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000\ue001]")
"""Programs drop some of these, which could join what was apart, and terminals obey some; two serve
as marks here."""

_OPENING_FENCE = re.compile(
    r"([ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+|>[ \t]*)*)(`{3,}|~{3,})[ \t]*(.*)"
)
_QUOTE = re.compile(r"(?:[ \t]*>)+[ \t]?")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.\-]{1,30}(?=\s|$)")
_BACKTICKS = re.compile(r"`+")
_TILDES = re.compile(r"~{3,}")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_MARK = re.compile("\ue000(\\d+)\ue001")

_TAG = re.compile(r"(?<!\\)(\\*)(<)(?=[A-Za-z/!?])")
_LONE_BACKTICK = re.compile(r"(?<!\\)(\\*)(`)")
_FORMULA = re.compile(r"(?<!\\)\$[^$\n]+\$")
_REACHING_TEX = re.compile(r"\\(?=(?:href|style|require|html[A-Za-z]*|cssId)\b)")
"""Commands with which a formula could link somewhere, load something or change the page."""
_AUTOLINK = re.compile(r"<(https?://[^\s<>`\\\"']+)>")
_PLAIN = r"(?:[\w.~+\\-]|%20)"
_HARMLESS = rf"[ \t]*+(?:https?://|mailto:|{_PLAIN}*+(?:[/?#\"'(){{}}^$,;=@]|[ \t]+[\"'(]))"
_ADDRESS = re.compile(
    rf"\](?:(\()(?!{_HARMLESS})|:(?!{_HARMLESS}|[ \t]*+{_PLAIN}++(?:\s|\Z)))",
    re.IGNORECASE | re.ASCII,
)
"""`](` of a link or picture and `]:` of a definition, before another address than one of http,
https or mailto, or one of plain characters up to one that no scheme has."""
_ATTRIBUTES = re.compile(
    r"(?<![a-z])(?:on[a-z]++|style|href|src[a-z]*+|(?:form)?action)\s*+=", re.IGNORECASE
)
"""Attributes that act: Python-Markdown's `attr_list` and others take them from `{…}`."""


def harmless_markdown(text: str) -> str:
    """`text` as Markdown that looks the same, but in which raw HTML and script links do nothing.

    Code stays readable; links and pictures with http, https and mailto addresses stay as they are.
    """
    out: list[str] = []
    prose: list[str] = []
    lines = deque(_CONTROL.sub("", _NEWLINE.sub("\n", text)).split("\n"))
    while lines:
        line = lines.popleft()
        opening = _OPENING_FENCE.fullmatch(line)
        if opening is None or (opening[2][0] == "`" and "`" in opening[3]):
            prose.append(line)
            continue
        if opening[1].strip() and ">" not in opening[1]:
            prose.append(opening[1].rstrip())
        out += [_prose("\n".join(prose)), "", *_fenced(lines, opening), ""]
        prose = []
    out.append(_prose("\n".join(prose)))
    return "\n".join(out).strip("\n")


def _fenced(lines: deque[str], opening: re.Match[str]) -> list[str]:
    """The code block that `opening` begins, taken from `lines`, where no program can misread it.

    That is at the left margin, whatever list or quote it was in, behind a fence longer than any in
    it.
    """
    fence = opening[2]
    quoted = ">" in opening[1]
    indent = 0 if quoted else len(opening[1])
    code: list[str] = []
    while lines:
        quote = _QUOTE.match(lines[0]) if quoted else None
        if quoted and quote is None:
            break  # The quote has ended, and the block with it.
        line = lines.popleft()[quote.end() if quote else 0 :]
        bare = line.strip()
        if len(bare) >= len(fence) and not bare.strip(fence[0]):
            break
        lead = len(line) - len(line.lstrip(" \t"))
        code.append(line[min(indent, lead) :])
    longest = max((len(run[0]) for run in _BACKTICKS.finditer("\n".join(code))), default=0)
    own = "`" * max(3, longest + 1)
    language = _LANGUAGE.match(opening[3])
    return [own + (language[0] if language else ""), *code, own]


def _prose(text: str) -> str:
    spans: list[str] = []
    text = "\n".join(_without_spans(line, spans) for line in text.split("\n"))
    text = _LONE_BACKTICK.sub(_entity, text)
    text = _TILDES.sub(lambda run: "&#126;" * len(run[0]), text)
    text = _AUTOLINK.sub(r"\1", text)
    text = _ADDRESS.sub(lambda sign: "]&#40;" if sign[1] else "]&#58;", text)
    text = "\n".join(map(_without_attributes, text.split("\n"))) if "{" in text else text
    text = _REACHING_TEX.sub(r"\\ ", text)
    text = _FORMULA.sub(_without_entities, text)
    text = _TAG.sub(_entity, text)
    return _MARK.sub(lambda mark: f"<code>{spans[int(mark[1])]}</code>", text)


def _without_attributes(line: str) -> str:
    """`line` with its braces spelt out where they could give an element attributes that act."""
    return line.replace("{", "&#123;") if "{" in line and _ATTRIBUTES.search(line) else line


def _without_entities(formula: re.Match[str]) -> str:
    """A formula, in which they would be TeX's `&`, with blanks that do the same."""
    tex = formula[0].replace("]&#40;", "] (").replace("]&#58;", "] :")
    return re.sub(r"<(?=[A-Za-z/!?])", "< ", tex)


def _entity(sign: re.Match[str]) -> str:
    """The sign as an entity; a backslash before it, which would undo that, is left out."""
    return sign[1][: len(sign[1]) // 2 * 2] + ("&lt;" if sign[2] == "<" else "&#96;")


def _without_spans(line: str, spans: list[str]) -> str:
    """`line` with marks in place of inline code, which is put into `spans` as entities."""
    if "`" not in line:
        return line
    in_table = line.lstrip().startswith("|")
    runs = list(_BACKTICKS.finditer(line))
    ahead: dict[int, list[re.Match[str]]] = defaultdict(list)
    for run in reversed(runs):
        ahead[len(run[0])].append(run)
    out, at = [], 0
    for run in runs:
        same = ahead[len(run[0])]
        same.pop()  # This run itself: both lists go from left to right.
        if run.start() < at or not same or line[run.start() - 1 : run.start()] == "\\":
            continue
        out += [line[at : run.start()], f"\ue000{len(spans)}\ue001"]
        code = line[run.end() : same[-1].start()]
        # In a table `\\|` is how code says `|`.
        spans.append(_spelt_out(code.replace("\\|", "|") if in_table else code))
        at = same[-1].end()
    return "".join([*out, line[at:]])


def _spelt_out(code: str) -> str:
    if code.startswith(" ") and code.endswith(" ") and code.strip():
        code = code[1:-1]
    return _PUNCTUATION.sub(lambda sign: f"&#{ord(sign[0])};", code)
