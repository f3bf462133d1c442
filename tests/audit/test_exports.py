"""Exports: every form, what is chosen, what comes with it, and the command that makes them."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from audit import export_forms, exports, signing, storage, verify_audit
from audit.canonical import canonical_record
from audit.chain import leaf_of, root_of
from audit.exporters import proof, registry
from audit.filters import Filters
from audit.models import Checkpoint, Event, Export, Seal
from audit.naming import digest_name
from audit.verify import CannotTell
from audit.verify_export import verify_export
from projects.models import Project
from projects.scoping import unscoped
from tests.audit.exporting import (
    acme,
    archive,
    file_of,
    fill,
    ids_in,
    make,
    manifest_of,
    own_folder,
    readable,
    run_worker,
    unpack,
)
from tests.audit.sealing import EARLIER, entry, seal_all, write
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["acme", "own_folder"]
ROOT = Path(__file__).resolve().parents[2]
FORMS = [*registry.names(), "parquet"]


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
