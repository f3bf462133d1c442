"""The life of a job: asked for, claimed under a lease by one worker at a time, and settled once.

Each step is one UPDATE that names the state it starts from, so that any number of workers may try it at one time.
Clocks only decide who tries; who succeeds is decided by the row.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import current_app
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Count, DateTimeField, F, Min, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Least
from django.utils import timezone
from kombu.exceptions import OperationalError

from gateway_site.lib.actor import current
from projects.models import Job, Project
from projects.scoping import unscoped, with_project
from projects.signals import acted

logger = structlog.get_logger("projects.jobs")

LEASE = timedelta(seconds=20)
RENEW_SECONDS = 5.0
# A handler that runs longer is taken for stuck: its lease is not renewed any more.
LONGEST_SECONDS = 600.0
OPEN = (Job.State.QUEUED, Job.State.RUNNING)
FINISHED = (Job.State.DONE, Job.State.FAILED)
_OF_ONE_PROJECT = 4
# A job that takes its workers down with it must end.
_MOST_ATTEMPTS = 10
_RETRIES = 5
_FIRST_RETRY = timedelta(minutes=5)
_AFTER_DATABASE = timedelta(seconds=5)
_KEPT_DAYS = 7
_KEPT_OF_PROJECT = 200
_TASK = "projects.run_due_jobs"


class LeaseLost(Exception):
    """Somebody else works on the job now, or nobody may; what was to be written is not."""


class Lease:
    """The right to work on a job. `report`, `still_held` and `check` ask no database and work in any thread."""

    def __init__(self, job: Job, owner: str) -> None:
        self.job = job
        self.is_settled = False
        self._owner = owner
        self._is_lost = self._is_settling = False
        self._began = self._renewed = time.monotonic()
        self._progress = self._written = (0, 0, "")

    def report(self, done: int, total: int, text: str = "") -> None:
        """Progress for people; it is written within about a second."""
        self._progress = (done, total, text[:100])

    def still_held(self) -> bool:
        return not self._is_lost

    def check(self) -> None:
        """Raises LeaseLost, so that work that nobody will take ends early."""
        if self._is_lost:
            raise LeaseLost

    def keep(self) -> bool:
        """Renews the lease when it is time, and writes progress that is new. False when the lease is lost."""
        now = time.monotonic()
        if self._is_settling:
            # Its transaction holds the row, so that nobody can claim it and a renewal would wait.
            return True
        if self._is_lost or now - self._began > LONGEST_SECONDS:
            self._is_lost = True
        elif now - self._renewed >= RENEW_SECONDS or self._progress != self._written:
            self._is_lost = not self._write(lease_until=timezone.now() + LEASE)
            self._renewed = now
        return not self._is_lost

    def finish(self) -> AbstractContextManager[None]:
        """Inside, results are written; they and the job's end are committed together. Raises LeaseLost."""
        return self._settle(state=Job.State.DONE, error="", finished_at=timezone.now())

    def fail(self, error: str, retry_at: datetime | None = None) -> AbstractContextManager[None]:
        """Like finish(). `error` is short and holds no secret; with `retry_at` the job waits for another try."""
        if retry_at is None:
            return self._settle(state=Job.State.FAILED, error=error[:200], finished_at=timezone.now())
        return self._settle(state=Job.State.QUEUED, error=error[:200], run_after=retry_at)

    @contextmanager
    def hand_over(self) -> Iterator[None]:
        """Like finish(), for work that keeps what it did and has more to do: the job waits for its next turn.

        So what takes longer than a lease may be kept is done in several turns, none of which counts as a failure.
        """
        with self._settle(state=Job.State.QUEUED, error="", run_after=timezone.now(), attempts=0):
            yield
            transaction.on_commit(_wake_workers)

    @contextmanager
    def _settle(self, **changes: Any) -> Iterator[None]:
        self._is_settling = True
        try:
            with transaction.atomic(), with_project(self.job.project_id):
                # First, so that nobody can claim the job before the commit.
                if not self._write(lease_owner="", lease_until=None, **changes):
                    self._is_lost = True
                    raise LeaseLost
                yield
                self._run_again_if_asked()
            self.is_settled = True
        finally:
            self._is_settling = False

    def _write(self, **changes: Any) -> bool:
        progress = self._progress
        done, total, text = progress
        with with_project(self.job.project_id):
            held = Job.objects.filter(pk=self.job.pk, state=Job.State.RUNNING, lease_owner=self._owner)
            written = held.update(progress_done=done, progress_total=total, progress_text=text, **changes)
        self._written = progress
        return bool(written)

    def _run_again_if_asked(self) -> None:
        row = Job.objects.get(pk=self.job.pk)
        if row.again_after is not None:
            Job.objects.filter(pk=row.pk).update(again_after=None)
            enqueue(
                project=self.job.project, kind=row.kind, subject_ref=row.subject_ref, label=row.label,
                requested_by=row.requested_by, run_after=row.again_after,
            )  # fmt: skip


Handler = Callable[[Lease], None]
_handlers: dict[str, Handler] = {}


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Decorator: the function does jobs of this kind, in a thread, under the project's scope.

    It records its start and its end, settles the lease with what it writes, and may raise LeaseLost.
    """

    def add(handler: Handler) -> Handler:
        if kind in _handlers:
            raise ValueError(f"{kind!r} has a handler already")
        _handlers[kind] = handler
        return handler

    return add


def handler_of(kind: str) -> Handler:
    """Raises KeyError."""
    return _handlers[kind]


@transaction.atomic
def enqueue(
    *, project: Project, kind: str, subject_ref: int, label: str, requested_by: str = "",
    run_after: datetime | None = None,
) -> Job:  # fmt: skip
    """The open job of this kind and subject, or a new one: who asks twice gets the same.

    One that waits is brought forward to `run_after` (now, unless said otherwise); one that runs already may have
    seen things as they were before, so it is followed by another. `label` and `requested_by` are for people.
    Not for transactions that hold other locks: who settles a job locks it first and then what it writes.
    """
    due = run_after or timezone.now()
    with with_project(project.pk):
        while True:
            job = Job.objects.filter(kind=kind, subject_ref=subject_ref, state__in=OPEN).first()
            if job is not None and not _bring_forward(job, due):
                continue  # it was claimed or settled just now
            if job is None:
                job = _create(
                    project=project, kind=kind, subject_ref=subject_ref, label=label[:200],
                    requested_by=requested_by[:254], run_after=due,
                )  # fmt: skip
            if job is not None:
                transaction.on_commit(_wake_workers)
                return job


def _bring_forward(job: Job, due: datetime) -> bool:
    wanted = Value(due, DateTimeField())
    row = Job.objects.filter(pk=job.pk, state=job.state)
    if job.state == Job.State.QUEUED:
        return bool(row.update(run_after=Least(F("run_after"), wanted)))
    return bool(row.update(again_after=Least(Coalesce(F("again_after"), wanted), wanted)))


def _create(**fields: Any) -> Job | None:
    """None when somebody else was quicker."""
    try:
        with transaction.atomic():
            return Job.objects.create(**fields)
    except IntegrityError:
        return None


@transaction.atomic
def retry(*, job: Job) -> Job:
    """Runs a failed job's work again, as a new job; the failed one stays as it is."""
    again = enqueue(
        project=job.project, kind=job.kind, subject_ref=job.subject_ref, label=job.label,
        requested_by=current().label or current().kind,
    )  # fmt: skip
    _announce("job.retried", job, job_id=job.pk)
    return again


def claim(*, only: Collection[int] | None = None) -> Lease | None:
    """The lease of a job that is due, of the project that has the fewest running; None when nothing can be had.

    A job whose worker let its lease run out is due too. `only` restricts to jobs with these ids.
    """
    now = timezone.now()
    with unscoped("a worker works for all projects"):
        for job in _candidates(now, only):
            if job.state == Job.State.RUNNING and job.attempts >= _MOST_ATTEMPTS:
                _bury(job, now)
                continue
            owner = uuid.uuid4().hex
            taken = _is_due(Job.objects.filter(pk=job.pk), now).update(
                state=Job.State.RUNNING, lease_owner=owner, lease_until=now + LEASE, attempts=F("attempts") + 1,
                started_at=now, progress_done=0, progress_total=0, progress_text="",
            )  # fmt: skip
            if taken:
                return Lease(Job.objects.select_related("project").get(pk=job.pk), owner)
    return None


def _is_due(rows: QuerySet[Job], now: datetime) -> QuerySet[Job]:
    """Conditions on the row itself only: PostgreSQL asks just these again after it has waited for another's UPDATE."""
    return rows.filter(
        Q(state=Job.State.QUEUED, run_after__lte=now) | Q(state=Job.State.RUNNING, lease_until__lt=now)
    )


def _candidates(now: datetime, only: Collection[int] | None) -> Iterator[Job]:
    running = Job.objects.filter(state=Job.State.RUNNING, lease_until__gte=now)
    counts = dict(running.order_by().values_list("project_id").annotate(count=Count("pk")))
    full = [project_id for project_id, count in counts.items() if count >= _OF_ONE_PROJECT]
    due = _is_due(Job.objects.filter(kind__in=list(_handlers), project__enabled=True), now)
    due = due.exclude(project_id__in=full)
    if only is not None:
        due = due.filter(pk__in=only)
    waiting = dict(due.order_by().values_list("project_id").annotate(first=Min("run_after")))
    for project_id in sorted(waiting, key=lambda each: (counts.get(each, 0), waiting[each])):
        yield from due.filter(project_id=project_id).order_by("run_after", "pk")[:_OF_ONE_PROJECT]


def _bury(job: Job, now: datetime) -> None:
    with transaction.atomic():
        buried = _is_due(Job.objects.filter(pk=job.pk, state=Job.State.RUNNING), now).update(
            state=Job.State.FAILED, error="Its workers were lost, time and again.", finished_at=now,
            lease_owner="", lease_until=None,
        )  # fmt: skip
        if buried:
            _announce("job.failed", job, error="workers lost", attempts=job.attempts)


def retry_time(attempts: int) -> datetime | None:
    """When a job that failed for the `attempts`-th time is tried again: after 5 minutes, then twice as long each time.

    None after some tries.
    """
    return timezone.now() + _FIRST_RETRY * 2 ** (attempts - 1) if attempts < _RETRIES else None


def fail_unexpectedly(lease: Lease, error: Exception) -> None:
    """For what no handler foresaw; trouble of the database, such as a deadlock, soon passes. Raises LeaseLost."""
    job, name = lease.job, type(error).__name__
    retry_at = retry_time(job.attempts)
    if isinstance(error, DatabaseError) and retry_at is not None:
        retry_at = timezone.now() + _AFTER_DATABASE
    with lease.fail(name, retry_at):
        _announce("job.failed", job, error=name, attempts=job.attempts)


def prune() -> int:
    """Deletes finished jobs that are old or many. How many went."""
    before = timezone.now() - timedelta(days=_KEPT_DAYS)
    with unscoped("every project's history is bounded"):
        finished = Job.objects.filter(state__in=FINISHED)
        gone = finished.filter(finished_at__lt=before).delete()[0]
        counts = finished.order_by().values_list("project_id").annotate(count=Count("pk"))
        for project_id, _ in counts.filter(count__gt=_KEPT_OF_PROJECT):
            of_project = finished.filter(project_id=project_id)
            newest_to_go = of_project.order_by("-pk").values_list("pk", flat=True)[_KEPT_OF_PROJECT]
            gone += of_project.filter(pk__lte=newest_to_go).delete()[0]
        return gone


def _announce(kind: str, job: Job, **detail: Any) -> None:
    acted.send(sender=Job, kind=kind, project=job.project, subject=job.label, detail={"job": job.kind, **detail})


def _wake_workers() -> None:
    try:
        current_app.send_task(_TASK, expires=30, retry=False)
    except (OperationalError, OSError) as error:
        # The schedule finds the job too.
        logger.warning("workers were not woken", error=type(error).__name__)
