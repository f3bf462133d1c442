"""Who is told that a list which they can see is another one: open streams listen, and a change is compared for them.

A stream of one server and one of a whole project listen in the same way. What they do with what they are told is
theirs; here is decided whether there is anything to tell, once for all who see the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from gateway_site.lib.jsontext import decode, encode
from guardrails.engine.findings import Blocked
from projects.authentication import KeyRecord, Principal
from proxy.call import Call
from proxy.definitions import Entry
from proxy.inspection import Inspection
from proxy.pace import Pace
from proxy.snapshot import Snapshot
from servers.offers import Offer, Offered, era_of
from servers.rights import decide

if TYPE_CHECKING:
    from proxy.state import State

logger = structlog.get_logger("proxy.changes")
# A kind of definition, the list in which clients see it, and the member in which servers list it.
_KINDS = {
    "tool": ("tools", "tools"),
    "prompt": ("prompts", "prompts"),
    "resource": ("resources", "resources"),
    "template": ("resources", "resourceTemplates"),
}
LISTS = frozenset(listed for listed, _ in _KINDS.values())
# By server: which of its lists are other ones.
Changed = Mapping[str, frozenset[str]]
# Kind, name and text of what is seen of one list; None for one that nobody has read yet.
_Seen = set[tuple[str, str, bytes]] | None


class Listener:
    """One open stream, for who serves it to say in `tell` what becomes of a change.

    `server` is None for who listens to all servers that its key may use, and sees them as the catalogue has them.
    `seen` is the configuration that it was last told of, to begin with that of its call.
    """

    __slots__ = ("key_id", "modern", "seen", "server")

    def __init__(self, key_id: str, server: str | None, modern: bool, seen: Snapshot) -> None:
        self.key_id = key_id
        self.server = server
        self.modern = modern
        self.seen = seen

    def tell(self, changed: Changed) -> None:
        """Gets only what is different for this key. Called on the event loop, and must not wait."""
        raise NotImplementedError


class Changes:
    """Of one event loop. There is a task only while a change is being compared."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._listeners: dict[int, set[Listener]] = {}
        self._comparing: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()

    def add(self, listener: Listener) -> None:
        """What has changed since its call began is told first."""
        project_id = listener.seen.project_id
        self._listeners.setdefault(project_id, set()).add(listener)
        if self._state.snapshots.current(project_id) is not listener.seen:
            self.follow(project_id)

    def remove(self, listener: Listener) -> None:
        project_id = listener.seen.project_id
        listeners = self._listeners.get(project_id, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(project_id, None)

    def follow(self, project_id: int) -> None:
        """The project's configuration may be another one now."""
        if project_id not in self._listeners:
            return
        if project_id in self._comparing:
            self._again.add(project_id)
            return
        task = asyncio.get_running_loop().create_task(self._compare(project_id), name="compare")
        self._comparing[project_id] = task
        task.add_done_callback(lambda done: self._compared(project_id, done))

    def close(self) -> None:
        self._again.clear()
        for task in self._comparing.values():
            task.cancel()

    def _compared(self, project_id: int, done: asyncio.Task[None]) -> None:
        del self._comparing[project_id]
        if not done.cancelled() and done.exception() is not None:
            logger.error("streams could not be told of a change", project_id=project_id, exc_info=done.exception())
        if project_id in self._again:
            self._again.discard(project_id)
            self.follow(project_id)

    async def _compare(self, project_id: int) -> None:
        comparison, pace = _Comparison(self._state), Pace()
        for listener in list(self._listeners.get(project_id, ())):
            newest = self._state.snapshots.current(project_id)
            if newest is None or newest is listener.seen:
                continue
            seen, listener.seen = listener.seen, newest
            changed = await comparison.of(listener, seen, newest)
            # It may have ended while a guardrail was asked.
            if changed and listener in self._listeners.get(project_id, ()):
                listener.tell(changed)
            await pace.keep()


class _Comparison:
    """One round: who sees the same is compared once."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[Any, frozenset[str]] = {}

    async def of(self, listener: Listener, before: Snapshot, after: Snapshot) -> Changed:
        keys = before.keys.get(listener.key_id), after.keys.get(listener.key_id)
        if keys[0] is None or keys[1] is None:
            # Its stream is being ended.
            return {}
        views = tuple(
            _View(self._state, snapshot, Principal(snapshot.project_id, key), listener)
            for snapshot, key in zip((before, after), (keys[0], keys[1]), strict=True)
        )
        slugs = {listener.server} if listener.server is not None else before.upstreams.keys() | after.upstreams.keys()
        found = {slug: await self._of_server(slug, *views) for slug in slugs}
        return {slug: lists for slug, lists in found.items() if lists}

    async def _of_server(self, slug: str, before: _View, after: _View) -> frozenset[str]:
        place = (slug, before.identity, after.identity)
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = await _compare_server(slug, before, after)
        return known


async def _compare_server(slug: str, before: _View, after: _View) -> frozenset[str]:
    if before.grounds(slug) == after.grounds(slug):
        return frozenset()
    # Without a change of policy guardrails think the same of the same definition, and need not be asked.
    is_judged = before.policy(slug) != after.policy(slug)
    seen, sees = await before.lists(slug, is_judged), await after.lists(slug, is_judged)
    return frozenset(listed for listed in LISTS if _differ(seen[listed], sees[listed]))


def _differ(before: _Seen, after: _Seen) -> bool:
    """To have read a list for the first time changes nothing for whoever has asked the server itself for it."""
    return before is not None and after is not None and before != after


class _View:
    """What one key sees of the servers under one configuration, in one era."""

    def __init__(self, state: State, snapshot: Snapshot, principal: Principal, listener: Listener) -> None:
        self._state = state
        self._snapshot = snapshot
        self._principal = principal
        self._modern = listener.modern
        self._is_of_catalogue = listener.server is None

    @property
    def identity(self) -> tuple[Any, ...]:
        """Equal for two who see the same."""
        return id(self._snapshot), _scopes(self._principal.key), self._modern, self._is_of_catalogue

    def grounds(self, slug: str) -> tuple[Any, ...]:
        """All that decides on what is seen of the server; where it is equal, nothing needs to be compared."""
        rights = self._snapshot.rights
        return (
            self._offer(slug), _scopes(self._principal.key), rights.rules_for(slug, self._principal.key.role),
            self.policy(slug), self._snapshot.overlays.get(slug),
        )  # fmt: skip

    def policy(self, slug: str) -> tuple[Any, ...]:
        """By what the server's definitions are judged."""
        upstream, policies = self._snapshot.upstreams.get(slug), self._snapshot.policies
        if upstream is None:
            return ()
        return policies.policy_for(upstream.server_id, "output"), policies.exemptions

    async def lists(self, slug: str, is_judged: bool) -> dict[str, _Seen]:
        """What is shown, by list."""
        offer = self._offer(slug)
        shown: dict[str, set[tuple[str, str, bytes]]] = {listed: set() for listed in LISTS}
        for offered in offer.entries.values() if offer is not None else ():
            text = self._shown(slug, offered)
            if text is not None and is_judged:
                text = await self._judged(slug, offered.kind, text)
            if text is not None:
                shown[_KINDS[offered.kind][0]].add((offered.kind, offered.name, text))
        return {listed: entries if entries or self._is_read(offer, listed) else None
                for listed, entries in shown.items()}  # fmt: skip

    def _offer(self, slug: str) -> Offer | None:
        return self._snapshot.rights.offers.get(slug)

    def _is_read(self, offer: Offer | None, listed: str) -> bool:
        if self._is_of_catalogue:
            return True
        kinds = {kind for kind, (own, _) in _KINDS.items() if own == listed}
        return offer is not None and any(kind in kinds for _, kind in offer.lists)

    def _shown(self, slug: str, offered: Offered) -> bytes | None:
        """The definition as it is listed; None for what is not."""
        era = era_of(self._modern)
        if not offered.may_be_used or not offered.current:
            return None
        if not decide(self._snapshot.rights, self._principal, slug, offered.kind, offered.name, era).allowed:
            return None
        return self._overlaid(slug, offered, offered.text(era))

    def _overlaid(self, slug: str, offered: Offered, text: bytes | None) -> bytes | None:
        """As its overlay shows it, under the name that it has there."""
        overlays = self._snapshot.overlays.get(slug)
        if text is None or overlays is None or offered.kind != "tool":
            return text
        if overlays.name(offered.name) is None:
            return None
        if offered.name not in overlays.by_tool:
            return text
        laid = overlays.lay(offered.name, decode(text))
        return encode(laid.shown) if laid is not None else None

    async def _judged(self, slug: str, kind: str, text: bytes) -> bytes | None:
        """What guardrails leave of it."""
        upstream, policies = self._snapshot.upstreams.get(slug), self._snapshot.policies
        if upstream is None:
            return text
        call = Call(
            state=self._state, request_id="", principal=self._principal, snapshot=self._snapshot, upstream=upstream,
            http_method="POST", version=None, modern=self._modern, message=None, headers={},
        )  # fmt: skip
        incoming, outgoing = (policies.policy_for(upstream.server_id, side) for side in ("input", "output"))
        inspection = Inspection(call, incoming, outgoing)
        if inspection.is_off:
            return text
        judged = await inspection.judge(Entry(_KINDS[kind][1], decode(text)))
        return None if isinstance(judged, Blocked) else encode(judged)


def _scopes(key: KeyRecord) -> tuple[Any, ...]:
    return key.role, key.servers, key.tools
