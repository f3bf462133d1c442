"""What a server's tools accept, learnt from the lists that the server itself gives; kept in process memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
from mcp.shared.inbound import InboundLadderRejection, find_invalid_x_mcp_header, validate_mcp_param_headers

_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=50_000)
_MAX_SERVERS = 5_000
# Some 2 ms of evaluation.
_MAX_COST = 100_000
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA = frozenset({"const", "enum", "default", "examples"})
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"})
_EMBEDDED = "an embedded schema with its own $id"
MAX_PAGES = 100
MAX_TOOLS = 2_000
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
    """One tool as its server describes it."""

    name: str
    input_schema: Any
    _validator: Any = field(default=None, repr=False)
    _has_headers: bool | None = None

    def violation(self, arguments: Mapping[str, Any]) -> Violation | None:
        """Raises UnusableSchema. JSON Schema 2020-12 unless the schema names another draft; nothing is fetched."""
        validator = self._compiled()
        if validator.is_valid(arguments):
            return None
        error = next(iter(validator.iter_errors(arguments)))
        pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.instance_path)
        return Violation(pointer or "/", str(error.kind.name))

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

    def _compiled(self) -> Any:
        if self._validator is None:
            check_cost(self.input_schema)
            try:
                self._validator = jsonschema_rs.validator_for(
                    self.input_schema if isinstance(self.input_schema, (dict, bool)) else {},
                    pattern_options=_PATTERNS, offline=True, validate_formats=False,
                )  # fmt: skip
            except (ValueError, jsonschema_rs.ReferencingError) as error:
                raise UnusableSchema(type(error).__name__) from error
        return self._validator


def check_cost(schema: Any) -> None:
    """Raises UnusableSchema when references multiply the work: 30 definitions can ask for 2**30 evaluations."""
    try:
        anchors = _anchors(schema, {}, is_root=True)
        _cost(schema, schema, anchors, {})
    except RecursionError as error:
        raise UnusableSchema("too deep") from error


def _parts(schema: Any) -> Iterable[Any]:
    """The schemas inside; what a property is called does not make its schema data."""
    if isinstance(schema, list):
        yield from schema
    elif isinstance(schema, dict):
        for name, value in schema.items():
            if name in _MAPS and isinstance(value, dict):
                yield from value.values()
            elif name not in _DATA and isinstance(value, (dict, list)):
                yield value


def _anchors(schema: Any, found: dict[str, Any], *, is_root: bool) -> dict[str, Any]:
    if isinstance(schema, dict):
        for name in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(name), str):
                found[f"#{schema[name]}"] = schema
        if not is_root and any(isinstance(schema.get(name), str) for name in ("$id", "id")):
            # Inside it references mean something else.
            found[_EMBEDDED] = schema
    for part in _parts(schema):
        _anchors(part, found, is_root=False)
    return found


def _cost(schema: Any, root: Any, anchors: Mapping[str, Any], known: dict[int, int]) -> int:
    """How many schemas are visited when every reference is followed; a recursive one counts once."""
    if id(schema) in known:
        return known[id(schema)]
    known[id(schema)] = cost = 1
    for part in _parts(schema):
        cost += _cost(part, root, anchors, known)
    if isinstance(schema, dict):
        for name in _REFERENCES:
            if isinstance(schema.get(name), str):
                cost += _cost(_target(schema[name], root, anchors), root, anchors, known)
    if cost > _MAX_COST:
        raise UnusableSchema("too costly")
    known[id(schema)] = cost
    return cost


def _target(reference: str, root: Any, anchors: Mapping[str, Any]) -> Any:
    if reference.startswith(("http://json-schema.org/", "https://json-schema.org/")):
        return None
    if _EMBEDDED in anchors:
        raise UnusableSchema("embedded schema")
    if reference in anchors:
        return anchors[reference]
    if reference != "#" and not reference.startswith("#/"):
        raise UnusableSchema("reference to another document")
    target = root
    for step in unquote(reference[2:]).split("/") if reference != "#" else ():
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            target = target[int(name)] if isinstance(target, list) else target[name]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnusableSchema("reference to nothing") from error
    return target


@dataclass(slots=True)
class Table:
    """The tools of one server. `complete` is False until all pages were seen."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    complete: bool = False
    unlistable: bool = False
    learnt_at: float = 0.0

    def is_fresh(self) -> bool:
        return (self.complete or self.unlistable) and time.monotonic() - self.learnt_at < FRESH_SECONDS

    def may_relearn(self) -> bool:
        return time.monotonic() - self.learnt_at >= RELEARN_SECONDS


class Catalogue:
    """Tables by server and configuration."""

    def __init__(self) -> None:
        self._tables: dict[tuple[int, str], Table] = {}

    def table(self, server_id: int, config_hash: str) -> Table:
        key = (server_id, config_hash)
        table = self._tables.get(key)
        if table is None:
            if len(self._tables) >= _MAX_SERVERS:
                self._tables.pop(next(iter(self._tables)))
            table = self._tables[key] = Table()
        return table

    def learn(self, table: Table, tools: Iterable[Any]) -> None:
        """Adds what a list shows; keeps the compiled schema of a tool that did not change."""
        for tool in tools:
            if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
                continue
            name, schema = tool["name"], tool.get("inputSchema")
            known = table.definitions.get(name)
            if known is None or known.input_schema != schema:
                if known is None and len(table.definitions) >= MAX_TOOLS:
                    continue
                table.definitions[name] = Definition(name, schema)

    def replace(self, table: Table, tools: list[Any]) -> None:
        """What the server lists now is all there is."""
        names = {tool["name"] for tool in tools if isinstance(tool, dict) and isinstance(tool.get("name"), str)}
        for gone in set(table.definitions) - names:
            del table.definitions[gone]
        self.learn(table, tools)
        table.complete, table.unlistable, table.learnt_at = True, False, time.monotonic()

    def mark_unlistable(self, table: Table) -> None:
        """The server lists no tools, so that only the server itself can say what it accepts."""
        table.unlistable, table.learnt_at = True, time.monotonic()

    def mark_stale(self, server_id: int, config_hash: str) -> None:
        table = self._tables.get((server_id, config_hash))
        if table is not None:
            table.complete = table.unlistable = False
            table.learnt_at = 0.0

    def clear(self) -> None:
        self._tables.clear()
