"""What a server's tools accept, learnt from the lists that the server itself gives; kept in process memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
from mcp.shared.inbound import (
    InboundLadderRejection,
    find_invalid_x_mcp_header,
    mcp_param_headers,
    validate_mcp_param_headers,
    x_mcp_header_map,
)

from gateway_site.lib import jsontext

# The engine that takes linear time; it refuses look-around and back references.
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=2**20, dfa_size_limit=2**20)
_MAX_TABLES = 5_000
_MAX_BYTES = 128 * 2**20
_MAX_CALLERS = 10_000
# In schemas visited, of which a millisecond has some 50,000; to find what failed is dearer.
_MAX_COST = 100_000
_MAX_WORK = 2_500_000
_MAX_SEARCH = 5_000
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_DATA = frozenset({"const", "enum", "default", "examples"})
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"})
_LONGEST_NAME = 500
MAX_PAGES = 100
MAX_TOOLS = 2_000
MAX_LIST_BYTES = 8 * 2**20
MAX_SCHEMA_BYTES = 256 * 2**10
FRESH_SECONDS = 4 * 3600.0
# An unknown name or refused arguments may mean that the server changed; it is asked at most this often.
RELEARN_SECONDS = 1.0


class UnusableSchema(Exception):
    """The server's schema cannot be evaluated here, for example because it refers to the network."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Where and how arguments break the schema; never the value itself."""

    pointer: str
    keyword: str


@dataclass(slots=True)
class Definition:
    """One tool as its server describes it. `entry` is the whole of what the list says of it."""

    name: str
    input_schema: Any
    size: int = 0
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _compilation: tuple[Any, Survey] | None = field(default=None, repr=False)
    _has_headers: bool | None = None

    def keep_compiled(self, known: Definition) -> None:
        """What was made of an equal input schema."""
        self._compilation, self._has_headers = known._compilation, known._has_headers

    def headers_of(self, arguments: Mapping[str, Any]) -> tuple[frozenset[str], dict[str, str]]:
        """Which `Mcp-Param-*` headers the schema declares, in lower case, and their values for these arguments."""
        if find_invalid_x_mcp_header(self.input_schema):
            return frozenset(), {}
        declared = x_mcp_header_map(self.input_schema)
        wanted = mcp_param_headers(declared, arguments)
        names = frozenset(f"mcp-param-{token}".lower() for token in declared.values())
        return names, {name.lower(): value for name, value in wanted.items()}

    def violation(self, arguments: Mapping[str, Any]) -> Violation | None:
        """Raises UnusableSchema. JSON Schema 2020-12 unless the schema names another draft; nothing is fetched."""
        validator, survey = self._compiled()
        count, text = _size(arguments, _MAX_WORK // survey.cost)
        # A pattern reads every character, some four of them in the time of one visit.
        work = survey.cost * count + survey.patterns * (text // 4)
        if work > _MAX_WORK - survey.cost:
            raise UnusableSchema("too costly for these arguments")
        if validator.is_valid(arguments):
            return None
        if survey.is_recursive or work > _MAX_SEARCH:
            # To find what failed takes up to a million times as long as to see that something did.
            return Violation("/", "schema")
        try:
            validator.validate(arguments)
        except jsonschema_rs.ValidationError as error:
            steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)
            return Violation("".join(f"/{step}" for step in steps) or "/", str(error.kind.name))
        return None

    def header_mismatch(self, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
        """Why the `Mcp-Param-*` headers do not agree with the arguments, or None (2026-07-28, custom headers)."""
        if self._has_headers is None:
            self._has_headers = b"x-mcp-header" in repr(self.input_schema).encode() and not find_invalid_x_mcp_header(
                self.input_schema
            )
        if not self._has_headers:
            return None
        rejection = validate_mcp_param_headers(self.input_schema, arguments, headers)
        return rejection.message if isinstance(rejection, InboundLadderRejection) else None

    def _compiled(self) -> tuple[Any, Survey]:
        if self._compilation is None:
            schema = self.input_schema if isinstance(self.input_schema, (dict, bool)) else {}
            survey = Survey(schema)
            try:
                validator = jsonschema_rs.validator_for(
                    schema, pattern_options=_PATTERNS, offline=True, validate_formats=False, mask="a value"
                )
            except (ValueError, jsonschema_rs.ReferencingError) as error:
                raise UnusableSchema(type(error).__name__) from error
            self._compilation = validator, survey
        return self._compilation


class Survey:
    """How much work a schema is: references can multiply it, 30 definitions to 2**30 evaluations.

    `cost` counts the schemas that are visited when every reference is followed, a recursive one once.
    """

    def __init__(self, schema: Any) -> None:
        """Raises UnusableSchema."""
        self._root = schema
        self._anchors: dict[str, Any] = {}
        self._embeds = False
        self._weights: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()
        self.is_recursive = False
        try:
            self._find_anchors(schema)
            self.cost, self.patterns = self._weigh(schema)
        except RecursionError as error:
            raise UnusableSchema("too deep") from error

    def _find_anchors(self, schema: Any) -> None:
        if isinstance(schema, dict):
            for name in ("$anchor", "$dynamicAnchor"):
                if isinstance(schema.get(name), str):
                    self._anchors[f"#{schema[name]}"] = schema
            if schema is not self._root and any(isinstance(schema.get(name), str) for name in ("$id", "id")):
                # Inside it references mean something else.
                self._embeds = True
        for part in _parts(schema):
            self._find_anchors(part)

    def _weigh(self, schema: Any) -> tuple[int, int]:
        """How many schemas and how many patterns are visited from here on."""
        if id(schema) in self._open:
            self.is_recursive = True
            return 1, 0
        if id(schema) in self._weights:
            return self._weights[id(schema)]
        self._open.add(id(schema))
        cost, patterns = 1, _own_patterns(schema)
        for part in (*_parts(schema), *self._targets(schema)):
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
        return [self._target(schema[name]) for name in _REFERENCES & schema.keys() if isinstance(schema[name], str)]

    def _target(self, reference: str) -> Any:
        if reference.startswith(("http://json-schema.org/", "https://json-schema.org/")):
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


def _parts(schema: Any) -> Iterable[Any]:
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


@dataclass(slots=True)
class Table:
    """The tools of one server in one era. `complete` is False until all pages were seen."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    complete: bool = False
    unlistable: bool = False
    learnt_at: float = float("-inf")
    size: int = 0
    # Kinds and names of what is listed besides tools; nothing of it is held against the server's own word.
    others: set[tuple[str, str]] = field(default_factory=set)
    # Names that a client's list had and that were taken out of it, so that they cannot be called by another way.
    withheld: set[str] = field(default_factory=set)
    # Who asked for the list to be read again, and when: one caller's asking must not use up another's.
    _asked: dict[str, float] = field(default_factory=dict)

    def is_fresh(self) -> bool:
        return (self.complete or self.unlistable) and time.monotonic() - self.learnt_at < FRESH_SECONDS

    def lists(self, kind: str, name: str) -> bool:
        """Whether the server's own lists have been seen to name it: kind is tool, prompt or resource."""
        if kind == "tool":
            return name in self.definitions and name not in self.withheld
        return (kind, name) in self.others

    def withhold(self, name: Any) -> None:
        if isinstance(name, str) and len(self.withheld) < MAX_TOOLS:
            self.withheld.add(name)

    def may_relearn(self, caller: str) -> bool:
        """True at most once a second for one caller, who then asks."""
        now = time.monotonic()
        if now - self._asked.get(caller, float("-inf")) < RELEARN_SECONDS:
            return False
        if len(self._asked) >= _MAX_CALLERS:
            self._asked.clear()
        self._asked[caller] = now
        return True


class Catalogue:
    """Tables by server, configuration and era, bounded in number and size."""

    def __init__(self) -> None:
        self._tables: dict[tuple[int, str, bool], Table] = {}
        self._size = 0

    def table(self, server_id: int, config_hash: str, modern: bool) -> Table:
        key = (server_id, config_hash, modern)
        table = self._tables.get(key)
        if table is None:
            for known in [known for known in self._tables if known[0] == server_id and known[1] != config_hash]:
                self._drop(known)
            if len(self._tables) >= _MAX_TABLES:
                self._drop(next(iter(self._tables)))
            table = self._tables[key] = Table()
        return table

    def lists(self, server_id: int, config_hash: str, modern: bool, kind: str, name: str) -> bool:
        """As a table's; makes none, so that a call that ends late does not bring a former configuration back."""
        table = self._tables.get((server_id, config_hash, modern))
        return table is not None and table.lists(kind, name)

    def learn(self, table: Table, tools: Iterable[Any]) -> None:
        """Adds what a list shows; keeps the compiled schema of a tool that did not change."""
        for tool in tools:
            if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
                continue
            name, schema, entry = tool["name"], tool.get("inputSchema"), tool
            known = table.definitions.get(name)
            if known is not None and known.entry == entry:
                continue
            size = len(name) + _encoded_size(entry)
            if size > MAX_SCHEMA_BYTES:
                # Kept by name only: it exists, and cannot be called.
                schema, size, entry = {"$ref": "too large"}, len(name), {}
            if known is None and (len(table.definitions) >= MAX_TOOLS or table.size + size > MAX_LIST_BYTES):
                continue
            self._grow(table, size - (known.size if known is not None else 0))
            definition = Definition(name, schema, size, entry)
            if known is not None and known.input_schema == schema:
                definition.keep_compiled(known)
            table.definitions[name] = definition
        self._shrink(table)

    def learn_others(self, table: Table, kind: str, names: Iterable[Any]) -> None:
        """Prompts or resources that a list shows, by name."""
        for name in names:
            if isinstance(name, str) and (kind, name) not in table.others:
                if len(table.others) >= MAX_TOOLS or len(name) > _LONGEST_NAME:
                    continue
                table.others.add((kind, name))
                self._grow(table, len(name))
        self._shrink(table)

    def replace(self, table: Table, tools: list[Any]) -> None:
        """What the server lists now is all there is."""
        names = {tool["name"] for tool in tools if isinstance(tool, dict) and isinstance(tool.get("name"), str)}
        for gone in set(table.definitions) - names:
            self._grow(table, -table.definitions.pop(gone).size)
        self.learn(table, tools)
        table.complete, table.unlistable, table.learnt_at = True, False, time.monotonic()

    def mark_unlistable(self, table: Table) -> None:
        """The server lists no tools, so that only the server itself can say what it accepts.

        One that has listed tools before is not believed: the checks would be off.
        """
        if not table.complete:
            table.unlistable, table.learnt_at = True, time.monotonic()

    def mark_stale(self, server_id: int, config_hash: str) -> None:
        for modern in (False, True):
            table = self._tables.get((server_id, config_hash, modern))
            if table is not None:
                table.learnt_at = float("-inf")

    def clear(self) -> None:
        self._tables.clear()
        self._size = 0

    def _grow(self, table: Table, size: int) -> None:
        table.size += size
        self._size += size

    def _shrink(self, kept: Table) -> None:
        for key in list(self._tables):
            if self._size <= _MAX_BYTES:
                return
            if self._tables[key] is not kept:
                self._drop(key)

    def _drop(self, key: tuple[int, str, bool]) -> None:
        self._size -= self._tables.pop(key).size


def _encoded_size(schema: Any) -> int:
    try:
        return len(jsontext.encode(schema))
    except (ValueError, RecursionError):
        return MAX_SCHEMA_BYTES + 1
