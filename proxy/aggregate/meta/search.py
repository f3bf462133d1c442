"""Finds tools by words, and gives the whole definition of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.aggregate.meta import shown
from proxy.aggregate.meta.definitions import FOUND
from proxy.aggregate.meta.index import Entry, find, rank
from proxy.aggregate.meta.listing import Unknown
from proxy.aggregate.table import visible
from proxy.pace import Pace

if TYPE_CHECKING:
    from proxy.call import Call


async def search_tools(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    entries = await _entries(call, arguments.get("server_name"))
    found = await rank(entries, arguments["query"])
    shown_now = found[: arguments.get("limit", FOUND)]
    return {
        "status": "success",
        "message": f"{len(shown_now)} of {len(found)} tools that were found, of {len(entries)} in all",
        "tools": [{**_summary(entry), "score": round(score, 3)} for score, entry in shown_now],
    }


async def describe_tool(call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
    """Raises Unknown."""
    name = arguments["name"]
    entry = find(await _entries(call, arguments.get("server_name")), name)
    if entry is None:
        raise Unknown("tool", name)
    return {
        "status": "success",
        "message": f"{entry.tool} of {entry.server}",
        "server_name": entry.server,
        "tool_name": entry.tool,
        "tool": entry.definition(),
    }


async def _entries(call: Call, server: str | None) -> list[Entry]:
    """Of all servers, or of one; of one that the key has not, there are none."""
    wanted = visible(call) if server is None else [server]
    await shown.look(call, shown.visible_of(call, wanted))
    found, pace = list[Entry](), Pace()
    for slug in shown.visible_of(call, wanted):
        found += await shown.tools(call, slug)
        await pace.keep()
    return found


def _summary(entry: Entry) -> dict[str, Any]:
    said = {"title": entry.title} if entry.title else {}
    return {"name": entry.shown, "server_name": entry.server, "tool_name": entry.tool, **said,
            "description": entry.summary}  # fmt: skip
