"""The WebSocket of pages with numbers: says that something changed, and how far the jobs are that a person may see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from audit.models import Event
from audit.tail.consumer import TailConsumer
from audit.tail.feed import Listener
from audit.tail.progress import Moved, action_of
from gateway_site.lib.display import visible
from projects.access import Reach
from projects.permissions import AUDIT_EXPORT, AUDIT_READ, CONFIG_READ

# However much happens, a page is told once in a second.
_GAP_SECONDS = 1.0
# What changes with an event, by how its kind begins.
_TOPICS = {
    "mcp.call.outcome": "figures", "definition.": "review", "discovery.": "servers", "server.": "servers",
    "key.": "keys", "job.": "jobs", "audit.export": "jobs",
}  # fmt: skip


class LiveListener(Listener):
    """Hears of jobs too, of each the last that there is to say. `sees` says which are theirs."""

    hears_jobs = True

    def __init__(
        self, belongs: Callable[[Event], bool], reach: Callable[[], Reach], sees: Callable[[Moved], bool]
    ) -> None:
        super().__init__(belongs, reach)
        self._sees = sees
        self._moved: dict[int, Moved] = {}

    def offer_jobs(self, moved: Iterable[Moved]) -> None:
        theirs = {each.id: each for each in moved if self._sees(each)}
        if theirs:
            self._moved |= theirs
            self._wake.set()

    def take_jobs(self) -> list[Moved]:
        taken, self._moved = list(self._moved.values()), {}
        return taken


class LiveConsumer(TailConsumer):
    """Sends `{"changed": [topics], "jobs": [job]}` to whoever may read the log, without what is empty.

    Nothing of an event itself; a job (audit.tail.progress.Moved, without its project) to whom its pages are open.
    Rules are the tail's.
    """

    actions = (AUDIT_READ, CONFIG_READ, AUDIT_EXPORT)

    def _listen(self, belongs: Callable[[Event], bool]) -> LiveListener:
        return LiveListener(belongs, self.reach, self._sees)

    def _sees(self, job: Moved) -> bool:
        return self.reach(action_of(job.kind)).has(job.project_ref)

    async def _send_events(self, listener: Listener) -> None:
        while True:
            events, skipped = await listener.take()
            topics = sorted(set(_TOPICS.values())) if skipped else topics_of(events)
            told = {"changed": topics, "jobs": [_as_json(job) for job in listener.take_jobs()]}
            told = {name: what for name, what in told.items() if what}
            if told:
                await self.send(text_data=orjson.dumps(told).decode())
            await asyncio.sleep(_GAP_SECONDS)


def _as_json(job: Moved) -> dict[str, Any]:
    shown = {**job._asdict(), "text": visible(job.text)}
    return {name: value for name, value in shown.items() if name != "project_ref"}


def topics_of(events: list[Event]) -> list[str]:
    return sorted({
        topic for event in events for start, topic in _TOPICS.items() if event.kind.startswith(start)
    })  # fmt: skip
