"""The job that makes an export: parts, then the archive, then to where it goes; in as many turns as that takes."""

from __future__ import annotations

import secrets
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone

from audit import logs
from audit.canonical import NotCanonical
from audit.export_delivery import NotDelivered, deliver
from audit.export_forms import NoSuchForm
from audit.export_output import Archive, digest_of, private_file, put_in_place
from audit.export_parts import BeginningDropped, Parts, Plan
from audit.exports import KIND, archive_of, parts_of, record_act, remove_files
from audit.filters import Filters
from audit.models import Export, ExportSchedule
from audit.retained_logs import retention_end
from audit.rows import stamp
from audit.signing import NoKey
from projects import jobs
from projects.jobs import Lease

logger = structlog.get_logger("audit.exports")

# After that long a turn ends where it can: what comes next may take as long as a lease may be kept.
TURN_SECONDS = 120.0


class TooManyEvents(Exception):
    """More than the operator allows in one export. The text says how many."""


@jobs.handles(KIND)
def make(lease: Lease) -> None:
    """The subject is the export. Nothing happens when it was deleted, or is there already."""
    done = (Export.State.READY, Export.State.EXPIRED)
    rows = Export.objects.exclude(state__in=done).select_related("project", "schedule")
    export = rows.filter(pk=lease.job.subject_ref).first()
    if export is None:
        return
    # One that failed is made again when an operator has its job tried again.
    Export.objects.filter(pk=export.pk, state=Export.State.FAILED).update(state=Export.State.WAITING)
    try:
        _Making(lease, export).go_on()
    except BeginningDropped:
        _begin_again(lease, export)
    except (NoSuchForm, TooManyEvents) as error:
        _fail(lease, export, str(error), again=False)
    except (NoKey, NotDelivered) as error:
        _fail(lease, export, str(error))
    except NotCanonical as error:
        _fail(lease, export, f"an event cannot be read: {error}", again=False)
    except OSError as error:
        logger.warning("an export failed", export=str(export.uid), error=str(error))
        _fail(lease, export, f"the file: {error.strerror or type(error).__name__}")


class _Making:
    def __init__(self, lease: Lease, export: Export) -> None:
        self._lease, self._export = lease, export
        self._began = time.monotonic()

    def go_on(self) -> None:
        """Does what is left, or hands the rest over to the job's next turn."""
        export = self._export
        _fix_range(export)
        Path(settings.EXPORT_DIR).mkdir(parents=True, exist_ok=True, mode=0o700)
        parts = Parts(_plan(export), parts_of(export.uid))
        if not (export.sha256 and archive_of(export.uid).exists()):
            if not parts.write(self._tell, self._has_time) or not self._has_time():
                with self._lease.hand_over():
                    pass
                return
            if not self._pack(parts):
                return
        if export.schedule is not None:
            self._lease.report(1, 1, "bringing it to its place")
            deliver(export, export.schedule, archive_of(export.uid), export.sha256)
        self._finish()

    def _tell(self, done: int, total: int) -> None:
        self._lease.check()
        self._lease.report(done, total, "of the log's numbers")

    def _has_time(self) -> bool:
        return time.monotonic() - self._began < TURN_SECONDS

    def _pack(self, parts: Parts) -> bool:
        """Whether there is still time; else the rest is handed over with what the archive came to."""
        self._lease.check()
        manifest, sha256, size = _write_archive(parts, archive_of(self._export.uid))
        found = {"events": manifest["events"], "root": manifest["root"], "sha256": sha256, "size": size}
        for name, value in found.items():
            setattr(self._export, name, value)
        if self._export.schedule is None or self._has_time():
            return True
        with self._lease.hand_over():
            Export.objects.filter(pk=self._export.pk).update(**found)
        return False

    def _finish(self) -> None:
        export, now = self._export, timezone.now()
        with self._lease.finish():
            is_there = Export.objects.filter(pk=export.pk).update(
                state=Export.State.READY, error="", events=export.events, root=export.root, sha256=export.sha256,
                size=export.size, finished_at=now, expires_at=now + timedelta(days=settings.EXPORT_DAYS),
            )  # fmt: skip
            if is_there:
                self._move_the_schedule_on(now)
                record_act("audit.exported", export, **_described(export))
        if is_there:
            shutil.rmtree(parts_of(export.uid), ignore_errors=True)
        else:
            remove_files(export.uid)

    def _move_the_schedule_on(self, now: Any) -> None:
        export = self._export
        if export.schedule is not None:
            ExportSchedule.objects.filter(pk=export.schedule.pk).update(
                next_seq=(export.last_seq or 0) + 1, last_at=now, last_error=""
            )


def _begin_again(lease: Lease, export: Export) -> None:
    """From where the log begins now."""
    shutil.rmtree(parts_of(export.uid), ignore_errors=True)
    with lease.hand_over():
        Export.objects.filter(pk=export.pk).update(first_seq=None, last_seq=None)


def _fix_range(export: Export) -> None:
    """What the export is made from, decided once. Raises TooManyEvents."""
    if export.first_seq is not None and export.last_seq is not None:
        return
    first, last = _range(export)
    if last - first + 1 > settings.EXPORT_MAX_EVENTS:
        raise TooManyEvents(
            f"{last - first + 1} events are more than the {settings.EXPORT_MAX_EVENTS} that one export may go through: "
            "choose a shorter time."
        )
    Export.objects.filter(pk=export.pk, first_seq=None).update(
        first_seq=first, last_seq=last, began_at=timezone.now(), state=Export.State.WAITING
    )
    export.refresh_from_db()


def _range(export: Export) -> tuple[int, int]:
    """The first and the last number; the last is smaller by one when there is nothing."""
    ref, newest = export.project_id, logs.latest_checkpoint(export.project_id)
    first = export.schedule.next_seq if export.schedule is not None else 1
    first = max(first, retention_end(ref) + 1)
    last = max(newest.size if newest is not None else 0, first - 1)
    filters = Filters.of_json(export.filters)
    if filters.since is None and filters.until is None:
        return first, last
    condition, values = Filters(since=filters.since, until=filters.until).conditions(ref, "event")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(seal.seq), max(seal.seq) FROM audit_seal AS seal"  # noqa: S608  our own conditions
            f" JOIN audit_event AS event ON event.id = seal.event_id AND {condition}"
            " WHERE seal.project_ref = %s AND seal.seq BETWEEN %s AND %s",
            [*values, ref, first, last],
        )
        lowest, highest = cursor.fetchone()
    return (lowest, highest) if lowest is not None else (last + 1, last)


def _plan(export: Export) -> Plan:
    if export.first_seq is None or export.last_seq is None or export.began_at is None:
        raise ValueError("its range is not decided")
    return Plan(
        export.project_id, export.project.slug, export.form, export.first_seq, export.last_seq,
        Filters.of_json(export.filters), stamp(export.began_at), not export.filters and export.schedule is None,
    )  # fmt: skip


def _write_archive(parts: Parts, path: Path) -> tuple[dict[str, Any], str, int]:
    """The manifest, and the archive's digest and size."""
    draft = path.with_suffix(f".{secrets.token_hex(6)}.tmp")
    try:
        with private_file(draft) as file:
            archive = Archive(file)
            manifest = parts.assemble(archive)
            archive.close()
            file.seek(0)
            sha256, size = digest_of(file)
            put_in_place(file, draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return manifest, sha256, size


def _fail(lease: Lease, export: Export, error: str, *, again: bool = True) -> None:
    retry_at = jobs.retry_time(lease.job.attempts) if again else None
    with lease.fail(error, retry_at):
        state = Export.State.WAITING if retry_at is not None else Export.State.FAILED
        Export.objects.filter(pk=export.pk).update(state=state, error=error[:200])
        if export.schedule is not None:
            ExportSchedule.objects.filter(pk=export.schedule.pk).update(last_error=error[:200])
        record_act("audit.export_failed", export, error=error[:200], attempt=lease.job.attempts)


def _described(export: Export) -> dict[str, Any]:
    names = ("form", "filters", "first_seq", "last_seq", "events", "root", "sha256", "size")
    found = {name: getattr(export, name) for name in names}
    return {**found, "place": export.schedule.place} if export.schedule is not None else found
