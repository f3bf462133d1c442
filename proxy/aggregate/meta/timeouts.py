"""How many of the project's calls were answered, timed out or were cancelled, and how long servers may take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from proxy.aggregate.table import visible

if TYPE_CHECKING:
    from proxy.call import Call


async def timeout_metrics(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """Of the worker that is asked: it says so, and since when it counts."""
    project = call.principal.project_id
    figures, use = call.state.figures.of(project), call.state.meters.projects.get(project)
    # Without the call that asks.
    active = max(0, (use.calls if use is not None else 0) - 1)
    return {
        "status": "success",
        "message": "Of this project, in the worker that answered",
        "timeout_metrics": {
            "total_operations": figures.total,
            "successful_operations": figures.answered,
            "timeout_operations": figures.timed_out,
            "cancelled_operations": figures.cancelled,
            "success_rate": round(figures.answered / figures.total, 4) if figures.total else None,
            "active_operations": active,
            "since": datetime.fromtimestamp(figures.since, UTC).isoformat(timespec="seconds"),
        },
        "active_operations": active,
        "timeout_config": {slug: call.snapshot.upstreams[slug].timeout_seconds for slug in visible(call)},
    }
