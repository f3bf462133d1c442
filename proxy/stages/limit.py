"""How much one key and one project may have open at a time, so that no tenant slows another.

Calls per minute are counted before: a request that is too many is not read at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.call import Answer, Call

if TYPE_CHECKING:
    from proxy.call import CallNext


async def limit(call: Call, call_next: CallNext) -> Answer:
    """Raises Refusal rate_limited or overloaded."""
    if call.aggregate is not None and call.aggregate.is_inner:
        # They come one after another, in the place of the call that they are part of; each counts by itself.
        call.state.meters.begin_request(call.principal.key.key_id)
        return await call_next(call)
    leave = call.state.meters.enter(call.principal.key.key_id, call.principal.project_id, call.is_stream)
    call.closers.append(leave)
    return await call_next(call)
