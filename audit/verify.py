"""Verifies the log in the database: events against seals, seals against checkpoints, checkpoints against keys."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DataError, connection

from audit import logs, retained, rows
from audit.canonical import NotCanonical
from audit.checkpoint import BadCheckpoint, Statement, endorsed, read_line
from audit.payload_check import Payloads
from audit.snapshot import one_state
from audit.walk import LATE, Beginning, Link, Report, Walk, by_project

_AT_ONE_TIME = 5_000
# An index may have to be asked for each of them.
_IN_ONE_QUESTION = 500
_LOOK_AGAIN_SECONDS = 0.25
_LAST = 2**63 - 1
_Seal = tuple[int, Any, int, bytes, bytes]
_Event = tuple[Any, ...]


class CannotTell(Exception):
    """What was given is not enough to say whether the log is intact."""


def verify(
    keys: Mapping[str, bytes], *, only: int | None = None, witnesses: Iterable[Statement] = (), patience: float = 5.0
) -> Report:
    """The whole log, or that of the project `only`.

    `keys` are trusted public keys by id, `witnesses` are checkpoints that were kept outside of the database.
    `patience` is how many seconds the sealer is given for events that it seems to have left out. Raises CannotTell
    and django.db.Error.
    """
    report, held = Report(), by_project(_trusted(witnesses, keys))
    with one_state():
        trusted = endorsed(keys, logs.key_changes())
        found = [only] if only is not None else sorted({*logs.refs("audit_seal", "audit_checkpoint"), *held})
        for ref in found:
            _walk(ref, report, trusted, held.get(ref, ()))
        left_out = _look_for_others(report, only)
    if left_out:
        _wait_for_seals(report, left_out, patience)
    return report


def _walk(ref: int, report: Report, trusted: Mapping[str, bytes], witnesses: Iterable[Statement]) -> None:
    report.logs += 1
    try:
        walk = Walk(ref, report, trusted, witnesses, Beginning(dropped=logs.dropped_of(ref)))
        walk.follow(links_of(ref, Payloads(ref, report)), logs.checkpoints_of(ref))
    except (AttributeError, DataError, TypeError, ValueError) as error:
        # Nothing of ours writes a time or a digest that cannot be read.
        report.damage("checkpoint_forged", ref, None, f"It or a seal cannot be read: {type(error).__name__}.")


def read_witnesses(path: Path) -> list[Statement]:
    """Checkpoints, one a line. Raises CannotTell."""
    try:
        lines = path.read_bytes().splitlines()
        return [read_line(line) for line in lines if line.strip()]
    except OSError as error:
        raise CannotTell(f"{path} cannot be read: {error.strerror}") from error
    except BadCheckpoint as error:
        raise CannotTell(f"{path} holds something else than checkpoints: {error}") from error


def newest_anchored() -> list[Statement]:
    """The largest of each log in the anchor file of this machine; lines that a crash cut off are left out."""
    newest: dict[int, Statement] = {}
    try:
        with settings.AUDIT_ANCHOR_FILE.open("rb") as file:
            for line in file:
                _keep_larger(newest, line)
    except OSError:
        return []
    return list(newest.values())


def _keep_larger(newest: dict[int, Statement], line: bytes) -> None:
    try:
        each = read_line(line)
    except BadCheckpoint:
        return
    known = newest.get(each.project_ref)
    if known is None or each.size >= known.size:
        newest[each.project_ref] = each


def _trusted(witnesses: Iterable[Statement], keys: Mapping[str, bytes]) -> list[Statement]:
    """A checkpoint from elsewhere is worth what its signature is worth. Raises CannotTell."""
    given = list(witnesses)
    trusted = endorsed(keys, given + logs.key_changes())
    for each in given:
        public = trusted.get(each.key_id)
        if public is None or not each.is_signed_by(public):
            raise CannotTell(f"The checkpoint of project {each.project_ref} over {each.size} events is not signed"
                             " by a key that is trusted.")  # fmt: skip
    return given


def links_of(ref: int, payloads: Payloads, last: int = _LAST) -> Iterator[Link]:
    """Each seal of the log up to `last`, compared with its event, and this with its payload."""
    after = 0
    while seals := _seals(ref, after, last):
        yield from _with_events(ref, seals, payloads)
        after = seals[-1][0]


def _seals(ref: int, after: int, last: int) -> list[_Seal]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq, event_id, event_ord, leaf, chain FROM audit_seal"
            " WHERE project_ref = %s AND seq > %s AND seq <= %s ORDER BY seq LIMIT %s",
            [ref, after, last, _AT_ONE_TIME],
        )
        return [(seq, _hex(event), number, bytes(leaf), bytes(chain)) for seq, event, number, leaf, chain in cursor]


def _hex(event_id: Any) -> str:
    return event_id if isinstance(event_id, str) else event_id.hex


def _with_events(ref: int, seals: list[_Seal], payloads: Payloads) -> list[Link]:
    events = _events(ref, seals)
    links, lost = [], []
    for seq, event_id, number, leaf, chain in seals:
        found = events.get(number)
        link = Link(seq, leaf, chain)
        if found is None:
            lost.append((link, event_id))
        else:
            _compare(link, found, event_id)
        links.append(link)
    if lost:
        _look_elsewhere(ref, lost)
    payloads.compare(links)
    return links


def _compare(link: Link, found: list[_Event], event_id: str) -> None:
    if len(found) > 1:
        link.fault = "event_duplicated"
        return
    row = found[0]
    try:
        if rows.leaf_of_row(row) != link.leaf or rows.id_of(row).replace("-", "") != event_id:
            link.fault = "event_changed"
        link.at = rows.moment_of(row)
        if rows.kind_of(row) == retained.KIND:
            link.retained = rows.id_of(row), rows.detail_of(row)
        link.payload = rows.payload_of(row)
    except NotCanonical:
        link.fault = "event_unreadable"


def _events(ref: int, seals: list[_Seal]) -> dict[int, list[_Event]]:
    """The project's events by their numbers, more or less those of the seals."""
    numbers = [seal[2] for seal in seals]
    whose = "project_ref IS NULL" if ref == 0 else "project_ref = %s"
    values = [*([] if ref == 0 else [ref]), min(numbers), max(numbers), 2 * len(seals)]
    found = _select(f"{whose} AND ord BETWEEN %s AND %s ORDER BY ord LIMIT %s", values)
    if len(found) == 2 * len(seals):
        # Far apart, or made to look so.
        found = _select_by("ord", numbers)
    events: dict[int, list[_Event]] = {}
    for number, *row in found:
        if rows.project_of(row) == ref:
            events.setdefault(number, []).append(tuple(row))
    return events


def _select(where: str, values: list[Any]) -> list[_Event]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT event.ord, {rows.columns('event')} FROM audit_event AS event WHERE {where}",  # noqa: S608  our own columns
            values,
        )
        return list(cursor.fetchall())


def _select_by(name: str, values: list[Any]) -> list[_Event]:
    found = []
    for start in range(0, len(values), _IN_ONE_QUESTION):
        part = values[start : start + _IN_ONE_QUESTION]
        found += _select(f"event.{name} IN ({', '.join(['%s'] * len(part))})", part)
    return found


def _look_elsewhere(ref: int, lost: list[tuple[Link, str]]) -> None:
    """Sealed events that are not where they belong: moved, renumbered, or gone."""
    found: dict[str, list[_Event]] = {}
    for _, *row in _select_by("id", [event_id for _, event_id in lost]):
        found.setdefault(rows.id_of(row).replace("-", ""), []).append(tuple(row))
    for link, event_id in lost:
        events = found.get(event_id)
        if not events:
            link.fault = "event_missing"
        elif rows.project_of(events[0]) != ref:
            link.fault = "event_moved"
        else:
            _compare(link, events, event_id)


def _look_for_others(report: Report, only: int | None) -> list[_Event]:
    """Events that are in no seal. Copies are damage; those that should have their seal by now are returned."""
    newest = max((each.at for ref in logs.refs("audit_checkpoint")
                  if (each := logs.latest_checkpoint(ref)) is not None), default="")  # fmt: skip
    overdue = rows.stamp(datetime.fromisoformat(newest) - LATE) if newest else ""
    left_out = []
    for number, is_copy, *row in _without_seal(only):
        ref = rows.project_of(row)
        if is_copy:
            _say_copy(report, ref, number)
        elif rows.moment_of(row) < overdue:
            left_out.append((number, *row))
        else:
            report.pending += 1
    return left_out


def _without_seal(only: int | None) -> Iterator[_Event]:
    whose = {None: "", 0: " AND project_ref IS NULL"}.get(only, " AND project_ref = %s")
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            "SELECT event.ord, EXISTS (SELECT 1 FROM audit_seal WHERE event_id = event.id),"  # noqa: S608  our own columns
            f" {rows.columns('event')} FROM audit_event AS event WHERE NOT EXISTS (SELECT 1 FROM audit_seal"
            " WHERE event_id = event.id AND event_ord = event.ord AND project_ref = coalesce(event.project_ref, 0))"
            f"{whose} ORDER BY event.ord",
            [only] if only else [],
        )
        while found := cursor.fetchmany(1_000):
            yield from found


def _say_copy(report: Report, ref: int, number: int) -> None:
    """An event that was moved is in no seal of its new project; that was said where it is missing."""
    if not any(each.kind in ("event_moved", "event_changed", "event_duplicated") for each in report.damages):
        report.damage("event_duplicated", ref, None, f"Its number is {number}.")


def _wait_for_seals(report: Report, left_out: list[_Event], patience: float) -> None:
    """What came late, since its process could not reach the database for a while, is sealed within a moment."""
    until = time.monotonic() + patience
    while (waiting := _unsealed(left_out)) and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN_SECONDS)
    for number, *row in left_out:
        if number in waiting:
            text = f"Its number is {number}, its id {rows.id_of(row)}, its time {rows.moment_of(row)}."
            report.damage("event_unsealed", rows.project_of(row), None, text)


def _unsealed(events: list[_Event]) -> Collection[int]:
    left = {rows.id_of(row).replace("-", ""): number for number, *row in events}
    ids = list(left)
    with connection.cursor() as cursor:
        for start in range(0, len(ids), _IN_ONE_QUESTION):
            part = ids[start : start + _IN_ONE_QUESTION]
            places = ", ".join(["%s"] * len(part))
            cursor.execute(f"SELECT event_id FROM audit_seal WHERE event_id IN ({places})", part)  # noqa: S608  places only
            for (event_id,) in cursor.fetchall():
                left.pop(_hex(event_id), None)
    return set(left.values())
