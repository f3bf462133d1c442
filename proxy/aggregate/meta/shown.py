"""What a key may use, as our own tools say it: servers, and tools by the functions that decide for lists and calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.aggregate.about import instructions_of, plain_info, said_by
from proxy.aggregate.meta.index import Entry
from proxy.aggregate.table import visible
from proxy.pace import Pace
from servers.offers import era_of
from servers.rights import decide

if TYPE_CHECKING:
    from proxy.call import Call


async def look(call: Call, slugs: list[str]) -> None:
    """Servers whose list nobody has seen are asked for it first, those whose list may be old behind our back."""
    fresh = call.state.aggregate.freshness
    await fresh.await_first_sight(call, slugs, "tools")
    await fresh.look_after(call, visible_of(call, slugs), "tools")


def visible_of(call: Call, slugs: list[str]) -> list[str]:
    return [slug for slug in visible(call) if slug in slugs]


async def tools(call: Call, slug: str) -> list[Entry]:
    """Of one server, those that this key may use now, in their order."""
    era, names = era_of(call.modern), call.state.aggregate.names(call.snapshot)
    rights, found, pace = call.snapshot.rights, list[Entry](), Pace()
    for entry in await call.state.aggregate.index.entries(call, slug):
        if names.get(("tool", entry.shown)) == (slug, entry.real):
            if decide(rights, call.principal, slug, "tool", entry.real, era).allowed:
                found.append(entry)
        await pace.keep()
    return found


def is_available(call: Call, slug: str) -> bool:
    """Whether it answered the last time that it was asked, and has ever said what it offers."""
    offer = call.snapshot.rights.offers[slug]
    failing = call.state.connections.is_failing(call.snapshot.upstreams[slug].server_id)
    return not failing and bool(offer.lists or offer.entries)


def facts(call: Call, slug: str) -> dict[str, Any]:
    """Nothing of how it is reached but the kind of transport: addresses, headers and parameters hold secrets."""
    upstream, offer = call.snapshot.upstreams[slug], call.snapshot.rights.offers[slug]
    return {
        "server_name": slug,
        "transport": upstream.transport,
        "state": "available" if is_available(call, slug) else "unavailable",
        "protocol_eras": sorted({*offer.about, *(era for era, _ in offer.lists)}),
        "server_version": plain_info(said_by(call, slug).get("server_info")),
    }


async def all_facts(call: Call, slug: str) -> dict[str, Any]:
    """With what the server says of itself, as its output policy lets it through."""
    return {**facts(call, slug), "instructions": await instructions_of(call, slug)}
