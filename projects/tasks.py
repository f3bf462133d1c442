"""What Celery starts: turns of a worker, and the pruning of old jobs and kept answers."""

from __future__ import annotations

from gateway_site.lib.tasks import task
from projects import jobs, work
from projects.rest import once


@task("projects.run_due_jobs")
def run_due_jobs() -> int:
    """Does the jobs that are due. Losing the task loses nothing: the next turn finds the rows."""
    return work.take_turn()


@task("projects.prune_jobs")
def prune_jobs() -> int:
    return jobs.prune()


@task("projects.prune_answers")
def prune_answers() -> int:
    return once.prune()
