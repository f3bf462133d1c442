"""What a server says of its tools, and what of it can be relied on."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.catalogue import (
    MAX_LIST_BYTES,
    MAX_TOOLS,
    Catalogue,
    Definition,
)
from servers.schemas import MAX_SCHEMA_BYTES, UnusableSchema, Violation
from servers.upstream import Upstream
from tests.growth import Work, assert_at_most, assert_in_proportion
from tests.json_values import json_values

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def tool(name: str, schema: Any = None) -> dict[str, Any]:
    return {"name": name, "inputSchema": CITY if schema is None else schema}


def server(server_id: int, config_hash: str) -> Upstream:
    return Upstream(server_id, 1, f"s{server_id}", "http", "http://127.0.0.1:9001/mcp", config_hash, 60.0)


@pytest.mark.claim("catalogue.schema")
@pytest.mark.parametrize(
    ("arguments", "violation"),
    [
        ({"city": "Paris"}, None),
        ({"city": 7}, Violation("/city", "type")),
        ({}, Violation("/", "required")),
        ({"town": "Paris"}, Violation("/", "required")),
    ],
)
def test_arguments_are_held_to_the_schema(arguments: dict[str, Any], violation: Violation | None) -> None:
    assert Definition("weather", CITY).violation(arguments) == violation


@pytest.mark.claim("catalogue.schema")
def test_a_violation_says_where_and_never_what() -> None:
    schema = {"properties": {"a/b": {"properties": {"c~d": {"items": {"enum": ["x"]}}}}}}
    violation = Definition("t", schema).violation({"a/b": {"c~d": ["x", "canary"]}})
    assert violation == Violation("/a~1b/c~0d/1", "enum")
    assert "canary" not in repr(violation)


@pytest.mark.claim("catalogue.schema")
def test_a_schema_is_2020_12_unless_it_says_otherwise() -> None:
    prefix = {"properties": {"a": {"prefixItems": [{"type": "integer"}]}}}
    assert Definition("t", prefix).violation({"a": ["x"]}) is not None
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", **prefix}
    assert Definition("t", draft7).violation({"a": ["x"]}) is None


@pytest.mark.claim("catalogue.schema")
@given(st.sampled_from([None, 5, "x", [], True, {}]), st.dictionaries(st.text(), json_values()))
def test_a_schema_that_demands_nothing_takes_everything(schema: Any, arguments: dict[str, Any]) -> None:
    assert Definition("t", schema).violation(arguments) is None


@pytest.mark.claim("catalogue.unusable")
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nope"},
        {"properties": {"a": {"pattern": "("}}},
        {"properties": {"a": {"pattern": "((a{100}){100}){100}"}}},
        {"properties": {"a": {"pattern": r"^(?=(a+)+$)\1"}}},
        {"properties": {"a": {"$ref": "#/$defs/none"}}},
        {"$schema": 5},
        {"$schema": "https://example.test/own-dialect"},
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_evaluated_is_said_to_be_so(schema: Any) -> None:
    with pytest.raises(UnusableSchema):
        Definition("t", schema).violation({"a": "b"})


@pytest.mark.claim("catalogue.no-fetch")
@pytest.mark.parametrize(
    "place", ["$ref", "$dynamicRef", "$schema", "nested", "embedded"]
)
def test_a_schema_never_makes_the_gateway_fetch_anything(place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/schema.json"
        schema = {
            "$ref": {"$ref": url},
            "$dynamicRef": {"$dynamicRef": f"{url}#x"},
            "$schema": {"$schema": url},
            "nested": {"properties": {"a": {"anyOf": [{"items": {"$ref": url}}]}}},
            "embedded": {"properties": {"a": {"$id": url, "$ref": "other.json"}}},
        }[place]
        with pytest.raises(UnusableSchema):
            Definition("t", schema).violation({"a": [1]})
        listener.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.claim("catalogue.bounded")
@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y"])
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
def test_a_catastrophic_pattern_takes_time_in_proportion(pattern: str, keyword: str) -> None:
    of_property = Definition("t", {"properties": {"a": {"pattern": pattern}}})
    of_name = Definition("t", {"patternProperties": {pattern: False}})

    def matching(size: int) -> Work:
        text = "a" * size + "x" * size + "!"
        if keyword == "patternProperties":
            return lambda: of_name.violation({text: "x"})
        return lambda: of_property.violation({"a": text})

    # What would double for each character is over with this, too; what would go with a power of them shows in that.
    assert_in_proportion(matching, 3)
    assert_in_proportion(matching, 1_000)


def _chain(length: int, **last: Any) -> dict[str, Any]:
    steps = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(length)}
    return {"$defs": {**steps, f"d{length}": last}, "$ref": "#/$defs/d0"}


def _anchored(length: int) -> dict[str, Any]:
    steps = {f"d{i}": {"$anchor": f"d{i}", "allOf": [{"$ref": f"#d{i + 1}"}] * 2} for i in range(length)}
    return {"$defs": {**steps, "end": {"$anchor": f"d{length}"}}, "$ref": "#d0"}


def _in_data(length: int) -> dict[str, Any]:
    """The same under a property that is called like a keyword."""
    return {"properties": {"const": {"$ref": "#/$defs/d0"}}, "$defs": _chain(length)["$defs"]}


@pytest.mark.claim("catalogue.bounded")
@pytest.mark.parametrize("schema_of", [_chain, _anchored, _in_data], ids=["defs", "anchors", "named const"])
def test_references_that_multiply_are_refused_before_they_are_followed(
    schema_of: Callable[[int], dict[str, Any]]
) -> None:
    def follow(length: int) -> None:
        Definition("t", schema_of(length)).violation({"const": {"a": 1}})

    def refuse(length: int) -> None:
        with pytest.raises(UnusableSchema):
            follow(length)

    assert_at_most(20, lambda: refuse(24), lambda: follow(8))


@pytest.mark.claim("catalogue.bounded")
@pytest.mark.parametrize(
    "schema",
    [
        _chain(8),
        _anchored(8),
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}},
        {"$defs": {"a/b": {"x~y": {}}}, "$ref": "#/$defs/a~1b/x~0y"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}},
        {"properties": {"a": {"$ref": "#/$defs/a"}},
         "$defs": {"a": {"default": {"id": "x"}, "examples": [{"id": "y"}]}}},
        {"properties": {"id": {"type": "string"}, "$id": {"type": "string"}, "$ref": {"$ref": "#/$defs/a"}},
         "$defs": {"a": {}}},
    ],
    ids=lambda schema: str(schema)[:50],
)  # fmt: skip
def test_ordinary_references_are_followed(schema: dict[str, Any]) -> None:
    assert Definition("t", schema).violation({"left": {"right": {}}}) is None


@pytest.mark.claim("catalogue.bounded")
def test_a_recursive_schema_takes_time_in_proportion_to_the_depth_of_arguments() -> None:
    both = {"anyOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/y"}]}
    node = {"type": "object", "properties": {"a": both}}
    definition = Definition("t", {"$defs": {"x": node, "y": {**node, "title": "y"}}, "$ref": "#/$defs/x"})

    def judging(depth: int) -> Work:
        arguments: Any = 0
        for _ in range(depth):
            arguments = {"a": arguments}
        return lambda: definition.violation(arguments)

    assert_in_proportion(judging, 3)


@pytest.mark.claim("catalogue.bounded")
@pytest.mark.parametrize(
    "schema",
    [
        {"items": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}},
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        {"items": {"type": "string"}},
    ],
    ids=str,
)
def test_many_wrong_arguments_take_time_in_proportion(schema: dict[str, Any]) -> None:
    definition = Definition("t", {"properties": {"a": schema}})

    def judging(count: int) -> Work:
        return lambda: definition.violation({"a": [1] * count})

    assert_in_proportion(judging, 12_500)
    assert definition.violation({"a": [1] * 100_000}) == Violation("/", "schema")


@pytest.mark.claim("catalogue.bounded")
def test_much_work_for_every_one_of_many_arguments_is_refused() -> None:
    schema = {"properties": {"a": {"items": {"$ref": "#/$defs/d0"}}}, "$defs": _chain(11)["$defs"]}
    definition = Definition("t", schema)
    assert definition.violation({"a": [1] * 3}) is None
    with pytest.raises(UnusableSchema):
        definition.violation({"a": [1] * 100_000})


@pytest.mark.claim("catalogue.headers")
def test_parameter_headers_must_agree_with_the_arguments() -> None:
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    definition = Definition("t", schema)
    assert definition.header_mismatch({"region": "eu"}, {"mcp-param-region": "eu"}) is None
    assert definition.header_mismatch({"region": "eu"}, {"mcp-param-region": "us"})
    assert definition.header_mismatch({"region": "eu"}, {})


@pytest.mark.claim("catalogue.headers")
def test_a_tool_without_parameter_headers_asks_for_none() -> None:
    assert Definition("t", CITY).header_mismatch({"city": "Paris"}, {}) is None
    broken = {"properties": {"a": {"x-mcp-header": "bad header name"}}}
    assert Definition("t", broken).header_mismatch({"a": "x"}, {}) is None


@pytest.mark.claim("catalogue.table")
def test_a_list_replaces_what_was_known() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, [tool("a"), tool("b")])
    catalogue.replace(table, [tool("b"), tool("c")])
    assert set(table.definitions) == {"b", "c"}
    assert table.is_fresh()


@pytest.mark.claim("catalogue.table")
def test_a_tool_that_did_not_change_keeps_its_compiled_schema() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, [tool("a")])
    before = table.definitions["a"]
    catalogue.replace(table, [tool("a")])
    assert table.definitions["a"] is before
    catalogue.replace(table, [tool("a", {"type": "object"})])
    assert table.definitions["a"] is not before


@pytest.mark.claim("catalogue.table")
def test_what_is_listed_besides_tools_is_known_by_name_within_bounds() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, [tool("a"), tool("b")])
    table.withhold("b")
    catalogue.learn_others(table, "prompt", ["a", None, 5, "x" * 501])
    catalogue.learn_others(table, "resource", (f"docs://{number}" for number in range(3_000)))
    assert table.lists("tool", "a") and table.lists("prompt", "a") and table.lists("resource", "docs://0")
    assert not table.lists("tool", "b"), "it was taken out of the list"
    assert not table.lists("resource", "a") and not table.lists("prompt", "x" * 501)
    assert len(table.others) == 2_000
    assert catalogue.lists(server(1, "h"), True, "prompt", "a")
    assert not catalogue.lists(server(1, "changed"), True, "prompt", "a")
    assert catalogue.table(server(1, "h"), True) is table, "asking about another configuration forgets nothing"
    assert not catalogue.table(server(1, "changed"), True).others


@pytest.mark.claim("catalogue.table")
def test_servers_and_configurations_share_nothing() -> None:
    catalogue = Catalogue()
    catalogue.replace(catalogue.table(server(1, "h"), True), [tool("a")])
    assert not catalogue.table(server(2, "h"), True).definitions
    assert not catalogue.table(server(1, "h"), False).definitions
    assert not catalogue.table(server(1, "h"), False).definitions, "nor do the eras"
    assert not catalogue.table(server(1, "other"), True).definitions


@pytest.mark.claim("catalogue.table")
def test_a_change_that_the_server_announces_makes_the_table_stale() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, [tool("a")])
    catalogue.mark_stale(server(1, "h"))
    catalogue.mark_stale(server(9, "never seen"))
    assert not table.is_fresh()
    assert table.may_relearn("anyone")


@pytest.mark.claim("catalogue.table")
@given(st.lists(st.one_of(json_values(), st.dictionaries(st.sampled_from(["name", "inputSchema"]), json_values()))))
def test_a_list_of_anything_is_survived(tools: list[Any]) -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, tools)
    named = {each["name"] for each in tools if isinstance(each, dict) and isinstance(each.get("name"), str)}
    assert set(table.definitions) == named


@pytest.mark.claim("catalogue.bounded")
def test_a_server_cannot_fill_the_memory_with_names() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.learn(table, (tool(f"t{number}") for number in range(MAX_TOOLS + 50)))
    assert len(table.definitions) == MAX_TOOLS


@pytest.mark.claim("catalogue.table")
def test_a_server_is_not_asked_again_and_again() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.mark_unlistable(table)
    assert table.is_fresh()
    assert table.may_relearn("ada")
    assert not table.may_relearn("ada")
    # One caller's asking does not use up another's.
    assert table.may_relearn("bob")
    table.learnt_at = time.monotonic() - 5 * 3600
    assert not table.is_fresh()


@pytest.mark.claim("catalogue.bounded")
@pytest.mark.parametrize("pattern", ["(?=a)a+b$", r"(a)\1", "(?<=a)b"])
def test_a_pattern_that_takes_more_than_linear_time_is_not_evaluated(pattern: str) -> None:
    with pytest.raises(UnusableSchema):
        Definition("t", {"properties": {"a": {"pattern": pattern}}}).violation({"a": "a"})


@pytest.mark.claim("catalogue.bounded")
def test_many_patterns_on_a_long_text_are_refused_before_they_run() -> None:
    schema = {"allOf": [{"properties": {"a": {"pattern": f"^(a|b{number})*$"}}} for number in range(300)]}
    with pytest.raises(UnusableSchema):
        Definition("t", schema).violation({"a": "a" * 100_000})
    assert Definition("t", schema).violation({"a": "aaa"}) is None


@pytest.mark.claim("catalogue.bounded")
def test_a_huge_schema_makes_its_tool_uncallable_and_takes_no_memory() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, [{"name": "big", "inputSchema": {"description": "x" * 300_000}}])
    assert table.size < 100
    with pytest.raises(UnusableSchema):
        table.definitions["big"].violation({})


@pytest.mark.claim("catalogue.bounded")
def test_the_list_of_one_server_is_bounded_in_bytes() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, [{"name": f"t{n}", "inputSchema": {"d": "x" * 200_000}} for n in range(60)])
    assert table.size <= MAX_LIST_BYTES
    assert 30 < len(table.definitions) < 60


@pytest.mark.claim("catalogue.table")
def test_a_server_that_listed_tools_is_not_believed_when_it_says_that_it_has_none() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, [tool("a")])
    catalogue.mark_unlistable(table)
    assert not table.unlistable


@pytest.mark.claim("catalogue.table")
def test_the_tables_of_an_old_configuration_are_dropped() -> None:
    catalogue = Catalogue()
    catalogue.replace(catalogue.table(server(1, "old"), True), [tool("a")])
    catalogue.table(server(1, "new"), True)
    assert not catalogue.table(server(1, "old"), True).definitions


@pytest.mark.claim("catalogue.table")
def test_a_server_cannot_switch_its_checks_off_by_listing_nothing_any_more() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, [tool("a")])
    catalogue.mark_unlistable(table)
    assert not table.unlistable
    assert set(table.definitions) == {"a"}


@pytest.mark.claim("catalogue.bounded")
def test_a_schema_that_is_too_large_leaves_a_tool_that_cannot_be_called() -> None:
    catalogue = Catalogue()
    table = catalogue.table(server(1, "h"), True)
    catalogue.replace(table, [tool("big", {"description": "x" * MAX_SCHEMA_BYTES}), tool("small")])
    assert set(table.definitions) == {"big", "small"}
    with pytest.raises(UnusableSchema):
        table.definitions["big"].violation({})
    assert table.size < 1000


@pytest.mark.claim("catalogue.bounded")
def test_a_pattern_that_references_multiply_counts_as_often_on_long_texts() -> None:
    steps = _chain(12, pattern="^[^b]*[a-z]$")
    definition = Definition("t", {"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": steps["$defs"]})
    assert definition.violation({"a": "aaa"}) is None
    with pytest.raises(UnusableSchema):
        definition.violation({"a": "a" * 1_000_000})


@pytest.mark.claim("catalogue.unusable")
@pytest.mark.parametrize(
    "keyword", ["properties", "patternProperties", "$defs", "required", "enum", "$ref", "$anchor", "$id"]
)
@pytest.mark.parametrize("value", [5, None, "x", [], [5], {"a": 5}])
def test_a_keyword_with_a_value_of_another_kind_is_survived(keyword: str, value: Any) -> None:
    try:
        Definition("t", {keyword: value, "properties": {"b": {keyword: value}}}).violation({"a": 1, "b": {}})
    except UnusableSchema:
        return
