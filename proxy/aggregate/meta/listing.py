"""Servers and the tools of each: all of them in short, one in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.aggregate.meta import shown
from proxy.aggregate.meta.index import Entry
from proxy.aggregate.table import visible

if TYPE_CHECKING:
    from proxy.call import Call

# How many tools one answer names; of further servers it says how many they have.
_MAX_NAMED = 5_000
_NO_ANSWER = "The server did not answer the last time that it was asked."


class Unknown(Exception):
    """There is nothing of this name for this key; the text says of what kind it would have been."""


async def list_servers(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    if not arguments.get("discover_tools", True):
        slugs = visible(call)
        return {
            "status": "success",
            "message": f"{len(slugs)} servers",
            "available_servers": {slug: shown.facts(call, slug) for slug in slugs},
            "servers_needing_discovery": [slug for slug in slugs if not _is_read(call, slug)],
        }
    return await discover_all(call)


async def discover_all(call: Call) -> dict[str, Any]:
    await shown.look(call, visible(call))
    servers: dict[str, Any] = {}
    named = 0
    for slug in visible(call):
        entries = await shown.tools(call, slug)
        servers[slug] = {**shown.facts(call, slug), "tool_count": len(entries)}
        if named + len(entries) <= _MAX_NAMED:
            named += len(entries)
            servers[slug]["tools"] = _in_short(entries)
        if not shown.is_available(call, slug):
            servers[slug]["discovery_error"] = {
                "status": "error", "error_kind": "unavailable", "message": _NO_ANSWER
            }  # fmt: skip
    failed = [slug for slug, server in servers.items() if "discovery_error" in server]
    return {
        "status": "error" if failed and len(failed) == len(servers) else "success",
        "message": f"{len(failed)} of {len(servers)} servers did not answer" if failed else f"{len(servers)} servers",
        "available_servers": servers,
        "discovery_failed_servers": failed,
        "discovery_success_servers": [slug for slug in servers if slug not in failed],
    }


async def server_info(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Raises Unknown."""
    slug = await _reach(call, arguments["server_name"])
    entries = await shown.tools(call, slug)
    about = await shown.all_facts(call, slug)
    return {
        "status": "success",
        "message": f"{len(entries)} tools",
        "server_name": slug,
        "server_info": {**about, "tool_count": len(entries), "tools": _in_short(entries)},
    }


async def discover_tools(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Raises Unknown."""
    name = arguments.get("server_name")
    return await discover_all(call) if name in (None, "null") else await discover_one(call, name)


async def discover_one(call: Call, name: str) -> dict[str, Any]:
    """Raises Unknown."""
    slug = await _reach(call, name)
    entries = await shown.tools(call, slug)
    return {
        "status": "success",
        "message": f"{len(entries)} tools",
        "server_name": slug,
        "tools": {"tools": [{**entry.definition(), "name": entry.tool} for entry in entries]},
        "source": "cache",
    }


async def _reach(call: Call, name: str) -> str:
    """The server, asked what it offers if nobody has yet. Raises Unknown."""
    if name in visible(call):
        await shown.look(call, [name])
        if name in visible(call):
            return name
    raise Unknown("server", name)


def _is_read(call: Call, slug: str) -> bool:
    return any(kind == "tool" for _, kind in call.snapshot.rights.offers[slug].lists)


def _in_short(entries: list[Entry]) -> dict[str, str]:
    return {entry.tool: entry.summary for entry in entries}
