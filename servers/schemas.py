"""How much work a JSON Schema is, and whether arguments satisfy it: bounded in time, and nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

MAX_SCHEMA_BYTES = 256 * 2**10
# The engine that takes linear time; it refuses look-around and back references.
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=2**20, dfa_size_limit=2**20)
# In schemas visited, of which a millisecond has some 50,000; to find what failed is dearer.
_MAX_COST = 100_000
_MAX_WORK = 2_500_000
_MAX_SEARCH = 5_000
REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_DATA = frozenset({"const", "enum", "default", "examples"})
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"})
# Dialects, which every validator knows without asking anyone.
DIALECTS = ("http://json-schema.org/", "https://json-schema.org/")


class UnusableSchema(Exception):
    """The server's schema cannot be evaluated here, for example because it refers to the network."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Where and how arguments break the schema; never the value itself."""

    pointer: str
    keyword: str


class Check:
    """A compiled schema: JSON Schema 2020-12 unless it names another draft."""

    def __init__(self, schema: Any) -> None:
        """What is no object and no boolean demands nothing. Raises UnusableSchema."""
        schema = schema if isinstance(schema, (dict, bool)) else {}
        self.survey = Survey(schema)
        try:
            self._validator = jsonschema_rs.validator_for(
                schema, pattern_options=_PATTERNS, offline=True, validate_formats=False, mask="a value"
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise UnusableSchema(type(error).__name__) from error

    def violation(self, value: Any) -> Violation | None:
        """The first place that breaks the schema. Raises UnusableSchema when to look would take too long."""
        survey = self.survey
        count, text = _size(value, _MAX_WORK // survey.cost)
        # A pattern reads every character, some four of them in the time of one visit.
        work = survey.cost * count + survey.patterns * (text // 4)
        if work > _MAX_WORK - survey.cost:
            raise UnusableSchema("too costly for these arguments")
        if self._validator.is_valid(value):
            return None
        if survey.is_recursive or work > _MAX_SEARCH:
            # To find what failed takes up to a million times as long as to see that something did.
            return Violation("/", "schema")
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)
            return Violation("".join(f"/{step}" for step in steps) or "/", str(error.kind.name))
        return None


class Survey:
    """How much work a schema is: references can multiply it, 30 definitions to 2**30 evaluations.

    `cost` counts the schemas that are visited when every reference is followed, a recursive one once, and `patterns`
    the patterns among them. `count`, `depth` and `pattern_texts` are of the schema as it is written.
    """

    def __init__(self, schema: Any) -> None:
        """Raises UnusableSchema."""
        self._root = schema
        self._anchors: dict[str, Any] = {}
        self._embeds = False
        self._weights: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()
        self.is_recursive = False
        self.count = self.depth = 0
        self.pattern_texts: list[str] = []
        self._read(schema)
        try:
            self.cost, self.patterns = self._weigh(schema)
        except RecursionError as error:
            raise UnusableSchema("too deep") from error

    def _read(self, schema: Any) -> None:
        waiting = [(schema, 1)]
        while waiting:
            each, depth = waiting.pop()
            if isinstance(each, dict):
                self.count += 1
                self.depth = max(self.depth, depth)
                self._note(each)
            waiting += [(part, depth + isinstance(each, dict)) for part in parts_of(each)]

    def _note(self, schema: dict[str, Any]) -> None:
        for name in ("$anchor", "$dynamicAnchor"):
            anchor = f"#{schema[name]}" if isinstance(schema.get(name), str) else ""
            if anchor and self._anchors.setdefault(anchor, schema) is not schema:
                # Which one is meant would be anybody's choice.
                raise UnusableSchema("two anchors of one name")
        if schema is not self._root and any(isinstance(schema.get(name), str) for name in ("$id", "id")):
            # Inside it references mean something else.
            self._embeds = True
        named = schema.get("patternProperties")
        self.pattern_texts += named if isinstance(named, dict) else ()
        if isinstance(schema.get("pattern"), str):
            self.pattern_texts.append(schema["pattern"])

    def _weigh(self, schema: Any) -> tuple[int, int]:
        """How many schemas and how many patterns are visited from here on."""
        if id(schema) in self._open:
            self.is_recursive = True
            return 1, 0
        if id(schema) in self._weights:
            return self._weights[id(schema)]
        self._open.add(id(schema))
        cost, patterns = 1, _own_patterns(schema)
        for part in (*parts_of(schema), *self._targets(schema)):
            more_cost, more_patterns = self._weigh(part)
            cost, patterns = cost + more_cost, patterns + more_patterns
        self._open.discard(id(schema))
        if cost > _MAX_COST:
            raise UnusableSchema("too costly")
        self._weights[id(schema)] = cost, patterns
        return cost, patterns

    def _targets(self, schema: Any) -> list[Any]:
        if not isinstance(schema, dict):
            return []
        return [self._target(schema[name]) for name in REFERENCES & schema.keys() if isinstance(schema[name], str)]

    def _target(self, reference: str) -> Any:
        if reference.startswith(DIALECTS):
            return True
        if self._embeds:
            raise UnusableSchema("embedded schema")
        if reference in self._anchors:
            return self._anchors[reference]
        if reference != "#" and not reference.startswith("#/"):
            raise UnusableSchema("reference to another document")
        target = self._root
        for step in unquote(reference[2:]).split("/") if reference != "#" else ():
            name = step.replace("~1", "/").replace("~0", "~")
            try:
                target = target[int(name)] if isinstance(target, list) else target[name]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise UnusableSchema("reference to nothing") from error
        return target


def _own_patterns(schema: Any) -> int:
    if not isinstance(schema, dict):
        return 0
    named = schema.get("patternProperties")
    return ("pattern" in schema) + (len(named) if isinstance(named, dict) else 0)


def parts_of(schema: Any) -> Iterable[Any]:
    """The schemas inside; what a property is called does not make its schema data."""
    if isinstance(schema, list):
        yield from (part for part in schema if isinstance(part, (dict, list)))
    elif isinstance(schema, dict):
        for name, value in schema.items():
            if name in _MAPS and isinstance(value, dict):
                yield from value.values()
            elif name not in _DATA and isinstance(value, (dict, list)):
                yield value


def _size(value: Any, limit: int) -> tuple[int, int]:
    """How many values it holds, counted up to `limit`, and how many characters are in its texts."""
    waiting, count, text = [value], 0, 0
    while waiting and count < limit:
        count += 1
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
            text += sum(map(len, each))
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, str):
            text += len(each)
    return count, text
