"""How the calls of each project ended, as this process has seen them since it began."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import KINDS

if TYPE_CHECKING:
    from proxy.call import Call

_MAX_PROJECTS = 10_000
_ENDED_WELL = frozenset({"ok", "tool_error", "error"})
_TIMEOUT = KINDS["upstream_timeout"].code


@dataclass(slots=True)
class Figures:
    """Of calls that were on their way to a server. What failed in another way is in the total only."""

    since: float
    total: int = 0
    answered: int = 0
    timed_out: int = 0
    cancelled: int = 0


class AllFigures:
    """Of one event loop, by project; what is used least recently goes first, and begins anew."""

    def __init__(self) -> None:
        self._projects: OrderedDict[int, Figures] = OrderedDict()
        self._since = time.time()

    def of(self, project: int) -> Figures:
        found = self._projects.get(project)
        if found is None:
            found = self._projects[project] = Figures(self._since)
            while len(self._projects) > _MAX_PROJECTS:
                self._projects.popitem(last=False)
                # Nobody can say any more what was before.
                self._since = time.time()
        self._projects.move_to_end(project)
        return found

    def note(self, call: Call, decision: str, code: int | None) -> None:
        """Once for each call, as its record says that it ended."""
        if call.is_whole or not call.is_request or call.is_stream or decision == "refused":
            return
        figures = self.of(call.principal.project_id)
        figures.total += 1
        if code == _TIMEOUT:
            figures.timed_out += 1
        elif decision == "cancelled":
            figures.cancelled += 1
        elif decision in _ENDED_WELL:
            figures.answered += 1
