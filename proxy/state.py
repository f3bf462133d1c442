"""What lives as long as an event loop: snapshots, connections, the catalogue, and the calls that are open."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from projects import usage
from projects.authentication import KeyRecord, is_expired
from proxy.aggregate.state import Aggregate
from proxy.changes import Changes
from proxy.errors import Refusal
from proxy.figures import AllFigures
from proxy.flights import Flights
from proxy.guards import Guards
from proxy.listings import Listings
from proxy.meter import Meters
from proxy.naming import Names
from proxy.payloads import DataKeys
from proxy.rediscovery import Rediscovery
from proxy.sightings import Sightings
from proxy.snapshot import Snapshot, Snapshots
from servers.catalogue import Catalogue
from servers.upstream import Connections

if TYPE_CHECKING:
    from proxy.call import Call

StillAllowed = Callable[["Call", Snapshot | None], bool]
OPEN = Gauge("mcpgw_open_calls", "Calls and streams under way.", multiprocess_mode="livesum")
_EXPIRY_CHECK_SECONDS = 0.5
_USES_FLUSH_SECONDS = 15.0


class OpenCalls:
    """Calls under way with the tasks that run them, so that a right that ends can end them."""

    def __init__(self) -> None:
        self._tasks: dict[Call, asyncio.Task[object]] = {}
        self._still_allowed: StillAllowed | None = None
        self.revoked: set[Call] = set()
        # Those whose client has said that it does not wait any more.
        self.given_up: set[Call] = set()
        self.draining = False
        self.idle = asyncio.Event()
        self.idle.set()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, call: Call, still_allowed: StillAllowed) -> None:
        """`still_allowed` decides again, when the project changes, as it did when the call was let in."""
        self._still_allowed = still_allowed
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  always called inside one
        self._tasks[call] = task
        self.idle.clear()

    def remove(self, call: Call) -> None:
        self._tasks.pop(call, None)
        self.revoked.discard(call)
        self.given_up.discard(call)
        if not self._tasks:
            self.idle.set()

    def task_of(self, call: Call) -> asyncio.Task[object] | None:
        return self._tasks.get(call)

    def end(self, call: Call) -> None:
        task = self._tasks.get(call)
        if task is not None and call not in self.revoked:
            self.revoked.add(call)
            task.cancel()

    def give_up(self, call: Call) -> None:
        task = self._tasks.get(call)
        if task is not None and call not in self.revoked:
            self.given_up.add(call)
            task.cancel()

    def calls(self) -> list[Call]:
        return list(self._tasks)

    def end_revoked(self, project_id: int, snapshot: Snapshot | None) -> None:
        """Every open call of a changed project is decided again, by the function that let it in."""
        for call in self.calls():
            if call.principal.project_id == project_id and self._still_allowed is not None:
                if not self._still_allowed(call, snapshot):
                    self.end(call)


class State:
    """Made on the first request of a loop, since not every server announces its start."""

    def __init__(self) -> None:
        self.open_calls = OpenCalls()
        self.snapshots = Snapshots(self._follow)
        self.payload_keys = DataKeys(self.snapshots)
        self.sightings = Sightings(self.snapshots)
        self.rediscovery = Rediscovery(self.snapshots)
        self.flights = Flights()
        self.listings = Listings()
        self.connections = Connections()
        self.catalogue = Catalogue()
        self.meters = Meters()
        self.guards = Guards()
        self.names = Names()
        self.figures = AllFigures()
        self.aggregate = Aggregate()
        self.changes = Changes(self)
        # Key ids used since the last flush, with the time.
        self.uses: dict[str, float] = {}
        self._uses_flushed_at = time.monotonic()
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.snapshots.start()
        if self._watch is None:
            self._watch = asyncio.create_task(self._end_expired(), name="expiry-watch")

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        await self._flush_uses()
        self.rediscovery.close()
        self.changes.close()
        await self.flights.close()
        await self.listings.close()
        self.sightings.close()
        await self.snapshots.close()
        await self.aggregate.close()
        await self.connections.close()
        await self.guards.close()

    def _follow(self, project_id: int, before: Snapshot | None, after: Snapshot | None) -> None:
        """A project's configuration is another one now: what depends on it goes, and who listens is told."""
        self.open_calls.end_revoked(project_id, after)
        self._drop_cleared(project_id, before, after)
        if before is not None:
            self.connections.forget(_servers_of(before) - (_servers_of(after) if after is not None else set()))
        if after is not None:
            self.guards.expect(project_id, after.policies.in_use())
        self.changes.follow(project_id)

    def _drop_cleared(self, project_id: int, before: Snapshot | None, after: Snapshot | None) -> None:
        if after is None:
            return
        dropped = before.cleared if before is not None else {}
        for mark, version in after.cleared.items():
            if dropped.get(mark) != version:
                self._drop(project_id, *mark.split(":"))
        for slug, offer in after.rights.offers.items():
            known = before.rights.offers.get(slug) if before is not None else None
            if known is not None and known.version != offer.version:
                # Somebody has seen another list than ours.
                self.catalogue.expire(after.upstreams[slug])

    def _drop(self, project_id: int, kind: str, part: str = "") -> None:
        if kind == "tools":
            self.catalogue.forget(project_id, int(part) if part else None)
        elif kind == "verdicts":
            self.guards.cache.forget(project_id)
            self.guards.definitions.forget(project_id)
        elif kind == "person" and part:
            self.payload_keys.forget(project_id, int(part))

    async def _end_expired(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRY_CHECK_SECONDS)
            now = time.time()
            for call in self.open_calls.calls():
                if is_expired(self._newest_key(call), now):
                    self.open_calls.end(call)
            if time.monotonic() - self._uses_flushed_at >= _USES_FLUSH_SECONDS:
                await self._flush_uses()
            OPEN.set(len(self.open_calls))
            self.connections.measure()

    def _newest_key(self, call: Call) -> KeyRecord:
        """The expiry may have been set after the call began, as rotation does."""
        snapshot = self.snapshots.current(call.principal.project_id)
        known = snapshot.keys.get(call.principal.key.key_id) if snapshot is not None else None
        return known or call.principal.key

    async def _flush_uses(self) -> None:
        uses, self.uses = self.uses, {}
        self._uses_flushed_at = time.monotonic()
        if uses:
            # What cannot be written now is noted again with the key's next use.
            with contextlib.suppress(Refusal):
                await self.snapshots.ask(usage.store, uses)


def _servers_of(snapshot: Snapshot) -> set[int]:
    return {upstream.server_id for upstream in snapshot.upstreams.values()}


_states: dict[asyncio.AbstractEventLoop, State] = {}


def current() -> State:
    """The state of the running loop."""
    loop = asyncio.get_running_loop()
    state = _states.get(loop)
    if state is None:
        for closed in [known for known in _states if known.is_closed()]:
            del _states[closed]
        state = _states[loop] = State()
        state.start()
    return state


async def close_current() -> None:
    state = _states.pop(asyncio.get_running_loop(), None)
    if state is not None:
        await state.close()
