"""Triggers by which the database itself refuses to change the log, whoever asks. Its owner could take them away."""

from __future__ import annotations

from typing import Any

from django.db import connections

TABLES = ("audit_event", "audit_seal", "audit_checkpoint")
_REFUSAL = "The audit log is append-only."
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'insufficient_privilege'; END $$
"""


def install(using: str = "default", **_: Any) -> None:
    """Makes the triggers that are missing, on the partitions too. Needs the tables' owner on PostgreSQL."""
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "postgresql":
            _install_on_postgresql(cursor)
        else:
            _install_on_sqlite(cursor)


def _install_on_postgresql(cursor: Any) -> None:
    # A row trigger reaches the partitions by itself, one on TRUNCATE does not.
    cursor.execute(
        "SELECT relname, relispartition, array(SELECT tgname FROM pg_trigger WHERE tgrelid = pg_class.oid)"
        " FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
        " AND (relname = ANY(%s) OR oid IN (SELECT inhrelid FROM pg_inherits"
        "      WHERE inhparent = to_regclass('audit_event'))) ORDER BY relispartition",
        [list(TABLES)],
    )
    missing = [
        (table, trigger, act)
        for table, is_partition, triggers in cursor.fetchall()
        for trigger, act in (("audit_no_change", "UPDATE OR DELETE"), ("audit_no_truncate", "TRUNCATE"))
        if trigger not in triggers and not (is_partition and act != "TRUNCATE")
    ]
    if missing:
        cursor.execute(_FUNCTION)
    for table, trigger, act in missing:
        each = "STATEMENT" if act == "TRUNCATE" else "ROW"
        cursor.execute(
            f'CREATE TRIGGER {trigger} BEFORE {act} ON "{table}" FOR EACH {each} EXECUTE FUNCTION audit_refuse_change()'
        )


def _install_on_sqlite(cursor: Any) -> None:
    cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    present = {row[0] for row in cursor.fetchall()}
    for table in present.intersection(TABLES):
        for act in ("UPDATE", "DELETE"):
            cursor.execute(
                f"CREATE TRIGGER IF NOT EXISTS {table}_no_{act.lower()} BEFORE {act} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
