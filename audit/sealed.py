"""How far the log is sealed, and how old the oldest event is that has no seal yet."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC
from typing import Any

from django.db import connection, transaction
from prometheus_client import Gauge

from audit.entry import now
from audit.models import SealerState

UNSEALED = Gauge(
    "mcpgw_audit_unsealed_seconds", "Age of the oldest event without a seal.", multiprocess_mode="livemax"
)


def walk_along_indexes(cursor: Any) -> None:
    """For the rest of the transaction (PostgreSQL): the planner knows little of events that came just now."""
    cursor.execute(
        "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),"
        " set_config('enable_seqscan', 'off', true)"
    )


def unsealed_seconds() -> float:
    """0 when everything is sealed. Raises django.db.Error."""
    state = SealerState.objects.filter(pk=1).first() or SealerState()
    is_postgresql = connection.vendor == "postgresql"
    # On SQLite a transaction would keep writers waiting.
    with transaction.atomic() if is_postgresql else nullcontext(), connection.cursor() as cursor:
        if is_postgresql:
            walk_along_indexes(cursor)
            cursor.execute(
                "SELECT at FROM audit_event WHERE (txid, ord) > (%s::text::xid8, %s) ORDER BY txid, ord LIMIT 1",
                [str(state.txid), state.ord],
            )
        else:
            cursor.execute("SELECT at FROM audit_event WHERE ord > %s ORDER BY ord LIMIT 1", [state.ord])
        row = cursor.fetchone()
    if row is None:
        return 0.0
    # SQLite has no time zones; what it holds is UTC.
    at = row[0] if row[0].tzinfo else row[0].replace(tzinfo=UTC)
    return float(max(0.0, (now() - at).total_seconds()))
