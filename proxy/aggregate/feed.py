"""One stream of all servers together: what those say with which the client has something open.

`subscriptions/listen` hears of the resources that it names; the GET stream of a session hears all that servers say on
the sessions that were begun for it. What the gateway itself has to say is a source like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from proxy.aggregate.handshake import Kept
from proxy.aggregate.passage import Passage
from proxy.aggregate.route import find_uri
from proxy.aggregate.sealed import Session
from proxy.call import Answer, Call, Event
from proxy.errors import Refusal
from proxy.protocol import SUBSCRIPTION_KEY
from proxy.stages.authorize import not_there
from proxy.wire import is_response
from servers.events import RawEvent
from servers.upstream import Upstream, UpstreamError

if TYPE_CHECKING:
    from proxy.call import CallNext

_KEEP_ALIVE_SECONDS = 15.0
_AGAIN_SECONDS = 5.0
_MAX_WAITING = 256
_MAX_WATCHED = 1_000
_FLAGS = ("toolsListChanged", "promptsListChanged", "resourcesListChanged")


class Feed:
    """Events of several sources in one queue, in the order in which they come."""

    def __init__(self, call: Call, call_next: CallNext) -> None:
        self._call, self._call_next = call, call_next
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_MAX_WAITING)
        self._tasks: dict[Any, asyncio.Task[None]] = {}

    def say(self, message: dict[str, Any]) -> None:
        """Of our own; left out when the client reads too slowly to hear it."""
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(Event(RawEvent(event="message"), message))

    def attach(self, place: Any, part: Call) -> None:
        """Begins to listen to one server, in place of nothing that is attached there."""
        if place not in self._tasks:
            self._tasks[place] = asyncio.create_task(self._pump(place, part), name="feed")

    def run(self, source: Any, work: Any) -> None:
        self._tasks[source] = asyncio.create_task(work, name="feed")

    async def events(self) -> AsyncGenerator[Event, None]:
        """Does not end by itself."""
        try:
            while True:
                try:
                    async with asyncio.timeout(_KEEP_ALIVE_SECONDS):
                        event = await self._queue.get()
                except TimeoutError:
                    event = Event(RawEvent(comments=("keep-alive",)), None)
                yield event
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, place: Any, part: Call) -> None:
        passage = self._call.aggregate
        if passage is not None:
            passage.parts.append(part)
        try:
            await self._hear(part)
        except (Refusal, UpstreamError):
            # It has no stream, or none now; the others go on.
            pass
        finally:
            if passage is not None:
                passage.parts.remove(part)
        await asyncio.sleep(_AGAIN_SECONDS)
        self._tasks.pop(place, None)

    async def _hear(self, part: Call) -> None:
        answer = await self._call_next(part)
        if answer.events is None or part.aggregate is None:
            return
        try:
            async for event in answer.events:
                message = event.message
                if message is None or is_response(message) or message.get("method") == _ACKNOWLEDGED:
                    continue
                shown = part.aggregate.translate(part, message)
                if shown is not None:
                    # One stream has events of many: none can be taken up by the id of one.
                    await self._queue.put(Event(RawEvent(event=event.raw.event), shown))
        finally:
            await answer.events.aclose()


_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


async def listen(call: Call, call_next: CallNext) -> Answer:
    """2026-07-28. Raises Refusal for a resource that is not there."""
    wanted = call.params.get("notifications")
    wanted = wanted if isinstance(wanted, dict) else {}
    watched = _watched(call, wanted.get("resourceSubscriptions"))
    feed = Feed(call, call_next)
    honoured: dict[str, Any] = {name: True for name in _FLAGS if wanted.get(name) is True}
    heard: list[str] = []
    for upstream, given in watched.values():
        if call.state.aggregate.eras.speaks(replace(call, upstream=upstream), True) is not False:
            feed.attach(upstream.slug, _listening(call, upstream, given))
            heard += given.values()
    if heard:
        honoured["resourceSubscriptions"] = heard
    meta = {SUBSCRIPTION_KEY: call.message_id}
    feed.say({"jsonrpc": "2.0", "method": _ACKNOWLEDGED, "params": {"notifications": honoured, "_meta": meta}})
    return Answer(200, events=feed.events())


def _watched(call: Call, uris: Any) -> dict[str, tuple[Upstream, dict[str, str]]]:
    """By server: real URIs with those that the client used."""
    found: dict[str, tuple[Upstream, dict[str, str]]] = {}
    for uri in uris[:_MAX_WATCHED] if isinstance(uris, list) else ():
        place = find_uri(call, uri) if isinstance(uri, str) else None
        if place is None:
            raise not_there("resource", str(uri))
        found.setdefault(place[0].slug, (place[0], {}))[1][place[1]] = uri
    return found


def _listening(call: Call, upstream: Upstream, given: dict[str, str]) -> Call:
    params = {**call.params, "notifications": {"resourceSubscriptions": list(given)}}
    message = {**(call.message or {}), "params": params}
    passage = Passage(True, call.version, message_id=call.message_id, given=given)
    return replace(call, upstream=upstream, message=message, aggregate=passage)


async def watch(call: Call, session: Session, call_next: CallNext) -> Answer:
    """The GET stream of a session of 2025-03-26 and later."""
    feed = Feed(call, call_next)

    async def follow() -> None:
        sessions = call.state.aggregate.sessions
        while True:
            for upstream, kept in await sessions.all_of(call, session):
                feed.attach((upstream.server_id, kept.id), _watching(call, session, upstream, kept))
            await sessions.wait_for_more(session)

    feed.run("sessions", follow())
    return Answer(200, events=feed.events())


def _watching(call: Call, session: Session, upstream: Upstream, kept: Kept) -> Call:
    subscribed = call.state.aggregate.sessions.client(session).subscribed
    given = {real: shown for (slug, real), shown in subscribed.items() if slug == upstream.slug}
    passage = Passage(False, call.version, session, given=given, kept=kept)
    return replace(call, upstream=upstream, aggregate=passage, last_event_id=None)
