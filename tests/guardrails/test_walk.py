"""Every text of a value is read once, with a pointer that leads back to it; a rewrite touches nothing else."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from guardrails.engine.segments import Kind, Segment, Surface
from guardrails.engine.walk import MAX_DEPTH, Unwalkable, at, replace, spell, walk
from tests.growth import Work, assert_at_most, assert_in_proportion
from tests.json_values import json_values

pytestmark = pytest.mark.claim("guardrails.walk")
claim = pytest.mark.claim


def read(value: Any, **options: Any) -> list[Segment]:
    return list(walk(value, surface=Surface.ARGUMENTS, **options))


def leaves(value: Any) -> list[str]:
    """Every text that should be seen, by a reading of its own."""
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, dict):
        return [text for name, child in value.items() for text in ([name] if name else []) + leaves(child)]
    if isinstance(value, list):
        return [text for child in value for text in leaves(child)]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= 1_000_000:
        return [str(int(value))] if math.isfinite(value) and value == int(value) else []
    return []


@given(json_values())
@settings(max_examples=300, deadline=None)
def test_every_text_and_name_is_read_in_order(value: Any) -> None:
    assert [segment.text for segment in read(value)] == leaves(value)


@given(json_values())
@settings(max_examples=300, deadline=None)
def test_every_pointer_leads_back_to_its_text(value: Any) -> None:
    for segment in read(value, base="/params/arguments"):
        place = segment.pointer.removeprefix("/params/arguments")
        if segment.is_key:
            above, _, token = place.rpartition("/")
            assert segment.text in at(value, above)
            assert token.replace("~1", "/").replace("~0", "~") == segment.text
        else:
            leaf = at(value, place)
            assert segment.text == (leaf if isinstance(leaf, str) else spell(leaf))


def test_names_with_slashes_and_tildes_are_escaped() -> None:
    found = read({"a/b": {"c~d": ["x"]}})
    assert [segment.pointer for segment in found] == ["/a~1b", "/a~1b/c~0d", "/a~1b/c~0d/0"]


def test_a_text_in_a_list_has_the_nearest_member_name() -> None:
    found = {segment.text: segment.key for segment in read({"people": [["Anna"], {"name": "Ben"}]})}
    assert found == {"people": "", "Anna": "people", "name": "people", "Ben": "name"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4111111111111111, "4111111111111111"),
        (-2025550123, "-2025550123"),
        (4111111111111111.0, "4111111111111111"),
        (10**30, "1" + "0" * 30),
        (1_000_000, "1000000"),
    ],
)
def test_a_number_of_seven_digits_is_read_as_text(value: Any, text: str) -> None:
    assert [(segment.text, segment.kind) for segment in read([value])] == [(text, Kind.ID)]


@pytest.mark.parametrize("value", [0, 999_999, 3.14159265358979, True, None, -12.5])
def test_a_short_number_is_no_text(value: Any) -> None:
    assert read({"": value}) == []


def test_an_override_holds_for_everything_below_its_place() -> None:
    found = read({"filter": {"parts": ["a b", {"x": "c d"}]}, "note": "e f"}, kinds={"/filter": "sql"})
    assert {segment.text: segment.kind for segment in found if not segment.is_key} == {
        "a b": Kind.SQL,
        "c d": Kind.SQL,
        "e f": Kind.PROSE,
    }


def test_kinds_come_from_the_schema_through_references_and_branches() -> None:
    schema = {
        "properties": {
            "where": {"$ref": "#/$defs/place"},
            "many": {"type": "array", "prefixItems": [{"format": "uuid"}], "items": {"$ref": "#/$defs/place"}},
            "either": {"anyOf": [{"type": "null"}, {"contentMediaType": "application/sql"}]},
        },
        "additionalProperties": {"format": "uri"},
        "$defs": {"place": {"type": "string", "format": "uri"}},
    }
    value = {"where": "here", "many": ["some one", "there", "there too"], "either": "all", "other": "far"}
    found = {segment.text: segment.kind for segment in read(value, schema=schema) if not segment.is_key}
    assert found["here"] is Kind.URL and found["there"] is Kind.URL and found["there too"] is Kind.URL
    assert found["some one"] is Kind.ID
    assert found["all"] is Kind.SQL
    assert found["far"] is Kind.URL


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"properties": {"a": {"$ref": "#/properties/a"}}},
        {"allOf": [{"$ref": "#"}, {"anyOf": [{"$ref": "#"}] * 50}]},
        {"$ref": "https://example.com/schema.json"},
        {"properties": 3, "items": "x", "patternProperties": {"(": {}, "(?=a)": {}}},
        True,
        [],
    ],
)
@claim("guardrails.walk-bounds")
def test_a_schema_that_refers_to_itself_or_is_broken_does_no_harm(schema: Any) -> None:
    assert len(read({"a": {"a": "text"}, "b": ["x"]}, schema=schema)) == 5


@claim("guardrails.walk-bounds")
def test_the_deepest_value_is_read_and_a_deeper_one_is_refused() -> None:
    value: Any = "text"
    for _ in range(MAX_DEPTH):
        value = {"a": [value]} if isinstance(value, str) else [value]
    assert read(value[0])[-1].text == "text"
    with pytest.raises(Unwalkable):
        read([value])


@claim("guardrails.walk-bounds")
def test_nesting_without_end_is_refused_without_recursion() -> None:
    value: Any = []
    for _ in range(200_000):
        value = [value]
    with pytest.raises(Unwalkable):
        read(value)
    # Taken apart by hand, as the interpreter frees nested lists by recursion.
    while value:
        value = value.pop()


@claim("guardrails.walk-bounds")
def test_a_hundred_thousand_leaves_are_read_in_time_in_proportion() -> None:
    def reading(count: int) -> Work:
        value = {"items": [{"name": "Anna Smith", "n": index, "note": "some words"} for index in range(count)]}

        def reads() -> None:
            assert len(read(value)) == 1 + 5 * count

        return reads

    assert_in_proportion(reading, 4_167)


@claim("guardrails.walk-bounds")
def test_a_long_name_over_many_leaves_is_refused_before_it_fills_memory() -> None:
    with pytest.raises(Unwalkable):
        read({"A" * 500_000: ["x"] * 100_000})


@claim("guardrails.walk-bounds")
def test_a_schema_full_of_patterns_costs_little_for_many_members() -> None:
    members = {f"a{index}": index for index in range(500)}

    def reading(patterns: int) -> Work:
        schema = {"patternProperties": {f"^a{index}[0-9]+$": {"format": "uri"} for index in range(patterns)}}

        def reads() -> None:
            assert len(read(members, schema=schema)) == len(members)

        return reads

    assert_at_most(10, reading(500), reading(1))


@claim("guardrails.walk-bounds")
def test_a_text_of_a_mebibyte_is_one_segment() -> None:
    text = "word " * 210_000
    assert [segment.text for segment in read({"text": text})] == ["text", text]


@claim("guardrails.walk-bounds")
def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(Unwalkable):
        read({"a": b"bytes"})
    with pytest.raises(Unwalkable):
        read([10**5000])


@given(json_values(), json_values())
@settings(max_examples=300, deadline=None)
@claim("guardrails.replace")
def test_a_rewrite_changes_its_places_and_nothing_else(value: Any, new: Any) -> None:
    before = orjson.dumps(value)
    pointers = [segment.pointer for segment in read(value) if not segment.is_key][:3]
    after = replace(value, dict.fromkeys(pointers, new))
    assert orjson.dumps(value) == before
    for pointer in pointers:
        assert at(after, pointer) is new
    for segment in read(value):
        if not segment.is_key and segment.pointer not in pointers:
            assert at(after, segment.pointer) is at(value, segment.pointer)


@claim("guardrails.replace")
def test_what_is_beside_a_rewrite_stays_the_same_object() -> None:
    value: dict[str, Any] = {"a": {"b": ["x", {"c": "y"}]}, "d": {"e": []}}
    after = replace(value, {"/a/b/0": "new"})
    assert after == {"a": {"b": ["new", {"c": "y"}]}, "d": {"e": []}}
    assert after["d"] is value["d"] and after["a"]["b"][1] is value["a"]["b"][1]
    assert value["a"]["b"][0] == "x"


@claim("guardrails.replace")
def test_nothing_to_rewrite_gives_the_value_itself() -> None:
    value = {"a": 1}
    assert replace(value, {}) is value


@claim("guardrails.replace")
def test_a_member_is_renamed_in_its_place_and_with_what_is_below() -> None:
    value = {"first": 1, "old": {"inner": {"x": "y"}}, "last": 2}
    after = replace(value, {"/old/inner/x": "z"}, {"/old": "new", "/old/inner": "within"})
    assert orjson.dumps(after) == b'{"first":1,"new":{"within":{"x":"z"}},"last":2}'


@claim("guardrails.replace")
def test_two_members_never_get_one_name() -> None:
    with pytest.raises(ValueError):
        replace({"a": 1, "b": 2}, {}, {"/a": "b"})
    assert replace({"a": 1, "b": 2}, {}, {"/a": "b", "/b": "a"}) == {"b": 1, "a": 2}


@pytest.mark.parametrize("pointer", ["a", "/x", "/list/2", "/list/-", "/list/01x", "/list/x", "/text/0"])
@claim("guardrails.replace")
def test_a_place_that_is_not_there_is_an_error(pointer: str) -> None:
    value = {"list": [1, 2], "text": "t"}
    with pytest.raises(LookupError):
        at(value, pointer)
    with pytest.raises(LookupError):
        replace(value, {pointer: 1})


@claim("guardrails.replace")
def test_a_change_inside_another_is_an_error() -> None:
    with pytest.raises(ValueError):
        replace({"a": {"b": 1}}, {"/a": 2, "/a/b": 3})
    with pytest.raises(ValueError):
        replace({"a": {"b": 1}}, {"/a/b": 3, "/a": 2})


@claim("guardrails.replace")
def test_many_rewrites_of_a_long_list_take_time_in_proportion() -> None:
    def replacing(count: int) -> Work:
        value = {"items": [{"name": str(index)} for index in range(count)]}
        changes = {f"/items/{index}/name": "x" for index in range(count)}

        def replaces() -> None:
            assert all(item["name"] == "x" for item in replace(value, changes)["items"])

        return replaces

    assert_in_proportion(replacing, 6_250)


def test_properties_that_are_named_like_a_blocks_members_are_read() -> None:
    schema = {"properties": {"type": {"enum": ["x"]}, "data": {"description": "words"}, "uri": {}, "blob": {}}}
    assert "words" in [segment.text for segment in walk(schema, surface=Surface.DEFINITION)]
