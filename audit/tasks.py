"""The log's upkeep as Celery starts it, in a queue of its own so that no long job keeps it waiting.

Retention is such a long job, and runs beside the others.
"""

from __future__ import annotations

from celery import shared_task

from audit import exports, forward_work, partitions, recovery, work


@shared_task(name="audit.seal")  # type: ignore[untyped-decorator]  # Celery has no types
def seal() -> int:
    return work.attempt(work.seal)


@shared_task(name="audit.close_interrupted")  # type: ignore[untyped-decorator]  # Celery has no types
def close_interrupted() -> int:
    return work.attempt(recovery.close_interrupted)


@shared_task(name="audit.prepare_partitions")  # type: ignore[untyped-decorator]  # Celery has no types
def prepare_partitions() -> int:
    return work.attempt(partitions.prepare)


@shared_task(name="audit.prune_exports")  # type: ignore[untyped-decorator]  # Celery has no types
def prune_exports() -> int:
    return work.attempt(exports.prune)


@shared_task(name="audit.begin_due_exports")  # type: ignore[untyped-decorator]  # Celery has no types
def begin_due_exports() -> int:
    return work.attempt(exports.begin_due)


@shared_task(name="audit.forward")  # type: ignore[untyped-decorator]  # Celery has no types
def forward() -> int:
    """Only starts threads, so that the sealing after it in the queue never waits for a receiver."""
    return work.attempt(forward_work.start_due)


@shared_task(name="audit.retain")  # type: ignore[untyped-decorator]  # Celery has no types
def retain() -> int:
    return work.attempt(work.retain)
