"""How far the log is sealed, and how old the oldest event is that has no seal yet."""

from __future__ import annotations

from datetime import UTC

from django.db import connection
from prometheus_client import Gauge

from audit.entry import now
from audit.models import SealerState

UNSEALED = Gauge(
    "mcpgw_audit_unsealed_seconds", "Age of the oldest event without a seal.", multiprocess_mode="livemax"
)


def unsealed_seconds() -> float:
    """0 when everything is sealed. Raises django.db.Error."""
    state = SealerState.objects.filter(pk=1).first() or SealerState()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
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
