"""Pages of the site that live elsewhere in the repository, where their readers look for them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
LONGEST_CODE = 24
"""Characters of code in a table that stay on one line."""
BREAKS = re.compile(r"(::|[_./(,=\[])(?=[^_./(,=\[])")
ELSEWHERE = {"security.md": "SECURITY.md", "changelog.md": "CHANGELOG.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add them, with links that work on the site."""
    for page, source in ELSEWHERE.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links to them, and link the repository where its address is known.

    The theme's own link would ask GitHub for figures, with every visitor's address.
    """
    repository = os.environ.get("REPOSITORY_URL")
    if repository and page.is_homepage:
        markdown = f"{markdown.rstrip()} [The repository]({repository}).\n"
    for name, source in ELSEWHERE.items():
        markdown = markdown.replace(f"](../{source}", f"]({name}")
    return markdown


def on_page_content(html: str, **_: Any) -> str:
    """Let long pieces of code in tables break between words, and nowhere else."""

    def breakable(code: re.Match[str]) -> str:
        text = code[1]
        if len(text) <= LONGEST_CODE:
            return code[0]
        pieces = BREAKS.sub(r"\1<wbr>", text)
        return f'<code class="long">{pieces}</code>'

    def cell(found: re.Match[str]) -> str:
        return re.sub(r"<code>([^<]*)</code>", breakable, found[0])

    return re.sub(r"<td\b.*?</td>", cell, html, flags=re.DOTALL)
