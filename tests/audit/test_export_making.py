"""How exports are made, in parts and turns, and where their files go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from audit import export_parts, export_work, exports, signing
from audit.filters import Filters
from audit.models import Event, Export
from audit.verify_export import verify_export
from gateway_site.lib.actor import Actor, acting_as
from projects import jobs, services, work
from projects.jobs import Lease, LeaseLost
from projects.models import Job, Project
from projects.scoping import unscoped
from tests.audit.exporting import (
    acme,
    again,
    archive,
    files_left,
    fill,
    ids_in,
    job_of,
    make,
    own_folder,
    run_worker,
    sealed_ids,
)
from tests.audit.sealing import EARLIER
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["acme", "own_folder"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_parts, "PART", 10)
    monkeypatch.setattr(export_parts, "_TOLD", 3)


def undisturbed(export: Export) -> bytes:
    """The same export, made once more from nothing and in one go."""
    archive(export).unlink()
    with unscoped("the test"):
        Export.objects.filter(pk=export.pk).update(state="waiting", sha256="")
    jobs.enqueue(project=export.project, kind=exports.KIND, subject_ref=export.pk, label="again")
    run_worker()
    return archive(export).read_bytes()


@pytest.mark.claim("exports.resumed")
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@pytest.mark.usefixtures("small_parts")
def test_what_was_finished_is_not_made_again(
    acme: Project, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(acme, 45)
    export = exports.request_export(project=acme, form=form)
    written: list[int] = []
    write_part = export_parts.Parts._write_part

    def die_at_the_third(parts: Any, done: Any, tell: Any) -> Any:
        def tell_and_die(*count: int) -> None:
            if len(written) == 2:
                raise LeaseLost
            tell(*count)

        made = write_part(parts, done, tell_and_die)
        written.append(done.number + 1)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(export_parts.Parts, "_write_part", die_at_the_third)
        run_worker(lambda: None)
    assert written == [1, 2]
    assert again(export).state == "waiting"
    parts = [name for name in files_left() if name.endswith(".part")]
    assert parts == [f"{export.uid}.parts/{number:06}.part" for number in (1, 2)]

    def count(parts: Any, done: Any, tell: Any) -> Any:
        written.append(done.number + 1)
        return write_part(parts, done, tell)

    monkeypatch.setattr(export_parts.Parts, "_write_part", count)
    let_the_lease_run_out(export)
    # What came meanwhile is not in it: what it is made from was decided when it began.
    fill(acme, 7)
    run_worker()
    export = again(export)
    assert export.state == "ready"
    assert written == list(range(1, -(-(export.last_seq or 0) // 10) + 1))
    assert files_left() == [f"{export.uid}.zip"]
    disturbed = archive(export).read_bytes()
    assert undisturbed(export) == disturbed


def let_the_lease_run_out(export: Export) -> None:
    with unscoped("the test makes time pass"):
        Job.objects.filter(pk=job_of(export).pk).update(lease_until=timezone.now() - timedelta(seconds=1))


_CHILD = """
import sys, django; django.setup()
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
from pathlib import Path
settings.EXPORT_DIR = Path(sys.argv[2])
from audit import export_parts
from projects import work, jobs
export_parts.PART = 10
write = export_parts.Parts._write_part
def stop_in_the_third(parts, done, tell):
    def tell_and_stop(*count):
        if done.number == 2:
            print("now", flush=True)
            sys.stdin.read()
        tell(*count)
    return write(parts, done, tell_and_stop)
export_parts.Parts._write_part = stop_in_the_third
export_parts._TOLD = 3
work.run(jobs.claim())
"""


@pytest.mark.claim("exports.resumed")
@pytest.mark.usefixtures("small_parts")
def test_a_worker_that_is_killed_in_the_middle_is_followed_by_another(acme: Project) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("the suite's SQLite database is in memory, where no other process sees it")
    fill(acme, 45)
    export = exports.request_export(project=acme, form="jsonl")
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, connection.settings_dict["NAME"], str(settings.EXPORT_DIR)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "gateway_site.settings"},
    )  # fmt: skip
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"now\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.communicate()
    before = {name: (settings.EXPORT_DIR / name).stat() for name in files_left() if name.endswith(".part")}
    assert len(before) == 2
    assert [name for name in files_left() if name.endswith(".tmp")], "it died while it wrote"
    kept: dict[str, Any] = {}

    def look(parts: Any, number: int) -> Iterator[Path]:
        kept.update({name: (settings.EXPORT_DIR / name).stat() for name in before})
        return checked(parts, number)

    checked = export_parts.Parts._checked
    let_the_lease_run_out(export)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_parts.Parts, "_checked", look)
        run_worker()
    assert {name: each.st_ino for name, each in kept.items()} == {name: each.st_ino for name, each in before.items()}
    export = again(export)
    assert (export.state, job_of(export).attempts) == ("ready", 2)
    disturbed = archive(export).read_bytes()
    assert files_left() == [f"{export.uid}.zip"]
    assert undisturbed(export) == disturbed
    assert verify_export(archive(export), signing.public_keys()).is_intact


@pytest.mark.claim("exports.turns")
@pytest.mark.usefixtures("small_parts")
class TestAnExportThatTakesLong:
    def test_is_made_in_several_turns_with_progress(self, acme: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        fill(acme, 45)
        export = exports.request_export(project=acme, form="csv")
        seen: list[tuple[int, int, str]] = []
        report = Lease.report

        def heard(lease: Any, done: int, total: int, text: str = "") -> None:
            seen.append((done, total, text))
            report(lease, done, total, text)

        monkeypatch.setattr(Lease, "report", heard)
        monkeypatch.setattr(export_work, "TURN_SECONDS", -1.0)
        for turn in range(1, 4):
            lease = jobs.claim()
            assert lease is not None
            work.run(lease)
            assert sum(name.endswith(".part") for name in files_left()) == turn
            assert (job_of(export).state, job_of(export).attempts) == (Job.State.QUEUED, 0)
        monkeypatch.setattr(export_work, "TURN_SECONDS", 60.0)
        assert run_worker() == 1
        assert job_of(export).state == Job.State.DONE
        total = again(export).last_seq
        assert {each[1] for each in seen} == {total}
        assert [each[0] for each in seen] == sorted(each[0] for each in seen)
        assert len({each[0] for each in seen}) > 10
        assert ids_in(again(export))[-1] == sealed_ids(acme)[-1]

    def test_begins_again_where_retention_dropped_what_it_had_still_to_read(
        self, acme: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(acme, 45)
        export = exports.request_export(project=acme, form="csv")
        lease, dropped = jobs.claim(), iter([0, 15])
        assert lease is not None
        with monkeypatch.context() as patch:
            patch.setattr(export_parts, "retention_end", lambda ref: next(dropped))
            work.run(lease)
        assert files_left() == []
        monkeypatch.setattr(export_work, "retention_end", lambda ref: 15)
        run_worker()
        export = again(export)
        assert (export.state, export.first_seq) == ("ready", 16)
        assert ids_in(export) == sealed_ids(acme)[15 : export.last_seq]

    def test_is_refused_when_it_would_hold_too_much(self, acme: Project, settings: Any) -> None:
        settings.EXPORT_MAX_EVENTS = 10
        fill(acme, 20)
        export = make(acme, "csv")
        assert (export.state, "choose a shorter time" in export.error) == ("failed", True)
        assert Event.objects.get(kind="audit.export_failed").subject == str(export.uid)
        short = make(acme, "csv", Filters(since=EARLIER, until=EARLIER + timedelta(seconds=5)))
        assert (short.state, short.events) == ("ready", 5)

    def test_is_one_of_a_few_of_its_project(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exports, "_MOST_KEPT", 2)
        for _ in range(2):
            assert make(cast.acme, "csv").state == "ready"
        with pytest.raises(ValidationError, match="delete some"):
            exports.request_export(project=cast.acme, form="csv")
        monkeypatch.setattr(exports, "_MOST_KEPT", 50)
        for _ in range(10):
            exports.request_export(project=cast.acme, form="csv")
        with pytest.raises(ValidationError, match="being made already"):
            exports.request_export(project=cast.acme, form="csv")
        exports.request_export(project=cast.globex, form="csv")


@pytest.mark.claim("exports.turns")
def test_what_fails_for_now_is_tried_again_and_says_why(acme: Project, settings: Any, tmp_path: Path) -> None:
    fill(acme, 5)
    settings.EXPORT_DIR = tmp_path / "file"
    settings.EXPORT_DIR.write_text("no folder")
    export = make(acme, "csv")
    assert (export.state, export.error) == ("waiting", "the file: File exists")
    assert job_of(export).state == Job.State.QUEUED
    settings.EXPORT_DIR.unlink()
    with unscoped("the test makes time pass"):
        Job.objects.filter(pk=job_of(export).pk).update(run_after=timezone.now())
    run_worker()
    assert again(export).state == "ready"
    failed = Event.objects.get(kind="audit.export_failed")
    assert str(tmp_path) not in str(failed.detail)


@pytest.mark.claim("exports.expire")
class TestFiles:
    def test_are_their_owners_only(self, acme: Project) -> None:
        fill(acme, 5)
        export = make(acme, "csv")
        assert archive(export).stat().st_mode & 0o777 == 0o600

    def test_go_when_the_export_expires_and_that_is_on_record(self, acme: Project) -> None:
        fill(acme, 5)
        export, kept = make(acme, "csv"), make(acme, "csv")
        with unscoped("the test makes time pass"):
            Export.objects.filter(pk=export.pk).update(expires_at=timezone.now())
        assert exports.prune() == 1
        assert exports.prune() == 0
        assert again(export).state == "expired"
        assert files_left() == [f"{kept.uid}.zip"]
        assert [event.subject for event in Event.objects.filter(kind="audit.export_expired")] == [str(export.uid)]

    def test_go_when_the_export_is_deleted(self, acme: Project) -> None:
        fill(acme, 5)
        export = make(acme, "csv")
        with acting_as(Actor("user", "1", "ada@acme.test")):
            exports.delete_export(export=export)
        assert files_left() == []
        event = Event.objects.get(kind="audit.export_deleted")
        assert (event.subject, event.actor, event.project_ref) == (str(export.uid), "ada@acme.test", acme.pk)

    def test_go_when_it_is_deleted_while_it_is_made(self, acme: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        fill(acme, 5)
        export = exports.request_export(project=acme, form="csv")
        write_archive = export_work._write_archive

        def delete_then_write(*args: Any) -> Any:
            exports.delete_export(export=export)
            return write_archive(*args)

        monkeypatch.setattr(export_work, "_write_archive", delete_then_write)
        run_worker()
        exports.prune()
        assert files_left() == []

    def test_of_projects_that_are_gone_and_of_nothing_are_swept(self, acme: Project) -> None:
        fill(acme, 5)
        make(acme, "csv")
        folder = Path(settings.EXPORT_DIR)
        (folder / f"{uuid.uuid4()}.zip").write_text("x")
        (folder / f"{uuid.uuid4()}.parts").mkdir()
        (folder / "notes.txt").write_text("not ours")
        services.delete_project(project=acme)
        exports.prune()
        assert files_left() == ["notes.txt"]

    def test_of_an_export_that_is_being_made_stay(self, acme: Project) -> None:
        export = exports.request_export(project=acme, form="csv")
        exports.parts_of(export.uid).mkdir(parents=True)
        exports.prune()
        assert files_left() == [f"{export.uid}.parts"]

    def test_whose_job_was_lost_are_given_up(self, acme: Project) -> None:
        export = exports.request_export(project=acme, form="csv")
        exports.parts_of(export.uid).mkdir(parents=True)
        with unscoped("the test"):
            Job.objects.update(state=Job.State.FAILED)
        exports.prune()
        assert (again(export).state, files_left()) == ("failed", [])
