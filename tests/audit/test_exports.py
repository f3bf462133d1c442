"""Exports: every form, what is chosen, how they are made in parts and turns, and where their files go."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from audit import export_forms, export_parts, export_work, exports, signing, storage, verify_audit
from audit.canonical import canonical_record
from audit.chain import leaf_of, root_of
from audit.entry import Entry
from audit.exporters import proof, registry
from audit.filters import Filters
from audit.models import Checkpoint, Event, Export, Seal
from audit.naming import digest_name
from audit.verify import CannotTell
from audit.verify_export import verify_export
from gateway_site.lib.actor import Actor, acting_as
from projects import jobs, services, work
from projects.jobs import Lease, LeaseLost
from projects.models import Job, Project
from projects.scoping import unscoped
from tests.audit.exporting import (
    again,
    archive,
    file_of,
    files_left,
    job_of,
    make,
    manifest_of,
    readable,
    run_worker,
    unpack,
)
from tests.audit.sealing import EARLIER, entry, seal_all, write
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
FORMS = [*registry.names(), "parquet"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, settings: Any) -> None:
    settings.EXPORT_DIR = tmp_path / "exports"
    settings.EXPORT_DIR.mkdir(mode=0o700)


@pytest.fixture
def acme(cast: Cast) -> Project:
    return cast.acme


def fill(project: Project, count: int = 30, **fields: Any) -> list[Entry]:
    made = write(count, project_ref=project.pk, project=project.slug, **fields)
    seal_all()
    return made


def sealed_ids(project: Project) -> list[str]:
    seals = Seal.objects.filter(project_ref=project.pk).order_by("seq")
    return [str(number) for number in seals.values_list("event_id", flat=True)]


def ids_in(export: Export) -> list[str]:
    """The ids of the events in a proof or a CSV export, in their order."""
    if export.form == "csv":
        return [row["id"] for row in csv.DictReader(io.StringIO(file_of(export).decode()))]
    lines = [json.loads(line) for line in file_of(export).splitlines()]
    return [line["event"]["id"] for line in lines if "event" in line]


# --- what is in them --------------------------------------------------------------------------------


@pytest.mark.claim("exports.forms")
class TestTheForms:
    def test_give_a_line_of_the_proof_for_an_event_alone(self, acme: Project, tmp_path: Path) -> None:
        fill(acme)
        proof.export(tmp_path / "proof", project_ref=acme.pk, project="acme")
        for line in (tmp_path / "proof" / "events.jsonl").read_bytes().splitlines(keepends=True):
            held = json.loads(line)
            assert registry.get("jsonl")().line(held["event"], held["seq"]) == line

    def test_hold_in_parquet_what_the_log_holds(self, acme: Project) -> None:
        made = fill(acme, 25)
        rows = pq.read_table(io.BytesIO(file_of(make(acme, "parquet")))).to_pylist()
        of_calls = [row for row in rows if row["kind"] == "mcp.call.outcome"]
        assert [row["id"] for row in of_calls] == [str(each.id) for each in made]
        assert [row["at"] for row in of_calls] == [each.at for each in made]
        assert [json.loads(row["detail"] or "{}") for row in of_calls][2] == made[2].detail
        assert [row["rpc_code"] for row in of_calls] == [-32000] * 25
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))

    def test_say_what_parquet_needs_where_it_is_not_installed(
        self, acme: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "audit.parquet", None)
        with pytest.raises(ValidationError, match=r"pip install .* requirements/parquet.txt"):
            exports.request_export(project=acme, form="parquet")
        with pytest.raises(ValidationError, match="no form 'xml'"):
            exports.request_export(project=acme, form="xml")


CHOICES: list[tuple[Filters, dict[str, Any]]] = [
    (Filters(server="vault"), {"server": "vault"}),
    (Filters(tool="tool-1"), {"subject": "tool-1"}),
    (Filters(user="Ada@acme.test"), {"actor": "ada@acme.test"}),
    (Filters(user="key3"), {"actor_id": "key3"}),
    (Filters(outcome="refused"), {"decision": "refused"}),
    (Filters(server="docs", tool="tool-2", outcome="ok"), {"server": "docs", "subject": "tool-2", "decision": "ok"}),
    (Filters(server="nothing"), {"server": "nothing"}),
]


@pytest.mark.claim("exports.filters")
class TestWhatIsChosen:
    @pytest.fixture(autouse=True)
    def _log(self, cast: Cast) -> None:
        self.acme = cast.acme
        self.made = [
            entry(number, project_ref=cast.acme.pk, project="acme", server=("docs", "vault")[number % 2],
                  subject=f"tool-{number % 3}", actor=("ada@acme.test", "bob@acme.test")[number % 2],
                  actor_id=f"key{number % 4}", decision=("ok", "refused")[number % 2])
            for number in range(24)
        ]  # fmt: skip
        storage.insert(self.made)
        write(10, project_ref=cast.globex.pk, project="globex", server="docs", subject="tool-1")
        seal_all()

    def expected(self, **wanted: Any) -> list[str]:
        return [str(each.id) for each in self.made if wanted.items() <= each._asdict().items()]

    def test_is_what_an_export_holds(self) -> None:
        for filters, wanted in CHOICES:
            for form in ("jsonl", "csv"):
                export = make(self.acme, form, filters)
                assert ids_in(export) == self.expected(**wanted), (filters, form)
                assert export.events == len(self.expected(**wanted))
                assert manifest_of(export)["chosen"].items() >= filters.to_json().items()

    def test_can_be_a_time(self) -> None:
        since, until = EARLIER + timedelta(seconds=5), EARLIER + timedelta(seconds=9)
        never = Filters(since=EARLIER - timedelta(days=9), until=EARLIER - timedelta(days=8))
        places = [Seal.objects.get(event_id=self.made[place].id).seq for place in (5, 8)]
        for form in ("jsonl", "csv"):
            export = make(self.acme, form, Filters(since=since, until=until))
            assert ids_in(export) == [str(each.id) for each in self.made[5:9]]
            assert [export.first_seq, export.last_seq] == places
            nothing = make(self.acme, form, never)
            assert (nothing.events, ids_in(nothing)) == (0, [])

    def test_finds_a_tool_by_its_name_where_the_log_has_a_digest(self) -> None:
        name = digest_name(settings.KEYRING.project_digest_key(self.acme.pk), "docs://secret")
        (hidden,) = [entry(50, project_ref=self.acme.pk, project="acme", subject=name)]
        storage.insert([hidden])
        seal_all()
        assert ids_in(make(self.acme, "csv", Filters(tool="docs://secret"))) == [str(hidden.id)]

    @pytest.mark.claim("exports.isolated")
    def test_is_never_another_projects(self) -> None:
        for form in FORMS:
            content = readable(f"events.{form}", file_of(make(self.acme, form)))
            assert b"acme" in content, form
            assert b"globex" not in content, form

    def test_must_make_sense(self) -> None:
        for filters in (
            Filters(since=datetime(2026, 1, 2, tzinfo=UTC), until=datetime(2026, 1, 1, tzinfo=UTC)),
            Filters(since=datetime(2026, 1, 2)),
            Filters(server="\0"),
            Filters(tool="x" * 513),
        ):
            with pytest.raises(ValidationError):
                exports.request_export(project=self.acme, form="csv", filters=filters)
        assert not Event.objects.filter(kind="audit.export_requested").exists()


@pytest.mark.claim("exports.manifest")
class TestTheManifest:
    def test_counts_names_and_signs_what_is_there(self, acme: Project, tmp_path: Path) -> None:
        fill(acme, 20)
        for form in FORMS:
            for filters in (Filters(), Filters(outcome="ok"), Filters(server="nothing")):
                self.check(make(acme, form, filters), filters, tmp_path / f"{form}-{filters.outcome}{filters.server}")

    def check(self, export: Export, filters: Filters, folder: Path) -> None:
        folder.mkdir()
        manifest, ref = manifest_of(export), export.project_id
        shown = Event.objects.filter(project_ref=ref, ord__lte=last_ord(export), **_looked_up(filters))
        seals = Seal.objects.filter(event_id__in=shown.values_list("id", flat=True)).order_by("seq")
        leaves = [bytes(leaf) for leaf in seals.values_list("leaf", flat=True)]
        assert (manifest["events"], manifest["root"]) == (len(leaves), root_of(leaves).hex())
        assert (export.events, export.root) == (manifest["events"], manifest["root"])
        assert manifest["last_seq"] == export.last_seq
        assert (manifest["project"], manifest["project_ref"]) == ("acme", ref)
        content = archive(export).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (export.sha256, export.size)
        with zipfile.ZipFile(archive(export)) as found:
            assert set(found.namelist()) == {*manifest["files"], "manifest.json", "verify_audit.py"}
        for path in (archive(export), unpack(export, folder / "unpacked")):
            report = verify_export(path, signing.public_keys())
            assert report.damages == []
            assert report.events == (export.last_seq if export.form == "jsonl" else manifest["events"])
            assert independent(path, folder) == (0, manifest["events"])

    @pytest.mark.parametrize("form", ["csv", "parquet"])
    def test_tells_when_a_file_or_itself_was_changed(self, acme: Project, form: str, tmp_path: Path) -> None:
        fill(acme, 5)
        folder = unpack(make(acme, form), tmp_path / "folder")
        name = next(path.name for path in folder.iterdir() if path.name.startswith("events."))
        for changed in (name, "keys.json", "manifest.json"):
            content = (folder / changed).read_bytes()
            (folder / changed).write_bytes(content.replace(b"1", b"2", 1) if changed != name else content + b"x")
            try:
                assert not verify_export(folder, signing.public_keys()).is_intact
            except CannotTell:
                assert changed == "manifest.json"
            try:
                assert independent(folder, tmp_path)[0] == 1
            except (verify_audit.Unusable, ValueError):
                assert changed != name
            (folder / changed).write_bytes(content)
        assert verify_export(folder, signing.public_keys()).is_intact

    def test_leads_the_verifiers_to_no_other_file(self, acme: Project, tmp_path: Path) -> None:
        fill(acme, 5)
        folder = unpack(make(acme, "csv"), tmp_path / "folder")
        manifest = json.loads((folder / "manifest.json").read_bytes())
        manifest["files"] = {"../../dev/zero": {}, "/dev/zero": {}, "keys.json": {}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        assert not verify_export(folder, signing.public_keys()).is_intact
        assert independent(folder, tmp_path)[0] == 1

    def test_is_of_an_empty_log_too(self, cast: Cast, tmp_path: Path) -> None:
        with unscoped("the test"):
            project = Project.objects.create(slug="empty")
        for form in FORMS:
            export = make(project, form)
            assert (export.state, export.events, ids_in(export) if form in ("jsonl", "csv") else []) == ("ready", 0, [])
            assert independent(archive(export), tmp_path)[0] == 0


def _looked_up(filters: Filters) -> dict[str, str]:
    return {{"outcome": "decision"}.get(name, name): value for name, value in filters.to_json().items()}


def last_ord(export: Export) -> int:
    return Seal.objects.get(project_ref=export.project_id, seq=export.last_seq or 0).event_ord


def independent(path: Path, folder: Path) -> tuple[int, int]:
    """By the verifier that shares nothing: its status, and how many events it saw."""
    (folder / "trusted.json").write_text(json.dumps(signing.key_set()))
    status, problems, events, _ = verify_audit.verify(str(path), [str(folder / "trusted.json")], [])
    assert (status == 0) == (problems == [])
    return status, events


# --- how they are made ------------------------------------------------------------------------------


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


# --- the command ------------------------------------------------------------------------------------


@pytest.mark.claim("exports.command")
class TestTheCommand:
    def test_makes_a_folder_of_every_form(self, acme: Project, tmp_path: Path) -> None:
        fill(acme, 12)
        for form in FORMS:
            out, folder = io.StringIO(), tmp_path / form
            call_command("audit", "export", str(folder), "--project", "acme", "--format", form, "--outcome", "ok",
                         stdout=out)  # fmt: skip
            assert out.getvalue().startswith("12 events, 1 to ")
            assert verify_export(folder, signing.public_keys()).is_intact
            assert independent(folder, tmp_path) == (0, 12)
            event = Event.objects.filter(kind="audit.exported").latest("ord")
            assert (event.subject, event.detail["filters"]) == ("proof" if form == "jsonl" else form, {"outcome": "ok"})
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["exports", *FORMS, "trusted.json"])

    def test_takes_times_and_a_range(self, acme: Project, tmp_path: Path) -> None:
        fill(acme, 12)
        out = io.StringIO()
        call_command("audit", "export", str(tmp_path / "a"), "--project", "acme", "--format", "csv",
                     "--from", "2026-03-04T05:06:09Z", "--to", "2026-03-05", stdout=out)  # fmt: skip
        call_command("audit", "export", str(tmp_path / "b"), "--project", "acme", "--first", "4", "--last", "6",
                     "--format", "ocsf", stdout=out)  # fmt: skip
        assert out.getvalue().splitlines()[1] == "3 events, 4 to 6"
        assert out.getvalue().startswith("10 events")

    def test_has_a_worker_make_it(self, acme: Project) -> None:
        fill(acme, 12)
        out = io.StringIO()
        call_command("audit", "export", "--project", "acme", "--format", "csv", "--server", "docs", "--background",
                     stdout=out)  # fmt: skip
        run_worker()
        with unscoped("the test looks"):
            export = Export.objects.get()
        assert str(export.uid) in out.getvalue()
        assert (export.state, export.filters, export.requested_by) == ("ready", {"server": "docs"}, "manage.py audit")

    def test_says_what_is_wrong(self, acme: Project, tmp_path: Path) -> None:
        folder = str(tmp_path / "out")
        for arguments in (
            ["--format", "xml", folder], [], ["--background", folder], ["--background", "--first", "2"],
            ["--from", "2026-02-02", "--to", "2026-02-01", folder], ["--from", "yesterday", folder],
            ["--background", "--project", "0"],
        ):  # fmt: skip
            with pytest.raises(CommandError):
                call_command("audit", "export", "--project", "acme", *arguments)
        assert not (tmp_path / "out").exists()
        assert not Event.objects.filter(kind__startswith="audit.export").exists()


@pytest.mark.claim("exports.manifest")
def test_a_short_time_of_a_long_log_comes_with_its_own_checkpoints_only(acme: Project) -> None:
    for number in range(3):
        write(4, start=number * 100, project_ref=acme.pk, project="acme")
        seal_all()
    export = make(acme, "jsonl", Filters(since=EARLIER, until=EARLIER + timedelta(seconds=1)))
    lines = file_of(export, "checkpoints.jsonl").splitlines()
    newest = Checkpoint.objects.filter(project_ref=acme.pk).count()
    assert 0 < len(lines) < newest


def test_the_leaf_of_a_line_is_the_one_that_is_sealed(acme: Project) -> None:
    fill(acme, 3)
    for line in file_of(make(acme)).splitlines():
        held = json.loads(line)
        detail = json.dumps(held["event"].pop("detail", {}))
        assert leaf_of(canonical_record(held["event"], detail)).hex() == held["leaf"]


def test_forms_are_told_to_people() -> None:
    assert set(export_forms.names()) == set(FORMS)
