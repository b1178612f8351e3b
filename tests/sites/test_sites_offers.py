"""The abilities that each dialect says its bots have."""

from __future__ import annotations

import pytest
from engine import endpoint as engine_endpoint
from hearing import question_for

from chatgptes.sites.aiengine import MWAI, MWAI_REST
from chatgptes.sites.aipower import AIPKIT, REST, WPAICG
from chatgptes.sites.dialect import Dialect
from chatgptes.sites.extras import capabilities

OF_DIALECTS = {
    "streaming", "feedback", "feedback comment", "memory on the site", "conversation list",
    "conversation deletion", "forms", "quota buttons",
}  # fmt: skip
"""Those that are the same for all bots of a dialect, unless the page says otherwise."""


@pytest.mark.parametrize(
    ("dialect", "offered"),
    [
        (AIPKIT, OF_DIALECTS - {"feedback comment"}),
        (WPAICG, {"feedback", "feedback comment"}),
        (REST, set()),
        (MWAI, {"streaming"}),
        (MWAI_REST, set()),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_a_dialect_offers(dialect: Dialect, offered: set[str]) -> None:
    engine = dialect.plugin == MWAI.plugin
    where = engine_endpoint() if engine else question_for(dialect).endpoint
    found = capabilities(where, dialect)
    assert {name for name in OF_DIALECTS if found[name]} == offered
    assert (found["streaming"] is None) == (dialect is WPAICG)
    # The owner's limits for a visitor hang on it.
    assert dialect.cookie_is_visitor == (dialect is MWAI)
