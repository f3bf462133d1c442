"""What REST shows of the log: events, checkpoints, what a verification found, and how the gateway is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from audit.checkpoint import Statement
from audit.models import Event
from projects.rest.schemas import Shown


class EventOut(Shown):
    """One line of the log. Intent and outcome of a call share `call_id`."""

    id: UUID
    at: datetime
    kind: str
    project: str
    actor_kind: str
    actor_id: str
    actor: str
    call_id: UUID | None
    request_id: str
    trace_id: str
    server: str
    method: str
    subject: str
    decision: str
    reason: str
    policy_version: int | None
    http_status: int | None
    rpc_code: int | None
    upstream_status: int | None
    bytes_in: int | None
    bytes_out: int | None
    duration_us: int | None
    params_digest: str
    result_digest: str
    payload_digest: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, row: Event) -> EventOut:
        # Stored by us, and up to 200 of them on a page.
        return cls.model_construct(**{name: getattr(row, name) for name in cls.model_fields})


class CheckpointOut(BaseModel):
    """As it is signed; bytes in hexadecimal."""

    model_config = ConfigDict(extra="forbid")

    project_ref: int
    size: int
    root: str
    chain: str
    at: str
    previous: str
    key_id: str
    signature: str
    next_key: str
    next_signature: str

    @classmethod
    def of(cls, each: Statement) -> CheckpointOut:
        names = ("root", "chain", "previous", "signature", "next_key", "next_signature")
        return cls(
            project_ref=each.project_ref, size=each.size, at=each.at, key_id=each.key_id,
            **{name: getattr(each, name).hex() for name in names},
        )  # fmt: skip


class DamageOut(Shown):
    """`seq` is the event's place in its log; null for the log as a whole."""

    kind: str
    seq: int | None
    text: str


class Verification(Shown):
    """What the last verification found. `pending` events were not sealed yet."""

    result: Literal["intact", "tampered"]
    at: datetime
    events: int
    checkpoints: int
    pending: int
    found: int
    damages: list[DamageOut]


class Health(Shown):
    """`unsealed_seconds` is how long the oldest event has been waiting for its seal."""

    status: Literal["ok", "degraded"]
    database: Literal["ok"]
    cache: Literal["ok", "down", "memory"]
    unsealed_seconds: float
