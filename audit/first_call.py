"""Whether a key has been used: its first call on record, for who has just pasted it somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audit.models import Event


@dataclass(frozen=True, slots=True)
class FirstCall:
    """Texts may be a caller's own."""

    at: datetime
    method: str
    server: str
    subject: str


def first_call_of(project_ref: int, key_id: str, since: datetime) -> FirstCall | None:
    """Along the index of actors. What began is enough: it is on record before it leaves. Raises django.db.Error."""
    begun = Event.objects.filter(project_ref=project_ref, actor_id=key_id, kind="mcp.call.intent", at__gte=since)
    row = begun.order_by("at").values_list("at", "method", "server", "subject").first()
    return FirstCall(*row) if row is not None else None
