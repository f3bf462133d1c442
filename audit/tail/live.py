"""The WebSocket of pages with numbers: says that something changed, and the page then asks for what it shows."""

from __future__ import annotations

import asyncio

import orjson

from audit.models import Event
from audit.tail.consumer import TailConsumer
from audit.tail.feed import Listener

# However much happens, a page is told once in a second.
_GAP_SECONDS = 1.0
# What changes with an event, by how its kind begins.
_TOPICS = {
    "mcp.call.outcome": "figures", "definition.": "review", "discovery.": "servers", "server.": "servers",
    "key.": "keys", "job.": "jobs", "audit.export": "jobs",
}  # fmt: skip


class LiveConsumer(TailConsumer):
    """Sends `{"changed": [topics]}` to whoever may read the log; nothing of an event itself. Rules are the tail's."""

    async def _send_events(self, listener: Listener) -> None:
        while True:
            events, skipped = await listener.take()
            topics = sorted(set(_TOPICS.values())) if skipped else topics_of(events)
            if topics:
                await self.send(text_data=orjson.dumps({"changed": topics}).decode())
            await asyncio.sleep(_GAP_SECONDS)


def topics_of(events: list[Event]) -> list[str]:
    return sorted({
        topic for event in events for start, topic in _TOPICS.items() if event.kind.startswith(start)
    })  # fmt: skip
