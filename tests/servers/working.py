"""A worker that does what is due, in the test's own thread and transaction."""

from __future__ import annotations

from projects import jobs, work
from servers import reading


def work_off() -> int:
    """Asks for the reading of servers that are due, and does every job that is. How many were done."""
    reading.ask_due()
    done = 0
    while (lease := jobs.claim()) is not None:
        work.run(lease)
        done += 1
    return done
