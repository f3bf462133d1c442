"""What servers list is compared with the catalogue, and what is new is written down before any of it is passed on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gateway_site.lib.actor import Actor, acting_as
from proxy.snapshot import Snapshot
from servers.definitions import digest as digest_of
from servers.offers import Offer, era_of
from servers.review import Listed, observe_by_id

if TYPE_CHECKING:
    from proxy.call import Call
    from proxy.snapshot import Snapshots

# Where a result lists definitions: their kind, and the member that names them.
MEMBERS = {
    "tools": ("tool", "name"),
    "prompts": ("prompt", "name"),
    "resources": ("resource", "uri"),
    "resourceTemplates": ("template", "uriTemplate"),
}
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
# A server that says something else each time costs its own callers this long, and nobody else.
_SECONDS_BETWEEN = 0.25
_MAX_SERVERS = 5_000
_ACTOR = Actor("system", "proxy", "data plane")


class Sightings:
    """Of one event loop: each server's catalogue is written by one call at a time, with pauses between."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._locks: dict[int, asyncio.Lock] = {}
        self._written: dict[int, float] = {}

    async def note(self, call: Call, member: str, entries: Iterable[Any]) -> Offer:
        """What the catalogue says of the server once it knows these entries.

        What is missing among them says nothing: a server may show some to some clients only. Raises Refusal when it
        cannot be written down.
        """
        era, listed = era_of(call.modern), list(_listed(member, entries))
        kind = MEMBERS[member][0]
        offer = offer_of(call)
        if not _is_news(offer, kind, era, listed):
            return offer
        server = call.upstream.server_id
        if len(self._locks) >= _MAX_SERVERS:
            self._locks = {key: lock for key, lock in self._locks.items() if lock.locked()}
            self._written.clear()
        async with self._locks.setdefault(server, asyncio.Lock()):
            # Whoever was here before may have written the same.
            if not _is_news(offer_of(call), kind, era, listed):
                return offer_of(call)
            wait = self._written.get(server, float("-inf")) + _SECONDS_BETWEEN - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            await self._snapshots.ask(_write, (server, call.principal.project_id, era, listed))
            self._written[server] = time.monotonic()
            await self._snapshots.reload(call.principal.project_id)
        return offer_of(call)


def offer_of(call: Call) -> Offer:
    """As the newest configuration has it; nothing is offered by a server that is gone."""
    newest: Snapshot | None = call.state.snapshots.current(call.principal.project_id)
    found = newest.rights.offers.get(call.upstream.slug) if newest is not None else None
    if found is None or found.server_id != call.upstream.server_id:
        return Offer(call.upstream.server_id)
    return found


def unapproved(offer: Offer, member: str, entries: Iterable[Any]) -> set[tuple[str, str]]:
    """Kind and name of the server's entries whose definition is not approved, as the server said it."""
    return {
        (entry.kind, entry.name) for entry, digest in _listed(member, entries)
        if not offer.shows(entry.kind, entry.name, digest)
    }  # fmt: skip


def _listed(member: str, entries: Iterable[Any]) -> Iterable[tuple[Listed, str]]:
    kind, name_of = MEMBERS[member]
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get(name_of), str):
            yield Listed(kind, entry[name_of], entry), digest_of(entry)


def _is_news(offer: Offer, kind: str, era: str, listed: Sequence[tuple[Listed, str]]) -> bool:
    return any(offer.is_news(kind, entry.name, digest, era) for entry, digest in listed)


def _write(order: tuple[int, int, str, list[tuple[Listed, str]]]) -> None:
    server_id, project_id, era, listed = order
    with acting_as(_ACTOR):
        observe_by_id(server_id, project_id, era=era, listed=[entry for entry, _ in listed])
