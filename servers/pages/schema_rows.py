"""A JSON Schema as rows that people can read: where, what type, whether it must be given, and what limits it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from servers.texts import quoted, visible

_MAX_ROWS = 300
_MAX_DEPTH = 8
_LIMITS = {
    "minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than",
    "minLength": "characters, at least", "maxLength": "characters, at most", "minItems": "entries, at least",
    "maxItems": "entries, at most", "multipleOf": "a multiple of", "pattern": "matches", "format": "format",
    "default": "otherwise",
}  # fmt: skip
_EITHER = ("anyOf", "oneOf", "allOf")


@dataclass(frozen=True, slots=True)
class SchemaRow:
    """`depth` is how far inside it stands."""

    name: str
    depth: int
    type: str
    is_required: bool
    text: str
    limits: tuple[str, ...]


def rows_of(schema: Any) -> list[SchemaRow]:
    """Of an object's members and theirs. Texts are the server's, made visible; at most 300."""
    rows: list[SchemaRow] = []
    for row in _members(schema, 0):
        rows.append(row)
        if len(rows) >= _MAX_ROWS:
            break
    return rows


def _members(schema: Any, depth: int) -> Iterator[SchemaRow]:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return
    members, required = schema.get("properties"), schema.get("required")
    needed = {each for each in required if isinstance(each, str)} if isinstance(required, list) else set()
    # What must be given comes first: the database keeps no order of its own.
    listed = sorted(members.items(), key=lambda each: each[0] not in needed) if isinstance(members, Mapping) else ()
    for name, member in listed:
        yield _row(str(name), member, depth, name in needed)
        yield from _members(member, depth + 1)
        if isinstance(member, Mapping) and isinstance(member.get("items"), Mapping):
            yield from _members(member["items"], depth + 1)


def _row(name: str, schema: Any, depth: int, is_required: bool) -> SchemaRow:
    if not isinstance(schema, Mapping):
        return SchemaRow(quoted(name), depth, "anything" if schema is not False else "nothing", is_required, "", ())
    text = schema.get("description")
    return SchemaRow(quoted(name), depth, _type(schema), is_required,
                     visible(text[:2_000]) if isinstance(text, str) else "", tuple(_limits(schema)))  # fmt: skip


def _type(schema: Mapping[str, Any]) -> str:
    said = schema.get("type")
    if isinstance(said, list):
        return " or ".join(visible(str(each)) for each in said)
    if said == "array" and isinstance(schema.get("items"), Mapping):
        return f"list of {_type(schema['items'])}"
    if isinstance(said, str):
        return visible(said)
    for word in _EITHER:
        if isinstance(schema.get(word), list):
            parts = [_type(each) for each in schema[word] if isinstance(each, Mapping)]
            return (" and " if word == "allOf" else " or ").join(dict.fromkeys(parts)) or "anything"
    if isinstance(schema.get("$ref"), str):
        return visible(schema["$ref"].rpartition("/")[2])
    return "one of a list" if "enum" in schema or "const" in schema else "anything"


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    choices = schema.get("enum")
    if isinstance(choices, list):
        yield "one of " + ", ".join(_spelled(each) for each in choices[:50])
    if "const" in schema:
        yield f"always {_spelled(schema['const'])}"
    for name, words in _LIMITS.items():
        if name in schema:
            yield f"{words} {_spelled(schema[name])}"


def _spelled(value: Any) -> str:
    return quoted(json.dumps(value, ensure_ascii=False, default=str))
