"""`manage.py export-schedule`: exports of a project's log that are made by themselves and brought to a place."""

from __future__ import annotations

import uuid
from typing import Any

from audit import exports
from audit.export_forms import names
from audit.models import ExportSchedule
from projects.commanding import PROJECT, YES, NounCommand, argument, find_by_id, find_project, secret, verb
from projects.models import Project
from projects.scoping import with_project

_ONE = argument("schedule", help="Its id or number.")
_FILTERS = ("server", "tool", "user", "outcome")


class Command(NounCommand):
    noun = "export_schedule"
    help = "Exports of logs that are made by themselves."

    @verb("Schedules of a project.", PROJECT)
    def list_(self, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            return [_shown(row) for row in ExportSchedule.objects.all()]

    @verb("One schedule.", _ONE, PROJECT)
    def show(self, schedule: str, project: str | None) -> Any:
        return _shown(_find(schedule, project))

    @verb("Makes a schedule, to a directory or to a bucket; its first export holds everything so far.",
          argument("form", help=f"{', '.join(names())}."),
          argument("--every", choices=ExportSchedule.Every.values, default=ExportSchedule.Every.DAY.value),
          argument("--directory", help="A folder inside of one of GATEWAY_EXPORT_DIRECTORIES."),
          argument("--bucket", help="Of what is S3-compatible; with --endpoint, --key-id and --secret."),
          argument("--endpoint", metavar="URL"), argument("--region"), argument("--prefix"),
          argument("--key-id", metavar="ID"),
          argument("--secret", metavar="REF", help="The secret access key: env:VARIABLE or file:PATH."),
          *(argument(f"--{name}", help=f"Events of this {name} only.") for name in _FILTERS),
          argument("--disabled", action="store_true"), PROJECT)  # fmt: skip
    def create(
        self, form: str, every: str, project: str | None, disabled: bool, secret: str | None, server: str | None,
        tool: str | None, user: str | None, outcome: str | None, **place: str | None,
    ) -> Any:  # fmt: skip
        given = {"server": server, "tool": tool, "user": user, "outcome": outcome}
        schedule = ExportSchedule(
            project=find_project(project), form=form, every=every, enabled=not disabled,
            filters={name: value for name, value in given.items() if value},
            destination="directory" if place["bucket"] is None else "s3",
            **{name: value for name, value in place.items() if value is not None},
        )  # fmt: skip
        return _shown(exports.schedule_export(schedule=schedule, secret=_secret(secret)))

    @verb("Lets a schedule make exports again.", _ONE, PROJECT)
    def enable(self, schedule: str, project: str | None) -> Any:
        return _switch(_find(schedule, project), True)

    @verb("Stops a schedule; when it is enabled its next export goes on where the last ended.", _ONE, PROJECT)
    def disable(self, schedule: str, project: str | None) -> Any:
        return _switch(_find(schedule, project), False)

    @verb("Deletes a schedule; what it made stays until it expires.", _ONE, PROJECT, YES)
    def delete(self, schedule: str, project: str | None, yes: bool) -> Any:
        row = _find(schedule, project)
        self.confirm(f"Delete the schedule {row}?", yes)
        shown = _shown(row)
        exports.delete_schedule(schedule=row)
        return shown


def _find(text: str, project: str | None) -> ExportSchedule:
    found: Project = find_project(project)
    with with_project(found.pk):
        rows = ExportSchedule.objects.select_related("project")
        row = rows.filter(uid=number).first() if (number := _as_uuid(text)) is not None else None
        return row if row is not None else find_by_id(rows, text, "schedule")


def _as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _secret(reference: str | None) -> str:
    return "" if reference is None else secret("secret", reference)


def _switch(row: ExportSchedule, enabled: bool) -> dict[str, Any]:
    row.enabled = enabled
    return _shown(exports.change_schedule(schedule=row))


def _shown(row: ExportSchedule) -> dict[str, Any]:
    """Without what opens its place."""
    return {
        "id": str(row.uid), "form": row.form, "filters": row.filters, "every": str(row.every), "to": row.place,
        "enabled": row.enabled, "has_secret": bool(row.sealed), "next_at": row.next_at, "last_at": row.last_at,
        "error": row.last_error,
    }  # fmt: skip
