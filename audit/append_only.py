"""Triggers by which the database itself refuses to change the log, whoever asks. Its owner could take them away.

What a retention covers that has its event in the log may be deleted, an event before its seal; nothing else may.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

TABLES = ("audit_event", "audit_seal", "audit_checkpoint", "audit_retention")
_REFUSAL = "The audit log is append-only."
_COVERED = (
    "SELECT 1 FROM audit_retention AS retention JOIN audit_seal AS own ON own.event_id = retention.id"
    " AND own.project_ref = retention.project_ref AND own.seq > retention.last"
)
_EVENT_MAY_GO = (
    f"EXISTS ({_COVERED} JOIN audit_seal AS seal ON seal.project_ref = retention.project_ref"
    " AND seal.seq <= retention.last WHERE seal.event_id = OLD.id AND seal.event_ord = OLD.ord)"
)
_SEAL_MAY_GO = (
    f"EXISTS ({_COVERED} WHERE retention.project_ref = OLD.project_ref AND OLD.seq <= retention.last)"  # noqa: S608  our own tables
    " AND NOT EXISTS (SELECT 1 FROM audit_event WHERE id = OLD.event_id AND ord = OLD.event_ord)"
)
_MAY_GO = {"audit_event": _EVENT_MAY_GO, "audit_seal": _SEAL_MAY_GO}
# The table is a partition's where it is not the log's own.
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit_seal' THEN
    IF {_SEAL_MAY_GO} THEN RETURN OLD; END IF;
  ELSIF TG_OP = 'DELETE' AND TG_TABLE_NAME LIKE 'audit\\_event%' THEN
    IF {_EVENT_MAY_GO} THEN RETURN OLD; END IF;
  END IF;
  RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'insufficient_privilege';
END $$
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
    # Also where an older one is there.
    cursor.execute(_FUNCTION)
    for table, trigger, act in missing:
        each = "STATEMENT" if act == "TRUNCATE" else "ROW"
        cursor.execute(
            f'CREATE TRIGGER {trigger} BEFORE {act} ON "{table}" FOR EACH {each} EXECUTE FUNCTION audit_refuse_change()'
        )


def _install_on_sqlite(cursor: Any) -> None:
    cursor.execute("SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'trigger')")
    present = {(kind, name): sql for kind, name, sql in cursor.fetchall()}
    if ("table", "audit_retention") not in present:
        # In the middle of migrations; the end of them comes here again.
        return
    for table in TABLES:
        for act in ("UPDATE", "DELETE"):
            name = f"{table}_no_{act.lower()}"
            unless = f" WHEN NOT ({_MAY_GO[table]})" if act == "DELETE" and table in _MAY_GO else ""
            refusal = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            wanted = f"CREATE TRIGGER {name} BEFORE {act} ON {table}{unless} {refusal}"
            known = present.get(("trigger", name))
            if known == wanted:
                continue
            if known is not None:
                cursor.execute(f"DROP TRIGGER {name}")
            cursor.execute(wanted)
