"""The export that proves itself (audit.export_format), read from the database in one state of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.db import connection

from audit import logs, rows, signing
from audit.canonical import canonical_record
from audit.checkpoint import Statement
from audit.entry import now
from audit.export_format import Beginning, ExportWriter
from audit.retained_logs import retention_end
from audit.snapshot import one_state

_AT_ONE_TIME = 2_000
Keep = Callable[[dict[str, Any]], bool]


def export(
    folder: Path, *, project_ref: int, project: str, first: int = 1, last: int | None = None, keep: Keep | None = None,
    chosen: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Writes the events from `first` to `last` (seals' numbers) for which `keep` is true; gives the manifest.

    What completes the batches at both ends, and what `keep` leaves out, is there as leaves only. `keep` is given the
    event as it is sealed, without its detail; `chosen` says in the manifest what it does. Raises signing.NoKey,
    canonical.NotCanonical, FileExistsError and django.db.Error.
    """
    folder.mkdir(parents=True)
    with one_state():
        first = max(first, retention_end(project_ref) + 1)
        checkpoints = list(logs.checkpoints_of(project_ref))
        covering = _covering(checkpoints, first, last)
        start = _beginning(checkpoints, covering)
        writer = ExportWriter(folder, project_ref, project, start)
        end = covering[-1].size if covering else start.size
        for seq, leaf, row in _sealed(project_ref, start.size, end):
            is_wanted = row is not None and first <= seq <= (end if last is None else last)
            writer.add(leaf, _shown(row, keep) if row is not None and is_wanted else None)
        for each in covering:
            writer.add_checkpoint(each)
        key_id = logs.signing_key()
        return writer.finish(
            created_at=rows.stamp(now()), keys=signing.public_keys(), changes=logs.key_changes(), chosen=chosen,
            key_id=key_id, key=signing.private_key(key_id),
        )  # fmt: skip


def _shown(row: list[Any], keep: Keep | None) -> bytes | None:
    record, detail = rows.record_of(row)
    return canonical_record(record, detail) if keep is None or keep(record) else None


def _covering(checkpoints: list[Statement], first: int, last: int | None) -> list[Statement]:
    """From the one over the first event to the first one over the last."""
    end = checkpoints[-1].size if checkpoints and last is None else last or 0
    covering = []
    for each in checkpoints:
        if each.size >= first or (each.size == 0 and first == 1):
            covering.append(each)
        if each.size >= end and (last is not None):
            break
    return covering


def _beginning(checkpoints: list[Statement], covering: list[Statement]) -> Beginning:
    index = checkpoints.index(covering[0]) if covering else len(checkpoints)
    if index == 0:
        return Beginning()
    before = checkpoints[index - 1]
    return Beginning(before.size, before.chain, before.signature)


def _sealed(project_ref: int, after: int, last: int) -> Iterator[tuple[int, bytes, list[Any] | None]]:
    """Each seal's number, leaf and event; None where the event is gone, which the manifest's count shows."""
    while after < last:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT seal.seq, seal.leaf, event.ord, {rows.columns('event')} FROM audit_seal AS seal"  # noqa: S608  our own columns
                " LEFT JOIN audit_event AS event ON event.id = seal.event_id AND event.ord = seal.event_ord"
                " WHERE seal.project_ref = %s AND seal.seq > %s AND seal.seq <= %s ORDER BY seal.seq LIMIT %s",
                [project_ref, after, last, _AT_ONE_TIME],
            )
            found = cursor.fetchall()
        if not found:
            return
        for seq, leaf, number, *row in found:
            yield seq, bytes(leaf), row if number is not None else None
        after = found[-1][0]
