"""How a batch of entries becomes rows: one statement and one commit, on PostgreSQL and on SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
from django.db import connection, models, transaction

from audit.entry import Entry
from audit.models import Event

_COLUMNS = Entry._fields
_DETAIL = _COLUMNS.index("detail")
_BOUNDED = [
    (index, field.max_length)
    for index, name in enumerate(_COLUMNS)
    if isinstance(field := Event._meta.get_field(name), models.CharField) and field.max_length
]


def insert(batch: Sequence[Entry]) -> None:
    """Inserts in the current transaction. Raises django.db.Error when the store cannot take them."""
    rows = [_row(entry) for entry in batch]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_postgresql_statement(), [list(column) for column in zip(*rows, strict=True)])
        else:
            cursor.executemany(_sqlite_statement(), [_sqlite_row(row) for row in rows])


def commit(batch: Sequence[Entry]) -> None:
    """Inserts and commits; durable when it returns."""
    with transaction.atomic(durable=True):
        insert(batch)


def make_commits_durable() -> None:
    """Embedded topology only: this connection syncs the log at each commit (SQLite's default here does not)."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")


def _row(entry: Entry) -> list[Any]:
    row: list[Any] = list(entry)
    row[_DETAIL] = _json(entry.detail or {})
    for index, limit in _BOUNDED:
        row[index] = _storable(row[index])[:limit]
    return row


def _json(detail: Any) -> str:
    try:
        text = orjson.dumps(detail, default=str).decode()
    except TypeError:  # a lone surrogate, or a name that is no text
        text = "\\u0000"
    return orjson.dumps(_clean(detail), default=str).decode() if "\\u0000" in text else text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, dict):
        return {_storable(str(name)): _clean(item) for name, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value


def _storable(text: str) -> str:
    """PostgreSQL takes no NUL and no lone surrogate, and one text of a caller must not stop the whole batch."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _sqlite_row(row: list[Any]) -> list[Any]:
    row[0] = row[0].hex
    row[1] = row[1].strftime("%Y-%m-%d %H:%M:%S.%f")
    for name in ("call_id", "payload_ref"):
        index = _COLUMNS.index(name)
        row[index] = row[index].hex if row[index] else None
    return row


_POSTGRESQL_TYPES = {
    "UUIDField": "uuid",
    "DateTimeField": "timestamptz",
    "CharField": "text",
    "BigIntegerField": "bigint",
    "SmallIntegerField": "smallint",
    "IntegerField": "integer",
    "JSONField": "text",
}


@lru_cache
def _postgresql_statement() -> str:
    types = [_POSTGRESQL_TYPES[Event._meta.get_field(name).get_internal_type()] for name in _COLUMNS]
    arrays = ", ".join(f"%s::{kind}[]" for kind in types)
    selected = ", ".join(f"{name}::jsonb" if name == "detail" else name for name in _COLUMNS)
    names = ", ".join(_COLUMNS)
    return f"INSERT INTO audit_event ({names}) SELECT {selected} FROM unnest({arrays}) AS new ({names})"  # noqa: S608  names of our own columns


@lru_cache
def _sqlite_statement() -> str:
    names = ", ".join(_COLUMNS)
    places = ", ".join(["%s"] * len(_COLUMNS))
    return f"INSERT INTO audit_event ({names}) VALUES ({places})"  # noqa: S608  names of our own columns
