"""Whatever is done to what was sealed is found and named; nothing is found where nothing was done."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction

from audit import logs, sealer, signing, storage, verify_audit
from audit.checkpoint import Statement
from audit.entry import now
from audit.exporters import proof
from audit.filters import Filters
from audit.models import Checkpoint, Event, Seal
from audit.verify import CannotTell, verify
from audit.verify_export import verify_export
from audit.walk import Report
from tests.audit import mutations
from tests.audit.sealing import entry, execute, make_log, retained_log, seal_all, seeded, write
from tests.conftest import log_may_change

pytestmark = pytest.mark.django_db(transaction=True)
# Of the thousand that are asked for; AUDIT_MUTATIONS=100 tries as many of each operator.
OF_EACH = int(os.environ.get("AUDIT_MUTATIONS", "32"))
assert OF_EACH * (len(mutations.ON_DATABASE) + len(mutations.ON_COPY)) >= 1000


@pytest.fixture(autouse=True)
def _own_anchor_file(tmp_path: Path, settings: Any) -> None:
    settings.AUDIT_ANCHOR_FILE = tmp_path / "anchors" / "checkpoints.jsonl"


def look(**options: Any) -> Report:
    return verify(signing.public_keys(), patience=0.0, **options)


def escaped(operators: Iterable[mutations.DatabaseOperator], of_each: int) -> list[Any]:
    """What was done to the log and not found, or not by its name; after each operator the log is as it was."""
    unseen = []
    with transaction.atomic(), log_may_change():
        for operator in operators:
            for number in range(of_each):
                with transaction.atomic():
                    expected = operator(seeded(number))
                    found = {damage.kind for damage in look().damages}
                    if not expected & found:
                        unseen.append((operator.__name__, number, expected, found))
                    transaction.set_rollback(True)
            assert look().is_intact, operator.__name__
    return unseen


@pytest.mark.claim("audit.tampering")
@pytest.mark.claim("audit.no-false-alarm")
def test_every_mutation_of_the_database_is_found_and_named() -> None:
    make_log()
    assert escaped(mutations.ON_DATABASE, OF_EACH) == []


@pytest.mark.claim("audit.tampering")
@pytest.mark.claim("audit.no-false-alarm")
@pytest.mark.claim("audit.retention-proof")
def test_every_mutation_of_a_log_whose_beginning_was_dropped_is_found_too() -> None:
    """Deleting more than was signed, forging what is signed, and all that is done to any log."""
    retained_log()
    assert look().is_intact
    assert escaped(mutations.ON_RETAINED, OF_EACH) + escaped(mutations.ON_DATABASE, OF_EACH // 4) == []


@pytest.mark.claim("audit.tampering")
def test_damage_is_said_to_be_where_it_is() -> None:
    make_log(batches=2)
    seal = Seal.objects.filter(project_ref=1).order_by("seq")[7]
    with transaction.atomic(), log_may_change():
        execute("UPDATE audit_event SET subject = 'x' WHERE ord = %s", [seal.event_ord])
    damage = look().damages
    assert [(each.kind, each.project_ref, each.seq) for each in damage] == [("event_changed", 1, seal.seq)]
    assert look(only=2).is_intact


@pytest.mark.claim("audit.no-false-alarm")
def test_untouched_logs_of_many_shapes_are_intact() -> None:
    start = 0
    for size in (1, 2, 3, 1, 64, 7, 100):
        write(size, start=start)
        start += size
        seal_all()
        assert look().is_intact
    report = look()
    assert (report.events, report.pending, report.logs) == (start, 0, 3)
    storage.insert([entry(number, at=now()) for number in range(5)])
    report = look()
    assert (report.is_intact, report.pending) == (True, 5)


@pytest.mark.claim("audit.no-false-alarm")
def test_a_log_that_grows_while_it_is_verified_is_intact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the reading of one log and the next a process of its own writes and seals."""
    if connection.vendor != "postgresql":
        pytest.skip("the suite's SQLite database is in memory and has one connection")
    make_log(batches=2)
    read, counts = logs.checkpoints_of, []

    def grow() -> None:
        write(10, start=500)
        counts.append(seal_all())
        connection.close()

    def read_and_grow(ref: int) -> Iterator[Statement]:
        thread = threading.Thread(target=grow)
        thread.start()
        thread.join(90)
        return read(ref)

    monkeypatch.setattr(logs, "checkpoints_of", read_and_grow)
    report = look()
    assert (report.is_intact, report.events, report.pending) == (True, 30, 0)
    assert sum(counts) == 30
    monkeypatch.undo()
    assert look().events == 60


@pytest.fixture
def export(tmp_path: Path) -> Path:
    make_log(batches=4, size=30)
    folder = tmp_path / "export"
    proof.export(folder, project_ref=1, project="acme")
    return folder


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(signing.key_set()))
    return path


def independent(folder: Path, *keys: Path, checkpoints: tuple[Path, ...] = ()) -> tuple[int, set[str]]:
    status, problems, _, _ = verify_audit.verify(str(folder), map(str, keys), map(str, checkpoints))
    return status, {each["kind"] for each in problems}


@pytest.mark.claim("audit.tampering")
@pytest.mark.claim("audit.export-proof")
def test_every_mutation_of_an_export_is_found_and_named_by_both_verifiers(
    export: Path, key_file: Path, tmp_path: Path
) -> None:
    escaped = []
    for operator in mutations.ON_COPY:
        for number in range(OF_EACH):
            chance, folder = seeded(number), tmp_path / "copy"
            shutil.copytree(export, folder)
            copy = mutations.Copy(folder)
            expected = operator(copy, chance)
            copy.write(chance)
            ours = {damage.kind for damage in verify_export(folder, signing.public_keys()).damages}
            status, theirs = independent(folder, key_file)
            if not expected & ours or not expected & theirs or status != 1:
                escaped.append((operator.__name__, number, expected, ours, theirs))
            shutil.rmtree(folder)
    assert escaped == []
    assert verify_export(export, signing.public_keys()).is_intact
    assert independent(export, key_file) == (0, set())


@pytest.mark.claim("audit.tampering")
def test_no_byte_of_an_export_can_be_flipped(export: Path, key_file: Path, tmp_path: Path) -> None:
    chance = seeded(0)
    for name in ("events.jsonl", "checkpoints.jsonl", "keys.json", "manifest.json"):
        content = (export / name).read_bytes()
        for _ in range(25):
            place = chance.randrange(len(content))
            changed = bytearray(content)
            changed[place] ^= 1 << chance.randrange(8)
            (export / name).write_bytes(changed)
            status, _ = independent_or_unusable(export, key_file)
            assert status != 0, (name, place)
            try:
                assert not verify_export(export, signing.public_keys()).is_intact, (name, place)
            except CannotTell:
                assert name in ("manifest.json", "keys.json"), (name, place)
        (export / name).write_bytes(content)
    assert independent(export, key_file) == (0, set())


def independent_or_unusable(folder: Path, key: Path) -> tuple[int, set[str]]:
    try:
        return independent(folder, key)
    except (verify_audit.Unusable, ValueError):
        return 2, set()


@pytest.mark.claim("audit.export-proof")
def test_the_shipped_verifier_needs_nothing_but_the_export_and_a_key(export: Path, key_file: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", str(export / "verify_audit.py"), *arguments],
            capture_output=True, text=True, timeout=60, cwd="/",
        )  # fmt: skip
        return done.returncode, done.stdout

    assert run(str(export), "--public-key", str(key_file))[0] == 0
    status, printed = run(str(export))
    assert (status, "--public-key" in printed) == (2, True)
    assert run(str(export / "nothing"), "--public-key", str(key_file))[0] == 2
    lines = (export / "events.jsonl").read_bytes()
    (export / "events.jsonl").write_bytes(lines.replace(b'"subject":"tool-3"', b'"subject":"tool-4"'))
    status, printed = run(str(export), "--public-key", str(key_file), "--json")
    assert status == 1
    kinds = {(each["kind"], each["seq"]) for each in json.loads(printed)["problems"]}
    assert kinds == {("event_changed", 2), ("file_changed", None)}


@pytest.mark.claim("audit.export-proof")
def test_a_part_and_a_choice_prove_themselves_too(key_file: Path, tmp_path: Path) -> None:
    make_log(batches=4, size=30)
    part, choice = tmp_path / "part", tmp_path / "choice"
    manifest = proof.export(part, project_ref=1, project="acme", first=15, last=25)
    assert (manifest["first_seq"], manifest["last_seq"], manifest["events"]) == (11, 30, 11)
    manifest = proof.export(choice, project_ref=1, project="acme", filters=Filters(tool="tool-3"))
    assert (manifest["events"], manifest["chosen"]) == (1, {"tool": "tool-3"})
    for folder in (part, choice):
        assert verify_export(folder, signing.public_keys()).is_intact
        assert independent(folder, key_file) == (0, set())
    lines = (choice / "events.jsonl").read_bytes().splitlines()
    assert [b'"event"' in line for line in lines].count(True) == 1
    # What was chosen cannot be taken out again.
    copy = mutations.Copy(choice)
    number = next(number for number, line in enumerate(lines) if b'"event"' in line)
    copy.put(number, {name: value for name, value in copy.line(number).items() if name != "event"})
    copy.write(seeded(1))
    assert independent(choice, key_file)[0] == 1


@pytest.mark.claim("audit.export-proof")
def test_an_archive_is_verified_as_its_folder_is(export: Path, key_file: Path, tmp_path: Path) -> None:
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in export.iterdir():
            file.write(path, path.name)
    assert verify_export(archive, signing.public_keys()).is_intact
    assert independent(archive, key_file) == (0, set())


def cut_off_the_end() -> None:
    """The tail and its checkpoints, of every log."""
    for ref in logs.refs("audit_checkpoint"):
        last = Checkpoint.objects.filter(project_ref=ref).order_by("-id")[1]
        execute("DELETE FROM audit_event WHERE ord IN (SELECT event_ord FROM audit_seal"
                " WHERE project_ref = %s AND seq > %s)", [ref, last.size])  # fmt: skip
        execute("DELETE FROM audit_seal WHERE project_ref = %s AND seq > %s", [ref, last.size])
        execute("DELETE FROM audit_checkpoint WHERE project_ref = %s AND id > %s", [ref, last.pk])


@pytest.mark.claim("audit.truncation")
def test_a_tail_removed_together_with_its_checkpoints_cannot_be_found_without_a_checkpoint_kept_elsewhere() -> None:
    make_log(batches=3)
    kept = [logs.latest_checkpoint(ref) for ref in logs.refs("audit_checkpoint")]
    with transaction.atomic(), log_may_change():
        cut_off_the_end()
    # This is the limit, and docs/audit.md says it in these words.
    assert look().is_intact
    documented = " ".join((settings.BASE_DIR / "docs" / "audit.md").read_text().split())
    assert "the tail of the log and its checkpoints are removed together" in documented
    # With one that was kept it is found.
    report = look(witnesses=[each for each in kept if each is not None])
    assert {(each.kind, each.project_ref) for each in report.damages} == {("log_truncated", ref) for ref in (0, 1, 2)}


@pytest.mark.claim("audit.truncation")
def test_a_log_that_was_cut_off_and_goes_on_is_found_by_a_checkpoint_kept_elsewhere(
    tmp_path: Path, key_file: Path
) -> None:
    make_log(batches=3)
    kept = logs.latest_checkpoint(1)
    assert kept is not None
    with transaction.atomic(), log_may_change():
        cut_off_the_end()
    write(60, start=100)
    seal_all()
    assert look().is_intact
    assert {each.kind for each in look(witnesses=[kept]).damages} == {"witness_mismatch"}
    # In an export it is found too.
    folder, file = tmp_path / "export", tmp_path / "kept.jsonl"
    file.write_bytes(kept.to_line() + b"\n")
    proof.export(folder, project_ref=1, project="acme")
    assert independent(folder, key_file) == (0, set())
    assert independent(folder, key_file, checkpoints=(file,)) == (1, {"witness_mismatch"})
    assert {each.kind for each in verify_export(folder, signing.public_keys(), [kept]).damages} == {"witness_mismatch"}


def command(*arguments: str, capsys: Any) -> tuple[int, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        call_command("audit", "verify", *arguments)
    return int(end.value.code or 0), capsys.readouterr().out


@pytest.mark.claim("audit.verify-command")
def test_the_command_says_intact_tampered_or_cannot_tell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, key_file: Path
) -> None:
    assert command(capsys=capsys)[0] == 0
    make_log(batches=2)
    status, printed = command(capsys=capsys)
    assert (status, printed.split(":")[0]) == (0, "intact")
    call_command("audit", "export", str(tmp_path / "export"), "--project", "acme")
    exported = Event.objects.get(kind="audit.exported")
    assert (exported.project, exported.actor_kind, exported.detail["events"]) == ("acme", "command", 10)
    given = ("--export", str(tmp_path / "export"), "--public-key", str(key_file))
    assert command(*given, capsys=capsys)[0] == 0
    for options in (("--export", str(tmp_path)), ("--public-key", str(tmp_path / "none")), ("--project", "nobody"),
                    ("--checkpoint", str(key_file))):  # fmt: skip
        assert command(*options, capsys=capsys)[0] == 2, options
    with transaction.atomic(), log_may_change():
        execute("DELETE FROM audit_event WHERE ord = %s", [Event.objects.filter(project_ref=1).earliest("ord").ord])
    status, printed = command("--json", capsys=capsys)
    assert status == 1
    assert json.loads(printed)["damages"][0] | {"text": ""} == {
        "kind": "event_missing", "project_ref": 1, "seq": 1, "text": "",
    }  # fmt: skip
    assert command("--project", "globex", capsys=capsys)[0] == 0
    assert command("--project", "acme", capsys=capsys)[0] == 1
    assert "project 1, 1: event_missing" in command(capsys=capsys)[1]


@pytest.mark.claim("audit.verify-command")
def test_a_checkpoint_taken_along_and_the_machines_own_anchors_are_compared(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    make_log(batches=3)
    kept = tmp_path / "kept.jsonl"
    call_command("audit", "checkpoint", "--output", str(kept))
    assert len(kept.read_bytes().splitlines()) == 3
    with transaction.atomic(), log_may_change():
        cut_off_the_end()
    assert command(capsys=capsys)[0] == 0
    status, printed = command("--checkpoint", str(kept), capsys=capsys)
    assert (status, "log_truncated" in printed) == (1, True)
    settings.AUDIT_ANCHOR_FILE.parent.mkdir()
    shutil.copy(kept, settings.AUDIT_ANCHOR_FILE)
    assert command(capsys=capsys)[0] == 1


@pytest.mark.claim("audit.tampering")
def test_a_checkpoint_of_somebody_else_proves_nothing() -> None:
    make_log(batches=1)
    kept = logs.latest_checkpoint(1)
    assert kept is not None
    with pytest.raises(CannotTell):
        look(witnesses=[replace(kept, size=kept.size + 1)])


@pytest.mark.claim("audit.tampering")
def test_a_sealer_that_goes_on_does_not_heal_what_was_done() -> None:
    """Seals without their checkpoint, and checkpoints without their seals, stay damage for ever."""
    make_log(batches=2)
    with transaction.atomic(), log_may_change():
        last = Checkpoint.objects.filter(project_ref=1).order_by("-id")[0]
        execute("DELETE FROM audit_checkpoint WHERE id = %s", [last.pk])
        seal = Seal.objects.filter(project_ref=2).order_by("-seq")[0]
        execute("DELETE FROM audit_event WHERE ord = %s", [seal.event_ord])
        execute("DELETE FROM audit_seal WHERE project_ref = 2 AND seq = %s", [seal.seq])
    write(30, start=200)
    seal_all()
    assert sealer.seal_batch() == 0
    found = {(each.kind, each.project_ref) for each in look().damages}
    assert ("checkpoint_mismatch", 1) in found
    assert {ref for _, ref in found} == {1, 2}
