"""How far a job is comes over the pages' socket, to whoever its pages are open to and to nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.exports import KIND as EXPORTING
from audit.tail import feed, live
from audit.tail.progress import Jobs
from projects import jobs
from projects.jobs import Lease
from projects.models import Job, Project
from projects.scoping import unscoped
from servers.discovery import KIND as READING
from tests.audit.sealing import index_all
from tests.audit.test_live import _close_connections, calls_of, live_of, shown
from tests.audit.test_tail import write
from tests.cast import Cast

pytestmark = [pytest.mark.claim("pages.live-jobs"), pytest.mark.django_db(transaction=True)]
__all__ = ["_close_connections"]
# Long enough for what is not meant for somebody to have come.
WHILE = feed.POLL_SECONDS * 2 + live._GAP_SECONDS


def begin(project: Project, kind: str, subject: int = 1) -> Lease:
    # At once, so that nobody sees it wait.
    with transaction.atomic():
        jobs.enqueue(project=project, kind=kind, subject_ref=subject, label="canary-label")
        with unscoped("the test is a worker"):
            job = Job.objects.get(project=project, kind=kind, subject_ref=subject, state=Job.State.QUEUED)
        lease = jobs.claim(only=[job.pk])
    assert lease is not None
    return lease


def report(lease: Lease, *steps: tuple[int, str]) -> None:
    """Between two looks, all of them."""
    with transaction.atomic():
        for done, text in steps:
            lease.report(done, 9, text)
            assert lease.keep()


def end(lease: Lease) -> None:
    with lease.finish():
        pass


async def told(page: WebsocketCommunicator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await page.receive_from(10)).get("jobs", [])
    return found


@pytest.mark.asyncio
async def test_a_job_is_told_of_from_its_start_to_its_end(cast: Cast) -> None:
    async with live_of(cast.carla) as page:
        lease = await sync_to_async(begin)(cast.acme, EXPORTING, 7)
        expected = {"id": lease.job.pk, "kind": EXPORTING, "subject": 7, "state": "running", "done": 0, "total": 0,
                    "text": ""}  # fmt: skip
        assert await told(page) == [expected]
        await sync_to_async(report)(lease, *((done, f"step {done}") for done in range(1, 5)))
        # However often it moves, it is told of once in a second, as it is then.
        assert await told(page) == [{**expected, "done": 4, "total": 9, "text": "step 4"}]
        await sync_to_async(end)(lease)
        assert [job["state"] for job in await told(page)] == ["done"]
        assert await page.receive_nothing(WHILE)


@pytest.mark.asyncio
async def test_nobody_hears_of_a_job_whose_pages_are_closed_to_them(cast: Cast) -> None:
    async with live_of(cast.carla) as auditor, live_of(cast.ada) as owner, live_of(cast.mallory) as outsider:
        reading = await sync_to_async(begin)(cast.acme, READING)
        assert [job["kind"] for job in await told(owner)] == [READING]
        exporting = await sync_to_async(begin)(cast.acme, EXPORTING)
        # The auditor's pages show exports and no other jobs.
        assert [job["kind"] for job in await told(auditor)] == [EXPORTING]
        for lease in (reading, exporting):
            await sync_to_async(report)(lease, (3, "canary-text"))
            await sync_to_async(end)(lease)
        assert await outsider.receive_nothing(WHILE)
        theirs = await sync_to_async(begin)(cast.globex, READING)
        assert [job["id"] for job in await told(outsider)] == [theirs.job.pk]


@pytest.mark.asyncio
async def test_jobs_that_cannot_be_read_take_no_event_from_anybody(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Jobs) -> None:
        raise DatabaseError

    monkeypatch.setattr(Jobs, "read", fail)
    address = reverse("servers-figures")
    async with live_of(cast.carla, address) as page:
        assert calls_of(await shown(page, address)) == ["0"]
        await write(cast.acme.pk, "canary-subject")
        await sync_to_async(index_all)()
        assert calls_of(await shown(page, address)) == ["1"]


def test_one_look_is_two_questions_whatever_goes_on(cast: Cast) -> None:
    seen = Jobs()
    seen.begin()
    assert seen.read() == []
    leases = [begin(cast.acme, EXPORTING, number) for number in range(3)]
    with CaptureQueriesContext(connection) as asked:
        assert [job.subject for job in seen.read()] == [0, 1, 2]
    assert len(asked) == 2
    with CaptureQueriesContext(connection) as asked:
        assert seen.read() == []
    assert len(asked) == 2
    for lease in leases:
        end(lease)
    quick = begin(cast.globex, READING)
    end(quick)
    # One that began and ended between two looks is told of too.
    assert [(job.subject, job.state) for job in seen.read()] == [(0, "done"), (1, "done"), (2, "done"), (1, "done")]
    assert seen.read() == []
