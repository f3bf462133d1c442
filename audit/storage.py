"""How a batch of entries becomes rows: one statement and one commit, on PostgreSQL and on SQLite."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import orjson
from django.db import connection, models, transaction

from audit.carried import brings_payload, insert_payloads
from audit.entry import Entry
from audit.models import Event

INTENT, OUTCOME = "mcp.call.intent", "mcp.call.outcome"
_COLUMNS = Entry._fields
_KIND = _COLUMNS.index("kind")
_DETAIL, _WRITER = _COLUMNS.index("detail"), _COLUMNS.index("writer")
_UUIDS = [_COLUMNS.index(name) for name in ("call_id", "payload_ref", "writer")]
# The largest whole number that every reader of JSON takes for what it is.
_SAFE_INTEGER = 2**53 - 1
_BOUNDED = [
    (index, field.max_length)
    for index, name in enumerate(_COLUMNS)
    if isinstance(field := Event._meta.get_field(name), models.CharField) and field.max_length
]


class Fenced(Exception):
    """The writer's row is gone: its open calls were closed by others, and it may not say how they ended."""


def insert(batch: Sequence[Entry]) -> None:
    """Inserts in the current transaction. Raises django.db.Error when the store cannot take them."""
    rows = [_row(entry) for entry in batch]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_postgresql_statement(""), [_as_json(rows)])
        else:
            cursor.executemany(_sqlite_statement(), [_sqlite_row(row) for row in rows])


def commit(batch: Sequence[Entry], writer: uuid.UUID) -> None:
    """Inserts and commits, with payloads that entries bring along; durable when it returns. Intents are marked as the
    writer's.

    Raises Fenced when the writer has no row, and django.db.Error as insert() does.
    """
    rows = [_row(entry) for entry in batch]
    for row in rows:
        if row[_KIND] == INTENT:
            row[_WRITER] = writer
    with _transaction(batch), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Its row is held until the commit, so that nobody closes its calls in between.
            cursor.execute(_postgresql_statement(_HELD), [writer, _as_json(rows)])
            is_held = cursor.rowcount == len(batch)
        else:
            cursor.execute("SELECT 1 FROM audit_writer WHERE id = %s", [writer.hex])
            is_held = cursor.fetchone() is not None
            if is_held:
                cursor.executemany(_sqlite_statement(), [_sqlite_row(row) for row in rows])
        if not is_held:
            raise Fenced
        insert_payloads(cursor, batch)


def _transaction(batch: Sequence[Entry]) -> AbstractContextManager[None]:
    """None of ours where one statement is all: on PostgreSQL it is a transaction by itself, in a third of the trips."""
    if connection.vendor == "postgresql" and not connection.in_atomic_block and not any(map(brings_payload, batch)):
        return nullcontext()
    return transaction.atomic(durable=True)


def make_commits_durable() -> None:
    """Embedded topology only: this connection syncs the log at each commit (SQLite's default here does not)."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")


def _row(entry: Entry) -> list[Any]:
    row: list[Any] = list(entry)
    row[_DETAIL] = _json(entry.detail or {})
    for index, limit in _BOUNDED:
        text = row[index]
        if text and (len(text) > limit or not text.isascii() or "\0" in text):
            row[index] = _storable(text)[:limit]
    return row


def _json(detail: Any) -> str:
    try:
        text = orjson.dumps(detail, default=str, option=orjson.OPT_STRICT_INTEGER).decode()
    except TypeError:  # a lone surrogate, a name that is no text, or a number that not every reader would take
        text = "\\u0000"
    return orjson.dumps(_clean(detail), default=str).decode() if "\\u0000" in text else text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, dict):
        return {_storable(str(name)): _clean(item) for name, item in value.items()}
    if isinstance(value, int) and abs(value) > _SAFE_INTEGER:
        return str(value)
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value


def _storable(text: str) -> str:
    """PostgreSQL takes no NUL and no lone surrogate, and one text of a caller must not stop the whole batch."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _sqlite_row(row: list[Any]) -> list[Any]:
    row[0] = row[0].hex
    row[1] = row[1].strftime("%Y-%m-%d %H:%M:%S.%f")
    for index in _UUIDS:
        row[index] = row[index].hex if row[index] else None
    return row


def _as_json(rows: list[list[Any]]) -> str:
    """One parameter for all: to write each column's array takes longer than all else that is done for a batch."""
    named = [{name: value for name, value in zip(_COLUMNS, row, strict=True) if value is not None} for row in rows]
    for row in named:
        row["detail"] = orjson.Fragment(row["detail"])
    return orjson.dumps(named).decode()


_POSTGRESQL_TYPES = {
    "UUIDField": "uuid",
    "DateTimeField": "timestamptz",
    "CharField": "text",
    "BigIntegerField": "bigint",
    "SmallIntegerField": "smallint",
    "IntegerField": "integer",
    "JSONField": "jsonb",
}


_HELD = "WITH held AS (SELECT 1 FROM audit_writer WHERE id = %s FOR KEY SHARE)"


@lru_cache
def _postgresql_statement(held: str) -> str:
    types = [f"{name} {_POSTGRESQL_TYPES[Event._meta.get_field(name).get_internal_type()]}" for name in _COLUMNS]
    names = ", ".join(_COLUMNS)
    source = f"json_to_recordset(%s::json) AS new ({', '.join(types)})" + (", held" if held else "")
    return f"{held} INSERT INTO audit_event ({names}) SELECT {names} FROM {source}"  # noqa: S608  names of our own columns


@lru_cache
def _sqlite_statement() -> str:
    names = ", ".join(_COLUMNS)
    places = ", ".join(["%s"] * len(_COLUMNS))
    return f"INSERT INTO audit_event ({names}) VALUES ({places})"  # noqa: S608  names of our own columns
