"""Parquet: one column for each of an event's, and its number first. Needs pyarrow (requirements/parquet.in)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db import models

from audit.canonical import canonical
from audit.export_forms import PARQUET, Record
from audit.export_output import Digested
from audit.models import Event
from audit.rows import NAMES

_NUMBERS = (models.BigIntegerField, models.IntegerField, models.SmallIntegerField)
_AT_ONE_TIME = 2_000


def _type_of(name: str) -> Any:
    if name == "at":
        return pa.timestamp("us", tz="UTC")
    return pa.int64() if isinstance(Event._meta.get_field(name), _NUMBERS) else pa.string()


SCHEMA = pa.schema([("seq", pa.int64()), *((name, _type_of(name)) for name in NAMES)])


class Parquet:
    """Times are UTC in microseconds, `detail` is JSON, and what is empty is null. A part is a row group."""

    name = PARQUET
    label = "Parquet"
    suffix = ".parquet"

    def write_part(self, records: Iterable[Record], file: IO[bytes]) -> None:
        with pa.ipc.new_stream(file, SCHEMA) as stream:
            rows: list[dict[str, Any]] = []
            for record, seq in records:
                rows.append(_row(record, seq))
                if len(rows) == _AT_ONE_TIME:
                    stream.write_batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
                    rows.clear()
            if rows:
                stream.write_batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))

    def join(self, parts: Iterable[Path], file: Digested) -> None:
        with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for part in parts:
                with part.open("rb") as source, pa.ipc.open_stream(source) as stream:
                    table = stream.read_all()
                if table.num_rows:
                    writer.write_table(table)


def _row(record: Any, seq: int) -> dict[str, Any]:
    row = {**record, "seq": seq, "at": datetime.fromisoformat(record["at"])}
    if "detail" in record:
        row["detail"] = canonical(record["detail"]).decode()
    for name, value in record.items():
        if name != "at" and not isinstance(value, (int, str, dict)):
            row[name] = str(value)
    return row
