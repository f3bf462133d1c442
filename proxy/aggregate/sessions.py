"""The legacy sessions that the gateway holds with servers for sessions and keys at the address of all servers.

In process memory, and sealed in Redis where there is one, so that any worker goes on with the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from proxy.aggregate import handshake, parts
from proxy.aggregate.ended import Ended
from proxy.aggregate.handshake import Kept
from proxy.aggregate.sealed import SESSION_SECONDS, Session
from proxy.aggregate.shared import Shared
from proxy.aggregate.shares import Shares
from proxy.errors import Refusal
from proxy.protocol import LATEST_HANDSHAKE
from servers.upstream import Upstream

if TYPE_CHECKING:
    from proxy.call import Call
    from proxy.state import State

logger = structlog.get_logger("proxy.aggregate")
# Of one project, and of all.
_MAX_KEPT = (1_000, 50_000)
_MAX_CLIENTS = (2_000, 50_000)
_IDLE_SECONDS = 1800.0
_SWEEP_SECONDS = 30.0
_CONFIRM_SECONDS = 1.0
_WAIT_SECONDS, _LONG_WAIT_SECONDS = 2.0, 60.0
# Whose session it is (a client's session, or a key for those without), and with which server in which configuration.
Place = tuple[str, int, str]


@dataclass(slots=True)
class Client:
    """What this process knows of one session at the address of all servers."""

    level: str = ""
    subscribed: dict[tuple[str, str], str] = field(default_factory=dict)
    confirmed_at: float = float("-inf")
    # Set when a session with a server was begun, for the streams that wait for what servers say there.
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """Of one event loop: bounded in number, ended when nobody uses them."""

    def __init__(self) -> None:
        self._kept: Shares[Place, tuple[Upstream, Kept]] = Shares(*_MAX_KEPT)
        self._of_owner: dict[str, set[Place]] = {}
        self._opening: dict[Place, asyncio.Task[Kept]] = {}
        self._clients: Shares[str, Client] = Shares(*_MAX_CLIENTS)
        self._ended = Ended()
        self._shared = Shared()
        self._swept_at = time.monotonic()
        self._background: set[asyncio.Task[None]] = set()

    def client(self, project_id: int, session: Session) -> Client:
        """Made when it is first asked for; what it forgets is the log level and how resources were named."""
        found = self._clients.get(session.id)
        if found is None:
            found = Client()
            self._clients.put(project_id, session.id, found)
        return found

    async def confirm(self, call: Call, session: Session) -> Client:
        """Raises Refusal for a session that was ended, in another worker at the latest a second after."""
        project, key_id = call.principal.project_id, call.principal.key.key_id
        client = self.client(project, session)
        if not self._ended.holds(key_id, session) and time.monotonic() - client.confirmed_at > _CONFIRM_SECONDS:
            client.confirmed_at = time.monotonic()
            ended, level = await self._shared.standing(project, session.id)
            client.level = level or client.level
            if ended:
                self._ended.add(key_id, session)
        if self._ended.holds(key_id, session):
            raise Refusal("session_not_found")
        return client

    async def of(self, call: Call, session: Session | None) -> tuple[Kept, bool]:
        """The session with the call's server, and whether it was there before. Raises WrongEra and UpstreamError."""
        place = _place(call, session)
        found = self._kept.get(place)
        if found is None and session is not None:
            found = await self._fetch(call, session, place)
        if found is not None:
            found[1].used_at = time.monotonic()
            return found[1], True
        return await self._open(call, session, place), False

    async def reopen(self, call: Call, session: Session | None, lost: Kept) -> Kept:
        """Another one in place of what the server does not know any more, or what another worker has begun since."""
        place = _place(call, session)
        known = self._kept.get(place)
        if known is not None and known[1] is not lost:
            return known[1]
        self._drop(place)
        if session is not None:
            fetched = await self._fetch(call, session, place)
            if fetched is not None and fetched[1].id != lost.id:
                return fetched[1]
        self._drop(place)
        return await self._open(call, session, place)

    async def all_of(self, call: Call, session: Session) -> list[tuple[Upstream, Kept]]:
        """Those that this client has with servers that its key may use now and that are configured as they were then.

        None of them is idle.
        """
        newest = parts.renew(call)
        if newest is None:
            return []
        for server_id, config_hash, kept in await self._shared.kept(call.principal.project_id, session.id):
            upstream = next((each for each in newest.snapshot.upstreams.values() if each.server_id == server_id), None)
            place = (session.id, server_id, config_hash)
            if upstream is not None and upstream.config_hash == config_hash and place not in self._kept:
                self._keep(call.state, place, upstream, kept)
        places = sorted(self._of_owner.get(session.id, ()))
        held = [each for place in places if (each := self._kept.get(place)) is not None]
        found = [each for each in held if parts.may_reach(newest, each[0])]
        for _, kept in found:
            kept.used_at = time.monotonic()
        return found

    async def end(self, call: Call, session: Session) -> None:
        """Also with every server that the key may use."""
        ending = await self.all_of(call, session)
        self._ended.add(call.principal.key.key_id, session)
        for place in list(self._of_owner.get(session.id, ())):
            self._drop(place)
        await self._shared.end(call.principal.project_id, session.id, int(SESSION_SECONDS))
        for upstream, kept in ending:
            self._later(call.state, upstream, kept, partial(parts.note, call, upstream))

    async def remember_level(self, call: Call, session: Session, level: str) -> None:
        self.client(call.principal.project_id, session).level = level
        await self._shared.remember_level(call.principal.project_id, session.id, level)

    async def wait_for_more(self, call: Call, session: Session) -> None:
        """Until a session with a server was begun here, or a while has passed in which it may have been elsewhere."""
        changed = self.client(call.principal.project_id, session).changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_SECONDS if self._shared.is_there else _LONG_WAIT_SECONDS):
                await changed.wait()
        changed.clear()

    async def close(self) -> None:
        for task in [*self._opening.values(), *self._background]:
            task.cancel()
        await self._shared.close()

    async def _open(self, call: Call, session: Session | None, place: Place) -> Kept:
        """One handshake at a time for a place, which goes on when who asked for it first has left."""
        task = self._opening.get(place)
        if task is None:
            task = asyncio.create_task(self._begin(call, session, place), name="begin-session")
            self._opening[place] = task
            task.add_done_callback(lambda done: self._opened(place, done))
        return await asyncio.shield(task)

    def _opened(self, place: Place, task: asyncio.Task[Kept]) -> None:
        self._opening.pop(place, None)
        if not task.cancelled():
            # Whoever waits gets it too; where nobody does any more it must not be reported as lost.
            task.exception()

    async def _begin(self, call: Call, session: Session | None, place: Place) -> Kept:
        upstream = call.upstream
        version, capabilities, client = LATEST_HANDSHAKE, {}, {}
        if session is not None:
            version, capabilities, client = session.version, session.capabilities, session.client
        kept = await handshake.begin(call.state, upstream, version, capabilities, client)
        self._keep(call.state, place, upstream, kept)
        if session is not None:
            known = self.client(call.principal.project_id, session)
            if known.level:
                await handshake.set_level(call.state, upstream, kept, known.level)
            await self._shared.keep(call.principal.project_id, session.id, place[1], place[2], kept)
            known.changed.set()
        return kept

    async def _fetch(self, call: Call, session: Session, place: Place) -> tuple[Upstream, Kept] | None:
        kept = await self._shared.find(call.principal.project_id, session.id, place[1], place[2])
        if kept is None:
            return None
        self._keep(call.state, place, call.upstream, kept)
        self.client(call.principal.project_id, session).changed.set()
        return call.upstream, kept

    def _keep(self, state: State, place: Place, upstream: Upstream, kept: Kept) -> None:
        gone = self._kept.put(upstream.project_id, place, (upstream, kept))
        self._of_owner.setdefault(place[0], set()).add(place)
        now = time.monotonic()
        if now - self._swept_at > _SWEEP_SECONDS:
            self._swept_at = now
            gone += [each for each in self._kept.items() if now - each[1][1].used_at > _IDLE_SECONDS]
        for old, (server, unused) in gone:
            self._drop(old)
            self._later(state, server, unused, partial(parts.note_ours, state, server, "DELETE"))

    def _drop(self, place: Place) -> None:
        self._kept.pop(place)
        places = self._of_owner.get(place[0], set())
        places.discard(place)
        if not places:
            self._of_owner.pop(place[0], None)

    def _later(self, state: State, upstream: Upstream, kept: Kept, note: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(_end(state, upstream, kept, note), name="end-session")
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _end(state: State, upstream: Upstream, kept: Kept, note: Callable[[], Awaitable[None]]) -> None:
    """What cannot be put on record is left for the server to end."""
    try:
        await note()
    except Refusal as refusal:
        logger.warning("session not ended", server=upstream.slug, error=refusal.kind)
    else:
        await handshake.end(state, upstream, kept)


def _place(call: Call, session: Session | None) -> Place:
    if session is not None:
        owner = session.id
    elif call.aggregate is not None and call.aggregate.is_ours:
        owner = "gateway"
    else:
        owner = f"key:{call.principal.key.key_id}"
    return owner, call.upstream.server_id, call.upstream.config_hash
