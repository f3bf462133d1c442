"""The logs of the database: one for each project, and 0 for what belongs to none; their heads and checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from audit import signing
from audit.chain import START
from audit.checkpoint import Statement
from audit.models import Checkpoint, Seal, SealerState
from audit.rows import stamp


@dataclass(slots=True)
class Head:
    """Where a log ends: the last seal's number and chain, and the last checkpoint."""

    seq: int
    chain: bytes
    checkpoint: Statement | None


def head_of(project_ref: int) -> Head:
    seal = Seal.objects.filter(project_ref=project_ref).order_by("-seq").values_list("seq", "chain").first()
    seq, chain = (seal[0], bytes(seal[1])) if seal else (0, START)
    return Head(seq, chain, latest_checkpoint(project_ref))


def latest_checkpoint(project_ref: int) -> Statement | None:
    row = Checkpoint.objects.filter(project_ref=project_ref).order_by("-id").first()
    return statement_of(row) if row else None


def statement_of(row: Checkpoint) -> Statement:
    return Statement(
        project_ref=row.project_ref, size=row.size, root=bytes(row.root), chain=bytes(row.chain), at=stamp(row.at),
        previous=bytes(row.previous), key_id=row.key_id, next_key=bytes(row.next_key), signature=bytes(row.signature),
        next_signature=bytes(row.next_signature),
    )  # fmt: skip


def checkpoints_of(project_ref: int, first: int = 1, last: int | None = None) -> Iterator[Statement]:
    """In their order, from the one over event `first` to the first one over event `last`, or to the newest."""
    rows = Checkpoint.objects.filter(project_ref=project_ref, size__gte=first if first > 1 else 0).order_by("id")
    for each in map(statement_of, rows.iterator(chunk_size=2_000)):
        yield each
        if last is not None and each.size >= last:
            return


def checkpoint_before(project_ref: int, first: int) -> Statement | None:
    """The last one that does not reach event `first`; none before the first event."""
    if first <= 1:
        return None
    row = Checkpoint.objects.filter(project_ref=project_ref, size__lt=first).order_by("-id").first()
    return statement_of(row) if row else None


def checkpoint_over(project_ref: int, last: int) -> Statement | None:
    """The first one that reaches event `last`, or else the newest."""
    row = Checkpoint.objects.filter(project_ref=project_ref, size__gte=last).order_by("id").first()
    return statement_of(row) if row else latest_checkpoint(project_ref)


def dropped_of(project_ref: int) -> int:
    """The last checkpoint before the first event that is left: what comes before it was dropped, rightly or not."""
    first = Seal.objects.filter(project_ref=project_ref).order_by("seq").values_list("seq", flat=True).first()
    if first is None or first <= 1:
        return 0
    sizes = Checkpoint.objects.filter(project_ref=project_ref, size__lt=first).order_by("-size")
    return sizes.values_list("size", flat=True).first() or 0


def key_changes() -> list[Statement]:
    """Where the log of the system says which key follows; every other log does so at the same time."""
    return list(map(statement_of, Checkpoint.objects.filter(project_ref=0).exclude(next_key=b"").order_by("id")))


def signing_key() -> str:
    """The id of the key that signs now."""
    state = SealerState.objects.filter(pk=1).first()
    return state.signing_key if state and state.signing_key else signing.first_key()


def refs(*tables: str) -> list[int]:
    """The project numbers in these of our tables, read along their indexes."""
    return sorted({ref for table in tables for ref in _refs(table)})


def _refs(table: str) -> Iterator[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE logs(ref) AS (SELECT min(project_ref) FROM {table} UNION ALL"  # noqa: S608  a table of ours
            f" SELECT (SELECT min(project_ref) FROM {table} WHERE project_ref > logs.ref) FROM logs"
            " WHERE logs.ref IS NOT NULL) SELECT ref FROM logs WHERE ref IS NOT NULL"
        )
        yield from (row[0] for row in cursor.fetchall())


def append(statements: list[Statement]) -> None:
    """Stores checkpoints in the current transaction."""
    names = ("project_ref", "size", "root", "chain", "at", "previous", "key_id", "next_key", "signature",
             "next_signature")  # fmt: skip
    rows: list[list[Any]] = []
    for each in statements:
        at = datetime.fromisoformat(each.at)
        stored = at if connection.vendor == "postgresql" else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        rows.append([stored if name == "at" else getattr(each, name) for name in names])
    with connection.cursor() as cursor:
        places = ", ".join(["%s"] * len(names))
        cursor.executemany(f"INSERT INTO audit_checkpoint ({', '.join(names)}) VALUES ({places})", rows)  # noqa: S608  names of our own columns
