"""Jobs are asked for once, done under a lease, settled once, and shared fairly between projects."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from gateway_site.lib.actor import current
from projects import jobs, work
from projects.jobs import Lease, LeaseLost
from projects.models import Job, Project, User
from projects.scoping import unscoped, with_project
from tests.cast import Cast, two_tenants

KIND = "tests.work"
_handler: list[Callable[[Lease], None]] = []


@jobs.handles(KIND)
def _work(lease: Lease) -> None:
    _handler[-1](lease)


@pytest.fixture
def handler() -> list[Callable[[Lease], None]]:
    """What a job of these tests does: the newest of the list."""
    _handler[:] = [lambda lease: None]
    return _handler


@pytest.fixture
def committed(transactional_db: None) -> Cast:
    """Rows that other threads see."""
    if connection.vendor == "sqlite":
        pytest.skip("the tests' SQLite lives in memory, where threads do not wait for each other's locks")
    return two_tenants()


def ask(project: Project, subject: int = 1, **fields: Any) -> Job:
    return jobs.enqueue(project=project, kind=KIND, subject_ref=subject, label=f"work {subject}", **fields)


def row(job: Job) -> Job:
    with unscoped("the test looks"):
        return Job.objects.get(pk=job.pk)


def count(**fields: Any) -> int:
    with unscoped("the test looks"):
        return Job.objects.filter(kind=KIND, **fields).count()


def claim() -> Lease:
    lease = jobs.claim()
    assert lease is not None
    return lease


def let_the_lease_run_out(job: Job) -> None:
    with unscoped("the test makes time pass"):
        Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def rename(project: Project, then: Callable[[], object] = lambda: None) -> None:
    Project.objects.filter(pk=project.pk).update(name="written")
    then()


def settle(lease: Lease) -> None:
    with lease.finish():
        pass


@pytest.mark.claim("jobs.once")
class TestAskingTwice:
    def test_gives_the_job_that_waits(self, cast: Cast) -> None:
        assert ask(cast.acme).pk == ask(cast.acme).pk
        assert ask(cast.acme, subject=2).pk != ask(cast.acme).pk
        assert ask(cast.globex).pk != ask(cast.acme).pk

    def test_brings_a_job_forward_that_waits_for_another_try(self, cast: Cast) -> None:
        later = timezone.now() + timedelta(hours=1)
        job = ask(cast.acme, run_after=later)
        assert jobs.claim() is None
        ask(cast.acme)
        assert claim().job.pk == job.pk

    def test_does_not_put_a_job_off(self, cast: Cast) -> None:
        ask(cast.acme)
        ask(cast.acme, run_after=timezone.now() + timedelta(hours=1))
        assert jobs.claim() is not None

    def test_while_it_runs_makes_it_run_once_more_and_only_once(self, cast: Cast) -> None:
        job = ask(cast.acme)
        lease = claim()
        assert ask(cast.acme).pk == ask(cast.acme).pk == job.pk
        settle(lease)
        again = claim()
        assert again.job.pk != job.pk
        settle(again)
        assert jobs.claim() is None

    def test_after_it_ended_gives_a_new_job(self, cast: Cast) -> None:
        job = ask(cast.acme)
        settle(claim())
        assert ask(cast.acme).pk != job.pk

    def test_at_one_time_makes_one_job(self, committed: Cast) -> None:
        together = threading.Barrier(8, timeout=20)

        def one(_: int) -> int:
            together.wait()
            try:
                return ask(committed.acme).pk
            finally:
                close_old_connections()

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(one, range(8)))) == 1
        assert count() == 1


@pytest.mark.claim("jobs.lease")
class TestALease:
    def test_is_had_by_one_of_many_workers(self, committed: Cast) -> None:
        for subject in range(3):
            ask(committed.acme, subject)
        together = threading.Barrier(8, timeout=20)

        def one(_: int) -> int | None:
            together.wait()
            try:
                lease = jobs.claim()
                return lease.job.pk if lease else None
            finally:
                close_old_connections()

        with ThreadPoolExecutor(8) as pool:
            had = [pk for pk in pool.map(one, range(8)) if pk is not None]
        assert len(had) == len(set(had)) == 3
        assert count(attempts=1) == 3

    def test_that_ran_out_is_had_by_another_worker(self, cast: Cast) -> None:
        job = ask(cast.acme)
        lost = claim()
        assert jobs.claim() is None
        let_the_lease_run_out(job)
        assert claim().job.attempts == 2
        assert lost.keep()  # not yet time to renew
        lost.report(1, 2)
        assert not lost.keep()
        assert not lost.still_held()
        with pytest.raises(LeaseLost):
            lost.check()

    @pytest.mark.parametrize("end", ["finish", "fail"])
    def test_that_is_lost_writes_nothing(self, cast: Cast, end: str) -> None:
        job = ask(cast.acme)
        lost = claim()
        let_the_lease_run_out(job)
        holder = claim()
        with pytest.raises(LeaseLost), lost.finish() if end == "finish" else lost.fail("x"):
            rename(cast.acme)
        assert Project.objects.get(pk=cast.acme.pk).name == ""
        assert row(job).state == Job.State.RUNNING
        settle(holder)
        assert row(job).state == Job.State.DONE

    def test_that_is_settled_cannot_be_settled_again(self, cast: Cast) -> None:
        ask(cast.acme)
        lease = claim()
        settle(lease)
        with pytest.raises(LeaseLost):
            settle(lease)

    def test_keeps_nothing_of_what_failed_to_be_written(self, cast: Cast) -> None:
        job = ask(cast.acme)
        lease = claim()
        with pytest.raises(ZeroDivisionError), lease.finish():
            rename(cast.acme, lambda: 1 / 0)
        assert Project.objects.get(pk=cast.acme.pk).name == ""
        assert (row(job).state, lease.is_settled) == (Job.State.RUNNING, False)
        settle(lease)

    def test_shows_progress_and_is_renewed_with_it(self, cast: Cast) -> None:
        job = ask(cast.acme)
        lease = claim()
        let_the_lease_run_out(job)
        lease.report(3, 9, "prompts")
        assert lease.keep()
        found = row(job)
        assert (found.progress_done, found.progress_total, found.progress_text) == (3, 9, "prompts")
        assert found.lease_until is not None
        assert found.lease_until > timezone.now() + timedelta(seconds=15)

    def test_that_is_kept_too_long_is_given_up(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        ask(cast.acme)
        lease = claim()
        monkeypatch.setattr(jobs, "LONGEST_SECONDS", 0.0)
        assert not lease.keep()

    def test_is_not_given_for_ever_to_a_job_that_kills_its_workers(self, cast: Cast) -> None:
        job = ask(cast.acme)
        for _ in range(10):
            claim()
            let_the_lease_run_out(job)
        assert jobs.claim() is None
        assert row(job).state == Job.State.FAILED
        assert Event.objects.get(kind="job.failed").detail == {
            "job": KIND, "error": "workers lost", "attempts": 10
        }  # fmt: skip

    def test_is_not_given_for_work_that_nobody_here_knows_or_of_a_project_that_is_off(self, cast: Cast) -> None:
        jobs.enqueue(project=cast.acme, kind="tests.unknown", subject_ref=1, label="x")
        cast.globex.enabled = False
        cast.globex.save()
        ask(cast.globex)
        assert jobs.claim() is None


@pytest.mark.claim("jobs.once")
class TestAWorker:
    def test_does_every_job_once_under_its_project_as_the_worker(
        self, committed: Cast, handler: list[Callable[[Lease], None]]
    ) -> None:
        seen: list[tuple[int, int, str]] = []

        def work_on(lease: Lease) -> None:
            seen.append((lease.job.subject_ref, Job.objects.count(), current().kind))

        handler.append(work_on)
        for subject in range(3):
            ask(committed.acme, subject)
        ask(committed.globex, 9)
        assert work.run_due() == 4
        assert sorted(seen) == [(0, 3, "worker"), (1, 3, "worker"), (2, 3, "worker"), (9, 1, "worker")]
        assert count(state=Job.State.DONE) == 4

    def test_keeps_a_lease_for_as_long_as_the_work_takes(
        self, committed: Cast, handler: list[Callable[[Lease], None]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "RENEW_SECONDS", 0.01)
        monkeypatch.setattr(work, "_TICK_SECONDS", 0.02)
        renewed = threading.Event()
        before: list[Any] = []

        def work_on(lease: Lease) -> None:
            before.append(row(lease.job).lease_until)
            wait_until(lambda: row(lease.job).lease_until > before[0])
            renewed.set()

        handler.append(work_on)
        job = ask(committed.acme)
        work.run_due()
        assert renewed.is_set()
        assert row(job).state == Job.State.DONE

    @pytest.mark.parametrize("error", [OperationalError, InterfaceError])
    def test_goes_on_with_what_it_holds_when_the_database_is_away_for_a_moment(
        self, committed: Cast, handler: list[Callable[[Lease], None]], monkeypatch: pytest.MonkeyPatch,
        error: type[Exception],
    ) -> None:
        monkeypatch.setattr(work, "_TICK_SECONDS", 0.02)
        claim, asked, away = jobs.claim, threading.Event(), [False]

        def claim_or_fail(**only: Any) -> Lease | None:
            if away[0]:
                asked.set()
                raise error("away")
            return claim(**only)

        def work_on(lease: Lease) -> None:
            away[0] = True
            assert asked.wait(20)
            away[0] = False

        monkeypatch.setattr(jobs, "claim", claim_or_fail)
        handler.append(work_on)
        job = ask(committed.acme)
        assert work.run_due() == 1
        assert row(job).state == Job.State.DONE

    def test_does_not_wait_for_work_whose_lease_is_lost(
        self, committed: Cast, handler: list[Callable[[Lease], None]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs, "RENEW_SECONDS", 0.01)
        monkeypatch.setattr(work, "_TICK_SECONDS", 0.02)
        released, ended = threading.Event(), threading.Event()
        refused: list[bool] = []

        def work_on(lease: Lease) -> None:
            with unscoped("another worker takes it"):
                Job.objects.filter(pk=lease.job.pk).update(lease_owner="another")
            released.wait(20)
            try:
                settle(lease)
            except LeaseLost:
                refused.append(True)
                raise
            finally:
                ended.set()

        handler.append(work_on)
        job = ask(committed.acme)
        assert work.run_due() == 1
        assert row(job).state == Job.State.RUNNING
        released.set()
        assert ended.wait(20)
        assert refused == [True]
        assert row(job).state == Job.State.RUNNING

    def test_writes_an_unforeseen_fault_down_by_its_name_and_tries_again(
        self, cast: Cast, handler: list[Callable[[Lease], None]]
    ) -> None:
        def work_on(lease: Lease) -> None:
            raise KeyError("canary-secret")

        handler.append(work_on)
        job = ask(cast.acme)
        work.run(claim())
        found = row(job)
        assert (found.state, found.error) == (Job.State.QUEUED, "KeyError")
        assert timedelta(minutes=4) < found.run_after - timezone.now() <= timedelta(minutes=5)
        assert "canary" not in str(list(Event.objects.values()))

    def test_tries_again_less_and_less_often_and_at_last_not_at_all(
        self, cast: Cast, handler: list[Callable[[Lease], None]]
    ) -> None:
        handler.append(lambda lease: 1 / 0)  # type: ignore[arg-type]  # it never comes to give a number back
        job, waits = ask(cast.acme), []
        for _ in range(4):
            work.run(claim())
            waits.append(round((row(job).run_after - timezone.now()).total_seconds() / 60))
            ask(cast.acme)
        work.run(claim())
        assert waits == [5, 10, 20, 40]
        assert row(job).state == Job.State.FAILED
        assert Event.objects.filter(kind="job.failed").count() == 5


@pytest.mark.claim("jobs.fair")
def test_a_project_with_many_jobs_leaves_room_for_the_others(cast: Cast) -> None:
    for subject in range(20):
        ask(cast.acme, subject)
    ask(cast.globex)
    had = [lease.job.project_id for lease in iter(jobs.claim, None)]
    assert sorted(had) == sorted([cast.acme.pk] * 4 + [cast.globex.pk])
    assert had.index(cast.globex.pk) <= 1


@pytest.mark.claim("jobs.fair")
def test_the_history_of_a_project_is_bounded(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_KEPT_OF_PROJECT", 3)
    for subject in range(5):
        ask(cast.acme, subject)
        settle(claim())
    ask(cast.globex)
    settle(claim())
    with unscoped("the test makes time pass"):
        Job.objects.filter(subject_ref=4).update(finished_at=timezone.now() - timedelta(days=8))
    waiting = ask(cast.acme, 9)
    assert jobs.prune() == 2
    with with_project(cast.acme.pk):
        assert set(Job.objects.values_list("subject_ref", flat=True)) == {1, 2, 3, 9}
    assert count(project=cast.globex) == 1
    assert row(waiting).state == Job.State.QUEUED


@pytest.mark.claim("tenancy.fails-closed")
def test_a_job_of_another_project_is_invisible(cast: Cast) -> None:
    job = ask(cast.globex)
    with with_project(cast.acme.pk):
        assert not Job.objects.filter(pk=job.pk).exists()


@pytest.mark.claim("jobs.admin")
class TestThePages:
    @pytest.fixture
    def pages(self, db: None) -> Client:
        client = Client()
        client.force_login(User.objects.create_superuser("operator@gateway.test", "x"))
        return client

    def test_show_progress_and_ask_for_themselves_again_while_jobs_are_open(self, cast: Cast, pages: Client) -> None:
        ask(cast.acme)
        lease = claim()
        lease.report(3, 9, "prompts")
        lease.keep()
        address = reverse("admin:projects_job_changelist")
        body = pages.get(address).content.decode()
        assert "3 of 9 prompts" in body
        assert '<meta http-equiv="refresh"' in body
        settle(lease)
        assert '<meta http-equiv="refresh"' not in pages.get(address).content.decode()

    def test_run_a_failed_job_again_and_no_other(self, cast: Cast, pages: Client) -> None:
        job = ask(cast.acme)
        with claim().fail("unreachable"):
            pass
        address = reverse("admin:projects_job_changelist")
        assert "unreachable" in pages.get(address).content.decode()
        data = {"action": "retry_jobs", "_selected_action": job.pk}
        pages.post(address, data)
        again = claim().job
        assert (again.subject_ref, again.requested_by) == (job.subject_ref, "operator@gateway.test")
        assert row(job).state == Job.State.FAILED
        assert Event.objects.get(kind="job.retried").actor == "operator@gateway.test"
        pages.post(address, {**data, "_selected_action": again.pk})
        assert Event.objects.filter(kind="job.retried").count() == 1


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come about in time")
