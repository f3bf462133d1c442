"""What a server's tools accept, learnt from the lists that the server itself gives; kept in process memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
from servers.schemas import MAX_SCHEMA_BYTES, Check, Violation
from servers.upstream import Upstream

_counts = Counts(Cache.TOOLS)
_MAX_TABLES = 5_000
_MAX_BYTES = 128 * 2**20
_MAX_CALLERS = 10_000
_LONGEST_NAME = 500
MAX_PAGES = 100
MAX_TOOLS = 2_000
MAX_LIST_BYTES = 8 * 2**20
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

    def lists(self, upstream: Upstream, modern: bool, kind: str, name: str) -> bool:
        """As a table's; makes none, so that a call that ends late does not bring a former configuration back."""
        table = self._tables.get(_key(upstream, modern))
        return table is not None and table.lists(kind, name)

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

    def learn_others(self, table: Table, kind: str, names: Iterable[Any]) -> None:
        """Prompts or resources that a list shows, by name."""
        for name in names:
            if isinstance(name, str) and (kind, name) not in table.others:
                if len(table.others) >= MAX_TOOLS or len(name) > _LONGEST_NAME:
                    continue
                table.others.add((kind, name))
                self._grow(table, len(name))
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
