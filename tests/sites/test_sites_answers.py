"""Answers beside the words of a bot: which object of a body counts, and what is said of others."""

from __future__ import annotations

import pytest
from hearing import page_of

from chatgptes.errors import UnexpectedFormatError
from chatgptes.sites.aipower import WPAICG
from chatgptes.sites.dialect import NonceRefused


@pytest.mark.parametrize("notice", ['{"a": 1}', "5", '["success"]', ""])
def test_a_thumb_is_answered_by_the_object_that_says_so(notice: str) -> None:
    WPAICG.check_done(page_of(f'{notice}{{"success": true}}'))
    with pytest.raises(NonceRefused, match="too old"):
        WPAICG.check_done(page_of(f'{notice}{{"msg": "too old"}}'))
    with pytest.raises(UnexpectedFormatError):
        WPAICG.check_done(page_of(f'{notice}{{"status": "success"}}'))


def test_an_object_that_is_not_the_plugins_is_quoted_whole() -> None:
    """A firewall answers JSON, too; its `message` is no word of the plugin's."""
    error = WPAICG.error_for(page_of('{"rule": 7, "code": "waf"}', 403))
    assert type(error) is NonceRefused
    assert '"rule": 7' in str(error)
    assert error.code is None
