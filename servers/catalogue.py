"""What a server's tools accept, learnt from the lists that the server itself gives; kept in process memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp.shared.inbound import (
    InboundLadderRejection,
    find_invalid_x_mcp_header,
    mcp_param_headers,
    validate_mcp_param_headers,
    x_mcp_header_map,
)

from gateway_site.lib import jsontext
from servers.schemas import MAX_SCHEMA_BYTES, Check, Violation

_MAX_TABLES = 5_000
_MAX_BYTES = 128 * 2**20
_MAX_CALLERS = 10_000
_LONGEST_NAME = 500
MAX_PAGES = 100
MAX_TOOLS = 2_000
MAX_LIST_BYTES = 8 * 2**20
FRESH_SECONDS = 4 * 3600.0
# An unknown name or refused arguments may mean that the server changed; it is asked at most this often.
RELEARN_SECONDS = 1.0


@dataclass(slots=True)
class Definition:
    """One tool as its server describes it. `entry` is the whole of what the list says of it."""

    name: str
    input_schema: Any
    size: int = 0
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _compilation: Check | None = field(default=None, repr=False)
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
        if self._compilation is None:
            self._compilation = Check(self.input_schema)
        return self._compilation.violation(arguments)

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
