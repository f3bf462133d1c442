"""What can be done with exports and their schedules: one function per act, one transaction each."""

from __future__ import annotations

import shutil
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from audit.export_delivery import check_place
from audit.export_forms import NoSuchForm, form_of
from audit.filters import Filters
from audit.models import Export, ExportSchedule
from audit.recorder import record
from gateway_site.lib.actor import Actor, acting_as, current
from projects import jobs
from projects.models import Job, Project
from projects.scoping import unscoped, with_project

logger = structlog.get_logger("audit.exports")

KIND = "audit.export"
_EVERYTHING = Filters()
# So that no project takes the workers or the disk for itself.
_MOST_WAITING = 10
_MOST_KEPT = 50
_MOST_SCHEDULES = 20
_KEPT_DAYS = 30
# After midnight, so that the day's last events have their seals.
_RUN_AT = timedelta(minutes=5)
_SECRET_LENGTH = 256


# --- exports ----------------------------------------------------------------------------------------


@transaction.atomic
def request_export(*, project: Project, form: str, filters: Filters = _EVERYTHING) -> Export:
    """Asks for an export, which a worker makes. Raises ValidationError."""
    _check(form, filters)
    with with_project(project.pk):
        if Export.objects.filter(state=Export.State.WAITING).count() >= _MOST_WAITING:
            raise ValidationError(f"{_MOST_WAITING} exports of this project are being made already.")
        if Export.objects.filter(state=Export.State.READY).count() >= _MOST_KEPT:
            raise ValidationError(f"This project has {_MOST_KEPT} exports: delete some that are not needed any more.")
        return _ask_for(project, form, filters, None)


def _check(form: str, filters: Filters) -> None:
    try:
        form_of(form)
    except NoSuchForm as error:
        raise ValidationError({"form": str(error)}) from error
    filters.check()


def _ask_for(project: Project, form: str, filters: Filters, schedule: ExportSchedule | None) -> Export:
    export = Export.objects.create(
        project=project, form=form, filters=filters.to_json(), schedule=schedule,
        requested_by=(current().label or current().kind)[:254],
    )  # fmt: skip
    jobs.enqueue(
        project=project, kind=KIND, subject_ref=export.pk, label=f"export {form}", requested_by=export.requested_by
    )
    record_act("audit.export_requested", export, form=form, filters=export.filters)
    return export


@transaction.atomic
def delete_export(*, export: Export) -> None:
    """Its file goes too; a worker that is at it finds that out."""
    record_act("audit.export_deleted", export)
    with with_project(export.project_id):
        Export.objects.filter(pk=export.pk).delete()
    transaction.on_commit(lambda: remove_files(export.uid))


def record_act(kind: str, export: Export, **detail: Any) -> None:
    """In the caller's transaction."""
    record(
        kind, project_ref=export.project_id, project=export.project.slug, subject=str(export.uid), detail=detail
    )


# --- schedules --------------------------------------------------------------------------------------


@transaction.atomic
def schedule_export(*, schedule: ExportSchedule, secret: str = "") -> ExportSchedule:
    """Stores a new schedule; its first export holds everything so far. Raises ValidationError."""
    with with_project(schedule.project_id):
        if ExportSchedule.objects.count() >= _MOST_SCHEDULES:
            raise ValidationError(f"This project has {_MOST_SCHEDULES} schedules: delete one that is not needed.")
    schedule.next_at = following(schedule.every, timezone.now())
    schedule.created_by = (current().label or current().kind)[:254]
    _set_secret(schedule, secret, None)
    _save(schedule)
    _record_schedule("audit.schedule_created", schedule)
    return schedule


@transaction.atomic
def change_schedule(*, schedule: ExportSchedule, secret: str = "") -> ExportSchedule:
    """Without a `secret` the stored one stays, unless it would go to another host. Raises ValidationError."""
    with with_project(schedule.project_id):
        before = ExportSchedule.objects.get(pk=schedule.pk)
    if before.every != schedule.every:
        schedule.next_at = following(schedule.every, timezone.now())
    _set_secret(schedule, secret, before)
    _save(schedule)
    _record_schedule("audit.schedule_changed", schedule, before=_shown(before))
    return schedule


@transaction.atomic
def delete_schedule(*, schedule: ExportSchedule) -> None:
    """The exports that it made stay until they expire."""
    _record_schedule("audit.schedule_deleted", schedule)
    with with_project(schedule.project_id):
        ExportSchedule.objects.get(pk=schedule.pk).delete()


def _save(schedule: ExportSchedule) -> None:
    if {"since", "until"} & set(schedule.filters):
        raise ValidationError({"filters": "A schedule has its own time."})
    try:
        filters = Filters.of_json(schedule.filters)
    except (TypeError, ValueError) as error:
        raise ValidationError({"filters": "Give server, tool, user and outcome, as texts."}) from error
    _check(schedule.form, filters)
    check_place(schedule)
    with with_project(schedule.project_id):
        schedule.full_clean()
        schedule.save()


def _set_secret(schedule: ExportSchedule, secret: str, before: ExportSchedule | None) -> None:
    if schedule.destination != ExportSchedule.Destination.S3:
        schedule.secret = ""
        return
    if len(secret) > _SECRET_LENGTH or "\0" in secret:
        raise ValidationError("This is no secret access key.")
    if secret:
        schedule.secret = secret
    elif before is None or not before.sealed:
        raise ValidationError("A bucket needs the secret access key.")
    elif (before.endpoint, before.key_id) != (schedule.endpoint, schedule.key_id):
        raise ValidationError("Give the secret access key again: the stored one does not go to another place.")


def _record_schedule(kind: str, schedule: ExportSchedule, **detail: Any) -> None:
    record(
        kind, project_ref=schedule.project_id, project=schedule.project.slug, subject=str(schedule.uid),
        detail={**_shown(schedule), **detail},
    )  # fmt: skip


def _shown(schedule: ExportSchedule) -> dict[str, Any]:
    names = ("form", "filters", "every", "destination", "endpoint", "enabled")
    return {"place": schedule.place, **{name: getattr(schedule, name) for name in names}}


def following(every: str, after: datetime) -> datetime:
    """Five past the next midnight, or that of the next Monday, in UTC."""
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    days = 1 if every == ExportSchedule.Every.DAY else 7 - midnight.weekday()
    return midnight + timedelta(days=days) + _RUN_AT


def begin_due() -> int:
    """Asks for the exports of schedules whose time has come; one that is still at its last one waits. How many."""
    now = timezone.now()
    with unscoped("the schedules of all projects"), acting_as(Actor("worker", "audit.schedule", "audit.schedule")):
        due = ExportSchedule.objects.filter(enabled=True, next_at__lte=now, project__enabled=True)
        return sum(_begin(schedule, now) for schedule in due.select_related("project"))


def _begin(schedule: ExportSchedule, now: datetime) -> bool:
    with transaction.atomic(), with_project(schedule.project_id):
        if Export.objects.filter(schedule=schedule, state=Export.State.WAITING).exists():
            return False
        # Of any number of processes that try, one changes the row.
        ours = ExportSchedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at)
        if not ours.update(next_at=following(schedule.every, now)):
            return False
        _ask_for(schedule.project, schedule.form, Filters.of_json(schedule.filters), schedule)
        return True


# --- files ------------------------------------------------------------------------------------------


def archive_of(number: uuid.UUID) -> Path:
    return Path(settings.EXPORT_DIR) / f"{number}.zip"


def parts_of(number: uuid.UUID) -> Path:
    return Path(settings.EXPORT_DIR) / f"{number}.parts"


def remove_files(number: uuid.UUID) -> None:
    archive_of(number).unlink(missing_ok=True)
    shutil.rmtree(parts_of(number), ignore_errors=True)


def prune() -> int:
    """Ends what expired, and removes files that belong to nothing any more. How many exports ended."""
    now = timezone.now()
    with unscoped("the exports of all projects"):
        _give_up_on_the_lost()
        ended = sum(_expire(export) for export in _expired(now))
        old = now - timedelta(days=_KEPT_DAYS)
        Export.objects.filter(state__in=(Export.State.EXPIRED, Export.State.FAILED), created_at__lt=old).delete()
        _sweep()
    return ended


def _expired(now: datetime) -> list[Export]:
    return list(Export.objects.filter(state=Export.State.READY, expires_at__lte=now).select_related("project"))


@transaction.atomic
def _expire(export: Export) -> bool:
    with with_project(export.project_id):
        if not Export.objects.filter(pk=export.pk, state=Export.State.READY).update(state=Export.State.EXPIRED):
            return False
    record_act("audit.export_expired", export)
    transaction.on_commit(lambda: remove_files(export.uid))
    return True


def _give_up_on_the_lost() -> None:
    """Those whose job ended without a word, because it took its workers down or met what nobody foresaw."""
    waiting = Export.objects.filter(state=Export.State.WAITING)
    open_jobs = set(Job.objects.filter(kind=KIND, state__in=jobs.OPEN).values_list("subject_ref", flat=True))
    for export in waiting.exclude(pk__in=open_jobs).select_related("project"):
        with transaction.atomic():
            if not Job.objects.filter(kind=KIND, state__in=jobs.OPEN, subject_ref=export.pk).exists():
                waiting.filter(pk=export.pk).update(state=Export.State.FAILED, error="Its job ended without a result.")


def _sweep() -> None:
    folder = Path(settings.EXPORT_DIR)
    if not folder.exists():
        return
    found = {path: _number_of(path) for path in folder.iterdir()}
    numbers = {number for number in found.values() if number is not None}
    # Asked after looking, so that what was begun meanwhile is known.
    states = dict(Export.objects.filter(uid__in=numbers).values_list("uid", "state"))
    for path, number in found.items():
        state = states.get(number) if number is not None else None
        is_kept = state == Export.State.WAITING or (state == Export.State.READY and path.suffix == ".zip")
        if number is not None and not is_kept:
            logger.info("a file of no export is removed", name=path.name)
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _number_of(path: Path) -> uuid.UUID | None:
    """None for what is none of ours."""
    try:
        return uuid.UUID(path.name.partition(".")[0])
    except ValueError:
        return None
