"""What a server's tools accept, learnt from the lists that the server itself gives; kept in process memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
from django.conf import settings
from mcp.shared.inbound import (
    InboundLadderRejection,
    find_invalid_x_mcp_header,
    mcp_param_headers,
    validate_mcp_param_headers,
    x_mcp_header_map,
)

from gateway_site.lib import jsontext
from gateway_site.lib.caching import Cache, Counts, Key, Reason, key_of
from servers.upstream import Upstream

_counts = Counts(Cache.TOOLS)
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
MAX_PAGES = 100
MAX_TOOLS = 2_000
MAX_LIST_BYTES = 8 * 2**20
MAX_SCHEMA_BYTES = 256 * 2**10
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
    # Names that a client's list had and that were taken out of it, so that they cannot be called by another way.
    withheld: set[str] = field(default_factory=set)
    # How long the server itself says that its list is good; None when it does not.
    good_for: float | None = None
    # How often the server has said that its list is another one now.
    changes: int = 0
    # Whether the catalogue still has it; a call under way may go on with one that it has not.
    is_kept: bool = True
    # Who asked for the list to be read again, and when: one caller's asking must not use up another's.
    _asked: dict[str, float] = field(default_factory=dict)

    def is_fresh(self) -> bool:
        """Neither older than we keep lists, nor than the server says that its list is good, for a second at least."""
        limit = float(settings.CACHE_TOOLS_SECONDS)
        if self.good_for is not None:
            limit = min(limit, max(RELEARN_SECONDS, self.good_for))
        return (self.complete or self.unlistable) and time.monotonic() - self.learnt_at < limit

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
        self._tables: dict[Key, Table] = {}
        self._size = 0

    def table(self, upstream: Upstream, modern: bool) -> Table:
        """What every key of the project shares: the server is asked with the project's own credentials."""
        key = _key(upstream, modern)
        table = self._tables.get(key)
        if table is None:
            for known in [known for known in self._tables if known.server == key.server]:
                if known.version != key.version:
                    self._drop(known, Reason.CHANGED)
            if len(self._tables) >= _MAX_TABLES:
                self._drop(next(iter(self._tables)), Reason.FULL)
            table = self._tables[key] = Table()
        return table

    def look_up(self, upstream: Upstream, modern: bool) -> Table:
        """Like `table`, for who needs it fresh; this is what counts as a hit or a miss."""
        table = self.table(upstream, modern)
        if table.is_fresh():
            _counts.hit()
        else:
            _counts.miss()
            if table.complete:
                _counts.evict(Reason.EXPIRED if table.learnt_at > float("-inf") else Reason.CHANGED)
        return table

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

    def replace(
        self, table: Table, tools: list[Any], *, good_for: float | None = None, as_of: int | None = None
    ) -> None:
        """What the server lists now is all there is, good for so many seconds as the server says.

        `as_of` is the table's count of changes when the server was asked; when it has said since that its list is
        another one, what it listed is not fresh.
        """
        names = {tool["name"] for tool in tools if isinstance(tool, dict) and isinstance(tool.get("name"), str)}
        for gone in set(table.definitions) - names:
            self._grow(table, -table.definitions.pop(gone).size)
        self.learn(table, tools)
        table.complete, table.unlistable, table.good_for = True, False, good_for
        table.learnt_at = time.monotonic() if as_of in (None, table.changes) else float("-inf")

    def mark_unlistable(self, table: Table) -> None:
        """The server lists no tools, so that only the server itself can say what it accepts.

        One that has listed tools before is not believed: the checks would be off.
        """
        if not table.complete:
            table.unlistable, table.learnt_at = True, time.monotonic()

    def mark_stale(self, upstream: Upstream) -> None:
        """The server says that its list is another one now."""
        for table in self._of(upstream):
            table.changes += 1
            table.learnt_at = float("-inf")

    def expire(self, upstream: Upstream) -> None:
        """What is known of the server is not what others have seen."""
        for table in self._of(upstream):
            table.learnt_at = float("-inf")

    def forget(self, project_id: int, server_id: int | None = None) -> None:
        """All tables of the project, or of one of its servers."""
        for key in list(self._tables):
            if key.project == project_id and server_id in (None, key.server):
                withheld = self._tables[key].withheld
                self._drop(key, Reason.CLEARED)
                if withheld:
                    self._tables[key] = Table(withheld=withheld)

    def clear(self) -> None:
        self._tables.clear()
        self._size = 0

    def _of(self, upstream: Upstream) -> list[Table]:
        keys = (_key(upstream, modern) for modern in (False, True))
        return [self._tables[key] for key in keys if key in self._tables]

    def _grow(self, table: Table, size: int) -> None:
        table.size += size
        if table.is_kept:
            self._size += size

    def _shrink(self, kept: Table) -> None:
        for key in list(self._tables):
            if self._size <= _MAX_BYTES:
                return
            if self._tables[key] is not kept:
                self._drop(key, Reason.FULL)

    def _drop(self, key: Key, reason: Reason) -> None:
        _counts.evict(reason)
        table = self._tables.pop(key)
        table.is_kept = False
        self._size -= table.size


def _key(upstream: Upstream, modern: bool) -> Key:
    return key_of(
        project=upstream.project_id, server=upstream.server_id, version=upstream.config_hash, method="tools/list",
        params="modern" if modern else "legacy",
    )  # fmt: skip


def _encoded_size(schema: Any) -> int:
    try:
        return len(jsontext.encode(schema))
    except (ValueError, RecursionError):
        return MAX_SCHEMA_BYTES + 1
