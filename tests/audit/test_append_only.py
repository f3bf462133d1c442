"""The database refuses changes of the log; each month has its partition, and no event is lost on the way there."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, connection, transaction

from audit import append_only, partitions, signing, storage
from audit.entry import now
from audit.models import Event
from audit.verify import verify
from tests.audit.sealing import EARLIER, entry, execute, make_log, seal_all
from tests.databases import own_database, unchecked

ROOT = Path(__file__).resolve().parents[2]
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no partitions and no roles")


@pytest.mark.claim("audit.database-refuses")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", append_only.TABLES)
@pytest.mark.parametrize("act", ["UPDATE {} SET project_ref = 9", "DELETE FROM {}", "TRUNCATE {}"])
def test_no_line_is_changed_or_deleted(table: str, act: str) -> None:
    make_log(batches=1, size=3)
    values = "'0190b7a0-0000-7000-8000-000000000000', 1, 1, 1, '2026-01-01', '{}'"
    execute(f"INSERT INTO audit_retention (id, project_ref, first, last, before, statement) VALUES ({values})")
    if act.startswith("TRUNCATE") and connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    before = execute(f"SELECT count(*), min(project_ref) FROM {table}")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        execute(act.format(table))
    assert execute(f"SELECT count(*), min(project_ref) FROM {table}") == before


@pytest.mark.claim("audit.database-refuses")
@pytest.mark.django_db(transaction=True)
@on_postgresql
def test_partitions_are_no_way_round() -> None:
    storage.insert([entry(at=now()), entry(at=EARLIER)])
    names = [row[0] for row in execute("SELECT inhrelid::regclass::text FROM pg_inherits"
                                       " WHERE inhparent = 'audit_event'::regclass")]  # fmt: skip
    assert len(names) >= 5
    for name in names:
        for act in ("TRUNCATE {}", "DELETE FROM {}", "UPDATE {} SET subject = 'x'"):
            empty = execute(f"SELECT count(*) FROM {name}")[0][0] == 0
            if empty and not act.startswith("TRUNCATE"):
                continue
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                execute(act.format(name))


@pytest.mark.claim("audit.database-refuses")
@pytest.mark.django_db
def test_triggers_that_are_gone_come_back_with_the_next_migration() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP TRIGGER audit_no_change ON audit_event")
        else:
            cursor.execute("DROP TRIGGER audit_event_no_delete")
    append_only.install()
    storage.insert([entry()])
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        execute("DELETE FROM audit_event")


@pytest.mark.claim("audit.partitions")
@pytest.mark.django_db(transaction=True)
@on_postgresql
def test_months_have_their_partitions_ahead_of_time_and_the_rest_has_one_too() -> None:
    assert partitions.prepare() == 0
    storage.insert([entry(at=now()), entry(at=EARLIER), entry(at=datetime(2098, 1, 1, tzinfo=UTC))])
    places = dict(execute("SELECT at::date::text, tableoid::regclass::text FROM audit_event"))
    assert places[now().date().isoformat()] == f"audit_event_{now():%Y_%m}"
    assert places["2026-03-04"] == places["2098-01-01"] == "audit_event_rest"
    for months in range(4):
        month = (now().replace(day=1) + timedelta(days=31 * months)).strftime("%Y_%m")
        assert execute("SELECT to_regclass(%s) IS NOT NULL", [f"audit_event_{month}"]) == [(True,)]
    # A month whose events are in the rest already keeps them there.
    assert execute("SELECT audit_prepare_partitions('2098-01-05', 2)") == [(1,)]
    assert execute("SELECT to_regclass('audit_event_2098_01'), to_regclass('audit_event_2098_02') IS NOT NULL") == [
        (None, True)
    ]
    storage.insert([entry(at=datetime(2098, 2, 1, tzinfo=UTC))])
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        execute("TRUNCATE audit_event_2098_02")
    seal_all()
    assert verify(signing.public_keys(), patience=0.0).is_intact
    with transaction.atomic():
        execute("ALTER TABLE audit_event DETACH PARTITION audit_event_2098_02")
        execute("DROP TABLE audit_event_2098_02")


LINES = "SELECT ord, id, at, subject, detail, txid::text FROM audit_event ORDER BY ord"


@pytest.mark.claim("audit.partitions")
def test_a_log_that_was_there_before_is_taken_over_line_by_line(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "GATEWAY_HOME": str(tmp_path), "GATEWAY_LOG_LEVEL": "ERROR"}

    def manage(*arguments: str) -> str:
        done = subprocess.run(
            unchecked(*arguments), env=environment, cwd=ROOT, capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    with own_database(migrated=False) as url:
        environment["DATABASE_URL"] = url
        manage("migrate", "audit", "0002", "-v", "0")
        with psycopg.connect(url, autocommit=True) as own:
            own.execute(
                "INSERT INTO audit_event (id, at, kind, project, actor_kind, actor_id, actor, request_id, trace_id,"
                " session, server, method, subject, decision, reason, params_digest, result_digest, detail)"
                " SELECT gen_random_uuid(), now() - number * interval '5 days', 'old', '', '', '', '', '', '', '', '',"
                " '', number::text, '', '', '', '', '{\"a\": 1}' FROM generate_series(1, 60) AS number"
            )
            before = own.execute(LINES).fetchall()
        manage("migrate", "-v", "0")
        with psycopg.connect(url, autocommit=True) as own:
            assert own.execute(LINES).fetchall() == before
            months = own.execute("SELECT count(DISTINCT tableoid) FROM audit_event").fetchone()
            assert months is not None
            assert months[0] >= 10
            rest = own.execute("SELECT count(*) FROM audit_event_rest").fetchone()
            assert rest == (0,)
            following = own.execute("INSERT INTO audit_event (id, at, kind, project, actor_kind, actor_id, actor,"
                                    " request_id, trace_id, session, server, method, subject, decision, reason,"
                                    " params_digest, result_digest, payload_digest, detail) SELECT id, now(), kind,"
                                    " project, actor_kind, actor_id, actor, request_id, trace_id, session, server,"
                                    " method, subject, decision, reason, params_digest, result_digest, payload_digest,"
                                    " detail FROM audit_event LIMIT 1 RETURNING ord").fetchone()  # fmt: skip
            assert following == (before[-1][0] + 1,)
            indexes = own.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'audit_event'").fetchall()
            assert {"event_project_page", "event_once", "event_transaction"} <= {row[0] for row in indexes}
        assert "No changes detected" in manage("makemigrations", "audit", "--check", "--dry-run")


def documented_statements(role: str) -> list[str]:
    """The SQL that docs/audit.md gives for a role of the application's own."""
    text = (ROOT / "docs" / "audit.md").read_text()
    block = text.split("```sql\n", 1)[1].split("```", 1)[0]
    lines = (line for line in block.splitlines() if not line.startswith("--"))
    return [each.strip() for each in "\n".join(lines).replace("gateway_app", role).split(";") if each.strip()]


@pytest.mark.claim("audit.database-refuses")
@pytest.mark.django_db(transaction=True)
@on_postgresql
def test_the_documented_role_can_do_its_work_and_cannot_change_the_log() -> None:
    role = f"gateway_app_{os.getpid()}"
    if not execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0][0]:
        pytest.skip("only a superuser can try another role here")
    with transaction.atomic():
        for statement in documented_statements(role):
            execute(statement)
    try:
        assert [each.id for each in run_checks(databases=["default"], tags=["database"])] == ["audit.W001"]
        execute(f"SET ROLE {role}")
        make_log(batches=1)
        assert partitions.prepare() == 0
        assert Event.objects.count() == 15
        assert [each.id for each in run_checks(databases=["default"], tags=["database"])] == []
        for act in ("UPDATE audit_event SET subject = 'x'", "DELETE FROM audit_seal", "TRUNCATE audit_checkpoint",
                    "ALTER TABLE audit_event DISABLE TRIGGER USER", "DROP TABLE audit_event_rest"):  # fmt: skip
            with pytest.raises(DatabaseError, match=r"permission denied|must be owner"), transaction.atomic():
                execute(act)
    finally:
        execute("RESET ROLE")
        execute(f"DROP OWNED BY {role}")
        execute(f"DROP ROLE {role}")

