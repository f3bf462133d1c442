"""REST: the log of a project or of the gateway, payloads, checkpoints, verification, exports, and how all is."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from ninja import Query
from pydantic import Field

from audit import browsing, erasure, exports, forward_api, logs, payloads, retention, verification
from audit.browsing import TooWide, in_time
from audit.export_forms import names
from audit.export_views import NoFile, archive
from audit.forward_api import check_may_export
from audit.models import Checkpoint, Event, Export, ExportSchedule
from audit.question import Cursor, Question
from audit.rest_schemas import (
    CheckpointOut,
    DamageOut,
    ErasureIn,
    ErasureOut,
    EventOut,
    EventPage,
    ExportIn,
    ExportOut,
    FormOut,
    Forms,
    Health,
    PayloadOut,
    RetentionOut,
    ScheduleChanges,
    ScheduleIn,
    ScheduleOut,
    Verification,
)
from audit.sealed import unsealed_seconds
from audit.turns import TooMany, turn_of
from gateway_site.lib.actor import current
from projects.access import Reach
from projects.permissions import AUDIT_EXPORT, AUDIT_READ, CONFIG_WRITE, GATEWAY_READ, GATEWAY_WRITE
from projects.rest.paging import Page, Paging, opened, page, sealed
from projects.rest.problems import Problem
from projects.rest.requests import RestRequest, made_at
from projects.rest.routes import Routes
from projects.rest.rows import as_uuid, one
from projects.rest.schemas import Moment
from projects.schemas import JobOut

event_routes = Routes("audit")
export_routes = Routes("exports")
health_routes = Routes("health")
_DEGRADED_SECONDS = 60.0
_RETRY_SECONDS = "1"


class EventFilters(Paging):
    """All of them together. `since` is the first moment, `until` the first one after."""

    since: Moment | None = None
    until: Moment | None = None
    kind: str | None = None
    decision: str | None = None
    reason: str | None = None
    server: str | None = None
    method: str | None = None
    subject: str | None = Field(default=None, description="Found also where the log has a digest for it.")
    actor: str | None = None
    actor_id: str | None = None
    request_id: str | None = None
    call_id: UUID | None = None
    policy_version: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    upstream_status: Annotated[int, Field(ge=0, lt=2**15)] | None = None
    rpc_code: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    finding: str | None = Field(
        default=None, min_length=1, max_length=128, examples=["pii/email"],
        description="A detector, or detector/category. Of what is sealed, which is within a second or so.",
    )  # fmt: skip
    q: str | None = Field(
        default=None, max_length=512, pattern=r"\S",
        description="Beginnings of words, all of which an event has in its names, of what is sealed; the first four "
        "count. Or the id of an event, call, request or trace, which is found whatever the other filters say.",
    )  # fmt: skip


_NOT_COLUMNS = {"limit", "cursor", "since", "until", "finding", "q"}


@event_routes.get("/projects/{project}/events", AUDIT_READ, EventPage)
def list_events(request: RestRequest, project: str, filters: Query[EventFilters]) -> EventPage:
    """The project's log, the newest first."""
    return _events(request, filters, Reach(projects=frozenset({request.project.pk})), request.project.pk)


@event_routes.get("/events", GATEWAY_READ, EventPage)
def list_all_events(request: RestRequest, filters: Query[EventFilters]) -> EventPage:
    """The log of every project, and of what belongs to none, the newest first."""
    return _events(request, filters, Reach(is_all=True), None)


def _events(request: RestRequest, filters: EventFilters, reach: Reach, project: int | None) -> EventPage:
    reached = opened(request, filters, 1)
    after = Cursor.read(reached[0]) if reached is not None else None
    question = Question(
        reach, project, filters.since, filters.until, filters.model_dump(exclude_none=True, exclude=_NOT_COLUMNS),
        finding=filters.finding or "", text=(filters.q or "").strip(),
    )  # fmt: skip
    try:
        found = browsing.page_of(question, after, filters.limit)
    except TooWide:
        raise Problem("too-wide") from None
    except TooMany:
        raise Problem("unavailable", headers={"Retry-After": _RETRY_SECONDS}) from None
    return EventPage(
        items=[EventOut.of(row) for row in browsing.whole(found.events, EventOut.columns(Event))],
        next_cursor=sealed(request, [str(found.older)]) if found.older is not None else None,
        is_partial=found.is_partial,
    )


@event_routes.get("/projects/{project}/events/{event}", AUDIT_READ, EventOut)
def read_event(request: RestRequest, project: str, event: str) -> EventOut:
    return EventOut.of(one(Event.objects.filter(project_ref=request.project.pk), id=as_uuid(event)))


@event_routes.get("/events/{event}", GATEWAY_READ, EventOut)
def read_any_event(request: RestRequest, event: str) -> EventOut:
    """Of any project, also of one that is gone, and of none."""
    return EventOut.of(one(Event.objects.all(), id=as_uuid(event)))


@event_routes.get("/projects/{project}/events/{event}/payload", AUDIT_READ, PayloadOut)
def read_payload(request: RestRequest, project: str, event: str) -> PayloadOut:
    """What a call sent or got, as far as it was kept. That it was read is on record before it is shown.

    For members of the project only: an operator who is none gets 403.
    """
    row = one(Event.objects.filter(project_ref=request.project.pk), id=as_uuid(event))
    try:
        return PayloadOut.of(payloads.open_payload(event=row, reader=request.auth.user, by=request.auth.actor))
    except PermissionDenied:
        raise Problem("forbidden", action=AUDIT_READ) from None


@event_routes.post("/projects/{project}/erasures", GATEWAY_WRITE, ErasureOut, 200, kept=False)
def erase_person(request: RestRequest, project: str, body: ErasureIn) -> ErasureOut:
    """Destroys the person's key in the project, and with it what was kept of their calls, for good.

    Also of one whose account is gone. Done again, it destroys what came since.
    """
    erased = erasure.erase_subject(project_ref=request.project.pk, subject=body.subject)
    return ErasureOut(keys=erased.keys, payloads=erased.payloads)


@event_routes.get("/projects/{project}/retention", AUDIT_READ, RetentionOut)
def read_retention(request: RestRequest, project: str) -> RetentionOut:
    """How long the project's log is kept, and what would be dropped of it now; drops nothing."""
    try:
        with turn_of(Reach(projects=frozenset({request.project.pk}))), in_time():
            return RetentionOut.of(request.project, retention.plan(request.project))
    except TooWide:
        raise Problem("too-wide") from None
    except TooMany:
        raise Problem("unavailable", headers={"Retry-After": _RETRY_SECONDS}) from None


@event_routes.get("/projects/{project}/checkpoints", AUDIT_READ, Page[CheckpointOut])
def list_checkpoints(request: RestRequest, project: str, filters: Query[Paging]) -> Page[CheckpointOut]:
    """Signed states of the project's log, the newest first. Who keeps one elsewhere can prove where the log was."""
    return _checkpoints(request, filters, Checkpoint.objects.filter(project_ref=request.project.pk))


@event_routes.get("/checkpoints", GATEWAY_READ, Page[CheckpointOut])
def list_all_checkpoints(request: RestRequest, filters: Query[Paging]) -> Page[CheckpointOut]:
    """Of every log, the newest first; 0 is the log of what belongs to no project."""
    return _checkpoints(request, filters, Checkpoint.objects.all())


def _checkpoints(request: RestRequest, filters: Paging, rows: QuerySet[Checkpoint]) -> Page[CheckpointOut]:
    return page(request, filters, rows, lambda row: CheckpointOut.of(logs.statement_of(row)), ("-id",))


@event_routes.post("/projects/{project}/verify", AUDIT_READ, JobOut, 202)
def verify_log(request: RestRequest, project: str) -> JobOut:
    """Verifies all of the project's log; what it finds is there when the job is done. Who asks twice gets one job."""
    job = verification.request_verification(project=request.project, requested_by=current().label)
    return JobOut.of(job)


@event_routes.get("/projects/{project}/verification", AUDIT_READ, Verification)
def read_verification(request: RestRequest, project: str) -> Verification:
    """What the last verification found; 404 before the first."""
    event = verification.newest(request.project)
    if event is None:
        raise Problem("not-found")
    counts = {name: event.detail[name] for name in ("events", "checkpoints", "pending", "found")}
    damages = [DamageOut(kind=each["kind"], seq=each["seq"], text=each["text"]) for each in event.detail["damages"]]
    return Verification(result=event.decision, at=event.at, damages=damages, **counts)  # type: ignore[arg-type]  # one of two


# --- exports ----------------------------------------------------------------------------------------------


def _exports() -> QuerySet[Export]:
    return Export.objects.select_related("project", "schedule")


@export_routes.get("/exports/forms", None, Forms)
def list_export_forms(request: RestRequest) -> Forms:
    """What an export's `form` may be here."""
    return Forms(forms=[FormOut(name=name, label=label) for name, label in names().items()])


@export_routes.get("/projects/{project}/exports", AUDIT_EXPORT, Page[ExportOut])
def list_exports(request: RestRequest, project: str, filters: Query[Paging]) -> Page[ExportOut]:
    """The newest first."""
    return page(request, filters, _exports(), ExportOut.of, ("-pk",))


@export_routes.post("/projects/{project}/exports", AUDIT_EXPORT, ExportOut, 202)
def request_export(request: RestRequest, project: str, body: ExportIn) -> ExportOut:
    """A worker makes it; it has a file when its state is ready."""
    export = exports.request_export(project=request.project, form=body.form, filters=body.filters())
    made_at(request, "projects", project, "exports", export.uid)
    return ExportOut.of(export)


@export_routes.get("/projects/{project}/exports/{export}", AUDIT_EXPORT, ExportOut)
def read_export(request: RestRequest, project: str, export: str) -> ExportOut:
    return ExportOut.of(one(_exports(), uid=as_uuid(export)))


@export_routes.delete("/projects/{project}/exports/{export}", AUDIT_EXPORT)
def delete_export(request: RestRequest, project: str, export: str) -> None:
    """Its file goes too."""
    exports.delete_export(export=one(_exports(), uid=as_uuid(export)))


@export_routes.get("/projects/{project}/exports/{export}/file", AUDIT_EXPORT, None, archive=True)
def download_export(request: RestRequest, project: str, export: str) -> StreamingHttpResponse:
    """The archive, until it expires; each download is on record."""
    try:
        return archive(request, one(_exports(), uid=as_uuid(export)))
    except NoFile as error:
        raise Problem({409: "conflict", 410: "gone"}.get(error.status, "unavailable")) from error


def _schedules() -> QuerySet[ExportSchedule]:
    return ExportSchedule.objects.select_related("project")


@export_routes.get("/projects/{project}/export-schedules", CONFIG_WRITE, Page[ScheduleOut])
def list_export_schedules(request: RestRequest, project: str, filters: Query[Paging]) -> Page[ScheduleOut]:
    return page(request, filters, _schedules(), ScheduleOut.of)


@export_routes.post("/projects/{project}/export-schedules", CONFIG_WRITE, ScheduleOut)
def create_export_schedule(request: RestRequest, project: str, body: ScheduleIn) -> ScheduleOut:
    """Exports that are made by themselves; the first holds everything so far. Asks for `audit.export` too."""
    check_may_export(request)
    schedule = ExportSchedule(project=request.project, **body.fields())
    row = exports.schedule_export(schedule=schedule, secret=body.secret)
    made_at(request, "projects", project, "export-schedules", row.uid)
    return ScheduleOut.of(row)


@export_routes.get("/projects/{project}/export-schedules/{schedule}", CONFIG_WRITE, ScheduleOut)
def read_export_schedule(request: RestRequest, project: str, schedule: str) -> ScheduleOut:
    return ScheduleOut.of(one(_schedules(), uid=as_uuid(schedule)))


@export_routes.patch("/projects/{project}/export-schedules/{schedule}", CONFIG_WRITE, ScheduleOut)
def update_export_schedule(request: RestRequest, project: str, schedule: str, body: ScheduleChanges) -> ScheduleOut:
    """Without a `secret` the stored one stays, unless it would go to another place. Asks for `audit.export` too."""
    check_may_export(request)
    row = one(_schedules(), uid=as_uuid(schedule))
    for name, value in body.fields().items():
        setattr(row, name, value)
    return ScheduleOut.of(exports.change_schedule(schedule=row, secret=body.secret))


@export_routes.delete("/projects/{project}/export-schedules/{schedule}", CONFIG_WRITE)
def delete_export_schedule(request: RestRequest, project: str, schedule: str) -> None:
    """What it made stays until it expires."""
    exports.delete_schedule(schedule=one(_schedules(), uid=as_uuid(schedule)))


# --- health -----------------------------------------------------------------------------------------------


@health_routes.get("/health", None, Health)
def read_health(request: RestRequest) -> Health:
    """Whether what the gateway stands on is there. Without a database there is no answer but 503."""
    connection.ensure_connection()
    cache, unsealed = _cache(), unsealed_seconds()
    is_well = cache != "down" and unsealed < _DEGRADED_SECONDS
    return Health(status="ok" if is_well else "degraded", database="ok", cache=cache, unsealed_seconds=unsealed)


def _cache() -> Literal["ok", "down", "memory"]:
    if not settings.REDIS_URL:
        return "memory"
    import redis

    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1).ping()
    except redis.RedisError:
        return "down"
    return "ok"


ROUTES = (event_routes, export_routes, *forward_api.ROUTES, health_routes)
