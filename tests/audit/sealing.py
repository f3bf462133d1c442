"""A log of a few projects for the tests of the proof: written, sealed, and sealed again."""

from __future__ import annotations

import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from audit import retention, sealer, storage
from audit.entry import Entry, new_id, now
from audit.indexing import Indexer
from audit.models import Event, Seal
from projects.models import Project

# Events of the tests happened long ago, as seen from their checkpoints.
EARLIER = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
DETAILS: list[dict[str, Any]] = [
    {},
    {"a": 1, "nested": {"b": [True, None, "text"], "aa": "é ü 漢字 \U0001f600"}},
    {"guardrails": [{"findings": [["pii", "email", 0.873, "/a", "redact"]], "coverage": [10, 10]}]},
    {"numbers": [0.1, 1.0, 1e-7, 1.5e300, -0.0, 123456789012345.0, 2**53 - 1, 2**60, -3.5e-9]},
    {"\ue000": 1, "\U0001f600": 2, "Z": 3, "a": {"10": 1, "9": 2}},
]


def entry(number: int = 0, **fields: Any) -> Entry:
    """A call's line, all columns filled, somewhat different for each number."""
    given: dict[str, Any] = {
        "id": new_id(),
        "at": EARLIER + timedelta(seconds=number),
        "kind": "mcp.call.outcome",
        "project_ref": (1, 2, None)[number % 3],
        "project": ("acme", "globex", "")[number % 3],
        "actor_kind": "key",
        "actor_id": "mgw0123456",
        "actor": "ada@acme.test",
        "call_id": uuid.uuid4(),
        "request_id": str(uuid.uuid4()),
        "trace_id": "ab" * 16,
        "session": "cd" * 16,
        "server_ref": 3,
        "server": "docs",
        "method": "tools/call",
        "subject": f"tool-{number}",
        "decision": "ok",
        "reason": "none",
        "policy_version": 4,
        "http_status": 200,
        "rpc_code": -32000,
        "upstream_status": 200,
        "bytes_in": 512,
        "bytes_out": 1024,
        "duration_us": 1234,
        "params_digest": "ef" * 32,
        "result_digest": "01" * 32,
        "payload_ref": uuid.uuid4(),
        "payload_digest": "23" * 32,
        "detail": DETAILS[number % len(DETAILS)],
    }
    return Entry(**{**given, **fields})


def write(count: int, start: int = 0, **fields: Any) -> list[Entry]:
    made = [entry(number, **fields) for number in range(start, start + count)]
    storage.insert(made)
    return made


def seal_all(seconds: float = 120.0) -> int:
    """Seals until each event has its seal. Other transactions of the server may hold the watermark back for a while."""
    deadline, sealed = time.monotonic() + seconds, 0
    while Seal.objects.count() < Event.objects.count():
        assert time.monotonic() < deadline, "events were left without seals"
        sealed += sealer.seal_batch()
        time.sleep(0.01)
    return sealed


def index_all() -> None:
    """Seals all, and makes it searchable."""
    seal_all()
    Indexer().take_turn()


def make_log(batches: int = 4, size: int = 15) -> None:
    for number in range(batches):
        write(size, start=number * size)
        seal_all()


def tenant(number: int, slug: str, keep_from: datetime | None = None) -> Project:
    """The project whose log has this number; of its months those are kept that begin with `keep_from` or later."""
    project = Project.objects.filter(pk=number).first() or Project(pk=number, slug=slug)
    at = now()
    project.keep_months = (at.year - keep_from.year) * 12 + at.month - keep_from.month if keep_from else 0
    project.save()
    return project


def retained_log() -> None:
    """Logs of four months, of which the first two of the first project's are dropped, and then one more batch."""
    for number, month in enumerate((3, 3, 4, 5, 6)):
        write(15, start=number * 15, at=datetime(2026, month, 4, 5, 6, 7, number, tzinfo=UTC))
        seal_all()
    tenant(1, "acme", datetime(2026, 5, 1, tzinfo=UTC))
    assert retention.retain().events == 15
    write(15, start=100)
    seal_all()


def execute(statement: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """As somebody would who has the database."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or [])
        return list(cursor.fetchall()) if cursor.description else []


def seeded(number: int) -> random.Random:
    return random.Random(f"mutation-{number}")
