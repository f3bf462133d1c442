"""What identifies a definition, and which ones are not offered."""

from __future__ import annotations

import copy
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.definitions import canonical, digest, problems
from tests.growth import Work, assert_in_proportion
from tests.json_values import json_values

DEFINITION: dict[str, Any] = {
    "name": "send_mail",
    "title": "Send",
    "description": "Sends a mail.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "to": {"type": "string", "description": "Who gets it", "pattern": "^[a-z]+@example\\.test$"},
            "kind": {"enum": ["plain", "html"], "default": "plain"},
            "options": {"type": "object", "properties": {"retries": {"type": "integer", "maximum": 3}}},
        },
        "required": ["to"],
    },
    "outputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
    "annotations": {"title": "Send", "readOnlyHint": False, "openWorldHint": True},
    "icons": [{"src": "https://example.test/a.png", "mimeType": "image/png", "sizes": ["48x48"]}],
    "_meta": {"example.test/team": "mail"},
    "execution": {"taskSupport": "optional"},
    "x-own": {"anything": 1},
}
PLACES: list[tuple[Any, ...]] = [
    ("name",),
    ("title",),
    ("description",),
    ("inputSchema", "type"),
    ("inputSchema", "properties", "to", "description"),
    ("inputSchema", "properties", "kind", "enum", 1),
    ("inputSchema", "properties", "kind", "default"),
    ("inputSchema", "properties", "to", "pattern"),
    ("inputSchema", "required", 0),
    ("inputSchema", "properties", "options", "properties", "retries", "type"),
    ("outputSchema", "properties", "id", "type"),
    ("annotations", "title"),
    ("icons", 0, "src"),
    ("_meta", "example.test/team"),
    ("execution", "taskSupport"),
]


def changed(path: tuple[Any, ...], change: Callable[[Any], Any]) -> dict[str, Any]:
    definition = copy.deepcopy(DEFINITION)
    place: Any = definition
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = change(place[path[-1]])
    return definition


# --- identity -------------------------------------------------------------------------------------------


@pytest.mark.claim("definitions.digest")
@pytest.mark.parametrize("path", PLACES, ids=lambda path: "/".join(map(str, path)))
@pytest.mark.parametrize("change", [lambda text: text + "x", lambda text: "X" + text[1:], lambda text: text + "\u200b"])
def test_one_byte_anywhere_is_another_digest(path: tuple[Any, ...], change: Callable[[str], str]) -> None:
    assert digest(changed(path, change)) != digest(DEFINITION)


@pytest.mark.claim("definitions.digest")
def test_values_that_look_alike_are_told_apart() -> None:
    spellings: list[Any] = [1, 1.0, "1", True, None, "", [], {}, 0, -0.0, False, 2**64, float(2**64), "null", [1]]
    spellings += [[[1]]]
    spellings += ["\ud800", "\\ud800", "\udc00", 10**5000, 10**5000 + 1, -(10**5000), str(10**20), 10**20]
    spellings += [{"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": [1], "b": []}, {"a": [], "b": [1]}]
    assert len({digest({**DEFINITION, "x-own": value}) for value in spellings}) == len(spellings)
    assert len({digest({**DEFINITION, "x-own": {"a": [value]}}) for value in spellings}) == len(spellings)


def _shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shuffled(value[name]) for name in reversed(value)}
    return [_shuffled(item) for item in value] if isinstance(value, list) else value


@pytest.mark.claim("definitions.digest")
@given(json_values())
def test_the_order_of_members_changes_nothing(value: Any) -> None:
    endless = {"value": value, "endless": 10**30}
    assert digest(_shuffled(value)) == digest(value)
    assert digest(_shuffled(endless)) == digest(endless)
    assert digest(_shuffled(DEFINITION)) == digest(DEFINITION)


@pytest.mark.claim("definitions.digest")
@given(json_values(), json_values())
def test_two_values_have_two_forms(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(one) == canonical(other)) == same
    assert (canonical([one, 10**30]) == canonical([other, 10**30])) == same


@pytest.mark.claim("definitions.digest")
def test_what_nests_without_end_has_a_digest() -> None:
    value: Any = []
    for _ in range(50_000):
        value = [value]
    assert len(digest(value)) == 64
    assert digest(value) != digest([value])


# --- the linter -----------------------------------------------------------------------------------------


def with_schema(**members: Any) -> dict[str, Any]:
    return {"name": "t", "inputSchema": {"type": "object", **members}}


def nested(levels: int, inner: Any = True) -> Any:
    for _ in range(levels):
        inner = {"not": inner}
    return inner


def chain(length: int) -> dict[str, Any]:
    steps = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(length)}
    return with_schema(**{"$defs": {**steps, f"d{length}": {}}, "$ref": "#/$defs/d0"})


GOOD: list[tuple[str, dict[str, Any]]] = [
    ("tool", DEFINITION),
    ("tool", with_schema()),
    ("tool", with_schema(**{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.test/s"})),
    ("tool", with_schema(properties={"a": {"$ref": "#/$defs/a"}}, **{"$defs": {"a": {"type": "string"}}})),
    ("tool", with_schema(properties={"child": {"$ref": "#"}})),
    ("tool", with_schema(properties={"a": {"pattern": "^[\\u4e00-\\u9fff\\w/-]{1,64}$"}})),
    ("tool", with_schema(properties={"r": {"type": "string", "x-mcp-header": "Region"}})),
    ("tool", with_schema(properties={name: {"type": "string"} for name in ("$ref", "$id", "pattern", "enum")})),
    ("prompt", {"name": "ask", "arguments": [{"name": "topic", "required": True}]}),
    ("resource", {"name": "Notes", "uri": "file:///notes/ümlaut.txt", "size": 5, "annotations": {"priority": 0.5}}),
    ("template", {"name": "Notes", "uriTemplate": "file:///notes/{name}"}),
]


@pytest.mark.claim("definitions.linter")
@pytest.mark.parametrize(("kind", "definition"), GOOD, ids=lambda value: str(value)[:60])
def test_ordinary_definitions_are_fine(kind: str, definition: dict[str, Any]) -> None:
    assert problems(kind, definition) == ()


BAD: list[tuple[str, Any, str]] = [
    ("not an object", [], "no JSON object"),
    ("nothing", {}, "“name”"),
    ("no name", {"inputSchema": {"type": "object"}}, "“name” must be"),
    ("empty name", {**DEFINITION, "name": ""}, "“name” must be"),
    ("long name", {**DEFINITION, "name": "x" * 129}, "“name” must be"),
    ("number for a name", {**DEFINITION, "name": 5}, "“name” must be"),
    ("line feed in the name", {**DEFINITION, "name": "a\nb"}, "show nothing: a"),
    ("zero-width space in the name", {**DEFINITION, "name": "a\u200bb"}, "a\\u200bb"),
    ("right-to-left override", {**DEFINITION, "name": "a\u202eb"}, "a\\u202eb"),
    ("tags in the name", {**DEFINITION, "name": "a\U000e0041"}, "a\\u{e0041}"),
    ("filler in the name", {**DEFINITION, "name": "a\u3164"}, "a\\u3164"),
    ("lone surrogate", {**DEFINITION, "title": "\ud800"}, "cannot be written"),
    ("endless number", {**DEFINITION, "x": 10**5000}, "cannot be written"),
    ("title of another type", {**DEFINITION, "title": 5}, "“title”"),
    ("annotations of another type", {**DEFINITION, "annotations": {"readOnlyHint": "yes"}}, "readOnlyHint"),
    ("no schema", {"name": "t"}, "“inputSchema”"),
    ("schema of another type", {"name": "t", "inputSchema": True}, "“inputSchema”"),
    ("schema of no object", {"name": "t", "inputSchema": {"type": "string"}}, "must be “object”"),
    ("too large", {**DEFINITION, "description": "é" * 140_000}, "bytes"),
    ("too deep", {**DEFINITION, "x": nested(70)}, "levels deep"),
    ("schemas too deep", with_schema(properties={"a": nested(40)}), "deep in one another"),
    ("too many properties", with_schema(properties={f"p{n}": {} for n in range(2_001)}), "schemas"),
    ("another document", with_schema(properties={"a": {"$ref": "https://example.test/s"}}), "another document"),
    ("a file", with_schema(properties={"a": {"$ref": "file:///etc/passwd"}}), "another document"),
    ("a sibling", with_schema(properties={"a": {"$ref": "other.json#/x"}}), "another document"),
    ("dynamic", with_schema(properties={"a": {"$dynamicRef": "https://example.test/s#x"}}), "another document"),
    ("unused", with_schema(**{"$defs": {"a": {"$ref": "//example.test/s"}}}), "another document"),
    ("the root moved", with_schema(**{"$id": "https://example.test/", "$ref": "s"}), "another document"),
    ("a moved base", with_schema(properties={"a": {"$id": "urn:x", "items": {"$ref": "#/x"}}}), "identity"),
    ("nowhere", with_schema(properties={"a": {"$ref": "#/$defs/none"}}), "not there"),
    ("two anchors", with_schema(**{"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}), "one name"),
    ("dialect of its own", with_schema(**{"$schema": "https://example.test/dialect"}), "no valid JSON Schema"),
    ("no schema at all", with_schema(properties={"a": {"type": "strin"}}), "no valid JSON Schema"),
    ("look-ahead", with_schema(properties={"a": {"pattern": "^(?=a)"}}), "linear time, or not at all: ^(?=a)"),
    ("back reference", with_schema(properties={"a": {"pattern": r"(a)\1"}}), "linear time"),
    ("pattern of names", with_schema(patternProperties={r"(a)\1": {}}), "linear time"),
    ("broken pattern", with_schema(properties={"a": {"pattern": "("}}), "not at all"),
    ("long pattern", with_schema(properties={"a": {"pattern": "a" * 1_001}}), "characters"),
    ("unfolding pattern", with_schema(properties={"a": {"pattern": "((a{100}){100}){100}"}}), "linear time"),
    ("many patterns", with_schema(patternProperties={f"^a{n}$": {} for n in range(501)}), "501 patterns"),
    ("patterns together", with_schema(patternProperties={f"^{n}\\w{{900}}$": {} for n in range(30)}), "together"),
    ("costly", chain(30), "multiply"),
    ("header that is no token", with_schema(properties={"a": {"type": "string", "x-mcp-header": "a b"}}), "header"),
    ("header on an object", with_schema(properties={"a": {"type": "object", "x-mcp-header": "A"}}), "header"),
    ("output", {**with_schema(), "outputSchema": {"$ref": "https://example.test/s"}}, "“outputSchema” cannot"),
]  # fmt: skip


@pytest.mark.claim("definitions.linter")
@pytest.mark.parametrize(("definition", "word"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_definition_is_not_offered_and_it_is_said_why(definition: Any, word: str) -> None:
    said = problems("tool", definition)
    assert any(word in problem for problem in said), said
    assert all(problem.isprintable() and len(problem) < 1_000 for problem in said)


@pytest.mark.claim("definitions.linter")
def test_an_address_that_shows_something_else_is_not_offered() -> None:
    assert problems("resource", {"name": "x", "uri": "file:///a\u200b"})
    assert problems("resource", {"name": "x", "uri": "file:///" + "a" * 500})
    assert problems("template", {"name": "x", "uriTemplate": "file:///{\u202ea}"})
    assert problems("prompt", {"name": "x", "arguments": [{"name": 5}]})


@pytest.mark.claim("definitions.linter")
@given(st.sampled_from(["tool", "prompt", "resource", "template"]), json_values(),
       st.dictionaries(st.sampled_from([*DEFINITION, "uri", "uriTemplate", "arguments"]), json_values()))  # fmt: skip
def test_anything_at_all_is_judged(kind: str, value: Any, members: dict[str, Any]) -> None:
    assert all(isinstance(problem, str) for problem in problems(kind, value))
    assert all(isinstance(problem, str) for problem in problems(kind, members))
    digest(value)


# Each in eighths of the size that is meant.
HOSTILE: dict[str, Callable[[int], dict[str, Any]]] = {
    "references": lambda size: chain(250 * size),
    "a long chain": lambda size: with_schema(
        **{"$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(240 * size)}}
    ),
    "anchors": lambda size: with_schema(
        **{"$defs": {f"d{n}": {"$anchor": f"d{n}", "allOf": [{"$ref": f"#d{n + 1}"}] * 2} for n in range(62 * size)}}
    ),
    "a pattern of a megabyte": lambda size: with_schema(properties={"a": {"pattern": "(a|b)*" * 21_250 * size}}),
    "heavy patterns": lambda size: with_schema(
        patternProperties={f"{n}[\\p{{L}}\\p{{N}}]{{1,60}}": {} for n in range(50 * size)}
    ),
    "heavy patterns in other words": lambda size: with_schema(
        patternProperties={f"(?i){n}(\\w\\s?\\p{{Lu}}){{1,40}}": {} for n in range(50 * size)}
    ),
    "nesting": lambda size: with_schema(properties={"a": nested(12_500 * size)}),
    "many arguments": lambda size: with_schema(properties={f"p{n}": {"type": "string"} for n in range(1_125 * size)}),
    "a long list": lambda size: with_schema(properties={"a": {"enum": list(range(5_000 * size))}}),
    "much of it wrong": lambda size: with_schema() | {"icons": [{"src": 5}] * 2_500 * size},
    "long pointers": lambda size: with_schema(allOf=[{"$ref": "#" + "/x" * 125 * size}] * 100),
    "numbers": lambda size: with_schema(properties={"a": {"const": 10 ** (12_500 * size)}}),
}


@pytest.mark.claim("definitions.bounded")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_definition_is_judged_in_time_in_proportion(name: str) -> None:
    def judging(size: int) -> Work:
        definition = HOSTILE[name](size)
        return lambda: problems("tool", definition)

    assert problems("tool", HOSTILE[name](8)) != () or name == "a long list"
    assert_in_proportion(judging, 1)


@pytest.mark.claim("definitions.bounded")
def test_nothing_is_fetched_to_judge() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/s.json"
        for place in ({"$ref": url}, {"$schema": url}, {"$id": url, "$ref": "#x"}, {"properties": {"a": {"$id": url}}}):
            problems("tool", with_schema(**place))
        listener.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listener.accept()
