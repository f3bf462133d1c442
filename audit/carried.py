"""An entry that brings its payload along, so that both are committed together or neither is."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeGuard

from django.db import connection

from audit.entry import Entry


class SealedPayload(NamedTuple):
    """The columns of audit.models.Payload."""

    id: uuid.UUID
    project_ref: int
    subject_key: int
    event_id: uuid.UUID
    at: datetime
    level: str
    size: int
    nonce: bytes
    ciphertext: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.nonce, self.ciphertext)


class Carrying(Entry):
    """Made by carrying()."""

    payload: SealedPayload

    def _replace(self, **fields: Any) -> Carrying:
        replaced = Carrying(*Entry(*self)._replace(**fields))
        replaced.payload = self.payload
        return replaced


def carrying(entry: Entry, payload: SealedPayload) -> Carrying:
    """The entry, naming its payload by its id and digest."""
    made = Carrying(*entry._replace(payload_ref=payload.id, payload_digest=payload.digest))
    made.payload = payload
    return made


def bytes_of_payload(entry: Entry) -> int:
    return len(entry.payload.ciphertext) if brings_payload(entry) else 0


def without_payload(entry: Entry, why: str, **more: Any) -> Entry:
    """The entry, saying why it has none."""
    detail = {**(entry.detail or {}), "payload": {"omitted": why, **more}}
    return Entry(*entry)._replace(payload_ref=None, payload_digest="", detail=detail)


def brings_payload(entry: Entry) -> TypeGuard[Carrying]:
    return isinstance(entry, Carrying)


def digest_of(nonce: bytes, ciphertext: bytes) -> str:
    """Of a payload as it is stored; events hold it."""
    return hashlib.sha256(nonce + ciphertext).hexdigest()


def insert_payloads(cursor: Any, batch: Sequence[Entry]) -> None:
    """Those that the entries bring along, in the transaction of their events. Raises django.db.Error."""
    rows = [_row(entry.payload) for entry in batch if brings_payload(entry)]
    if rows:
        cursor.executemany(_STATEMENT, rows)


_STATEMENT = (
    f"INSERT INTO audit_payload ({', '.join(SealedPayload._fields)})"  # noqa: S608  names of our own columns
    f" VALUES ({', '.join(['%s'] * len(SealedPayload._fields))})"
)


def _row(payload: SealedPayload) -> Sequence[Any]:
    if connection.vendor == "postgresql":
        return payload
    at = payload.at.strftime("%Y-%m-%d %H:%M:%S.%f")
    return payload._replace(id=payload.id.hex, event_id=payload.event_id.hex, at=at)  # type: ignore[arg-type]  # SQLite's
