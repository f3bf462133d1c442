"""The log's upkeep as Celery starts it, in a queue of its own so that no long job keeps it waiting.

Retention is such a long job, and runs beside the others.
"""

from __future__ import annotations

from collections.abc import Callable

from audit import exports, forward_work, partitions, recovery, work
from gateway_site.lib.tasks import task


def _attempt(name: str, upkeep: Callable[[], int]) -> Callable[[], int]:
    """A task that does it once, and leaves to the next turn what fails."""

    @task(name)
    def run() -> int:
        return work.attempt(upkeep)

    return run


seal = _attempt("audit.seal", work.seal)
close_interrupted = _attempt("audit.close_interrupted", recovery.close_interrupted)
prepare_partitions = _attempt("audit.prepare_partitions", partitions.prepare)
prune_exports = _attempt("audit.prune_exports", exports.prune)
begin_due_exports = _attempt("audit.begin_due_exports", exports.begin_due)
# Only starts threads, so that the sealing after it in the queue never waits for a receiver.
forward = _attempt("audit.forward", forward_work.start_due)
retain = _attempt("audit.retain", work.retain)
