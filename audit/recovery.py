"""Closes the calls of processes that are gone: each intent without outcome gets one that says `interrupted`.

A process holds its row of audit_writer for as long as it lives, and the database takes an outcome only from a process
that has its row. Whoever closes the calls removes the row in the same transaction, so that a call ends once: by its own
process or by us, however many try, and also when a process that was taken for dead comes back.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from audit import storage
from audit.entry import Entry, new_id, now
from audit.lease import began, place
from audit.models import Event, Writer
from audit.storage import INTENT, OUTCOME
from gateway_site.lib.actor import SYSTEM

logger = structlog.get_logger("audit.recovery")

# A process on another machine is given up when it was silent so long, and for a while after somebody noticed: when the
# database itself was away, everybody was silent.
SILENT = timedelta(seconds=60)
SUSPECTED = timedelta(seconds=20)
# The clocks of the processes that wrote the intents may differ.
_MARGIN = timedelta(minutes=5)
_COPIED = (
    "project_ref", "project", "actor_kind", "actor_id", "actor", "call_id", "request_id", "trace_id", "session",
    "server_ref", "server", "method", "subject", "policy_version",
)  # fmt: skip


def close_interrupted() -> int:
    """Closes what is open of processes that are gone. How many calls were closed."""
    return sum(_close(writer) for writer in _gone())


def _gone() -> list[Writer]:
    silent = Q(seen_at__lt=Now() - SILENT)
    Writer.objects.filter(silent, suspected_at=None).update(suspected_at=Now())
    given_up = Writer.objects.filter(silent, suspected_at__lt=Now() - SUSPECTED)
    known_dead = [writer for writer in Writer.objects.all() if writer.is_stopped or _has_ended(writer)]
    return list({writer.pk: writer for writer in [*given_up, *known_dead]}.values())


def _has_ended(writer: Writer) -> bool:
    """True only when it ran here, so that we can see that it does not."""
    return writer.place == place() and writer.began != 0 and began(writer.pid) != writer.began


@transaction.atomic
def _close(writer: Writer) -> int:
    # A row that is locked is in use: by its process, which commits, or by another who closes its calls. One that
    # moved on since we looked lives.
    row = Writer.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    held = row.filter(pk=writer.pk, beats=writer.beats).first()
    if held is None:
        return 0
    intents = _open_intents(held.pk, held.open_since - _MARGIN)
    if intents:
        storage.insert([_interrupted(intent) for intent in intents])
        logger.warning("calls of a process that is gone were closed", writer=str(held.pk), calls=len(intents))
    held.delete()
    return len(intents)


def _open_intents(writer: uuid.UUID, since: datetime) -> list[dict[str, Any]]:
    closed = Event.objects.filter(call_id=OuterRef("call_id"), kind=OUTCOME)
    intents = Event.objects.filter(~Exists(closed), kind=INTENT, writer=writer, at__gte=since)
    return list(intents.order_by("ord").values(*_COPIED))


def _interrupted(intent: dict[str, Any]) -> Entry:
    return Entry(
        id=new_id(), at=now(), kind=OUTCOME, decision="interrupted", reason="process_gone",
        detail={"closed_by": SYSTEM.kind}, **intent,
    )  # fmt: skip
