"""One event on its way to the log, in the order of the table's columns."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """The fields of audit.models.Event, without its running number."""

    id: uuid.UUID
    at: datetime
    kind: str
    project_ref: int | None = None
    project: str = ""
    actor_kind: str = "system"
    actor_id: str = ""
    actor: str = ""
    call_id: uuid.UUID | None = None
    request_id: str = ""
    trace_id: str = ""
    session: str = ""
    server_ref: int | None = None
    server: str = ""
    method: str = ""
    subject: str = ""
    decision: str = ""
    reason: str = ""
    policy_version: int | None = None
    http_status: int | None = None
    rpc_code: int | None = None
    upstream_status: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    duration_us: int | None = None
    params_digest: str = ""
    result_digest: str = ""
    payload_ref: uuid.UUID | None = None
    payload_digest: str = ""
    writer: uuid.UUID | None = None
    detail: dict[str, Any] | None = None


def new_id() -> uuid.UUID:
    """A UUID version 7 (RFC 9562): ordered by time, so that index pages fill in order."""
    milliseconds = time.time_ns() // 1_000_000
    return uuid.UUID(int=(milliseconds << 80) | 0x7000 << 64 | 0x8 << 60 | _random_bits())


def _random_bits() -> int:
    raw = int.from_bytes(os.urandom(10), "big")
    return ((raw >> 60) & 0xFFF) << 64 | raw & ((1 << 60) - 1)


def now() -> datetime:
    return datetime.now(UTC)
