"""What Celery starts: turns of a worker, and the pruning of old jobs and kept answers."""

from __future__ import annotations

from celery import shared_task

from projects import jobs, work
from projects.rest import once
from projects.signin import invitations, sessions


@shared_task(name="projects.run_due_jobs")  # type: ignore[untyped-decorator]  # Celery has no types
def run_due_jobs() -> int:
    """Does the jobs that are due. Losing the task loses nothing: the next turn finds the rows."""
    return work.take_turn()


@shared_task(name="projects.prune_jobs")  # type: ignore[untyped-decorator]  # Celery has no types
def prune_jobs() -> int:
    return jobs.prune()


@shared_task(name="projects.prune_answers")  # type: ignore[untyped-decorator]  # Celery has no types
def prune_answers() -> int:
    return once.prune()


@shared_task(name="projects.prune_sessions")  # type: ignore[untyped-decorator]  # Celery has no types
def prune_sessions() -> int:
    """And invitations, which end by themselves too."""
    return sessions.prune() + invitations.prune()
