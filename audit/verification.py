"""Verifies a project's log as a job; what it found is itself a line of that log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from audit import signing
from audit.models import Event
from audit.recorder import record
from audit.verify import CannotTell, newest_anchored, verify
from audit.walk import Report
from projects import jobs
from projects.jobs import Lease
from projects.models import Job, Project

KIND = "audit.verify"
VERIFIED = "audit.verified"
_SHOWN = 100


def request_verification(*, project: Project, requested_by: str = "") -> Job:
    """The job that verifies the project's log now; who asks twice gets the same."""
    return jobs.enqueue(
        project=project, kind=KIND, subject_ref=project.pk, label="Verify the log", requested_by=requested_by
    )


def newest(project: Project) -> Event | None:
    """What the last verification found: `decision` is intact or tampered."""
    return Event.objects.filter(project_ref=project.pk, kind=VERIFIED).first()


@jobs.handles(KIND)
def _verify(lease: Lease) -> None:
    project = lease.job.project
    witnesses = [each for each in newest_anchored() if each.project_ref == project.pk]
    try:
        report = verify(signing.public_keys(), only=project.pk, witnesses=witnesses)
    except CannotTell as error:
        with lease.fail(str(error)):
            record("audit.verification_failed", project_ref=project.pk, project=project.slug, reason="cannot tell")
        return
    text = "intact" if report.is_intact else f"tampered: {report.found} faults"
    lease.report(report.events, report.events, text)
    with lease.finish():
        record(VERIFIED, project_ref=project.pk, project=project.slug, subject=project.slug,
               decision="intact" if report.is_intact else "tampered", detail=_shown(report))  # fmt: skip


def _shown(report: Report) -> dict[str, Any]:
    counts = {name: getattr(report, name) for name in ("events", "checkpoints", "pending", "found")}
    return {**counts, "damages": [asdict(each) for each in report.damages[:_SHOWN]]}
