"""Overlays of a server as the data plane holds them: which name stands for which tool, and what is shown of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from servers import overlays
from servers.definitions import digest as digest_of
from servers.models import Overlay as Row
from servers.models import Server
from servers.overlaying import read
from servers.overlays import Overlay

_MAX_LAID = 1_000


@dataclass(frozen=True, slots=True)
class Laid:
    """An overlay over one definition: with it arguments are made the server's, and this is what models see."""

    overlay: Overlay
    shown: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Overlays:
    """Of one server, by the tool's real name."""

    by_tool: Mapping[str, Overlay] = field(default_factory=dict)
    _laid: OrderedDict[tuple[str, str], Laid | None] = field(default_factory=OrderedDict, repr=False, compare=False)

    def name(self, tool: str) -> str | None:
        """What the tool is called; None when it is hidden, or when another one has its name."""
        overlay = self.by_tool.get(tool)
        if overlay is not None and overlay.hidden:
            return None
        if overlay is not None and overlay.rename:
            return overlay.rename
        return None if self._renamed(tool) is not None else tool

    def tool(self, name: str) -> str | None:
        """The tool that is called so; None when none is, whatever the server has under this name."""
        renamed = self._renamed(name)
        if renamed is not None:
            return renamed
        return name if self.name(name) == name else None

    def lay(self, tool: str, definition: Mapping[str, Any]) -> Laid | None:
        """None when the overlay does not fit what the server says of the tool now: it is then as if hidden."""
        place = tool, digest_of(definition)
        if place not in self._laid:
            self._laid[place] = _lay(self.by_tool[tool], definition)
            while len(self._laid) > _MAX_LAID:
                self._laid.popitem(last=False)
        return self._laid[place]

    def _renamed(self, name: str) -> str | None:
        return next(
            (tool for tool, overlay in self.by_tool.items() if overlay.rename == name and not overlay.hidden), None
        )


def load(servers: Iterable[Server]) -> dict[str, Overlays]:
    """By slug, of servers that have any. Runs under the project's scope."""
    slugs = {server.pk: server.slug for server in servers}
    found: dict[str, dict[str, Overlay]] = {}
    for row in Row.objects.filter(server_id__in=slugs):
        found.setdefault(slugs[row.server_id], {})[row.tool] = read(row)
    return {slug: Overlays(by_tool) for slug, by_tool in found.items()}


def _lay(overlay: Overlay, definition: Mapping[str, Any]) -> Laid | None:
    if overlays.check(overlay, definition):
        return None
    return Laid(overlays.settle(overlay, definition), overlays.shown(overlay, definition))
