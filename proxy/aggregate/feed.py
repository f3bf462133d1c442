"""One stream of all servers together: what those say with which the client has something open.

`subscriptions/listen` hears of the resources that it names; the GET stream of a session hears all that servers say on
the sessions that were begun for it. What the gateway itself has to say is a source like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from proxy.aggregate.handshake import Kept
from proxy.aggregate.parts import note, renew
from proxy.aggregate.passage import Passage
from proxy.aggregate.route import find_uri
from proxy.aggregate.sealed import Session
from proxy.call import Answer, Call, Event
from proxy.errors import Refusal
from proxy.pace import Pace
from proxy.protocol import SUBSCRIPTION_KEY
from proxy.stages.authorize import not_there, still_allowed
from proxy.wire import MAX_LISTENED, is_response
from servers.events import RawEvent
from servers.offers import MODERN
from servers.rights import decide
from servers.upstream import Upstream, UpstreamError

if TYPE_CHECKING:
    from proxy.call import CallNext

_KEEP_ALIVE_SECONDS = 15.0
_AGAIN_SECONDS = 5.0
# How long a server that does not answer holds back the acknowledgement of all.
_SETTLE_SECONDS = 5.0
_MAX_WAITING = 256
# Of one stream. Of what the gateway itself has to say of the other servers it hears all the same.
MAX_PARTS = 64
_FLAGS = ("toolsListChanged", "promptsListChanged", "resourcesListChanged")


class Feed:
    """Events of several sources in one queue, in the order in which they come. Over with its call."""

    def __init__(self, call: Call, call_next: CallNext) -> None:
        self._call, self._call_next = call, call_next
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_MAX_WAITING)
        self._parts: dict[Any, asyncio.Task[None]] = {}
        self._sources: list[asyncio.Task[None]] = []
        # Before when a server that has nothing open for us is not asked again.
        self._again_at: dict[Any, float] = {}
        # Of the servers that have not yet said that they listen, nor that they do not.
        self._settling: dict[Any, asyncio.Future[None]] = {}
        # Until then nothing that a server says is passed on.
        self._begun = asyncio.Event()
        call.closers.append(self._stop)

    def say(self, message: dict[str, Any]) -> None:
        """Of our own; left out when the client reads too slowly to hear it."""
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(Event(RawEvent(event="message"), message))

    def attach(self, place: Any, part: Call) -> bool:
        """Begins to listen to one server, in place of nothing that is attached there. False where that may not be.

        It takes a place of its own among the streams of the key. Nothing is heard before `begin`.
        """
        if place in self._parts:
            return True
        if len(self._parts) >= MAX_PARTS or time.monotonic() < self._again_at.get(place, 0.0):
            return False
        try:
            leave = part.state.meters.enter(part.principal.key.key_id, part.principal.project_id, True)
        except Refusal:
            return False
        self._settling[place] = asyncio.get_running_loop().create_future()
        task = self._parts[place] = asyncio.create_task(self._pump(place, part), name="feed")
        task.add_done_callback(lambda _: self._leave(place, leave))
        return True

    def begin(self) -> None:
        self._begun.set()

    async def settle(self) -> None:
        """Until each server that is attached listens, or does not; no longer than a while."""
        if self._settling:
            await asyncio.wait(list(self._settling.values()), timeout=_SETTLE_SECONDS)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self._sources.append(asyncio.create_task(work, name="feed"))

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
            tasks = self._tasks
            self._stop()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _tasks(self) -> list[asyncio.Task[None]]:
        return [*self._sources, *self._parts.values()]

    def _stop(self) -> None:
        """Also of a stream that nobody has begun to read."""
        for task in self._tasks:
            task.cancel()

    def _leave(self, place: Any, leave: Callable[[], None]) -> None:
        leave()
        self._parts.pop(place, None)
        self._settled(place)

    def _settled(self, place: Any) -> None:
        waiting = self._settling.pop(place, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _pump(self, place: Any, part: Call) -> None:
        passage = self._call.aggregate
        pause = _AGAIN_SECONDS
        if passage is not None:
            # What changes from here on ends the stream.
            passage.parts.append(part)
        try:
            if still_allowed(part, part.state.snapshots.current(part.principal.project_id)):
                await note(part, part.upstream)
                await self._hear(place, part)
        except (Refusal, UpstreamError) as error:
            # It has no stream, or none now; the others go on.
            if isinstance(error, Refusal) and error.kind == "method_not_allowed":
                pause = math.inf
        finally:
            if passage is not None:
                passage.parts.remove(part)
        now = time.monotonic()
        self._again_at = {each: at for each, at in self._again_at.items() if at > now}
        self._again_at[place] = now + pause

    async def _hear(self, place: Any, part: Call) -> None:
        answer = await self._call_next(part)
        if answer.events is None or part.aggregate is None:
            return
        try:
            async for event in answer.events:
                message = event.message
                if message is None:
                    continue
                # The acknowledgement is the first that a server says.
                self._settled(place)
                if is_response(message) or message.get("method") == _ACKNOWLEDGED:
                    continue
                shown = part.aggregate.translate(part, message)
                if shown is not None:
                    await self._begun.wait()
                    # One stream has events of many: none can be taken up by the id of one.
                    await self._queue.put(Event(RawEvent(event=event.raw.event), shown))
        finally:
            await answer.events.aclose()


_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


async def listen(call: Call, call_next: CallNext) -> Answer:
    """2026-07-28. Raises Refusal for a resource that is not there."""
    wanted = call.params.get("notifications")
    wanted = wanted if isinstance(wanted, dict) else {}
    watched = await _watched(call, wanted.get("resourceSubscriptions"))
    feed = Feed(call, call_next)
    honoured: dict[str, Any] = {name: True for name in _FLAGS if wanted.get(name) is True}
    heard: list[str] = []
    for upstream in _spoken_to(call):
        flags = [name for name in honoured if _announces(call, upstream, name)]
        given = watched.get(upstream.slug, (upstream, {}))[1]
        if (flags or given) and feed.attach(upstream.slug, _listening(call, upstream, given, flags)):
            heard += given.values()
    if heard:
        honoured["resourceSubscriptions"] = heard
    meta = {SUBSCRIPTION_KEY: call.message_id}

    async def acknowledge() -> None:
        # What changes once a client knows that it is heard is told to it.
        await feed.settle()
        feed.say({"jsonrpc": "2.0", "method": _ACKNOWLEDGED, "params": {"notifications": honoured, "_meta": meta}})
        feed.begin()

    feed.run(acknowledge())
    return Answer(200, events=feed.events())


def _spoken_to(call: Call) -> list[Upstream]:
    """The servers that the key may use and that may have a stream of this kind."""
    rights, eras = call.snapshot.rights, call.state.aggregate.eras
    usable = [each for slug, each in call.snapshot.upstreams.items() if decide(rights, call.principal, slug).allowed]
    return [each for each in usable if eras.speaks(replace(call, upstream=each), True) is not False]


def _announces(call: Call, upstream: Upstream, flag: str) -> bool:
    """Whether the server has said that it tells when this list of its own is another one."""
    offer = call.snapshot.rights.offers.get(upstream.slug)
    about = offer.about.get(MODERN) if offer is not None else None
    capabilities = about.get("capabilities") if isinstance(about, dict) else None
    said = capabilities.get(flag.removesuffix("ListChanged")) if isinstance(capabilities, dict) else None
    return isinstance(said, dict) and said.get("listChanged") is True


async def _watched(call: Call, uris: Any) -> dict[str, tuple[Upstream, dict[str, str]]]:
    """By server: real URIs with those that the client used."""
    found: dict[str, tuple[Upstream, dict[str, str]]] = {}
    pace = Pace()
    for uri in uris[:MAX_LISTENED] if isinstance(uris, list) else ():
        place = find_uri(call, uri) if isinstance(uri, str) else None
        if place is None:
            raise not_there("resource", str(uri))
        found.setdefault(place[0].slug, (place[0], {}))[1][place[1]] = uri
        await pace.keep()
    return found


def _listening(call: Call, upstream: Upstream, given: dict[str, str], flags: list[str]) -> Call:
    wanted: dict[str, Any] = dict.fromkeys(flags, True)
    if given:
        wanted["resourceSubscriptions"] = list(given)
    params = {**call.params, "notifications": wanted}
    message = {**(call.message or {}), "params": params}
    passage = Passage(True, call.version, message_id=call.message_id, given=given)
    return replace(call, upstream=upstream, message=message, aggregate=passage)


async def watch(call: Call, session: Session, call_next: CallNext) -> Answer:
    """The GET stream of a session of 2025-03-26 and later."""
    feed = Feed(call, call_next)
    feed.begin()

    async def follow() -> None:
        sessions = call.state.aggregate.sessions
        while True:
            for upstream, kept in await sessions.all_of(call, session):
                newest = renew(call)
                if newest is not None:
                    feed.attach((upstream.server_id, kept.id), _watching(newest, session, upstream, kept))
            await sessions.wait_for_more(call, session)

    feed.run(follow())
    return Answer(200, events=feed.events())


def _watching(call: Call, session: Session, upstream: Upstream, kept: Kept) -> Call:
    subscribed = call.state.aggregate.sessions.client(call.principal.project_id, session).subscribed
    given = {real: shown for (slug, real), shown in subscribed.items() if slug == upstream.slug}
    passage = Passage(False, call.version, session, given=given, kept=kept)
    return replace(call, upstream=upstream, aggregate=passage, last_event_id=None)
