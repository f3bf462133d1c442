"""The text form of keys."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects import keys

pytestmark = pytest.mark.claim("identity.key-format")
_SAMPLE = keys.generate()


def test_a_new_key_has_64_characters_and_its_id_in_plain_sight() -> None:
    new = keys.generate()
    assert len(new.text) == keys.LENGTH == 64
    assert re.fullmatch(r"mgw_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}", new.text)
    assert new.text[4:14] == new.key_id == keys.key_id_of(new.text)


def test_two_keys_share_nothing() -> None:
    first, second = keys.generate(), keys.generate()
    assert first.key_id != second.key_id
    assert first.text[15:] != second.text[15:]


def test_the_text_of_a_new_key_is_not_in_its_representation() -> None:
    assert _SAMPLE.text not in repr(_SAMPLE)


@given(st.integers(0, 63), st.sampled_from("0123456789ABCXYZabcxyz_-. é\n\0"))
def test_every_changed_character_is_noticed(place: int, character: str) -> None:
    text = _SAMPLE.text
    changed = text[:place] + character + text[place + 1 :]
    assert (keys.key_id_of(changed) is None) == (changed != text)


@given(st.integers(0, 62))
def test_two_swapped_neighbours_are_noticed(place: int) -> None:
    text = _SAMPLE.text
    changed = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert (keys.key_id_of(changed) is None) == (changed != text)


@pytest.mark.parametrize(
    "text",
    ["", "mgw_", _SAMPLE.text[:-1], _SAMPLE.text + "x", f" {_SAMPLE.text}", f"{_SAMPLE.text}\n", _SAMPLE.text.lower()],
    ids=["nothing", "beginning", "short", "long", "after a space", "with a line end", "in small letters"],
)
def test_what_is_not_a_whole_key_has_no_id(text: str) -> None:
    assert keys.key_id_of(text) is None


@given(st.text(max_size=80))
def test_any_text_gets_an_answer(text: str) -> None:
    assert keys.key_id_of(text) is None


def test_keys_are_found_inside_other_text() -> None:
    found = keys.PATTERN.search(f"?token={_SAMPLE.text}&more")
    assert found is not None
    assert found[0] == _SAMPLE.text
