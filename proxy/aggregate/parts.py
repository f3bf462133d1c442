"""The servers that one call to all of them reaches: as the project is now, each on record before anything leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from projects.authentication import Principal
from proxy.stages.record import record_ours, record_part
from servers.rights import decide
from servers.upstream import Upstream

if TYPE_CHECKING:
    from proxy.call import Call
    from proxy.state import State


def renew(call: Call) -> Call | None:
    """The call by the project's newest configuration; None where its key is not there any more."""
    newest = call.state.snapshots.current(call.principal.project_id)
    key = newest.keys.get(call.principal.key.key_id) if newest is not None and newest.enabled else None
    if newest is None or key is None:
        return None
    return replace(call, principal=Principal(newest.project_id, key), snapshot=newest)


def may_reach(call: Call, upstream: Upstream) -> bool:
    """Whether the server is configured like this and the key may use it."""
    snapshot = call.snapshot
    return snapshot.upstreams.get(upstream.slug) == upstream and (
        decide(snapshot.rights, call.principal, upstream.slug).allowed
    )


async def note(call: Call, upstream: Upstream) -> None:
    """Raises Refusal audit_unavailable: then nothing may leave."""
    await record_part(replace(call, upstream=upstream))


async def note_ours(state: State, upstream: Upstream, method: str) -> None:
    """Of what no caller has asked for. Raises Refusal audit_unavailable: then nothing may leave."""
    snapshot = state.snapshots.current(upstream.project_id)
    await record_ours(upstream, snapshot.slug if snapshot is not None else "", method)
