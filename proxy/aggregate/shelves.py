"""What one server shows at the address of all: its approved definitions, judged by its output policy, encoded.

Made once for each state of its catalogue and policy, so that a change of one server costs nothing of the others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway_site.lib.jsontext import encode
from guardrails.engine.findings import Blocked
from guardrails.engine.rules import Policy
from proxy.aggregate.names import shown_name
from proxy.aggregate.uris import shown_uri
from proxy.definitions import Entry
from proxy.inspection import Inspection, inspection_of
from proxy.overlay import show
from proxy.pace import Pace
from proxy.sightings import MEMBERS
from servers.laying import Overlays
from servers.offers import LEGACY, MODERN, Offer, era_of

if TYPE_CHECKING:
    from proxy.call import Call

_MAX_SHELVES = 10_000
_MAX_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Line:
    """One definition, by its real name, as JSON in which it has the name that clients know."""

    name: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Shelf:
    """`failed` says that a check of it could not be made, so that it is to be made again the next time."""

    offer: Offer
    policy: Policy
    overlays: Overlays | None
    lines: tuple[Line, ...]
    size: int
    failed: bool


class Shelves:
    """Of one event loop, bounded in number and size; what is used least recently goes first."""

    def __init__(self) -> None:
        self._shelves: OrderedDict[tuple[int, str, str], Shelf] = OrderedDict()
        self._size = 0

    async def lines(self, call: Call, slug: str, member: str) -> tuple[Line, ...]:
        """What the server shows to clients of the call's era. Sorted by name, so that every worker has one order."""
        return (await self.shelf(call, slug, member)).lines

    async def shelf(self, call: Call, slug: str, member: str) -> Shelf:
        """The lines, and what they were made of."""
        upstream, offer = call.snapshot.upstreams[slug], call.snapshot.rights.offers[slug]
        era = era_shown(offer, MEMBERS[member][0], era_of(call.modern))
        policy, place = call.snapshot.policies.policy_for(upstream.server_id, "output"), (offer.server_id, member, era)
        overlays, known = call.snapshot.overlays.get(slug), self._shelves.get(place)
        if known and known.offer is offer and known.policy is policy and known.overlays is overlays:
            self._shelves.move_to_end(place)
            return known
        asked = replace(call, upstream=upstream)
        inspection = inspection_of(asked)
        lines = tuple([line async for line in _make(asked, inspection, offer, member, era)])
        size = sum(len(line.text) for line in lines)
        shelf = Shelf(offer, policy, overlays, lines, size, inspection.has_failed)
        # What an exception lets through is not kept either: it ends by itself.
        if not shelf.failed and not call.snapshot.policies.exemptions:
            self._keep(place, shelf)
        return shelf

    def _keep(self, place: tuple[int, str, str], shelf: Shelf) -> None:
        before = self._shelves.pop(place, None)
        self._size += shelf.size - (before.size if before is not None else 0)
        self._shelves[place] = shelf
        while len(self._shelves) > _MAX_SHELVES or (self._size > _MAX_BYTES and len(self._shelves) > 1):
            self._size -= self._shelves.popitem(last=False)[1].size


def era_shown(offer: Offer, kind: str, era: str) -> str:
    """The era whose list is shown to clients of this one: theirs where the server has given it."""
    other = LEGACY if era == MODERN else MODERN
    return other if (era, kind) not in offer.lists and (other, kind) in offer.lists else era


async def _make(
    call: Call, inspection: Inspection, offer: Offer, member: str, era: str
) -> AsyncIterator[Line]:
    kind, name_of = MEMBERS[member]
    pace = Pace()
    for offered in sorted(offer.of(kind), key=lambda each: each.name):
        if not offered.may_be_used or era not in offered.current:
            continue
        definition = offered.definition(era)
        if definition is not None and not inspection.is_off:
            definition = await inspection.judge(Entry(member, definition))
        await pace.keep()
        if definition is None or isinstance(definition, Blocked):
            continue
        for shown in show(call, [definition]) if kind == "tool" else [definition]:
            name = shown_name if name_of == "name" else shown_uri
            yield Line(offered.name, encode({**shown, name_of: name(call.upstream.slug, shown[name_of])}))
