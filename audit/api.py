"""REST: the log of a project or of the whole gateway, its checkpoints and verification, and how the gateway is."""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from ninja import Query

from audit import logs, verification
from audit.models import Checkpoint, Event
from audit.rest_schemas import CheckpointOut, DamageOut, EventOut, Health, Verification
from audit.sealed import unsealed_seconds
from gateway_site.lib.actor import current
from projects.permissions import AUDIT_READ, GATEWAY_READ
from projects.rest.paging import Page, Paging, page
from projects.rest.problems import Problem
from projects.rest.requests import RestRequest
from projects.rest.routes import Routes
from projects.rest.rows import as_uuid, one
from projects.schemas import JobOut

event_routes = Routes("audit")
health_routes = Routes("health")
_DEGRADED_SECONDS = 60.0


@event_routes.get("/projects/{project}/events/{event}", AUDIT_READ, EventOut)
def read_event(request: RestRequest, project: str, event: str) -> EventOut:
    return EventOut.of(one(Event.objects.filter(project_ref=request.project.pk), id=as_uuid(event)))


@event_routes.get("/events/{event}", GATEWAY_READ, EventOut)
def read_any_event(request: RestRequest, event: str) -> EventOut:
    """Of any project, also of one that is gone, and of none."""
    return EventOut.of(one(Event.objects.all(), id=as_uuid(event)))


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


@health_routes.get("/health", None, Health)
def read_health(request: RestRequest) -> Health:
    """Whether what the gateway stands on is there. Without a database there is no answer but 503."""
    connection.ensure_connection()
    cache, unsealed = _cache(), unsealed_seconds()
    is_well = cache != "down" and unsealed < _DEGRADED_SECONDS
    return Health(status="ok" if is_well else "degraded", database="ok", cache=cache, unsealed_seconds=unsealed)  # type: ignore[arg-type]  # one of three


def _cache() -> str:
    if not settings.REDIS_URL:
        return "memory"
    import redis

    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1).ping()
    except redis.RedisError:
        return "down"
    return "ok"


ROUTES = (event_routes, health_routes)
