"""Has servers asked again, behind the caller's back, whose lists in the catalogue may be old."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import structlog
from django.conf import settings

from audit.entry import Entry, new_id, now
from audit.recorder import AuditUnavailable, recorder
from proxy.aggregate.connecting import ready
from proxy.aggregate.passage import Passage
from proxy.errors import Refusal
from proxy.lifetimes import good_for
from proxy.sightings import LISTS, MEMBERS
from proxy.stages.forward import ask_upstream
from servers.catalogue import MAX_LIST_BYTES, MAX_PAGES, MAX_TOOLS
from servers.upstream import Upstream, UpstreamError

if TYPE_CHECKING:
    from proxy.call import Call

logger = structlog.get_logger("proxy.aggregate")
_METHODS = {member: method for method, member in LISTS.items()}
_SECONDS_BETWEEN = 1.0
_OF_ONE_PROJECT = 8
_LOOK_SECONDS = 10.0
_MAX_KNOWN = 20_000
_FIRST_SIGHT_SECONDS = 10.0
_NEWS_SECONDS = 0.5
# Server, configuration, the era asked in, and the list.
_Place = tuple[int, str, bool, str]


@dataclass(slots=True)
class _Look:
    """When the list was last asked for, and until when what it said is taken to be so."""

    at: float = float("-inf")
    good_until: float = float("-inf")
    # Whether the server has answered it.
    answered: bool = False


class Freshness:
    """Of one event loop: one question at a time for each list of a server, and at most one in a second."""

    def __init__(self) -> None:
        self._looks: dict[_Place, _Look] = {}
        self._running: dict[_Place, asyncio.Task[None]] = {}
        # A project whose servers do not answer keeps no other waiting.
        self._slots: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    async def look_after(self, call: Call, slugs: list[str], member: str) -> None:
        """Asks those whose list may have changed, and waits a little for those that have answered before.

        Others are asked behind the caller's back. The call then has the newest configuration.
        """
        awaited = []
        for slug in slugs:
            upstream = call.snapshot.upstreams[slug]
            if self._is_stale(call, upstream, member):
                look = self._looks.get(_place(call, upstream, member))
                has_answered = look is not None and look.answered
                task = self._begin(call, upstream, member)
                if task is not None and has_answered:
                    awaited.append(task)
        if awaited:
            await asyncio.wait(awaited, timeout=_NEWS_SECONDS)
            call.snapshot = call.state.snapshots.current(call.principal.project_id) or call.snapshot

    async def await_first_sight(self, call: Call, slugs: list[str], member: str) -> None:
        """Waits a little, and for each only once, for servers whose list nobody has seen yet.

        The call then has the newest configuration.
        """
        offers, kind = call.snapshot.rights.offers, MEMBERS[member][0]
        new = [
            call.snapshot.upstreams[slug] for slug in slugs
            if not any(kind == listed for _, listed in offers[slug].lists)
        ]  # fmt: skip
        new = [each for each in new if self._is_new(call, each, member)]
        tasks = [task for each in new if (task := self._begin(call, each, member)) is not None]
        if not tasks:
            return
        await asyncio.wait(tasks, timeout=_FIRST_SIGHT_SECONDS)
        call.snapshot = call.state.snapshots.current(call.principal.project_id) or call.snapshot

    async def close(self) -> None:
        for task in list(self._running.values()):
            task.cancel()

    def _is_new(self, call: Call, upstream: Upstream, member: str) -> bool:
        """Whether it was never asked, or just now."""
        look = self._looks.get(_place(call, upstream, member))
        return look is None or time.monotonic() - look.at < _FIRST_SIGHT_SECONDS

    def _is_stale(self, call: Call, upstream: Upstream, member: str) -> bool:
        look, moment = self._looks.get(_place(call, upstream, member)), time.monotonic()
        if look is None or moment >= look.good_until:
            return True
        # The server may have said that it has changed.
        table = call.state.catalogue.table(upstream, call.modern)
        return member == "tools" and table.complete and table.learnt_at == float("-inf")

    def _begin(self, call: Call, upstream: Upstream, member: str) -> asyncio.Task[None] | None:
        place = _place(call, upstream, member)
        running, look = self._running.get(place), self._looks.get(place)
        if running is not None:
            return running
        if look is not None and time.monotonic() - look.at < _SECONDS_BETWEEN:
            return None
        if len(self._looks) >= _MAX_KNOWN:
            self._looks.clear()
        self._looks[place] = replace(look or _Look(), at=time.monotonic())
        asking = replace(
            call, upstream=upstream, http_method="POST", message=None, session=None,
            aggregate=Passage(call.modern, None, is_ours=True),
            sealed_session=None, reports=[], closers=[], call_id=None,
        )  # fmt: skip
        task = self._running[place] = asyncio.create_task(self._ask(asking, place), name="revalidate")
        task.add_done_callback(lambda _: self._running.pop(place, None))
        return task

    async def _ask(self, call: Call, place: _Place) -> None:
        try:
            async with self._slot_of(call.principal.project_id), asyncio.timeout(_LOOK_SECONDS):
                await _record(call, _METHODS[place[3]])
                look = self._looks[place]
                look.answered = False
                look.good_until = time.monotonic() + await _look(call, place[3])
                look.answered = True
        except UpstreamError as error:
            logger.info("list not read again", server=call.upstream.slug, error=error.kind)
        except (Refusal, AuditUnavailable, TimeoutError) as error:
            logger.warning("list not read again", server=call.upstream.slug, error=type(error).__name__)
        except Exception:  # nobody awaits it; a fault of ours must not pass unseen
            logger.exception("list not read again", server=call.upstream.slug)

    def _slot_of(self, project_id: int) -> asyncio.Semaphore:
        slot = self._slots.get(project_id)
        if slot is None:
            slot = self._slots[project_id] = asyncio.Semaphore(_OF_ONE_PROJECT)
        return slot


async def _look(call: Call, member: str) -> float:
    """Reads the whole list and has the catalogue see it; for how many seconds it is good."""
    if call.aggregate is not None:
        await ready(call, call.aggregate)
    entries: list[Any] = []
    cursor: Any = None
    budget, result = MAX_LIST_BYTES, dict[str, Any]()
    for _ in range(MAX_PAGES):
        try:
            result, size = await ask_upstream(call, _METHODS[member], {"cursor": cursor} if cursor else {}, budget)
        except UpstreamError as error:
            if error.kind == "refused":
                return float(settings.CACHE_TOOLS_SECONDS)
            raise
        page = result.get(member)
        if not isinstance(page, list):
            raise UpstreamError("invalid", f"{_METHODS[member]} without {member}")
        entries += page[: MAX_TOOLS + 1 - len(entries)]
        budget -= size
        cursor = result.get("nextCursor")
        if not isinstance(cursor, str) or len(entries) > MAX_TOOLS or budget <= 0:
            break
    await call.state.sightings.note(call, member, entries)
    if member == "tools" and not isinstance(cursor, str):
        catalogue = call.state.catalogue
        catalogue.replace(catalogue.table(call.upstream, call.modern), entries, good_for=good_for(result))
    return _good_for(result)


def _good_for(result: dict[str, Any]) -> float:
    """A list that is good for this once is asked for again behind each that is given."""
    ours, said = float(settings.CACHE_TOOLS_SECONDS), good_for(result)
    if said is None:
        return 0.0 if "ttlMs" in result else ours
    return min(said, ours)


def _place(call: Call, upstream: Upstream, member: str) -> _Place:
    return upstream.server_id, upstream.config_hash, call.modern, member


async def _record(call: Call, method: str) -> None:
    """Nothing leaves that is not on record, whoever has it sent."""
    if settings.AUDIT == "off":
        return
    entry = Entry(
        id=new_id(), at=now(), kind="catalogue.read", project_ref=call.principal.project_id,
        project=call.snapshot.slug, actor_kind="system", actor_id="proxy", actor="data plane",
        server_ref=call.upstream.server_id, server=call.upstream.slug, method=method, subject=call.upstream.slug,
    )  # fmt: skip
    async with asyncio.timeout(settings.AUDIT_TIMEOUT_SECONDS):
        await recorder.write(entry)
