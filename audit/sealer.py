"""Gives each event its place in its project's chain and signs what that comes to. Any number may run at one time.

On PostgreSQL an event is sealed only when every transaction that began before its own has ended: numbers are given
out before commits, so that a cursor by number would pass over what is committed late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import structlog
from django.db import connection, transaction

from audit import logs, rows, signing
from audit.canonical import NotCanonical
from audit.chain import leaf_of, link, root_of
from audit.checkpoint import Statement
from audit.entry import now
from audit.models import SealerState
from audit.recorder import record
from audit.sealed import walk_along_indexes
from gateway_site.lib.secrets import key_id_of

logger = structlog.get_logger("audit.sealer")

BATCH = 5_000
# A log in which nothing happens says so as often.
IDLE = timedelta(hours=1)
_TURN_SECONDS = 20.0
_LOOK_FOR_IDLE_SECONDS = 60.0
_LOCK = (7301, 1)
_LAST = 2**63 - 1
# What is sealed in the place of an event that cannot be read; no event has this leaf.
_UNREADABLE = leaf_of(b"")


@dataclass(slots=True)
class _Pending:
    """An event on its way to its seal."""

    ord: int
    event_id: str
    project_ref: int
    leaf: bytes


class Sealer:
    """What one process remembers between its turns."""

    def __init__(self) -> None:
        self._idle_looked_at = float("-inf")

    def take_turn(self) -> int:
        """Seals until nothing is left that can be sealed. How many events. Raises NoKey and django.db.Error."""
        until, sealed = time.monotonic() + _TURN_SECONDS, 0
        while time.monotonic() < until and (count := seal_batch()):
            sealed += count
        if time.monotonic() - self._idle_looked_at >= _LOOK_FOR_IDLE_SECONDS:
            self._idle_looked_at = time.monotonic()
            sign_idle_logs()
        return sealed


def seal_batch(limit: int = BATCH) -> int:
    """Looks at up to `limit` events in one transaction and gives how many it sealed. 0 also when another is at it."""
    if connection.vendor == "postgresql":
        with _turn() as is_ours:
            return _write(*_read_on_postgresql(limit)) if is_ours else 0
    with _one_thread:
        state = _state()
        read = _read_on_sqlite(state.ord, limit)
        # What takes long is done; whoever writes to the database had not to wait for it.
        with transaction.atomic():
            return _write(*read) if _state().ord == state.ord else 0


def sign_idle_logs() -> int:
    """A checkpoint for each log that has none of late. How many."""
    with _turn() as is_ours:
        if not is_ours:
            return 0
        heads = {ref: logs.head_of(ref) for ref in logs.refs("audit_checkpoint")}
        before = rows.stamp(now() - IDLE)
        idle = {ref: head for ref, head in heads.items() if head.checkpoint and head.checkpoint.at < before}
        return _sign(idle, {})


def change_key(new: str) -> int:
    """From now on `new` signs; each log says so, signed by both keys. How many did. Raises NoKey."""
    following = signing.private_key(new)
    with _turn(waits=True):
        before = logs.signing_key()
        heads = {ref: logs.head_of(ref) for ref in {0, *logs.refs("audit_checkpoint")}}
        signed = _sign(heads, {}, following.public_key().public_bytes_raw())
        record("audit.key_changed", subject=new, detail={"before": before})
        _store_state(signing_key=new)
        return signed


_one_thread = threading.Lock()


@contextmanager
def _turn(*, waits: bool = False) -> Iterator[bool]:
    """A transaction in which this is the only sealer; False when another is at it."""
    with transaction.atomic():
        if connection.vendor != "postgresql":
            yield True
            return
        with connection.cursor() as cursor:
            how = "pg_advisory_xact_lock" if waits else "pg_try_advisory_xact_lock"
            cursor.execute(f"SELECT {how}(%s, %s)", _LOCK)
            row = cursor.fetchone()
        yield waits or bool(row and row[0])


# The last event's transaction and number; None when nothing is new.
_Reached = tuple[int, int] | None


def _read_on_postgresql(limit: int) -> tuple[list[_Pending], _Reached]:
    """Events without seal, in the order of their transactions, and how far that is."""
    state = _state()
    with connection.cursor() as cursor:
        walk_along_indexes(cursor)
        cursor.execute(
            "SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint"
            " FROM pg_current_snapshot() AS now"
        )
        ended, known = cursor.fetchone()
        if state.txid < known:
            cursor.execute(
                _select("event.txid < %s::text::xid8 AND (event.txid, event.ord) > (%s::text::xid8, %s)"
                        " ORDER BY event.txid, event.ord"),
                [str(ended), str(state.txid), state.ord, limit],
            )  # fmt: skip
            found = cursor.fetchall()
            return _pending(found), found[-1][:2] if found else None
        # A database that was restored elsewhere brings numbers of transactions that are not yet to come there.
        cursor.execute(
            _select("(event.txid < %s::text::xid8 OR event.txid >= %s::text::xid8) AND NOT EXISTS"
                    " (SELECT 1 FROM audit_seal WHERE event_id = event.id)"
                    " ORDER BY event.ord"),
            [str(ended), str(known), limit],
        )  # fmt: skip
        found = cursor.fetchall()
        return _pending(found), None if len(found) == limit else (ended - 1, _LAST)


def _read_on_sqlite(after: int, limit: int) -> tuple[list[_Pending], _Reached]:
    """There is one writer, so that events are committed in the order of their numbers."""
    with connection.cursor() as cursor:
        cursor.execute(_select("event.ord > %s ORDER BY event.ord"), [after, limit])
        found = cursor.fetchall()
    return _pending(found), found[-1][:2] if found else None


def _select(where: str) -> str:
    txid = "event.txid::text::bigint" if connection.vendor == "postgresql" else "0"
    return f"SELECT {txid}, event.ord, {rows.columns('event')} FROM audit_event AS event WHERE {where} LIMIT %s"  # noqa: S608  our own columns


def _pending(found: list[tuple[Any, ...]]) -> list[_Pending]:
    # An event with the id of another that has its seal is no event of ours.
    known = _have_seals([rows.id_of(row) for _, _, *row in found])
    pending = []
    for _, number, *row in found:
        event_id = rows.id_of(row)
        if event_id in known:
            continue
        try:
            leaf = rows.leaf_of_row(row)
        except NotCanonical as error:
            logger.error("an event cannot be read and is sealed as unreadable", ord=number, error=str(error))
            leaf = _UNREADABLE
        pending.append(_Pending(number, event_id, rows.project_of(row), leaf))
    return pending


def _have_seals(ids: list[str]) -> set[str]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT event_id::text FROM audit_seal WHERE event_id = ANY(%s::uuid[])", [ids])
        else:
            cursor.execute(
                "SELECT event_id FROM audit_seal WHERE event_id IN (SELECT value FROM json_each(%s))",
                [orjson.dumps(ids).decode()],
            )
        return {row[0] for row in cursor.fetchall()}


def _write(pending: list[_Pending], reached: _Reached) -> int:
    heads: dict[int, logs.Head] = {}
    leaves: dict[int, list[bytes]] = {}
    seals: dict[str, tuple[int, int, str, int, bytes, bytes]] = {}
    for event in pending:
        ref = event.project_ref
        if event.event_id in seals:
            continue
        head = heads[ref] if ref in heads else heads.setdefault(ref, logs.head_of(ref))
        head.seq += 1
        head.chain = link(head.chain, head.seq, event.leaf)
        leaves.setdefault(ref, []).append(event.leaf)
        seals[event.event_id] = (ref, head.seq, event.event_id, event.ord, event.leaf, head.chain)
    if seals:
        _insert(list(seals.values()))
        _sign(heads, leaves)
    if reached is not None:
        _store_state(txid=reached[0], ord=reached[1])
    return len(seals)


def _sign(heads: dict[int, logs.Head], leaves: dict[int, list[bytes]], next_key: bytes = b"") -> int:
    if not heads:
        return 0
    key_id = logs.signing_key()
    key = signing.private_key(key_id)
    following = signing.private_key(key_id_of(next_key)) if next_key else None
    at = rows.stamp(now())
    statements = [
        Statement(
            project_ref=ref, size=head.seq, root=root_of(leaves.get(ref, [])), chain=head.chain, at=at,
            previous=head.checkpoint.signature if head.checkpoint else b"", key_id=key_id, next_key=next_key,
        ).sign(key, following)
        for ref, head in sorted(heads.items())
    ]  # fmt: skip
    logs.append(statements)
    return len(statements)


_SEAL = ("project_ref", "seq", "event_id", "event_ord", "leaf", "chain")


def _insert(seals: list[tuple[int, int, str, int, bytes, bytes]]) -> None:
    names = ", ".join(_SEAL)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY audit_seal ({names}) FROM STDIN") as copy:
                for seal in seals:
                    copy.write_row(seal)
        else:
            cursor.executemany(f"INSERT INTO audit_seal ({names}) VALUES (%s, %s, %s, %s, %s, %s)", seals)  # noqa: S608  names of our own columns


def _state() -> SealerState:
    return SealerState.objects.filter(pk=1).first() or SealerState()


def _store_state(**changes: Any) -> None:
    SealerState.objects.update_or_create(pk=1, defaults=changes)

