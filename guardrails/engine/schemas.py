"""What a JSON Schema says of a place in a value, and whether a value satisfies it: bounded, nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import orjson
import re2

Places = tuple[Mapping[str, Any], ...]
# A leaf that more subschemas than this speak of keeps the first ones; they only serve hints, never a check.
_MOST = 16
_MOST_HOPS = 32
_MOST_PATTERNS = 4
_BRANCHES = ("allOf", "anyOf", "oneOf")
_CONDITIONS = ("then", "else")


class Descent:
    """Goes down a schema beside a value. Remembers what it met, so that a long list costs one descent."""

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._below: dict[tuple[int, str | int], tuple[Places, Places]] = {}
        self.top: Places = self._expand([schema])

    def below(self, places: Places, token: str | int) -> Places:
        """The subschemas for a member or an item of what `places` speak of."""
        if not places:
            return ()
        if isinstance(token, int):
            token = min(token, _longest_prefix(places))
        key = (id(places), token)
        found = self._below.get(key)
        if found is None:
            # Held together with `places`, so that the id stays theirs.
            found = (places, self._expand([part for place in places for part in _parts(place, token)]))
            self._below[key] = found
        return found[1]

    def _expand(self, schemas: list[Any]) -> Places:
        found: list[Mapping[str, Any]] = []
        waiting, hops = list(reversed(schemas)), 0
        while waiting and len(found) < _MOST and hops < _MOST_HOPS:
            hops += 1
            schema = waiting.pop()
            if not isinstance(schema, dict) or any(schema is known for known in found):
                continue
            found.append(schema)
            for name in _BRANCHES:
                branches = schema.get(name)
                if isinstance(branches, list):
                    waiting += reversed(branches[:_MOST])
            waiting += [schema[name] for name in _CONDITIONS if name in schema]
            reference = schema.get("$ref")
            if isinstance(reference, str):
                waiting.append(_resolve(self._root, reference))
        return tuple(found)


def _longest_prefix(places: Places) -> int:
    """Items from here on are all described alike."""
    longest = 0
    for place in places:
        for name in ("prefixItems", "items"):
            items = place.get(name)
            if isinstance(items, list):
                longest = max(longest, len(items))
    return longest


def _parts(place: Mapping[str, Any], token: str | int) -> list[Any]:
    return _of_item(place, token) if isinstance(token, int) else _of_member(place, token)


def _of_item(place: Mapping[str, Any], index: int) -> list[Any]:
    for name, rest in (("prefixItems", "items"), ("items", "additionalItems")):
        listed = place.get(name)
        if isinstance(listed, list):
            return [listed[index]] if index < len(listed) else [place.get(rest)]
    return [place.get("items")]


def _of_member(place: Mapping[str, Any], name: str) -> list[Any]:
    found = []
    properties = place.get("properties")
    if isinstance(properties, dict) and name in properties:
        found.append(properties[name])
    patterns = place.get("patternProperties")
    if isinstance(patterns, dict):
        found += [schema for pattern, schema in islice(patterns.items(), _MOST_PATTERNS) if _matches(pattern, name)]
    return found or [place.get("additionalProperties")]


# An invalid pattern is the server's affair, not one for our log.
_QUIET = re2.Options()
_QUIET.log_errors = False


def _matches(pattern: str, name: str) -> bool:
    try:
        return re2.compile(pattern, _QUIET).search(name) is not None
    except (re2.error, UnicodeError):
        return False


def _resolve(root: Any, reference: str) -> Any:
    """Only within the same document (`#/...`)."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    value = root
    for token in reference[2:].split("/"):
        token = unquote(token).replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(token)
        elif isinstance(value, list) and token.isascii() and token.isdigit() and int(token[:9]) < len(value):
            value = value[int(token[:9])]
        else:
            return None
    return value


# Checking a value

# The engine that takes linear time; it refuses look-around and back references.
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=2**20, dfa_size_limit=2**20)
# In schemas visited, of which a millisecond has some 50,000; to find what failed is dearer.
_MOST_COST = 100_000
_MOST_WORK = 2_500_000
# A failing branch carries all that failed in it, so that nested branches multiply.
_MOST_SEARCH = 400_000
_MOST_BRANCHED_SEARCH = 20_000
_DATA = frozenset({"const", "enum", "default", "examples"})
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"})
_MANY = frozenset({"anyOf", "oneOf", "contains", "dependentSchemas", "propertyNames"})
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

# Where in the value, and which keyword in the schema.
Fault = tuple[tuple[str | int, ...], tuple[str | int, ...]]


class UnusableSchema(ValueError):
    """A schema that cannot be evaluated here: broken, too costly, or in need of another document."""


class Check:
    """Tells whether values satisfy a schema, formats included; JSON Schema 2020-12 unless it names another draft."""

    def __init__(self, schema: Any) -> None:
        """Raises UnusableSchema."""
        self._cost, self._is_recursive, self._has_branches = _weigh(schema)
        try:
            self._validator = _compile(orjson.dumps(schema))
        except (ValueError, TypeError, RecursionError) as error:
            raise UnusableSchema(type(error).__name__) from error

    def is_valid(self, value: Any) -> bool:
        """Raises UnusableSchema when that would take too long."""
        self._work(value, _MOST_WORK)
        return bool(self._validator.is_valid(value))

    def can_search(self, value: Any) -> bool:
        """Whether `faults` takes no longer than it should; to search a recursive schema may take exponential time."""
        try:
            self._work(value, _MOST_BRANCHED_SEARCH if self._has_branches else _MOST_SEARCH)
        except UnusableSchema:
            return False
        return not self._is_recursive

    def faults(self, value: Any) -> set[Fault]:
        return {(tuple(error.instance_path), tuple(error.schema_path)) for error in self._validator.iter_errors(value)}

    def _work(self, value: Any, limit: int) -> None:
        """Counts the parts of the value, times what each may cost."""
        waiting, work = [value], 0
        while waiting:
            work += self._cost
            if work > limit:
                raise UnusableSchema("too costly for this value")
            each = waiting.pop()
            if isinstance(each, dict):
                waiting.extend(each.values())
            elif isinstance(each, list):
                waiting.extend(each)
            elif isinstance(each, str):
                # A fault carries what is at fault.
                work += len(each) // 8


@lru_cache(maxsize=64)
def _compile(schema: bytes) -> Any:
    """Raises ValueError, which the errors of the library are."""
    try:
        return jsonschema_rs.validator_for(
            orjson.loads(schema), pattern_options=_PATTERNS, offline=True, validate_formats=True, mask="a value"
        )
    except jsonschema_rs.ReferencingError as error:
        raise ValueError("reference") from error


@lru_cache(maxsize=256)
def leaf_check(schema: str) -> Check:
    """A check for a small schema of our own, given as JSON."""
    return Check(orjson.loads(schema))


def _weigh(schema: Any) -> tuple[int, bool, bool]:
    """How many schemas are visited when every reference is followed, a recursive one once; whether one is; branches.

    References multiply the work: 30 definitions can stand for 2**30 evaluations. Raises UnusableSchema.
    """
    costs: dict[int, int] = {}
    open_now: set[int] = set()
    is_recursive = has_branches = False
    # First the schema is met, then, when all below it are weighed, met again and summed up.
    waiting: list[tuple[Any, bool]] = [(schema, False)]
    while waiting:
        each, is_done = waiting.pop()
        below = [*_inside(each), *_referred(schema, each)]
        if is_done:
            open_now.discard(id(each))
            cost = costs[id(each)] = 1 + sum(costs.get(id(part), 1) for part in below)
            if cost > _MOST_COST:
                raise UnusableSchema("too costly")
        elif id(each) in open_now:
            is_recursive = True
        elif id(each) not in costs:
            if isinstance(each, dict) and each is not schema and any(type(each.get(n)) is str for n in ("$id", "id")):
                # Inside it references mean something else.
                raise UnusableSchema("embedded schema")
            has_branches = has_branches or (isinstance(each, dict) and not each.keys().isdisjoint(_MANY))
            open_now.add(id(each))
            waiting.append((each, True))
            waiting += [(part, False) for part in below]
    return costs[id(schema)], is_recursive, has_branches


def _inside(schema: Any) -> Iterator[Any]:
    """The schemas inside; what a property is called does not make its schema data."""
    if isinstance(schema, list):
        yield from (part for part in schema if isinstance(part, (dict, list)))
    elif isinstance(schema, dict):
        for name, value in schema.items():
            if name in _MAPS and isinstance(value, dict):
                yield from (part for part in value.values() if isinstance(part, (dict, list)))
            elif name not in _DATA and isinstance(value, (dict, list)):
                yield value


def _referred(root: Any, schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        for name in _REFERENCES:
            reference = schema.get(name)
            if isinstance(reference, str):
                target = _resolve(root, reference)
                if isinstance(target, (dict, list)):
                    yield target
                elif target is None and not reference.startswith(
                    ("http://json-schema.org/", "https://json-schema.org/")
                ):
                    # An anchor, an embedded or another document: nobody can say what it costs.
                    raise UnusableSchema("reference")
