"""What models see of a tool with an overlay, what its server gets, and which overlays are refused."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from servers.definitions import problems
from servers.overlays import (
    Overlay,
    OverlayViolation,
    check,
    real_arguments,
    settle,
    shown,
    shown_pointer,
    violation,
)
from servers.schemas import Violation

TOOL: dict[str, Any] = {
    "name": "send",
    "title": "Send",
    "description": "Sends a mail.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "to": {"type": "string", "x-mcp-header": "To"},
            "from": {"type": "string", "x-mcp-header": "From"},
            "body": {"type": "string", "maxLength": 1000},
            "copies": {"type": "array", "items": {"$ref": "#/properties/to"}},
            "dry_run": {"type": "boolean", "default": False},
        },
        "required": ["to", "from", "dry_run"],
        "dependentRequired": {"copies": ["body", "from"]},
        "additionalProperties": False,
    },
    "annotations": {"title": "Send"},
}


def seen(overlay: Overlay, definition: dict[str, Any] = TOOL) -> dict[str, Any]:
    assert check(overlay, definition) == ()
    return dict(shown(overlay, definition)["inputSchema"])


def with_schema(**members: Any) -> dict[str, Any]:
    return {"name": "send", "inputSchema": {"type": "object", **members}}


def takes(schema: Any, value: Any) -> bool:
    return jsonschema_rs.validator_for(schema, offline=True).is_valid(value)


# --- what is seen and sent ------------------------------------------------------------------------------


@pytest.mark.claim("overlays.exact")
def test_the_model_sees_its_own_tool_and_the_server_gets_its_own_arguments() -> None:
    overlay = Overlay(
        "send", rename="mail.post", title="Post", description="Posts to the team.", pinned={"from": "bot@example.test"},
        hide_arguments=("dry_run",), rename_arguments={"to": "recipient"},
        describe_arguments={"to": "A colleague"}, constraint={"properties": {"to": {"pattern": "@example\\.test$"}}},
    )  # fmt: skip
    overlay = settle(overlay, TOOL)
    assert shown(overlay, TOOL) | {"inputSchema": None} == {
        "name": "mail.post", "title": "Post", "description": "Posts to the team.", "annotations": {"title": "Post"},
        "inputSchema": None,
    }  # fmt: skip
    schema = seen(overlay)
    assert schema["properties"].keys() == {"recipient", "body", "copies"}
    assert schema["properties"]["recipient"] == {
        "type": "string", "x-mcp-header": "To", "description": "A colleague"
    }  # fmt: skip
    assert schema["required"] == ["recipient"]
    assert schema["dependentRequired"] == {"copies": ["body"]}
    assert schema["allOf"] == [{"properties": {"recipient": {"pattern": "@example\\.test$"}}}]
    assert takes(schema, {"recipient": "ada@example.test", "copies": ["x"], "body": "Hi"})
    assert not takes(schema, {"recipient": "ada@example.test", "copies": [5], "body": "Hi"})
    real = real_arguments(overlay, {"recipient": "ada@example.test", "body": "Hi"})
    assert real == {"to": "ada@example.test", "body": "Hi", "from": "bot@example.test", "dry_run": False}
    assert violation(overlay, real) is None
    assert violation(overlay, {**real, "to": "eve@else.test"}) == Violation("/to", "pattern")
    assert shown_pointer(overlay, "/to") == "/recipient"


@pytest.mark.claim("overlays.exact")
def test_what_is_hidden_is_nowhere_in_what_is_shown() -> None:
    definition = with_schema(
        properties={"token": {"$ref": "#/$defs/secret_token"}, "q": {"$ref": "#/$defs/query"}},
        **{"$defs": {"secret_token": {"description": "Canary"}, "query": {"$ref": "#/$defs/text"}, "text": {}}},
    )
    for overlay in (Overlay("send", hide_arguments=("token",)), Overlay("send", pinned={"token": "x"})):
        schema = seen(overlay, definition)
        assert "anary" not in str(schema)
        assert "token" not in str(schema)
        assert schema["$defs"] == {"query": {"$ref": "#/$defs/text"}, "text": {}}


@pytest.mark.claim("overlays.exact")
@pytest.mark.parametrize(
    "members",
    [
        {"properties": {"a": {"type": "string"}, "b": {"$ref": "#/properties/a"}, "c": {}}},
        {"properties": {"a": {"type": "string"}, "b": {"properties": {"x": {"$ref": "#/properties/a"}}}, "c": {}}},
        {"properties": {"a": {"enum": ["s"]}, "b": {"$ref": "#"}, "c": {}}, "required": ["a"]},
        {"allOf": [{"$ref": "#/$defs/base"}], "properties": {"b": {"$ref": "#/$defs/base"}, "c": {}},
         "$defs": {"base": {"properties": {"a": {"type": "string"}}, "required": ["a"]}}},
        {"$ref": "#/$defs/b~1s%20e", "properties": {"b": {"$ref": "#/$defs/b~1s%20e/properties/a"}, "c": {}},
         "$defs": {"b/s e": {"properties": {"a": {"type": "string"}}}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {}, "b": {}, "c": {}},
         "allOf": [{"$ref": "#/definitions/base"}], "dependencies": {"a": ["b"], "c": {"required": ["b"]}},
         "definitions": {"base": {"properties": {"a": {"type": "string"}}}}},
        {"oneOf": [{"properties": {"a": {"const": "s"}, "b": {"type": "integer"}}, "required": ["b"]},
                   {"properties": {"a": {"const": "t"}, "b": {"type": "string"}}, "required": ["b"]}],
         "properties": {"c": {}}},
        {"properties": {"a": {}, "b": {}, "c": {}}, "if": {"properties": {"a": {"const": "s"}}, "required": ["a"]},
         "then": {"required": ["b"]}, "else": {"required": ["c"]}},
        {"properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 2, "maxProperties": 2},
        {"properties": {"a": {}, "b": {}, "c": {}}, "dependentSchemas": {"a": {"required": ["b"]}, "b": False}},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("overlay", [
    Overlay("send", pinned={"a": "s"}), Overlay("send", rename_arguments={"a": "first", "b": "second"}),
    Overlay("send", hide_arguments=("c",)), Overlay("send", hide_arguments=("b",)),
    Overlay("send", pinned={"c": 1}, rename_arguments={"a": "first"}),
], ids=str)  # fmt: skip
def test_references_and_conditions_stay_right(members: dict[str, Any], overlay: Overlay) -> None:
    definition = with_schema(**members)
    assert problems("tool", definition) == ()
    if check(overlay, definition):
        assert check(overlay, definition)[0].startswith(("The server's schema can never be", "There is no argument"))
        return
    schema = shown(overlay, definition)["inputSchema"]
    values: list[Any] = ["s", "t", 5, {"a": "s"}, {"a": 5}, {"x": "s"}, {"x": 5}]
    names = {name: overlay.rename_arguments.get(name, name) for name in ("a", "b", "c") if name not in overlay.gone}
    candidates: list[dict[str, Any]] = [{}]
    for name in names.values():
        candidates += [{**each, name: value} for each in candidates for value in values]
    for arguments in candidates:
        real = real_arguments(overlay, arguments)
        assert takes(schema, arguments) == takes(definition["inputSchema"], real), arguments


NAMES = ["a", "b", "c", "d"]
LEAVES: list[Any] = [
    {}, {"type": "integer"}, {"type": "string"}, {"enum": [1, "x"]}, {"const": 1}, {"minimum": 1}, True,
    {"$ref": "#/$defs/number"}, {"$ref": "#/properties/a"}, {"type": "object", "properties": {"a": {"type": "string"}}},
]  # fmt: skip
VALUES: list[Any] = [0, 1, 2, "x", "y", None, [1], {"a": "x"}, {"a": 1}]


@st.composite
def object_schemas(draw: st.DrawFn, *, refers: bool = True, depth: int = 1) -> dict[str, Any]:
    leaves = st.sampled_from(LEAVES if refers else [leaf for leaf in LEAVES if "$ref" not in str(leaf)])
    schema: dict[str, Any] = {"properties": draw(st.dictionaries(st.sampled_from(NAMES), leaves, max_size=4))}
    some = st.lists(st.sampled_from(NAMES), unique=True, max_size=2)
    optional = {
        "required": some,
        "additionalProperties": st.one_of(st.booleans(), leaves),
        "dependentRequired": st.dictionaries(st.sampled_from(NAMES), some, max_size=2),
        "minProperties": st.integers(0, 3),
        "maxProperties": st.integers(1, 4),
    }
    if depth:
        inner = object_schemas(refers=refers, depth=depth - 1)
        optional |= {name: st.lists(inner, min_size=1, max_size=2) for name in ("allOf", "anyOf", "oneOf")}
        optional |= {"not": inner, "if": inner, "then": inner, "else": inner}
        optional["dependentSchemas"] = st.dictionaries(st.sampled_from(NAMES), inner, max_size=2)
    for name in draw(st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=3)):
        schema[name] = draw(optional[name])
    return schema


@st.composite
def overlays(draw: st.DrawFn) -> Overlay:
    fates = {name: draw(st.sampled_from(["keep", "keep", "hide", "pin", "rename"])) for name in NAMES}
    of = {fate: [name for name in NAMES if fates[name] == fate] for fate in fates.values()}
    return Overlay(
        "send",
        hide_arguments=tuple(of.get("hide", ())),
        pinned={name: draw(st.sampled_from(VALUES)) for name in of.get("pin", ())},
        rename_arguments={name: f"{name}-shown" for name in of.get("rename", ())},
        constraint=draw(st.one_of(st.just({}), object_schemas(refers=False, depth=1))),
    )


@pytest.mark.claim("overlays.exact")
@settings(max_examples=200)
@given(object_schemas(), overlays(), st.data())
def test_what_is_shown_takes_exactly_what_the_server_and_the_constraint_take(
    schema: dict[str, Any], overlay: Overlay, data: st.DataObject
) -> None:
    definition = with_schema(**schema)
    for name in NAMES:
        definition["inputSchema"]["properties"].setdefault(name, {})
    definition["inputSchema"]["$defs"] = {"number": {"type": "integer"}}
    before = copy.deepcopy((definition, overlay))
    assume(check(overlay, definition) == ())
    result = shown(overlay, definition)
    assert (definition, overlay) == before
    names = [overlay.rename_arguments.get(name, name) for name in NAMES if name not in overlay.gone]
    for _ in range(5):
        arguments = data.draw(st.dictionaries(st.sampled_from([*names, "other"]), st.sampled_from(VALUES)))
        real = real_arguments(overlay, arguments)
        expected = takes(definition["inputSchema"], real) and violation(overlay, real) is None
        assert takes(result["inputSchema"], arguments) == expected, (result["inputSchema"], arguments)


@pytest.mark.claim("overlays.exact")
@given(overlays(), st.dictionaries(st.sampled_from([*NAMES, *(f"{name}-shown" for name in NAMES), "other"]), st.none()))
def test_arguments_go_there_and_back(overlay: Overlay, arguments: dict[str, Any]) -> None:
    taken = (overlay.gone | overlay.rename_arguments.keys()) & arguments.keys()
    if taken:
        with pytest.raises(OverlayViolation) as caught:
            real_arguments(overlay, arguments)
        assert caught.value.pointer[1:] in taken
        return
    real = real_arguments(overlay, arguments)
    back = {shown_pointer(overlay, f"/{name}")[1:]: value for name, value in real.items() if name not in overlay.gone}
    assert back == arguments
    assert real.items() >= overlay.pinned.items()


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.claim("overlays.refused")
@pytest.mark.parametrize("name", ["to", "from", "body"])
def test_what_is_not_shown_cannot_be_given(name: str) -> None:
    overlay = Overlay("send", pinned={"from": "me"}, hide_arguments=("body",), rename_arguments={"to": "recipient"})
    with pytest.raises(OverlayViolation) as caught:
        real_arguments(overlay, {"recipient": "x", name: "canary"})
    assert caught.value.pointer == f"/{name}"
    assert "canary" not in str(caught.value)


@pytest.mark.claim("overlays.refused")
def test_a_place_that_is_not_shown_is_not_told() -> None:
    overlay = Overlay("send", pinned={"from": "me"}, rename_arguments={"a/b": "recipient"})
    assert shown_pointer(overlay, "/from/0") == "/"
    assert shown_pointer(overlay, "/a~1b/0/x") == "/recipient/0/x"
    assert shown_pointer(overlay, "/other~1/1") == "/other~1/1"
    assert shown_pointer(overlay, "/") == "/"


@pytest.mark.claim("overlays.refused")
def test_a_pin_is_the_overlays_own() -> None:
    overlay = Overlay("send", pinned={"from": {"name": "bot"}})
    real_arguments(overlay, {})["from"]["name"] = "eve"
    assert real_arguments(overlay, {}) == {"from": {"name": "bot"}}


SOUND: dict[str, Any] = {"pinned": {"from": "me"}, "hide_arguments": ("dry_run",)}
UNSOUND: list[tuple[str, dict[str, Any], str]] = [
    ("another tool", {"tool": "other"}, "no such tool"),
    ("a bad name", {"rename": "send mail"}, "is no name"),
    ("a long name", {"rename": "x" * 65}, "is no name"),
    ("an empty argument", {"rename_arguments": {"to": ""}}, "is no name"),
    ("a bad argument", {"rename_arguments": {"to": "t\u200bo"}}, "is no name"),
    ("unknown hidden", {"hide_arguments": ("bcc",)}, "no argument “bcc”"),
    ("unknown pinned", {"pinned": {"bcc": "x"}}, "no argument “bcc”"),
    ("unknown renamed", {"rename_arguments": {"bcc": "x"}}, "no argument “bcc”"),
    ("unknown described", {"describe_arguments": {"bcc": "x"}}, "no argument “bcc”"),
    ("a pin of another type", {"pinned": {"from": 5}}, "does not take the value of “from”"),
    ("a pin that is too long", {"pinned": {"body": "x" * 1001}}, "does not take the value of “body”"),
    ("a huge pin", {"pinned": {"body": "x" * 70_000}}, "bytes"),
    ("a pin that is no JSON", {"pinned": {"from": object()}}, "cannot be written"),
    ("hidden and needed", {"hide_arguments": ("to",)}, "must be given"),
    ("taken by another", {"rename_arguments": {"to": "body"}}, "another argument has that name"),
    ("two of one name", {"rename_arguments": {"to": "x", "body": "x"}}, "another argument has that name"),
    ("renamed and hidden", {**SOUND, "rename_arguments": {"from": "x"}}, "is not shown"),
    ("a broken constraint", {**SOUND, "constraint": {"type": "strin"}}, "The constraint cannot be evaluated"),
    ("a constraint that refers", {**SOUND, "constraint": {"$ref": "#/x", "x": {}}}, "refers"),
    ("a constraint from afar", {**SOUND, "constraint": {"$ref": "https://example.test"}}, "another document"),
    ("a pattern that backtracks", {**SOUND, "constraint": {"properties": {"to": {"pattern": "(?=a)"}}}}, "linear"),
    ("a pin against the constraint", {**SOUND, "constraint": {"properties": {"from": {"const": "x"}}}}, "constraint"),
    ("hidden, and the constraint wants it", {"constraint": {"required": ["body"]}, "hide_arguments": ("body",)},
     "constraint"),
    ("too long a description", {**SOUND, "description": "x" * 300_000}, "As shown"),
]  # fmt: skip


@pytest.mark.claim("overlays.sound")
@pytest.mark.parametrize(("fields", "word"), [row[1:] for row in UNSOUND], ids=[row[0] for row in UNSOUND])
def test_an_overlay_that_cannot_hold_is_refused_with_the_reason(fields: dict[str, Any], word: str) -> None:
    said = check(Overlay(**{"tool": "send", **fields}), TOOL)
    assert any(word in problem for problem in said), said


@pytest.mark.claim("overlays.sound")
@pytest.mark.parametrize(
    "members",
    [
        {"properties": {"a": {}}, "$anchor": "x"},
        {"properties": {"a": {"$dynamicRef": "#x", "items": {"$dynamicAnchor": "x"}}}},
        {"properties": {"a": {}, "b": {"$id": "urn:b"}}},
        {"properties": {"a": {}}, "propertyNames": {"maxLength": 3}},
        {"properties": {"a": {}}, "allOf": [{"enum": [{"a": 1}]}]},
        {"properties": {"a": {}}, "patternProperties": {"^s": {"type": "string"}}},
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_said_otherwise_is_left_alone(members: dict[str, Any]) -> None:
    definition = with_schema(**members)
    assert problems("tool", definition) == ()
    assert check(Overlay("send", rename_arguments={"a": "shown"}), definition)
    renamed = Overlay("send", rename="post", constraint={"required": ["a"]})
    assert check(renamed, definition) == ()
    assert takes(shown(renamed, definition)["inputSchema"], {}) is False


@pytest.mark.claim("overlays.sound")
def test_headers_stay_with_the_arguments_that_are_shown() -> None:
    definition = copy.deepcopy(TOOL)
    definition["inputSchema"]["properties"]["reply_to"] = {"$ref": "#/properties/from"}
    overlay = Overlay("send", rename_arguments={"to": "recipient"}, **SOUND)
    result = shown(overlay, definition)
    assert problems("tool", result) == ()
    assert result["inputSchema"]["properties"]["recipient"]["x-mcp-header"] == "To"
    assert str(result).count("x-mcp-header") == 1
    assert takes(result["inputSchema"], {"recipient": "x", "reply_to": "y"})
    assert not takes(result["inputSchema"], {"recipient": "x", "reply_to": 5})


@pytest.mark.claim("overlays.sound")
def test_nothing_is_shared_with_the_definition() -> None:
    before = copy.deepcopy(TOOL)
    for overlay in (Overlay("send"), Overlay("send", **SOUND), Overlay("send", constraint={"required": ["body"]})):
        result = shown(overlay, TOOL)
        result["inputSchema"]["properties"]["to"]["type"] = "integer"
        result["annotations"]["title"] = "changed"
        assert before == TOOL
