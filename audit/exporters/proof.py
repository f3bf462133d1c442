"""The export that proves itself (audit.export_format), read from the database in one state of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection

from audit import logs, rows, signing
from audit.canonical import canonical_record
from audit.checkpoint import Statement
from audit.entry import now
from audit.export_format import CHECKPOINTS, EVENTS, About, Beginning, Tally, event_line, finish
from audit.export_output import Folder, Output
from audit.filters import Filters
from audit.retained_logs import retention_end
from audit.snapshot import one_state

_AT_ONE_TIME = 2_000
NOTHING = Filters()


def export(
    folder: Path, *, project_ref: int, project: str, first: int = 1, last: int | None = None,
    filters: Filters = NOTHING,
) -> dict[str, Any]:  # fmt: skip
    """Writes the events from `first` to `last` (seals' numbers) that `filters` choose; gives the manifest.

    What completes the batches at both ends, and what the filters leave out, is there as leaves only. Raises
    signing.NoKey, canonical.NotCanonical, FileExistsError and django.db.Error.
    """
    folder.mkdir(parents=True, mode=0o700)
    output = Folder(folder)
    with one_state():
        first = max(first, retention_end(project_ref) + 1)
        about = About(project_ref, project, rows.stamp(now()), filters.to_json() if filters else None)
        start, end = bounds(project_ref, first, last)
        tally = Tally(start.size, start.chain)
        with output.file(EVENTS) as file:
            for line in lines(tally, project_ref, start.size, end, (first, end if last is None else last), filters):
                file.write(line)
        return complete(output, about, start, tally, first, last)


def bounds(project_ref: int, first: int, last: int | None) -> tuple[Beginning, int]:
    """Where the lines over `first` to `last` begin, and the number of the last of them."""
    before = logs.checkpoint_before(project_ref, first)
    start = Beginning(before.size, before.chain, before.signature) if before is not None else Beginning()
    over = logs.checkpoint_over(project_ref, last) if last is not None else logs.latest_checkpoint(project_ref)
    return start, max(start.size, over.size if over is not None else 0)


def lines(
    tally: Tally, project_ref: int, after: int, upto: int, shown: tuple[int, int], filters: Filters
) -> Iterator[bytes]:
    """Those of the numbers after `after` to `upto`; `tally` counts them. What is not in `shown` is left out."""
    first, last = shown
    for seq, leaf, row in sealed(project_ref, after, upto, filters):
        event = None
        if row is not None and first <= seq <= last:
            event = canonical_record(*rows.record_of(row))
        tally.add(leaf, event is not None)
        yield event_line(tally.seq, leaf, event)


def complete(
    output: Output, about: About, start: Beginning, tally: Tally, first: int, last: int | None
) -> dict[str, Any]:
    """Writes the other files of an export whose lines are written; gives the manifest."""
    with output.file(CHECKPOINTS) as file:
        for each in _covering(about.project_ref, first, last):
            file.write(each.to_line() + b"\n")
    return sign(output, about.of_proof(start, tally))


def sign(output: Output, about: dict[str, Any]) -> dict[str, Any]:
    key_id = logs.signing_key()
    return finish(
        output, about, keys=signing.public_keys(), changes=logs.key_changes(), key_id=key_id,
        key=signing.private_key(key_id),
    )  # fmt: skip


def _covering(project_ref: int, first: int, last: int | None) -> Iterator[Statement]:
    if last is not None and first > last:
        return iter(())
    return logs.checkpoints_of(project_ref, first, last)


def sealed(
    project_ref: int, after: int, last: int, filters: Filters = NOTHING
) -> Iterator[tuple[int, bytes, list[Any] | None]]:
    """Each seal's number, leaf and event; None for one that the filters leave out.

    Also None where the event is gone, which the manifest's count shows.
    """
    condition, values = filters.conditions(project_ref, "event")
    while after < last:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT seal.seq, seal.leaf, event.ord, {rows.columns('event')} FROM audit_seal AS seal"  # noqa: S608  our own columns
                " LEFT JOIN audit_event AS event ON event.id = seal.event_id AND event.ord = seal.event_ord"
                f" AND {condition}"
                " WHERE seal.project_ref = %s AND seal.seq > %s AND seal.seq <= %s ORDER BY seal.seq LIMIT %s",
                [*values, project_ref, after, last, _AT_ONE_TIME],
            )
            found = cursor.fetchall()
        if not found:
            return
        for seq, leaf, number, *row in found:
            yield seq, bytes(leaf), row if number is not None else None
        after = found[-1][0]
