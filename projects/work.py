"""A worker's turn: runs due jobs in threads of their own and renews their leases meanwhile."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Collection

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections

from gateway_site.lib.actor import Actor, acting_as
from projects import jobs
from projects.jobs import Lease, LeaseLost
from projects.scoping import with_project

logger = structlog.get_logger("projects.work")

_AT_ONE_TIME = 8
_TICK_SECONDS = 1.0
_TURN_SECONDS = 300.0
_turn = threading.Lock()


def take_turn() -> int:
    """Runs what is due, unless this process does so already. How many jobs were begun."""
    if not _turn.acquire(blocking=False):
        return 0
    try:
        return run_due()
    finally:
        _turn.release()


def run_due(*, only: Collection[int] | None = None) -> int:
    """Runs due jobs, or those of `only`, until none is left. How many were begun.

    The caller's thread is the heartbeat: it renews leases, and hears of those that are lost.
    """
    ended: queue.SimpleQueue[Lease] = queue.SimpleQueue()
    held: set[Lease] = set()
    begun, until = 0, time.monotonic() + _TURN_SECONDS
    while True:
        while len(held) < _AT_ONE_TIME and time.monotonic() < until and (lease := _claim(only)) is not None:
            _start(lease, ended)
            held.add(lease)
            begun += 1
        if not held:
            return begun
        _await_ended(held, ended)
        held = {lease for lease in held if _keep(lease)}


def _claim(only: Collection[int] | None) -> Lease | None:
    try:
        return jobs.claim(only=only)
    except DatabaseError as error:
        # What is held goes on, and the next tick tries again.
        logger.warning("no job claimed", error=type(error).__name__)
        close_old_connections()
        return None


def _start(lease: Lease, ended: queue.SimpleQueue[Lease]) -> None:
    def work() -> None:
        try:
            run(lease)
        finally:
            close_old_connections()
            ended.put(lease)

    # A daemon, so that a process that must end does not wait: the job is claimed again elsewhere.
    threading.Thread(target=work, name=f"job-{lease.job.pk}", daemon=True).start()


def _await_ended(held: set[Lease], ended: queue.SimpleQueue[Lease]) -> None:
    try:
        held.discard(ended.get(timeout=_TICK_SECONDS))
        while True:
            held.discard(ended.get_nowait())
    except queue.Empty:
        return


def _keep(lease: Lease) -> bool:
    """False when the lease is lost: its thread finds out by itself, and nobody waits for it."""
    try:
        return lease.keep()
    except DatabaseError as error:
        # The lease may outlast the trouble; the next tick tries again.
        logger.warning("lease not renewed", job_id=lease.job.pk, error=type(error).__name__)
        close_old_connections()
        return True


def run(lease: Lease) -> None:
    """Does the job in this thread. Whatever its handler leaves open is settled here."""
    job = lease.job
    with acting_as(Actor("worker", job.kind, job.kind)), with_project(job.project_id):
        try:
            _handle(lease)
        except LeaseLost:
            logger.warning("lease lost", job_id=job.pk, kind=job.kind)


def _handle(lease: Lease) -> None:
    try:
        jobs.handler_of(lease.job.kind)(lease)
        if not lease.is_settled:
            with lease.finish():
                pass
    except LeaseLost:
        raise
    except Exception as error:  # a fault in a handler costs its own job only
        logger.exception("job failed", job_id=lease.job.pk, kind=lease.job.kind)
        if not lease.is_settled:
            jobs.fail_unexpectedly(lease, error)
