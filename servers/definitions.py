"""A definition as a server lists it: what identifies it, and why it may not be offered to anyone.

A definition is the JSON value of one entry of a list (tools, prompts, resources, resource templates), as it came over
the wire. A database may spell its numbers in another way, so that digests are taken before one is stored.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
import re2
from pydantic import BaseModel, ValidationError

from gateway_site.lib import jsontext
from guardrails.engine.folding import hidden_places
from servers.schemas import MAX_SCHEMA_BYTES, Check, Survey, UnusableSchema
from servers.texts import quoted

# A list puts a definition three levels down, and messages are read to a depth of 64.
_MAX_DEPTH = 60
_MAX_SCHEMA_DEPTH = 32
_MAX_SUBSCHEMAS = 2_000
_MAX_PATTERNS = 500
_MAX_PATTERN_CHARACTERS = 1_000
# In instructions of RE2's program; some 1,000 are compiled in a millisecond, by us and again by the validator.
_MAX_PROGRAM = 20_000
_MAX_NAME = 128
# What the catalogue stores of an address; two that differ only behind it would be one.
_MAX_ADDRESS = 500

_LEAST_INTEGER, _MOST_INTEGER = -(10**4000), 10**4000

_RE2 = re2.Options()
_RE2.max_mem = 2**20
_RE2.log_errors = False
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|.)", re.DOTALL)

# By kind: the member that names it, and how long that may be.
_KINDS = {
    "tool": ("name", _MAX_NAME),
    "prompt": ("name", _MAX_NAME),
    "resource": ("uri", _MAX_ADDRESS),
    "template": ("uriTemplate", _MAX_ADDRESS),
}
_SCHEMAS = ("inputSchema", "outputSchema")

_REASONS = {
    "too costly": "its references multiply it beyond what can be evaluated",
    "too deep": "its references lead too far from one to the next",
    "embedded schema": "a schema in it has an identity of its own ($id), so that its references mean something else",
    "two anchors of one name": "two anchors in it have one name",
    "reference to another document": "it refers to another document",
    "reference to nothing": "it refers to something that is not there",
}


# --- identity -------------------------------------------------------------------------------------------


def digest(definition: Any) -> str:
    """SHA-256 of the canonical form, 64 hexadecimal digits. The order of members does not change it."""
    return hashlib.sha256(canonical(definition)).hexdigest()


def canonical(definition: Any) -> bytes:
    """Every member, sorted by name at every level; two values that differ have two forms.

    Compact JSON in UTF-8, except for what JSON cannot hold (lone surrogates, endless integers): that is spelled in a
    way of our own rather than refused, as an error here would let a change go unseen.
    """
    try:
        return orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return "".join(_spell(definition)).encode("utf-8", "surrogatepass")


def _spell(value: Any) -> Iterator[str]:
    """The same without limits on integers, letters and depth; without recursion."""
    waiting: list[Any] = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, _Mark):
            yield each
        elif isinstance(each, dict):
            yield "{"
            waiting.append(_Mark("}"))
            for name in sorted(each, key=str, reverse=True):
                waiting += [_Mark(","), each[name], _Mark(f"{_quote(str(name))}:")]
        elif isinstance(each, (list, tuple)):
            yield "["
            waiting.append(_Mark("]"))
            for item in reversed(each):
                waiting += [_Mark(","), item]
        else:
            yield _spell_leaf(each)


class _Mark(str):
    """Punctuation among values that wait to be spelled."""

    __slots__ = ()


def _spell_leaf(value: Any) -> str:
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, int) and not _LEAST_INTEGER < value < _MOST_INTEGER:
        # Python spells no longer ones in decimal digits.
        return hex(value)
    return json.dumps(value) if value is None or isinstance(value, (bool, int, float)) else repr(value)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# --- the linter at the door -----------------------------------------------------------------------------


def problems(kind: str, definition: Any) -> tuple[str, ...]:
    """Why a definition may not be offered at all, in a person's words; empty when it may.

    `kind` is "tool", "prompt", "resource" or "template". Takes milliseconds, whatever the definition holds.
    """
    if not isinstance(definition, dict):
        return ("The definition is no JSON object.",)
    if jsontext.depth(definition, _MAX_DEPTH) > _MAX_DEPTH:
        return (f"The definition nests more than {_MAX_DEPTH} levels deep.",)
    try:
        size = len(jsontext.encode(definition))
    except ValueError:
        return ("The definition holds a text or a number that cannot be written as JSON.",)
    if size > MAX_SCHEMA_BYTES:
        return (f"The definition has {size:,} bytes; {MAX_SCHEMA_BYTES:,} are allowed.",)
    found = [*_name_problems(kind, definition), *_shape_problems(kind, definition)]
    if kind == "tool":
        found += [problem for member in _SCHEMAS for problem in _schema_problems(member, definition)]
    return tuple(found)


def _name_problems(kind: str, definition: Mapping[str, Any]) -> Iterator[str]:
    member, longest = _KINDS[kind]
    name = definition.get(member)
    if not isinstance(name, str) or not 1 <= len(name) <= longest:
        yield f"“{member}” must be a text of 1 to {longest} characters."
    elif not name.isprintable() or hidden_places(name):
        yield f"“{member}” holds characters that show nothing: {quoted(name)}"


@functools.cache
def _models() -> dict[str, type[BaseModel]]:
    """The protocol's own, by kind."""
    # Importing its library takes as long as most commands take, which look at no definition.
    from mcp_types import Prompt, Resource, ResourceTemplate, Tool

    return {"tool": Tool, "prompt": Prompt, "resource": Resource, "template": ResourceTemplate}


def _shape_problems(kind: str, definition: Mapping[str, Any]) -> Iterator[str]:
    """One member of the wrong type makes a client refuse the whole list that it stands in."""
    member, _ = _KINDS[kind]
    try:
        _models()[kind].model_validate(definition, strict=True, by_name=False, by_alias=True)
    except ValidationError as error:
        # A word that is not known may be one of a later revision, which clients of that revision understand.
        errors = [each for each in error.errors(include_input=False, include_url=False)
                  if each["type"] not in ("literal_error", "enum")]  # fmt: skip
        places = {".".join(map(str, each["loc"])) for each in errors}
        for place in sorted(places - {member})[:5]:
            yield f"“{quoted(place)}” is not of the type that the protocol gives it, or is missing."


def _schema_problems(member: str, definition: Mapping[str, Any]) -> Iterator[str]:
    schema = definition.get(member)
    if not isinstance(schema, dict):
        # What is missing or of another type is told by the protocol's model.
        return
    if member == "inputSchema":
        if schema.get("type") != "object":
            yield "The type of “inputSchema” must be “object”."
        from mcp.shared.inbound import find_invalid_x_mcp_header

        reason = find_invalid_x_mcp_header(schema)
        if reason:
            yield f"“inputSchema” gives an argument a header that is not valid: {quoted(reason)}"
    for problem in schema_problems(schema):
        yield f"“{member}” {problem}"


def schema_problems(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Why a schema cannot be evaluated here, each as what is said of it; empty when it can."""
    try:
        survey = Survey(schema)
        found = tuple(_extent_problems(survey)) or tuple(_pattern_problems(survey.pattern_texts))
        if not found:
            Check(schema)
    except UnusableSchema as error:
        return (f"cannot be evaluated: {_REASONS.get(str(error), 'it is no valid JSON Schema')}.",)
    return found


def _extent_problems(survey: Survey) -> Iterator[str]:
    if survey.count > _MAX_SUBSCHEMAS:
        yield f"holds {survey.count:,} schemas; {_MAX_SUBSCHEMAS:,} are allowed."
    if survey.depth > _MAX_SCHEMA_DEPTH:
        yield f"has schemas {survey.depth} deep in one another; {_MAX_SCHEMA_DEPTH} are allowed."
    if len(survey.pattern_texts) > _MAX_PATTERNS:
        yield f"holds {len(survey.pattern_texts):,} patterns; {_MAX_PATTERNS} are allowed."


def _pattern_problems(patterns: Iterable[str]) -> Iterator[str]:
    """The first problem only: each pattern that is refused has cost as much as one that is not."""
    program = 0
    for pattern in set(patterns):
        if len(pattern) > _MAX_PATTERN_CHARACTERS:
            yield f"holds a pattern of {len(pattern):,} characters; {_MAX_PATTERN_CHARACTERS:,} are allowed."
            return
        try:
            program += re2.compile(_in_re2(pattern), _RE2).programsize
        except (re2.error, UnicodeError):
            yield f"holds a pattern that cannot be matched in linear time, or not at all: {quoted(pattern)}"
            return
        if program > _MAX_PROGRAM:
            yield "holds patterns that unfold to too much together."
            return


def _in_re2(pattern: str) -> str:
    """JSON Schema's patterns are ECMA-262's, which write code points in another way."""
    return _ESCAPE.sub(lambda found: f"\\x{{{found[1]}}}" if found[1] else found[0], pattern)
