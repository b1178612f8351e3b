"""docs/reference/command-line.md is what docs/make_help.py writes from the commands."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import make_help  # noqa: E402

from chatgptes.cli import command  # noqa: E402


@pytest.mark.skipif(version("click").startswith("8.1."), reason="writes usage lines otherwise")
def test_the_page_is_up_to_date() -> None:
    written = make_help.PAGE.read_text(encoding="utf-8")
    assert written == make_help.page(), "Run: python docs/make_help.py"


def test_every_command_and_option_is_there() -> None:
    page = make_help.page()
    for name, each in command.commands.items():
        section = page.split(f"\n## chatgptes {name}\n", 1)[1].split("\n## ", 1)[0]
        for option in each.params:
            if option.param_type_name == "option" and not option.hidden:
                assert all(f"{spelling}" in section for spelling in option.opts)
    assert "--chunk-delay" in page


def test_no_bracket_of_a_help_text_begins_a_link() -> None:
    # "[60] [x>=0]" is a link to "x>=0" in Markdown, and the documentation would not build.
    outside_code = re.sub(r"(?s)```.*?```|`[^`]*`", "", make_help.page())
    assert not re.search(r"(?<!\\)\](\s?\[|\()", outside_code.split("\n## ", 1)[1])
