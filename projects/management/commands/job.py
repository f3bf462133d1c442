"""`manage.py job`: background work, what became of it, and running it again."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError

from projects import jobs
from projects.commanding import NounCommand, argument, as_operator, find_by_id, find_project, verb
from projects.models import Job
from projects.progress import Progress

_ONE = argument("job", help="Its id.")
_LOOK_SECONDS = 0.5


class Command(NounCommand):
    noun = "job"
    help = "Background work."

    @verb("The newest jobs.", argument("--project", "-p", metavar="SLUG"),
          argument("--state", choices=Job.State.values), argument("--limit", type=int, default=50))  # fmt: skip
    def list_(self, project: str | None, state: str | None, limit: int) -> Any:
        only = find_project(project) if project is not None else None
        with as_operator():
            rows = Job.objects.select_related("project")
            rows = rows.filter(project=only) if only is not None else rows
            rows = rows.filter(state=state) if state is not None else rows
            return [_shown(row) for row in rows[: max(limit, 1)]]

    @verb("One job.", _ONE)
    def show(self, job: str) -> Any:
        return _shown(_find(job))

    @verb("Runs a failed job's work again, as a new job.", _ONE)
    def retry(self, job: str) -> Any:
        return _shown(jobs.retry(job=_find(job)))

    @verb("Waits until a job has ended; an error when it failed.", _ONE,
          argument("--seconds", type=float, default=600.0, help="How long at most."))  # fmt: skip
    def wait(self, job: str, seconds: float) -> Any:
        progress, until = Progress("done"), time.monotonic() + seconds
        while (row := _find(job)).state not in jobs.FINISHED:
            if time.monotonic() > until:
                raise CommandError("It has not ended in time.")
            progress(row.progress_done, max(row.progress_total, row.progress_done + 1))
            time.sleep(_LOOK_SECONDS)
        if row.state == Job.State.FAILED:
            raise CommandError(row.error or "It failed.")
        return _shown(row)


def _find(text: str) -> Job:
    with as_operator():
        return find_by_id(Job.objects.select_related("project"), text, "job")


def _shown(row: Job) -> dict[str, Any]:
    return {
        "id": row.pk, "project": row.project.slug, "kind": row.kind, "label": row.label, "state": str(row.state),
        "done": row.progress_done, "total": row.progress_total, "text": row.progress_text, "error": row.error,
        "attempts": row.attempts, "created_at": row.created_at, "finished_at": row.finished_at,
    }  # fmt: skip
