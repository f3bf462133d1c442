"""How tokens are spelled, found again and replaced by what they stand for."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.tokens import DIGEST_BYTES, find_tokens, is_token, make_token, restore, spell_category, tokens_in
from tests.json_values import json_values

spelling = pytest.mark.claim("guardrails.token-spelling")
restoring = pytest.mark.claim("guardrails.token-restoring")
EMAIL = make_token("email", bytes.fromhex("7f3a00112233"))
CARD = make_token("credit card", bytes.fromhex("0123456789ab"))
ADDRESS = 'o"brien & sons <ö@example.org>\n\\/ 100%'


def for_json(text: str) -> str:
    """As encoders write it whose output is meant for web pages."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("<", r"\u003c").replace(">", r"\u003e")


RESPELLED: dict[str, str] = {
    "as it is": EMAIL,
    "lower case": EMAIL.lower(),
    "upper case": EMAIL.upper(),
    "capitalised": EMAIL.title(),
    "spaces inside the brackets": EMAIL.replace("<<", "<< ").replace(">>", " >>"),
    "spaces between the brackets": EMAIL.replace("<<", "< <").replace(">>", "> >"),
    "spaces instead of underscores": EMAIL.replace("_", " "),
    "a space in the digits": EMAIL[:-6] + " " + EMAIL[-6:],
    "a line break": EMAIL.replace("_", "_\n"),
    "a no-break space": EMAIL.replace("<<", "<<\u00a0"),
    "bold inside": EMAIL.replace("<<", "<<**").replace(">>", "**>>"),
    "code inside": EMAIL.replace("<<", "<<`").replace(">>", "`>>"),
    "escaped for markdown": EMAIL.replace("<", r"\<").replace(">", r"\>").replace("_", r"\_"),
    "an escaped underscore": EMAIL.replace("_", r"\_"),
    "escaped for HTML": html.escape(EMAIL),
    "escaped for HTML twice": html.escape(html.escape(EMAIL)),
    "escaped for HTML by number": EMAIL.replace("<", "&#60;").replace(">", "&#62;"),
    "escaped for HTML by hexadecimal number": EMAIL.replace("<", "&#x3c;").replace(">", "&#x3E;"),
    "percent-encoded": quote(EMAIL, safe=""),
    "percent-encoded in lower case": quote(EMAIL, safe="").lower(),
    "percent-encoded twice": quote(quote(EMAIL, safe=""), safe=""),
    "percent-encoded with a space": quote(EMAIL.replace("_", " "), safe=""),
    "escaped for JSON": for_json(EMAIL),
    "escaped for JSON twice": for_json(for_json(EMAIL)),
    "escaped for JSON in upper case": for_json(EMAIL).replace("u003c", "u003C").replace("u003e", "u003E"),
}
NEIGHBOURS = [
    ("", ""), ("**", "**"), ("`", "`"), ("_", "_"), ("<", ">"), ("<<", ">>"), ("< ", " >"), ("\\", "\\"),
    ("&lt;", "&gt;"), ("mailto:", "?subject=x"), ("https://x.example/?to=", "&cc="), ("ö", "ö"),
    ("\ud800", "\ud800"), ("𝄞", "é"), (EMAIL[:-1], EMAIL[1:]), ("<<EMAIL_", ">>"), ("%3C%3C", "%3E%3E"),
    ('{"to": "', '"}'),
]  # fmt: skip


@spelling
@pytest.mark.parametrize("spelled", RESPELLED.values(), ids=RESPELLED)
@pytest.mark.parametrize("around", NEIGHBOURS, ids=repr)
def test_a_token_is_found_however_it_is_spelled_and_whatever_stands_beside_it(
    spelled: str, around: tuple[str, str]
) -> None:
    before, after = around
    found = [each for each in find_tokens(before + spelled + after) if each[0] == len(before)]
    assert found == [(len(before), len(before) + len(spelled), EMAIL)]


@spelling
@pytest.mark.parametrize("missing", range(1, len(EMAIL)))
def test_a_truncated_token_is_text(missing: int) -> None:
    assert find_tokens(EMAIL[:-missing]) == []
    assert find_tokens(EMAIL[missing:]) == []


@spelling
@pytest.mark.parametrize(
    "text",
    [
        "", "<<>>", "<<EMAIL>>", "<<EMAIL_>>", "<<_7f3a00112233>>", "<<7f3a00112233>>", "<<EMAIL_7f3a>>",
        "<<1_7f3a00112233>>",
        EMAIL.replace("_", "_0"), EMAIL.replace("_", "_g")[:-3] + ">>", EMAIL.replace("_", "-"), EMAIL[1:-1],
        EMAIL.replace("EMAIL", "ÉMAIL"), EMAIL.replace("EMAIL", "A" * 33), EMAIL.replace("<<", "<%3C"),
        "x << 2 >> 1", "std::vector<std::vector<int>>", "cat <<EOF >> out", "<<<<<<< HEAD\n=======\n>>>>>>> main",
    ],
)  # fmt: skip
def test_what_only_resembles_a_token_is_text(text: str) -> None:
    assert find_tokens(text) == []


@spelling
def test_hostile_texts_of_a_megabyte_hold_no_token() -> None:
    """That this ends at all is the point: each would take hours in quadratic time."""
    for part in ("<<", "<<A", "<<A_", "&lt;", "&amp;lt;A", "%3C%3CA", r"\u003c", r"\<", "<<A >", ">>", "<< >>"):
        assert find_tokens(part * (1_000_000 // len(part))) == []


@spelling
@given(st.text(max_size=40), st.binary(min_size=DIGEST_BYTES, max_size=32))
def test_every_category_makes_a_token_that_reads_back(category: str, digest: bytes) -> None:
    token = make_token(category, digest)
    assert is_token(token)
    assert find_tokens(token) == [(0, len(token), token)]
    assert find_tokens(token.lower()) == [(0, len(token), token)]
    assert token.startswith(f"<<{spell_category(category)}_")


@spelling
@given(st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES))
def test_no_token_has_digits_enough_for_a_telephone_number(digest: bytes) -> None:
    assert not re.search(r"\d{4}", make_token("phone", digest))


@spelling
@pytest.mark.parametrize(
    ("category", "spelled"),
    [("email", "EMAIL"), ("us-ssn", "US_SSN"), ("pii.iban ", "PII_IBAN"), ("", "VALUE"), ("2fa", "VALUE_2FA"),
     ("__a__b__", "A_B"), ("é", "VALUE"), ("x" * 50, "X" * 32)],
)  # fmt: skip
def test_categories_are_spelled_in_upper_case(category: str, spelled: str) -> None:
    assert spell_category(category) == spelled
    assert spell_category(spelled) == spelled


@spelling
def test_tokens_of_names_and_texts_are_listed_once_in_order() -> None:
    value = {"a": [f"{CARD} {EMAIL}", 1, None], EMAIL.lower(): {"b": CARD}, "c": "<<EMAIL_7f3a>>"}
    assert tokens_in(value) == [CARD, EMAIL]


# --- restoring --------------------------------------------------------------------------------------------

UNDO: dict[str, tuple[str, Callable[[str], str]]] = {
    "plain": (EMAIL, str),
    "HTML": (html.escape(EMAIL), html.unescape),
    "HTML twice": (html.escape(html.escape(EMAIL)), lambda text: html.unescape(html.unescape(text))),
    "URL": (quote(EMAIL, safe=""), unquote),
    "URL twice": (quote(quote(EMAIL, safe=""), safe=""), lambda text: unquote(unquote(text))),
    "JSON": (for_json(EMAIL), lambda text: str(json.loads(f'"{text}"'))),
    "JSON twice": (for_json(for_json(EMAIL)), lambda text: str(json.loads('"' + json.loads(f'"{text}"') + '"'))),
}


@restoring
@pytest.mark.parametrize("way", UNDO)
@given(value=st.one_of(st.just(ADDRESS), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)))
def test_whoever_undoes_the_escaping_gets_exactly_the_value(way: str, value: str) -> None:
    spelled, undo = UNDO[way]
    assert undo(restore(f"to {spelled}.", {EMAIL: value})) == f"to {value}."


@restoring
def test_a_url_gets_no_new_parameters_from_a_value() -> None:
    url = f"https://crm.example/find?to={quote(EMAIL, safe='')}&n=1"
    assert restore(url, {EMAIL: "a&b=c#d"}) == "https://crm.example/find?to=a%26b%3Dc%23d&n=1"


@restoring
def test_what_was_put_in_is_not_read_again() -> None:
    assert restore(EMAIL, {EMAIL: f"<{CARD}> {EMAIL}", CARD: "4111"}) == f"<{CARD}> {EMAIL}"
    assert restore([EMAIL[:5] + EMAIL], {EMAIL: EMAIL[5:]}) == [EMAIL[:5] + EMAIL[5:]]


@restoring
def test_unknown_tokens_stay_as_they_stand() -> None:
    text = f"{CARD.lower()} and {EMAIL} and **{CARD}**"
    assert restore(text, {EMAIL: "a@b.example"}) == f"{CARD.lower()} and a@b.example and **{CARD}**"


@restoring
def test_only_what_holds_a_token_is_made_anew() -> None:
    untouched = {"deep": ["x", {"y": CARD}]}
    value: dict[str, Any] = {"a": untouched, "b": [EMAIL, untouched], "c": 1.0}
    restored = restore(value, {EMAIL: "a@b.example"})
    assert restored == {"a": untouched, "b": ["a@b.example", untouched], "c": 1.0}
    assert restored["a"] is restored["b"][1] is untouched
    assert value["b"][0] == EMAIL
    assert restore(untouched, {EMAIL: "a@b.example"}) is untouched


@restoring
@given(json_values())
def test_a_value_without_tokens_is_the_same_object(value: Any) -> None:
    assert restore(value, {EMAIL: "a@b.example"}) is value


@restoring
def test_member_names_are_restored_in_their_order() -> None:
    restored = restore({"z": 1, EMAIL: {CARD: 2}, "a": 3}, {EMAIL: "a@b.example", CARD: "4111"})
    assert list(restored.items()) == [("z", 1), ("a@b.example", {"4111": 2}), ("a", 3)]


@restoring
@pytest.mark.parametrize("names", [[EMAIL, "a@b.example"], ["a@b.example", EMAIL], [EMAIL, EMAIL.lower()]])
def test_no_member_is_lost_when_two_names_would_become_one(names: list[str]) -> None:
    restored = restore({name: number for number, name in enumerate(names)}, {EMAIL: "a@b.example"})
    assert list(restored.values()) == [0, 1]
    assert "a@b.example" in restored
