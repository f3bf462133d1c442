"""Drops what a project does not keep: whole months, by a signed event that comes first and stays.

In three steps, each of which can be cut off and is taken up again. The event is written, once what it is to drop has
been verified, so that no damage goes with it. When it is sealed and signed, the database lets the events up to its
checkpoint be deleted, from the oldest on, each part ending at a checkpoint. Last, partitions that are empty go.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError, connection, transaction

from audit import logs, rows, sealer, signing
from audit.canonical import canonical
from audit.checkpoint import Statement
from audit.entry import Entry, new_id, now
from audit.indexing import forget_marks
from audit.models import Checkpoint, Event, Retention, Seal
from audit.payload_check import Payloads
from audit.retained import KIND, state
from audit.retained_logs import announced_end, is_ours, trusted_keys
from audit.storage import insert
from audit.verify import links_of
from audit.walk import Beginning, Link, Report, Walk
from gateway_site.lib import actor as acting
from projects.models import Project

logger = structlog.get_logger("audit.retention")

# Who calls waits while so many are deleted (SQLite), which takes some hundredths of a second.
_AT_ONE_TIME = 2_000
_SEAL_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.1
_LOCK_NOT_AVAILABLE = "55P03"
# What reading a log raises in which somebody has put what nothing of ours writes.
_UNREADABLE = (AttributeError, DataError, TypeError, ValueError)


class CannotDrop(Exception):
    """What was to be dropped is not as it was sealed: that must stay to be seen."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The events `first` to the end of `checkpoint` are older than `before`."""

    project_ref: int
    first: int
    checkpoint: Statement
    before: datetime

    @property
    def events(self) -> int:
        return self.checkpoint.size - self.first + 1


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many events went, and how many wait for their retention to be signed."""

    events: int = 0
    waiting: int = 0


def boundary_of(months: int, at: datetime) -> datetime:
    """The beginning of the month, `months` whole months before that of `at`, in UTC."""
    count = at.astimezone(UTC).year * 12 + at.astimezone(UTC).month - 1 - months
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


def plan(project: Project) -> Plan | None:
    """What the project does not keep and has not been dropped; None when that is nothing. Raises django.db.Error."""
    if not project.keep_months:
        return None
    before = boundary_of(project.keep_months, now())
    first = max(announced_end(project.pk), logs.dropped_of(project.pk)) + 1
    checkpoint = _last_before(project.pk, before)
    if checkpoint is None or checkpoint.size < first:
        return None
    return Plan(project.pk, first, checkpoint, before)


def announce(plan: Plan) -> uuid.UUID:
    """Writes the signed event; its id. Raises CannotDrop, signing.NoKey and django.db.Error."""
    _verify(plan)
    key_id = logs.signing_key()
    detail = state(
        project_ref=plan.project_ref, first_seq=plan.first, before=rows.stamp(plan.before), at=rows.stamp(now()),
        checkpoint=plan.checkpoint, key_id=key_id, key=signing.private_key(key_id),
    )  # fmt: skip
    who, identity = acting.current(), new_id()
    slug = Project.objects.filter(pk=plan.project_ref).values_list("slug", flat=True).first() or ""
    entry = Entry(
        id=identity, at=now(), kind=KIND, project_ref=plan.project_ref, project=slug, actor_kind=who.kind,
        actor_id=who.id, actor=who.label, subject=slug, detail=detail,
    )  # fmt: skip
    with transaction.atomic():
        insert([entry])
        _insert_retention(entry, plan, canonical(detail).decode())
    return identity


def drop_announced(project_ref: int, deadline: float) -> Dropped:
    """Deletes what signed retentions cover, until `deadline` (time.monotonic) at most. Raises django.db.Error."""
    dropped = waiting = 0
    keys = trusted_keys()
    for retention in Retention.objects.filter(project_ref=project_ref).order_by("last"):
        if not Seal.objects.filter(project_ref=project_ref, seq__lte=retention.last).exists():
            continue
        if not is_ours(retention, keys):
            logger.error("a retention that is not signed by us drops nothing", retention=str(retention.id))
            continue
        if not _is_sealed(retention):
            waiting += retention.last - retention.first + 1
            continue
        for end in _ends(project_ref, retention.last):
            if time.monotonic() > deadline:
                return Dropped(dropped, waiting)
            dropped += _delete(retention, end)
        forget_marks(project_ref, retention.before)
    return Dropped(dropped, waiting)


def retain(*, only: int | None = None, seconds: float = 300.0) -> Dropped:
    """Everything that is due, of one project or of all, for about so long. Raises django.db.Error.

    A project whose log is damaged is left as it is, and said to be in the gateway's own log; see CannotDrop.
    """
    deadline, total = time.monotonic() + seconds, Dropped()
    projects = list(Project.objects.exclude(keep_months=0).filter(**({} if only is None else {"pk": only})))
    _wait_for_seals([event for project in projects if (event := _announce_what_is_due(project)) is not None])
    for project in projects:
        done = _drop_what_is_announced(project, deadline)
        total = Dropped(total.events + done.events, total.waiting + done.waiting)
    if projects:
        drop_empty_partitions()
    return total


def _announce_what_is_due(project: Project) -> uuid.UUID | None:
    try:
        found = plan(project)
        return announce(found) if found is not None else None
    except (CannotDrop, signing.NoKey, *_UNREADABLE) as error:
        logger.error("nothing more of the log is dropped", project=project.slug, error=str(error))
    except IntegrityError:
        logger.info("another worker has written this retention", project=project.slug)
    return None


def _drop_what_is_announced(project: Project, deadline: float) -> Dropped:
    try:
        return drop_announced(project.pk, deadline)
    except (CannotDrop, ProgrammingError, *_UNREADABLE) as error:
        # Of this project only: what is wrong with its log is nothing that the others could mend.
        logger.error("what is announced cannot be dropped", project=project.slug, error=str(error)[:200])
        return Dropped()


def drop_empty_partitions() -> int:
    """Months of the past in which no project has any event left (PostgreSQL). How many.

    None while somebody reads the log for long, as an export does; they go another time.
    """
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        # Who waits for the log's lock keeps those waiting who write to it, and with them their calls.
        cursor.execute("SET lock_timeout = '100ms'")
        try:
            cursor.execute("SELECT audit_drop_empty_partitions()")
            return int(cursor.fetchone()[0])
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != _LOCK_NOT_AVAILABLE:
                raise
            return 0
        finally:
            cursor.execute("SET lock_timeout = DEFAULT")


def _last_before(project_ref: int, before: datetime) -> Statement | None:
    """The last checkpoint all of whose events, and all before them, are older."""
    signed = Checkpoint.objects.filter(project_ref=project_ref).order_by("id")
    # What was signed before then happened before then, as far as the clocks agree.
    sure = signed.filter(at__lt=before).last()
    young = _first_young(project_ref, sure.size if sure is not None else 0, before)
    if sure is not None and _has_young(project_ref, sure.size, before):
        young = _first_young(project_ref, 0, before)
    found = signed.filter(size__lt=young).last() if young is not None else signed.last()
    return logs.statement_of(found) if found is not None else None


def _first_young(project_ref: int, after: int, before: datetime) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT seal.seq FROM {_SEALED} AND seal.seq > %s AND event.at >= %s ORDER BY seal.seq LIMIT 1",  # noqa: S608  our own tables
            [project_ref, after, _stored(before)],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _has_young(project_ref: int, last: int, before: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT 1 FROM {_SEALED} AND seal.seq <= %s AND event.at >= %s)",  # noqa: S608  our own tables
            [project_ref, last, _stored(before)],
        )
        return bool(cursor.fetchone()[0])


_SEALED = (
    "audit_seal AS seal JOIN audit_event AS event ON event.id = seal.event_id AND event.ord = seal.event_ord"
    " WHERE seal.project_ref = %s"
)


def _stored(at: datetime) -> Any:
    return at if connection.vendor == "postgresql" else at.strftime("%Y-%m-%d %H:%M:%S.%f")


def _verify(plan: Plan) -> None:
    """What is damaged must not go unseen, and what is missing must not be covered up."""
    report, ref, last = Report(), plan.project_ref, plan.checkpoint.size
    keys = trusted_keys()
    checkpoints = (each for each in logs.checkpoints_of(ref) if each.size <= last)
    gone = logs.dropped_of(ref)
    if gone > announced_end(ref):
        raise CannotDrop(f"the log begins after {gone}, and no retention says so")
    walk = Walk(ref, report, keys, beginning=Beginning(dropped=gone, retained=gone))
    walk.follow(_all_older(plan.before, links_of(ref, Payloads(ref, report), last)), checkpoints)
    if not report.is_intact:
        damage = report.damages[0]
        raise CannotDrop(f"{report.found} faults, the first {damage.kind} at {damage.seq}; see manage.py audit verify")


def _all_older(before: datetime, links: Iterable[Link]) -> Iterator[Link]:
    """By the time that is sealed: an event with another number is not found by its seal, and may be young."""
    moment = rows.stamp(before)
    for each in links:
        if each.at >= moment:
            raise CannotDrop(f"{each.seq} is too young")
        yield each


def _insert_retention(entry: Entry, plan: Plan, statement: str) -> None:
    is_postgresql = connection.vendor == "postgresql"
    identity = entry.id if is_postgresql else entry.id.hex
    values = [identity, plan.project_ref, plan.first, plan.checkpoint.size, _stored(plan.before), statement]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_retention (id, project_ref, first, last, before, statement)"
            " VALUES (%s, %s, %s, %s, %s, %s)", values,
        )  # fmt: skip


def _is_sealed(retention: Retention) -> bool:
    """Whether its event says the same and has its place in the log, under a checkpoint."""
    ref = retention.project_ref
    event = Event.objects.filter(id=retention.id, kind=KIND, project_ref=ref).first()
    seal = Seal.objects.filter(event_id=retention.id, project_ref=ref, seq__gt=retention.last).first()
    if event is None or seal is None or event.detail != orjson.loads(retention.statement):
        return False
    latest = logs.latest_checkpoint(ref)
    return latest is not None and latest.size >= seal.seq


def _wait_for_seals(events: list[uuid.UUID]) -> None:
    """Any sealer may be the one; without another it is us."""
    until = time.monotonic() + _SEAL_SECONDS
    while Seal.objects.filter(event_id__in=events).count() < len(events) and time.monotonic() < until:
        if not sealer.seal_batch():
            time.sleep(_LOOK_AGAIN_SECONDS)


def _ends(project_ref: int, last: int) -> Iterator[int]:
    """Up to where to delete next, until `last`: checkpoints with about so many events between them."""
    reached = logs.dropped_of(project_ref)
    while reached < last:
        sizes = Checkpoint.objects.filter(project_ref=project_ref, size__gt=reached, size__lte=last)
        within = sizes.filter(size__lte=reached + _AT_ONE_TIME).order_by("-size").values_list("size", flat=True).first()
        end = within or sizes.order_by("size").values_list("size", flat=True).first()
        if end is None:
            return
        yield end
        reached = end


def _delete(retention: Retention, end: int) -> int:
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT audit_drop_retained(%s, %s)", [retention.id, end])
            return int(cursor.fetchone()[0])
    return _delete_on_sqlite(retention, end)


@transaction.atomic
def _delete_on_sqlite(retention: Retention, end: int) -> int:
    """The triggers let pass what the retention covers, and nothing else."""
    ref = retention.project_ref
    if _has_young(ref, end, retention.before):
        raise CannotDrop("some of it is too young")
    place = [ref, end]
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM audit_payload WHERE id IN (SELECT event.payload_ref FROM audit_seal AS seal JOIN audit_event"
            " AS event ON event.id = seal.event_id AND event.ord = seal.event_ord WHERE seal.project_ref = %s"
            " AND seal.seq <= %s) AND project_ref = %s", [*place, ref],
        )  # fmt: skip
        cursor.execute(
            "DELETE FROM audit_event WHERE ord IN (SELECT event_ord FROM audit_seal WHERE project_ref = %s"
            " AND seq <= %s)", place,
        )  # fmt: skip
        cursor.execute("DELETE FROM audit_seal WHERE project_ref = %s AND seq <= %s", place)
        return int(cursor.rowcount)
