"""Finds what a person may call among all that a client of theirs would be listed: the first by name, or one whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway_site.lib.jsontext import decode
from proxy.aggregate.shelves import Line
from proxy.aggregate.table import lines_of, reachable_of, visible
from proxy.call import Call
from proxy.pace import Pace

# So many are offered at once, however many there are.
MOST = 100
_MEMBER = "tools"
Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """`definition` is as clients are listed it; `name` is what the server itself calls it."""

    server: str
    name: str
    definition: Message


@dataclass(frozen=True, slots=True)
class Found:
    """In the order of servers and names, those first that begin with what was typed; `more` where these are not all."""

    tools: list[Tool] = field(default_factory=list)
    more: bool = False


async def find(call: Call, typed: str) -> Found:
    """Tools with each of these words in `server/name`, or in the name that an overlay gives; without words, any."""
    words, pace = typed.lower().split(), Pace()
    first: list[tuple[str, Line]] = []
    others: list[tuple[str, Line]] = []
    reachable = reachable_of(call)
    for slug in visible(call):
        for line, called in _named(call, slug, (await lines_of(call, slug, _MEMBER, reachable))[0]):
            await pace.keep()
            path = f"{slug}/{line.name}".lower()
            if all(word in path or word in called for word in words):
                part = first if path.startswith(typed.lower().strip()) else others
                if len(part) <= MOST:
                    part.append((slug, line))
        if len(first) > MOST:
            break
    chosen = [*first, *others][:MOST]
    return Found([_tool(*each) for each in chosen], len(first) + len(others) > MOST)


def _named(call: Call, slug: str, lines: list[Line]) -> Iterator[tuple[Line, str]]:
    overlays = call.snapshot.overlays.get(slug)
    for line in lines:
        called = line.name if overlays is None else overlays.name(line.name) or line.name
        yield line, called.lower()


async def named(call: Call, shown: str) -> Tool | None:
    """By the name that clients are listed."""
    slug, name = call.state.aggregate.names(call.snapshot).get(("tool", shown), ("", ""))
    if slug not in visible(call):
        return None
    lines = (await lines_of(call, slug, _MEMBER, reachable_of(call)))[0]
    return next((_tool(slug, line) for line in lines if line.name == name), None)


def _tool(slug: str, line: Line) -> Tool:
    return Tool(slug, line.name, decode(line.text))
