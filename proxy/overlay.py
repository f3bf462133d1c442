"""Tools as their project shows them: by the overlays of their server a name leads to a tool, and lists show it so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from servers.laying import Laid

if TYPE_CHECKING:
    from proxy.call import Call
    from servers.catalogue import Definition


class Misfit(Exception):
    """The overlay does not fit what the server says of the tool now, so that nothing can be shown or sent."""


def lead(call: Call) -> None:
    """Gives a call of a tool the tool's real name, so that everybody decides on that."""
    overlays = call.snapshot.overlays.get(call.upstream.slug)
    if overlays is None or call.method != "tools/call" or call.message is None:
        return
    name = call.params.get("name", "")
    tool = overlays.tool(name)
    call.named, call.is_nowhere = name, tool is None
    if tool is not None and tool != name:
        call.message = {**call.message, "params": {**call.params, "name": tool}}


def show(call: Call, tools: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What models see of the server's tools."""
    overlays = call.snapshot.overlays.get(call.upstream.slug)
    if overlays is None:
        return list(tools)
    shown = []
    for definition in tools:
        name = definition["name"]
        if overlays.name(name) is None:
            continue
        if name not in overlays.by_tool:
            shown.append(definition)
        elif (laid := overlays.lay(name, definition)) is not None:
            shown.append(laid.shown)
    return shown


def is_laid(call: Call) -> bool:
    """Whether the tool that is called has an overlay, which must not be passed by."""
    overlays = call.snapshot.overlays.get(call.upstream.slug)
    return overlays is not None and call.params.get("name") in overlays.by_tool


def lay(call: Call, definition: Definition) -> Laid | None:
    """The overlay of the tool that is called; None when it has none. Raises Misfit."""
    overlays = call.snapshot.overlays.get(call.upstream.slug)
    if overlays is None or definition.name not in overlays.by_tool:
        return None
    laid = overlays.lay(definition.name, definition.entry)
    if laid is None:
        raise Misfit
    return laid
