"""Retention drops whole months by a signed event, can be cut off anywhere, and lets nothing else go."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from audit import logs, partitions, retention, sealer, signing, storage, verify_audit
from audit.canonical import canonical
from audit.carried import SealedPayload, carrying, insert_payloads
from audit.entry import now
from audit.exporters import proof
from audit.indexing import forget_marks
from audit.models import Checkpoint, Event, FindingMark, Payload, Retention, Seal
from audit.verify import verify
from audit.verify_event import verify_event
from audit.verify_export import verify_export
from audit.walk import Report
from tests.audit.sealing import entry, execute, index_all, make_log, retained_log, seal_all, tenant, write
from tests.audit.test_append_only import documented_statements, on_postgresql
from tests.conftest import log_may_change

pytestmark = pytest.mark.django_db(transaction=True)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_anchor_file(tmp_path: Path, settings: Any) -> None:
    settings.AUDIT_ANCHOR_FILE = tmp_path / "anchors" / "checkpoints.jsonl"


def look(**options: Any) -> Report:
    return verify(signing.public_keys(), patience=0.0, **options)


def said(report: Report) -> list[str]:
    """What the notes say of dropped months."""
    return [each for each in report.notes if "are dropped" in each]


def at(month: int, number: int = 0) -> datetime:
    return datetime(2026, month, 4, 5, 6, 7, number, tzinfo=UTC)


def months(*numbers: int, size: int = 15) -> None:
    for place, month in enumerate(numbers):
        write(size, start=place * size, at=at(month, place))
        seal_all()


def left(ref: int | None) -> list[int]:
    """The months of the events of a log that are still there."""
    return [each.month for each in Event.objects.filter(project_ref=ref, kind="mcp.call.outcome").order_by("ord")
            .values_list("at", flat=True)]  # fmt: skip


@pytest.mark.claim("audit.retention")
@pytest.mark.claim("audit.retention-proof")
def test_whole_months_of_one_project_go_by_a_signed_event_and_the_log_stays_intact() -> None:
    months(3, 4, 5)
    kept = [each for ref in (0, 1, 2) if (each := logs.latest_checkpoint(ref)) is not None]
    early = logs.statement_of(Checkpoint.objects.filter(project_ref=1).order_by("id")[0])
    others, checkpoints = (left(2), left(None)), Checkpoint.objects.filter(project_ref=1).count()
    project = tenant(1, "acme", MAY)
    assert retention.retain().events == 10
    assert left(1) == [5] * 5
    assert (left(2), left(None)) == others
    assert Checkpoint.objects.filter(project_ref=1).count() == checkpoints + 1
    event = Event.objects.get(kind="audit.retained")
    held = {name: event.detail[name] for name in ("first_seq", "last_seq", "events", "before")}
    assert held == {"first_seq": 1, "last_seq": 10, "events": 10, "before": "2026-05-01T00:00:00.000000Z"}
    assert (event.project_ref, event.project, event.actor_kind) == (1, "acme", "system")
    report = look(witnesses=[*kept, early])
    assert report.is_intact, report.damages
    [note] = said(report)
    assert note.startswith("project 1: 1 to 10 are dropped, all before 2026-05-01, by event")
    assert retention.retain().events == 0
    assert Event.objects.filter(kind="audit.retained").count() == 1
    # The next month, the log goes on from the second event; the first one is far behind by then.
    tenant(project.pk, "acme", JUNE)
    write(15, start=300, at=at(6))
    seal_all()
    assert retention.retain().events == 5
    assert left(1) == [6] * 5
    assert [each.detail["first_seq"] for each in Event.objects.filter(kind="audit.retained").order_by("ord")] == [1, 11]
    assert look(witnesses=[*kept, early]).is_intact


@pytest.mark.claim("audit.retention")
def test_a_batch_with_one_event_of_a_kept_month_is_kept_and_what_is_kept_for_ever_too() -> None:
    storage.insert([entry(0, project_ref=1, project="acme", at=at(month)) for month in (3, 4)])
    seal_all()
    storage.insert([entry(0, project_ref=1, project="acme", at=at(month)) for month in (4, 5, 4)])
    seal_all()
    tenant(1, "acme", None)
    assert retention.retain().events == 0
    tenant(1, "acme", MAY)
    assert retention.retain().events == 2
    assert left(1) == [4, 5, 4]
    # A clock that was wrong keeps what comes with it.
    storage.insert([entry(0, project_ref=2, project="globex", at=at(month)) for month in (9, 3)])
    seal_all()
    storage.insert([entry(0, project_ref=2, project="globex", at=at(3))])
    seal_all()
    tenant(2, "globex", MAY)
    assert retention.retain().events == 0
    assert look().is_intact


@pytest.mark.claim("audit.retention")
def test_payloads_go_with_their_events() -> None:
    for ref, month in ((1, 3), (1, 5), (2, 3)):
        made = entry(0, project_ref=ref, at=at(month))
        payload = SealedPayload(made.call_id or made.id, ref, 1, made.id, made.at, "full", 2, b"n" * 12, b"c" * 20)
        carried = carrying(made, payload)
        with transaction.atomic(), connection.cursor() as cursor:
            storage.insert([carried])
            insert_payloads(cursor, [carried])
        seal_all()
    tenant(1, "acme", MAY)
    retention.retain()
    assert sorted((each.project_ref, each.at.month) for each in Payload.objects.all()) == [(1, 5), (2, 3)]
    assert look().is_intact
    # What is stored is what the event names, or it is damage.
    Payload.objects.filter(project_ref=2).update(ciphertext=b"other")
    assert [(each.kind, each.project_ref, each.seq) for each in look().damages] == [("payload_changed", 2, 1)]
    Payload.objects.filter(project_ref=2).update(ciphertext=b"", nonce=b"")
    assert look().is_intact


@pytest.mark.claim("audit.retention")
def test_what_the_search_keeps_of_findings_goes_with_their_events_and_no_other() -> None:
    months(3, 5)
    index_all()
    marked = {ref: at_of_marks(ref) for ref in (0, 1, 2)}
    assert all({at.month for at in each} == {3, 5} for each in marked.values())
    tenant(1, "acme", MAY)
    assert retention.retain().events == 5
    assert at_of_marks(1) == [at for at in marked[1] if at.month == 5]
    assert (at_of_marks(0), at_of_marks(2)) == (marked[0], marked[2])
    # Where the events were dropped before a crash, the next turn still finds what is left of them.
    gone = FindingMark(project_ref=1, code="pii/email", at=at(3), event_ord=1)
    there = Event.objects.filter(project_ref=1, kind="mcp.call.outcome").earliest("ord")
    kept = FindingMark(project_ref=1, code="another", at=there.at, event_ord=there.ord)
    young = FindingMark(project_ref=1, code="not seen yet", at=JUNE, event_ord=10**9)
    FindingMark.objects.bulk_create([gone, kept, young])
    forget_marks(1, JUNE)
    assert set(codes_of_marks(1)) == {"pii", "pii/email", "another", "not seen yet"}
    assert at(3) not in at_of_marks(1)


def at_of_marks(ref: int) -> list[datetime]:
    return list(FindingMark.objects.filter(project_ref=ref).order_by("at", "code").values_list("at", flat=True))


def codes_of_marks(ref: int) -> list[str]:
    return list(FindingMark.objects.filter(project_ref=ref).values_list("code", flat=True))


@pytest.mark.claim("audit.retention")
@pytest.mark.claim("browse.verify")
def test_one_event_is_verified_when_what_came_before_it_was_dropped_and_never_the_dropped_one() -> None:
    months(3, 4, 5)
    dropped = Event.objects.filter(project_ref=1).earliest("ord")
    assert verify_event(dropped).result == "intact"
    tenant(1, "acme", MAY)
    assert retention.retain().events == 10
    with pytest.raises(Event.DoesNotExist):
        verify_event(dropped)
    # Put in again, it is what it was and stands where it stood, and is not of the log any more.
    with transaction.atomic():
        storage.insert([entry(0, id=dropped.id, at=dropped.at, project_ref=1, project="acme")])
        found = verify_event(Event.objects.get(id=dropped.id))
        assert (found.result, found.proof) == ("tampered", None)
        transaction.set_rollback(True)
    first, last = (Event.objects.filter(project_ref=1).order_by(order)[0] for order in ("ord", "-ord"))
    assert last.kind == "audit.retained"
    for event in (first, last, Event.objects.filter(project_ref=2).earliest("ord")):
        found = verify_event(event)
        assert (found.result, [step.name for step in found.steps if not step.ok]) == ("intact", [])
        assert verify_audit.verify_proof(json.loads(canonical(found.proof)), signing.public_keys()) == []
    # The first that is left follows from the checkpoint that the retention left, and from nothing else.
    for statement in (
        "DELETE FROM audit_checkpoint WHERE project_ref = 1 AND size = 10",
        "UPDATE audit_retention SET statement = 'of nobody' WHERE project_ref = 1",
    ):
        with transaction.atomic():
            with log_may_change():
                execute(statement)
            found = verify_event(first)
            assert (found.result, found.proof) == ("tampered", None), statement
            transaction.set_rollback(True)
    assert verify_event(first).result == "intact"


@pytest.mark.claim("audit.retention")
@pytest.mark.claim("audit.retention-proof")
@pytest.mark.parametrize("parts", [0, 1, 2])
def test_it_is_taken_up_again_wherever_it_was_cut_off(monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    """After the event, and after each part that was deleted, which is committed by itself."""
    monkeypatch.setattr(retention, "_AT_ONE_TIME", 5)
    months(3, 3, 4, 5)
    tenant(1, "acme", MAY)
    delete = retention._delete
    done: list[int] = []

    def delete_until_killed(*given: Any) -> int:
        if len(done) == parts:
            raise KeyboardInterrupt
        done.append(delete(*given))
        return done[-1]

    monkeypatch.setattr(retention, "_delete", delete_until_killed)
    with pytest.raises(KeyboardInterrupt):
        retention.retain()
    report = look()
    assert (report.is_intact, len(said(report)), len(left(1))) == (True, 1, 20 - 5 * parts)
    monkeypatch.setattr(retention, "_delete", delete)
    assert retention.retain().events == 15 - 5 * parts
    assert Event.objects.filter(kind="audit.retained").count() == 1
    assert (left(1), look().is_intact) == ([5] * 5, True)


@pytest.mark.claim("audit.retention")
def test_nothing_goes_before_its_event_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    months(3, 5)
    tenant(1, "acme", MAY)
    monkeypatch.setattr(sealer, "seal_batch", lambda: 0)
    monkeypatch.setattr(retention, "_SEAL_SECONDS", 0.0)
    done = retention.retain()
    assert (done.events, done.waiting, len(left(1))) == (0, 5, 10)
    [announced] = Retention.objects.all()
    with pytest.raises((DatabaseError, AssertionError)), transaction.atomic():
        assert retention._delete(announced, 5) == 0
    monkeypatch.undo()
    seal_all()
    assert retention.retain().events == 5


def refused(statement: str, *values: Any) -> None:
    with pytest.raises(DatabaseError, match=r"append-only|No signed retention|too young"), transaction.atomic():
        execute(statement, list(values))


@pytest.mark.claim("audit.retention")
@pytest.mark.claim("audit.database-refuses")
def test_the_database_lets_go_of_nothing_else() -> None:
    retained_log()
    [signed] = Retention.objects.all()
    for ref in (1, 2):
        seal = Seal.objects.filter(project_ref=ref).order_by("seq")[0]
        refused("DELETE FROM audit_event WHERE ord = %s", seal.event_ord)
        refused("DELETE FROM audit_seal WHERE project_ref = %s AND seq = %s", ref, seal.seq)
    refused("DELETE FROM audit_checkpoint WHERE project_ref = 1")
    refused("DELETE FROM audit_retention")
    refused("UPDATE audit_retention SET last = 20")
    refused("DELETE FROM audit_event WHERE kind = 'audit.retained'")
    if connection.vendor == "postgresql":
        refused("SELECT audit_drop_retained(%s, %s)", signed.id, signed.last + 5)
        refused("SELECT audit_drop_retained(%s, %s)", "0190b7a0-0000-7000-8000-000000000000", 5)
        refused("SELECT audit_drop_retained(%s, %s)", signed.id, signed.last - 1)
    # A row without its event in the log is worth nothing.
    values = "'0190b7a0-0000-7000-8000-000000000001', 2, 1, 5, '2026-05-01', '{}'"
    execute(f"INSERT INTO audit_retention (id, project_ref, first, last, before, statement) VALUES ({values})"
            .replace("0190b7a0-0000-7000-8000-000000000001", _digits("0190b7a0-0000-7000-8000-000000000001")))
    first = Seal.objects.filter(project_ref=2).order_by("seq")[0]
    refused("DELETE FROM audit_event WHERE ord = %s", first.event_ord)
    if connection.vendor == "postgresql":
        refused("SELECT audit_drop_retained('0190b7a0-0000-7000-8000-000000000001', 5)")
    assert len(left(2)) == 30


def _digits(identity: str) -> str:
    return identity if connection.vendor == "postgresql" else identity.replace("-", "")


@pytest.mark.claim("audit.retention-proof")
def test_a_forged_event_that_the_gateway_itself_has_sealed_excuses_nothing_and_drops_nothing() -> None:
    """Who can insert rows can have them sealed and signed into the log; the statement's own signature is missing."""
    months(3, 5)
    tenant(2, "globex", MAY)
    checkpoint = logs.statement_of(Checkpoint.objects.filter(project_ref=2).order_by("id")[0])
    detail = {
        "project_ref": 2, "first_seq": 1, "last_seq": 5, "events": 5, "before": "2026-05-01T00:00:00.000000Z",
        "checkpoint": checkpoint.to_line().decode(), "at": "2026-11-01T00:00:00.000000Z",
        "key_id": checkpoint.key_id, "signature": "00" * 64,
    }  # fmt: skip
    forged = entry(1, kind="audit.retained", project_ref=2, detail=detail, at=now())
    plan = retention.Plan(2, 1, checkpoint, MAY)
    with transaction.atomic():
        storage.insert([forged])
        retention._insert_retention(forged, plan, canonical(detail).decode())
    seal_all()
    assert retention.drop_announced(2, time.monotonic() + 60).events == 0
    assert {each.kind for each in look().damages} == {"retention_forged"}
    with transaction.atomic(), log_may_change():
        execute("DELETE FROM audit_event WHERE ord IN (SELECT event_ord FROM audit_seal"
                " WHERE project_ref = 2 AND seq <= 5)")  # fmt: skip
        execute("DELETE FROM audit_seal WHERE project_ref = 2 AND seq <= 5")
    assert {each.kind for each in look().damages} == {"retention_forged", "seal_missing"}


@pytest.mark.claim("audit.retention-proof")
@pytest.mark.parametrize("damage", ["an event is gone", "the beginning is gone", "an event is changed"])
def test_damage_is_not_dropped_with_the_months_that_it_is_in(damage: str) -> None:
    months(3, 4, 5)
    tenant(1, "acme", MAY)
    with transaction.atomic(), log_may_change():
        if damage == "an event is gone":
            execute("DELETE FROM audit_event WHERE ord = %s", [Event.objects.filter(project_ref=1).earliest("ord").ord])
        elif damage == "an event is changed":
            execute("UPDATE audit_event SET subject = 'x' WHERE project_ref = 1 AND subject = 'tool-3'")
        else:
            execute("DELETE FROM audit_event WHERE ord IN (SELECT event_ord FROM audit_seal"
                    " WHERE project_ref = 1 AND seq <= 5)")  # fmt: skip
            execute("DELETE FROM audit_seal WHERE project_ref = 1 AND seq <= 5")
    found = [(each.kind, each.seq) for each in look().damages]
    assert found
    assert retention.retain().events == 0
    assert [(each.kind, each.seq) for each in look().damages] == found
    assert not Event.objects.filter(kind="audit.retained").exists()


@pytest.mark.claim("audit.retention-proof")
def test_a_row_that_nobody_has_signed_does_not_excuse_a_beginning_that_is_gone() -> None:
    """Else the next retention would be the first to be asked for, and what came before it would be forgotten."""
    months(3, 4, 5)
    tenant(1, "acme", MAY)
    values = f"'{_digits('0190b7a0-0000-7000-8000-000000000001')}', 1, 1, 5, '2026-04-01'"
    with transaction.atomic(), log_may_change():
        execute("DELETE FROM audit_event WHERE ord IN (SELECT event_ord FROM audit_seal"
                " WHERE project_ref = 1 AND seq <= 5)")  # fmt: skip
        execute("DELETE FROM audit_seal WHERE project_ref = 1 AND seq <= 5")
        execute("INSERT INTO audit_retention (id, project_ref, first, last, before, statement)"
                f" VALUES ({values}, 'no statement')")  # fmt: skip
    found = [(each.kind, each.seq) for each in look().damages]
    assert found == [("seal_missing", 1)]
    assert retention.retain().events == 0
    assert [(each.kind, each.seq) for each in look().damages] == found
    assert not Event.objects.filter(kind="audit.retained").exists()


@pytest.mark.claim("audit.retention-proof")
def test_events_that_were_given_other_numbers_to_look_old_are_not_dropped() -> None:
    months(3, 4, 5)
    tenant(1, "acme", MAY)
    with transaction.atomic(), log_may_change():
        execute("UPDATE audit_event SET ord = ord + 100000 WHERE project_ref = 1 AND at >= '2026-05-01'")
    retention.retain()
    assert Seal.objects.filter(project_ref=1).order_by("seq")[0].seq == 1
    assert not Event.objects.filter(kind="audit.retained").exists()
    assert left(1) == [3] * 5 + [4] * 5 + [5] * 5


@pytest.mark.claim("audit.retention")
@pytest.mark.parametrize("damage", ["an event is young", "a time is none"])
def test_one_project_whose_log_cannot_be_dropped_keeps_no_other_from_it(damage: str) -> None:
    months(3, 5)
    project = tenant(1, "acme", MAY)
    tenant(2, "globex", MAY)
    with transaction.atomic(), log_may_change():
        if damage == "an event is young":
            plan = retention.plan(project)
            assert plan is not None
            retention.announce(plan)
    seal_all()
    with transaction.atomic(), log_may_change():
        if damage == "an event is young":
            execute("UPDATE audit_event SET at = '2026-05-04 05:06:07.000001'"
                    " WHERE project_ref = 1 AND at < '2026-05-01'")  # fmt: skip
        else:
            nonsense = "infinity" if connection.vendor == "postgresql" else "soon"
            execute(f"UPDATE audit_checkpoint SET at = '{nonsense}' WHERE project_ref = 1")
    assert retention.retain().events == 5
    assert (len(left(1)), left(2)) == (10, [5] * 5)


@pytest.mark.claim("audit.retention-proof")
@pytest.mark.claim("audit.export-proof")
def test_an_export_begins_after_what_was_dropped_and_says_by_which_event(tmp_path: Path) -> None:
    retained_log()
    key_file = tmp_path / "keys.json"
    key_file.write_text(json.dumps(signing.key_set()))
    whole, part, other = tmp_path / "whole", tmp_path / "part", tmp_path / "other"
    manifest = proof.export(whole, project_ref=1, project="acme")
    assert (manifest["first_seq"], manifest["chosen"]) == (16, None)
    assert proof.export(part, project_ref=1, project="acme", first=3, last=22)["first_seq"] == 16
    assert proof.export(other, project_ref=2, project="globex")["first_seq"] == 1
    for folder in (whole, part, other):
        assert verify_export(folder, signing.public_keys()).is_intact, folder
        assert verify_audit.verify(str(folder), [str(key_file)], [])[:2] == (0, []), folder
    event = Event.objects.get(kind="audit.retained")
    for text in (verify_export(whole, signing.public_keys()).notes[0],
                 verify_audit.verify(str(whole), [str(key_file)], [])[3]):  # fmt: skip
        assert "1 to 15" in text
        assert str(event.id) in text
    # What was dropped without a retention is missing in the export too.
    with transaction.atomic(), log_may_change():
        execute("DELETE FROM audit_event WHERE ord IN (SELECT event_ord FROM audit_seal"
                " WHERE project_ref = 2 AND seq <= 10)")  # fmt: skip
        execute("DELETE FROM audit_seal WHERE project_ref = 2 AND seq <= 10")
    cut = tmp_path / "cut"
    proof.export(cut, project_ref=2, project="globex")
    assert not verify_export(cut, signing.public_keys()).is_intact
    assert verify_audit.verify(str(cut), [str(key_file)], [])[0] == 1


@pytest.mark.claim("audit.retention-proof")
def test_both_verifiers_find_a_retention_in_an_export_that_nobody_has_signed(tmp_path: Path) -> None:
    write(3, project_ref=1, project="acme")
    storage.insert([entry(1, kind="audit.retained", project_ref=1, detail={"first_seq": 1, "last_seq": 2})])
    seal_all()
    folder, key_file = tmp_path / "export", tmp_path / "keys.json"
    key_file.write_text(json.dumps(signing.key_set()))
    proof.export(folder, project_ref=1, project="acme")
    assert [each.kind for each in verify_export(folder, signing.public_keys()).damages] == ["retention_forged"]
    status, problems, _, _ = verify_audit.verify(str(folder), [str(key_file)], [])
    assert (status, [each["kind"] for each in problems]) == (1, ["retention_forged"])


@pytest.mark.claim("audit.retention")
def test_the_command_says_what_would_go_and_drops_of_the_named_project_only(capsys: pytest.CaptureFixture[str]) -> None:
    months(3, 5)
    tenant(1, "acme", MAY)
    tenant(2, "globex", MAY)
    call_command("audit", "retain", "--dry-run")
    assert capsys.readouterr().out.splitlines() == [
        f"{slug}: 5 events would be dropped, 1 to 5, all before 2026-05-01" for slug in ("acme", "globex")
    ]
    assert not Event.objects.filter(kind="audit.retained").exists()
    call_command("audit", "retain", "--project", "acme")
    assert capsys.readouterr().out == "5 events dropped\n"
    assert (left(1), left(2)) == ([5] * 5, [3] * 5 + [5] * 5)
    assert Event.objects.get(kind="audit.retained").actor == "manage.py audit"


@pytest.mark.claim("audit.retention")
@on_postgresql
def test_a_month_that_nobody_has_events_in_is_no_partition_any_more() -> None:
    execute("SELECT audit_prepare_partitions('2026-03-01', 3)")
    months(3, 4, 5)
    tenant(1, "acme", MAY)
    retention.retain()
    assert _partitions() >= {"audit_event_2026_03", "audit_event_2026_04", "audit_event_2026_05"}
    tenant(2, "globex", MAY)
    # What belongs to no project is kept; here there is nothing of it in April.
    with transaction.atomic(), log_may_change():
        execute("DELETE FROM audit_event WHERE project_ref IS NULL AND at >= '2026-04-01' AND at < '2026-05-01'")
    retention.retain()
    assert "audit_event_2026_04" not in _partitions()
    assert _partitions() >= {"audit_event_2026_03", "audit_event_2026_05", f"audit_event_{now():%Y_%m}"}
    assert look(only=1).is_intact
    assert look(only=2).is_intact
    assert partitions.prepare() == 0
    with transaction.atomic(), log_may_change():
        execute("DELETE FROM audit_event WHERE at < '2026-06-01'")
    retention.drop_empty_partitions()


@pytest.mark.claim("audit.retention")
@on_postgresql
def test_calls_do_not_wait_while_somebody_who_reads_the_log_keeps_a_partition_from_being_dropped() -> None:
    execute("SELECT audit_prepare_partitions('2026-03-01', 1)")
    reading = connection.copy()
    dropped: list[int] = []

    def drop() -> None:
        try:
            dropped.append(retention.drop_empty_partitions())
        finally:
            connection.close()

    dropping = threading.Thread(target=drop)
    try:
        with reading.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT count(*) FROM audit_event")
            dropping.start()
            while dropping.is_alive() and not execute(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'audit_event'::regclass"
            ):
                pass
            # The reader is still at it when this is written; who waited for him would fail here.
            execute("SET lock_timeout = '20s'")
            try:
                write(1, at=now())
            finally:
                execute("SET lock_timeout = DEFAULT")
            dropping.join(10)
            cursor.execute("ROLLBACK")
    finally:
        reading.close()
    assert dropped == [0]
    assert retention.drop_empty_partitions() == 1


def _partitions() -> set[str]:
    return {row[0] for row in execute("SELECT inhrelid::regclass::text FROM pg_inherits"
                                      " WHERE inhparent = 'audit_event'::regclass")}  # fmt: skip


@pytest.mark.claim("audit.retention")
@on_postgresql
def test_the_documented_role_can_drop_what_is_signed_and_nothing_else() -> None:
    role = f"gateway_drop_{os.getpid()}"
    if not execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0][0]:
        pytest.skip("only a superuser can try another role here")
    months(3, 5)
    tenant(1, "acme", MAY)
    with transaction.atomic():
        for statement in documented_statements(role):
            execute(statement)
    try:
        execute(f"SET ROLE {role}")
        assert retention.retain().events == 5
        assert look().is_intact
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            execute("DELETE FROM audit_event WHERE project_ref = 2")
    finally:
        execute("RESET ROLE")
        execute(f"DROP OWNED BY {role}")
        execute(f"DROP ROLE {role}")


@pytest.mark.claim("audit.retention")
def test_months_are_counted_across_years() -> None:
    at_last = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    assert retention.boundary_of(1, at_last) == datetime(2025, 12, 1, tzinfo=UTC)
    assert retention.boundary_of(12, at_last) == datetime(2025, 1, 1, tzinfo=UTC)
    assert retention.boundary_of(0, datetime(2026, 12, 1, tzinfo=UTC)) == datetime(2026, 12, 1, tzinfo=UTC)
    make_log(batches=1)
    assert retention.plan(tenant(1, "acme", None)) is None
