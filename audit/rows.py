"""Reads events as the records that are sealed: the same from PostgreSQL and from SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection

from audit.canonical import NotCanonical, canonical_record
from audit.chain import leaf_of
from audit.entry import Entry

# In the order in which they are written. The running number and the transaction are of this database only.
NAMES = tuple(sorted(Entry._fields))
_AT, _DETAIL, _ID, _KIND, _PROJECT = map(NAMES.index, ("at", "detail", "id", "kind", "project_ref"))
_PAYLOAD, _PAYLOAD_DIGEST = map(NAMES.index, ("payload_ref", "payload_digest"))
_UUID_NAMES = ("call_id", "id", "payload_ref", "writer")
_UUIDS = [NAMES.index(name) for name in _UUID_NAMES]


# Of a year that has another number of digits, or none, the database's own spelling is as good as any.
_MOMENT = (
    "CASE WHEN isfinite({at}) AND {at} BETWEEN '0001-01-01Z' AND '9999-12-31Z' THEN"
    " to_char({at} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') ELSE {at}::text END"
)


def columns(alias: str) -> str:
    """The columns to select, in the order of NAMES."""
    if connection.vendor == "postgresql":
        shown = {name: f"{alias}.{name}::text" for name in (*_UUID_NAMES, "detail")}
        shown["at"] = _MOMENT.format(at=f"{alias}.at")
    else:
        # A column that says that it is a time would be read as one, or fail.
        shown = {"at": f"CAST({alias}.at AS text)"}
    return ", ".join(shown.get(name, f"{alias}.{name}") for name in NAMES)


def record_of(row: Sequence[Any]) -> tuple[dict[str, Any], str]:
    """A row of columns() without what is empty, and its detail as JSON text. Raises NotCanonical."""
    if connection.vendor != "postgresql":
        row = _from_sqlite(row)
    record = {name: value for name, value in zip(NAMES, row, strict=True) if value or value == 0}
    return record, record.pop("detail", "{}")


def canonical_of(row: Sequence[Any]) -> bytes:
    """What an event's leaf is made of. Raises NotCanonical."""
    return canonical_record(*record_of(row))


def leaf_of_row(row: Sequence[Any]) -> bytes:
    """Raises NotCanonical."""
    return leaf_of(canonical_of(row))


def id_of(row: Sequence[Any]) -> Any:
    """As the database writes it: with hyphens on PostgreSQL, without on SQLite."""
    return row[_ID]


def moment_of(row: Sequence[Any]) -> str:
    """When it happened, as it is sealed. Raises NotCanonical."""
    return str(row[_AT]) if connection.vendor == "postgresql" else _moment(row[_AT])


def kind_of(row: Sequence[Any]) -> Any:
    return row[_KIND]


def detail_of(row: Sequence[Any]) -> Any:
    """As its JSON says. Raises ValueError."""
    return orjson.loads(row[_DETAIL])


def payload_of(row: Sequence[Any]) -> tuple[str, str] | None:
    """Id, in 32 digits, and digest of the payload that it names."""
    return (row[_PAYLOAD].replace("-", ""), row[_PAYLOAD_DIGEST]) if row[_PAYLOAD] else None


def project_of(row: Sequence[Any]) -> int:
    return row[_PROJECT] or 0


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _from_sqlite(row: Sequence[Any]) -> list[Any]:
    values = list(row)
    values[_AT] = _moment(values[_AT])
    try:
        for index in _UUIDS:
            if values[index] is not None:
                text = values[index]
                if len(text) != 32:
                    raise NotCanonical("not an id")
                values[index] = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        if not isinstance(values[_DETAIL], str):
            raise NotCanonical("not a text")
    except (TypeError, ValueError) as error:
        raise NotCanonical(type(error).__name__) from error
    return values


def _moment(text: Any) -> str:
    try:
        return stamp(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except (TypeError, ValueError) as error:
        raise NotCanonical("not a time") from error
