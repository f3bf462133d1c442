"""The lists of all servers together, as one kind of key sees them: made when asked for, kept encoded, page by page."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.aggregate.names import by_shown_name
from proxy.aggregate.shelves import Line
from proxy.pace import Pace
from proxy.sightings import MEMBERS
from proxy.snapshot import Snapshot
from servers.offers import era_of
from servers.rights import decide

if TYPE_CHECKING:
    from proxy.call import Call

MAX_ENTRIES = 5_000
MAX_PAGE_BYTES = 8 * 2**20
_MAX_TABLES = 500
_MAX_BYTES = 128 * 2**20
_MAX_NAMES = 200
Names = dict[tuple[str, str], tuple[str, str]]


@dataclass(slots=True)
class Page:
    """Entries as a JSON array. `results` are whole results that were made of it, each with the log's digest."""

    entries: bytes
    results: OrderedDict[Any, tuple[bytes, str]] = field(default_factory=OrderedDict)


@dataclass(slots=True)
class Listing:
    """All pages of one list; the digest says that they are those of the same list.

    It is good until then, in seconds since the epoch: an exception of the guardrails ends by itself, and a check that
    could not be made is made again the next time.
    """

    pages: list[Page]
    digest: str
    size: int
    good_until: float


@dataclass(slots=True)
class Table:
    """What keys of one role and scope see of a project in one of its states."""

    snapshot: Snapshot
    listings: dict[str, Listing] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def known(self, member: str) -> Listing | None:
        listing = self.listings.get(member)
        return listing if listing is not None and time.time() < listing.good_until else None

    @property
    def size(self) -> int:
        return sum(listing.size for listing in self.listings.values())


class Tables:
    """Of one event loop; what is used least recently goes first."""

    def __init__(self) -> None:
        self._tables: OrderedDict[Any, Table] = OrderedDict()
        self._names: OrderedDict[int, tuple[Snapshot, Names]] = OrderedDict()

    async def listing(self, call: Call, member: str) -> Listing:
        key = call.principal.key
        place = (call.principal.project_id, key.role, key.servers, key.tools, call.modern)
        table = self._tables.get(place)
        if table is None or table.snapshot is not call.snapshot:
            table = self._tables[place] = Table(call.snapshot)
        self._tables.move_to_end(place)
        listing = table.known(member)
        if listing is None:
            async with table.lock:
                listing = table.known(member)
                if listing is None:
                    listing = table.listings[member] = await _make(call, member)
            self._shrink()
        return listing

    def names(self, snapshot: Snapshot) -> Names:
        """Kind and shown name to server and real name, of all that the project's servers list now."""
        known = self._names.get(snapshot.project_id)
        if known is None or known[0] is not snapshot:
            known = self._names[snapshot.project_id] = (snapshot, _name(snapshot))
            while len(self._names) > _MAX_NAMES:
                self._names.popitem(last=False)
        self._names.move_to_end(snapshot.project_id)
        return known[1]

    def _shrink(self) -> None:
        while len(self._tables) > 1:
            if len(self._tables) <= _MAX_TABLES and sum(table.size for table in self._tables.values()) <= _MAX_BYTES:
                return
            self._tables.popitem(last=False)


def visible(call: Call) -> list[str]:
    """The servers of this key, in their order."""
    snapshot, principal = call.snapshot, call.principal
    return sorted(slug for slug in snapshot.upstreams if decide(snapshot.rights, principal, slug).allowed)


def _name(snapshot: Snapshot) -> Names:
    found: Names = {}
    for kind in ("tool", "prompt"):
        real = {
            (slug, called): (slug, offered.name) for slug in sorted(snapshot.upstreams)
            if slug in snapshot.rights.offers for offered in snapshot.rights.offers[slug].of(kind)
            if offered.current and (called := _called(snapshot, slug, kind, offered.name)) is not None
        }  # fmt: skip
        found.update({(kind, shown): real[place] for shown, place in by_shown_name(real).items()})
    return found


def _called(snapshot: Snapshot, slug: str, kind: str, name: str) -> str | None:
    """By its server's overlays; None for what is hidden."""
    overlays = snapshot.overlays.get(slug)
    return name if overlays is None or kind != "tool" else overlays.name(name)


def reachable_of(call: Call) -> Collection[tuple[str, str]]:
    """Servers with the real names of what can be told apart there."""
    return set(call.state.aggregate.names(call.snapshot).values())


async def lines_of(
    call: Call, slug: str, member: str, reachable: Collection[tuple[str, str]]
) -> tuple[list[Line], bool]:  # fmt: skip
    """What this key may use of one server now, in its order; and whether a check of it could not be made."""
    kind, era = MEMBERS[member][0], era_of(call.modern)
    shelf = await call.state.aggregate.shelves.shelf(call, slug, member)
    lines = [
        line for line in shelf.lines
        # Two that are called the same could not be told from each other.
        if (kind not in ("tool", "prompt") or (slug, line.name) in reachable)
        and decide(call.snapshot.rights, call.principal, slug, kind, line.name, era).allowed
    ]  # fmt: skip
    return lines, shelf.failed


async def _make(call: Call, member: str) -> Listing:
    reachable = reachable_of(call)
    lines: list[bytes] = []
    pace, good_until = Pace(), _first_end(call)
    for slug in visible(call):
        await pace.keep()
        of_server, has_failed = await lines_of(call, slug, member, reachable)
        if has_failed:
            good_until = 0.0
        lines += (line.text for line in of_server)
    pages = [Page(b"[" + b",".join(part) + b"]") for part in _split(lines)]
    digest = hashlib.sha256(b"\0".join(page.entries for page in pages)).hexdigest()
    return Listing(pages, digest, sum(len(page.entries) for page in pages), good_until)


def _first_end(call: Call) -> float:
    """Of the exceptions that are in force."""
    ends, now = (each.expires_at.timestamp() for each in call.snapshot.policies.exemptions), time.time()
    return min((end for end in ends if end > now), default=math.inf)


def _split(lines: Iterable[bytes]) -> list[list[bytes]]:
    """At least one part, each within the limits of a page."""
    parts: list[list[bytes]] = [[]]
    size = 0
    for line in lines:
        if parts[-1] and (len(parts[-1]) >= MAX_ENTRIES or size + len(line) > MAX_PAGE_BYTES):
            parts.append([])
            size = 0
        parts[-1].append(line)
        size += len(line) + 1
    return parts
