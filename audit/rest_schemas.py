"""What REST shows of the log: events, checkpoints, what a verification found, and how the gateway is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from audit.checkpoint import Statement
from audit.filters import Filters
from audit.models import Event, Export, ExportSchedule
from audit.payloads import Absent, Erased, Opened
from audit.retention import Plan
from projects.models import Project
from projects.rest.paging import Page
from projects.rest.schemas import Given, Moment, Shown

Name = Annotated[str, Field(max_length=512)]
FormName = Annotated[str, Field(min_length=1, max_length=40, examples=["jsonl"])]


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


class EventPage(Page[EventOut]):
    """`is_partial`: what is looked for begins so many names that not all of them were."""

    is_partial: bool = False


class PayloadOut(Shown):
    """`content` has `params`, `result` or `error`, as they were stored at `level`; only what is `kept` has it.

    `reason` says why there is none, `at` when it was stored, or erased as far as that is known.
    """

    state: Literal["kept", "erased", "absent"]
    at: datetime | None = None
    level: str = ""
    reason: str = ""
    content: dict[str, Any] | None = None

    @classmethod
    def of(cls, found: Opened | Erased | Absent) -> PayloadOut:
        if isinstance(found, Opened):
            return cls(state="kept", at=found.at, level=found.level, content=found.content)
        if isinstance(found, Erased):
            return cls(state="erased", at=found.at, reason="the key of its person was destroyed")
        return cls(state="absent", reason=found.reason)


class ErasureIn(Given):
    subject: Annotated[str, Field(min_length=1, max_length=254)] = Field(
        description="The person's e-mail address or user id.", repr=False
    )


class ErasureOut(Shown):
    """What was destroyed: keys of the person, and payloads that they opened."""

    keys: int
    payloads: int


class Droppable(Shown):
    """Events of the log from `first_seq` to `last_seq`, all of them before `before`."""

    events: int
    first_seq: int
    last_seq: int
    before: datetime


class RetentionOut(Shown):
    """`keep_months` 0 keeps everything. `would_drop` is null when that is nothing."""

    keep_months: int
    would_drop: Droppable | None

    @classmethod
    def of(cls, project: Project, plan: Plan | None) -> RetentionOut:
        if plan is None:
            return cls(keep_months=project.keep_months, would_drop=None)
        what = Droppable(events=plan.events, first_seq=plan.first, last_seq=plan.checkpoint.size, before=plan.before)
        return cls(keep_months=project.keep_months, would_drop=what)


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


class ExportFilters(Given):
    """Which events: all of these together, and what is left out restricts nothing."""

    since: Moment | None = None
    until: Moment | None = None
    server: Name = ""
    tool: Name = Field(default="", description="Of a tool, prompt or resource; found also where the log has a digest.")
    user: Name = Field(default="", description="An e-mail address, or the id of a key or user.")
    outcome: Name = ""


class ExportIn(ExportFilters):
    form: FormName

    def filters(self) -> Filters:
        return Filters(**self.model_dump(exclude={"form"}))


class ExportOut(Shown):
    """`events` and what follows it are null or empty until it is ready. `schedule` made it, if one did."""

    id: UUID
    form: str
    filters: dict[str, str]
    state: Literal["waiting", "ready", "failed", "expired"]
    requested_by: str
    schedule: UUID | None
    events: int | None
    first_seq: int | None
    last_seq: int | None
    root: str
    sha256: str
    size: int | None
    error: str
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def of(cls, row: Export) -> ExportOut:
        return cls.read(row, id=row.uid, schedule=row.schedule.uid if row.schedule else None)


class ScheduleFilters(Given):
    server: Name = ""
    tool: Name = ""
    user: Name = ""
    outcome: Name = ""


class ScheduleChanges(Given):
    """To a `directory` that the operator allows, or to a bucket: then `secret` is its access key, never shown again."""

    form: FormName = "jsonl"
    filters: ScheduleFilters = ScheduleFilters()
    every: Literal["day", "week"] = "day"
    destination: Literal["directory", "s3"] = "directory"
    directory: Annotated[str, Field(max_length=500)] = ""
    endpoint: Annotated[str, Field(max_length=300)] = ""
    region: Annotated[str, Field(max_length=60)] = "us-east-1"
    bucket: Annotated[str, Field(max_length=63)] = ""
    prefix: Annotated[str, Field(max_length=300)] = ""
    key_id: Annotated[str, Field(max_length=128)] = ""
    secret: Annotated[str, Field(max_length=256)] = Field(default="", repr=False)
    enabled: bool = True

    def fields(self) -> dict[str, Any]:
        """Of the row: what was said, but for the secret."""
        fields = self.model_dump(exclude_unset=True, exclude={"secret"})
        if "filters" in fields:
            fields["filters"] = {name: value for name, value in fields["filters"].items() if value}
        return fields


class ScheduleIn(ScheduleChanges):
    form: FormName


class ScheduleOut(Shown):
    id: UUID
    form: str
    filters: dict[str, str]
    every: Literal["day", "week"]
    destination: Literal["directory", "s3"]
    directory: str
    endpoint: str
    region: str
    bucket: str
    prefix: str
    key_id: str
    has_secret: bool
    enabled: bool
    next_at: datetime
    last_at: datetime | None
    last_error: str
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, row: ExportSchedule) -> ScheduleOut:
        return cls.read(row, id=row.uid, has_secret=bool(row.sealed))


class FormOut(Shown):
    name: str
    label: str


class Forms(Shown):
    forms: list[FormOut]


class Health(Shown):
    """`unsealed_seconds` is how long the oldest event has been waiting for its seal."""

    status: Literal["ok", "degraded"]
    database: Literal["ok"]
    cache: Literal["ok", "down", "memory"]
    unsealed_seconds: float
