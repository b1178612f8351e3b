"""Hints of errors: data, which each interface puts into its own words."""

from __future__ import annotations

import pickle

import pytest

from chatgptes import errors
from chatgptes.errors import ChatGptEsError, Hint, RequestTimeout
from chatgptes.turn.redaction import redact_error
from chatgptes.values.deadline import Deadline, Timeout

MORE = Hint("timeout.total", purpose="to allow more")
COMMAND = Hint(command="pip install requests", purpose="to install it")


def test_each_interface_has_its_own_words() -> None:
    error = ChatGptEsError("It took too long.", hint=MORE)
    assert error.message == "It took too long."
    assert str(error) == "It took too long. Use timeout=Timeout(total=…) to allow more."
    assert error.in_words({"timeout.total": "--timeout"}) == (
        "It took too long. Use --timeout to allow more."
    )
    assert error.in_words({}) == "It took too long."


def test_a_command_is_the_same_everywhere() -> None:
    error = ChatGptEsError("It is missing.", hint=COMMAND)
    assert (
        str(error)
        == error.in_words({})
        == "It is missing. Run `pip install requests` to install it."
    )


def test_a_limit_is_named_by_its_field() -> None:
    hint = Hint("limits.prompt", purpose="to allow more")
    assert str(hint) == "Use limits= with a larger Limits.prompt to allow more."
    assert hint.text({"timeout.total": "--timeout"}) == ""


def test_an_error_of_any_class_has_one() -> None:
    for name in errors.__all__:
        cls = getattr(errors, name)
        if isinstance(cls, type) and issubclass(cls, ChatGptEsError):
            assert cls("x").hint is None
            assert str(cls("x", hint=COMMAND)).startswith("x Run")


def test_the_library_gives_it() -> None:
    with pytest.raises(RequestTimeout) as caught:
        raise Deadline(Timeout(total=5)).overrun()
    assert caught.value.hint == MORE


def test_it_survives_a_pickle_and_redaction() -> None:
    error = pickle.loads(pickle.dumps(RequestTimeout("Too long: secret.", hint=MORE)))
    assert error.hint == MORE
    redact_error(error, ["secret"])
    assert error.message == "Too long: …."
    assert str(error).count("Use timeout=") == 1


@pytest.mark.parametrize("length", [1999, 2000, 2001, 5000])
def test_a_text_has_two_thousand_characters_at_most(length: int) -> None:
    error = RequestTimeout("x" * length)
    redact_error(error, [])
    assert len(error.message) == min(length, 2000)
    assert error.message.endswith("…") == (length > 2000)
