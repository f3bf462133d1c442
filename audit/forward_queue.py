"""What waits for a receiver, read from the seals; how it went is written down by whoever holds the lease.

Everything up to a position's `seq` was taken or is in the dead-letter list. What is on its way ends at `until`, which
is stored before it leaves: after a crash the same batch is sent again, under the same key.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from audit import exporters, logs, rows
from audit.canonical import NotCanonical
from audit.destinations import Setting
from audit.entry import now
from audit.exporters import LineFormat
from audit.forwarding import Message
from audit.models import DeadLetter, ForwardPosition, ForwardState, Seal
from audit.recorder import record

logger = structlog.get_logger("audit.forward_queue")

# Longer than any transport may take for a batch.
LEASE = timedelta(seconds=30)
BATCH = 500
BATCH_BYTES = 1024 * 1024
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 300.0
# A receiver that fails and recovers all the time is told of as seldom.
TOLD_AGAIN = timedelta(minutes=5)
_LOCK = (7301, 8)


class LeaseLost(Exception):
    """Another process sends for this forwarder now, or nobody may, or it was changed."""


@dataclass(frozen=True, slots=True)
class Name:
    """How events and metrics speak of a forwarder; `project_ref` is None for one of the settings."""

    kind: str
    name: str
    to: str
    project_ref: int | None = None
    project: str = ""

    def record(self, event: str, **detail: Any) -> None:
        record(event, project_ref=self.project_ref, project=self.project, subject=self.name,
               detail={"kind": self.kind, "to": self.to, **detail})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Batch:
    """Events from `first` to `last` of one log; `messages` is empty when they can be read by nobody: see `fault`."""

    project_ref: int
    first: int
    last: int
    messages: list[Message]
    fault: str = ""
    # Of the dead-letter list; else what comes next.
    letter: DeadLetter | None = None


# --- the lease ------------------------------------------------------------------------------------------


def claim(state_id: int) -> str | None:
    """The lease's owner, or None when another has it."""
    owner = uuid.uuid4().hex
    free = ForwardState.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now()), pk=state_id)
    return owner if free.update(lease_owner=owner, lease_until=now() + LEASE) else None


def renew(state_id: int, owner: str) -> None:
    """Raises LeaseLost."""
    if not _held(state_id, owner).update(lease_until=now() + LEASE):
        raise LeaseLost


def give_back(state_id: int, owner: str) -> None:
    _held(state_id, owner).update(lease_owner="", lease_until=None)


def take_away(state: ForwardState) -> None:
    """Whoever sends now ends after its batch, and the next begins anew, at once."""
    ForwardState.objects.filter(pk=state.pk).update(
        lease_owner="", lease_until=None, failing_since=None, failures=0, retry_at=None
    )


def _held(state_id: int, owner: str) -> QuerySet[ForwardState]:
    return ForwardState.objects.filter(pk=state_id, lease_owner=owner)


# --- where it begins ------------------------------------------------------------------------------------


def begin_setting(setting: Setting) -> ForwardState:
    """Its row. The first time, it begins where each log ends now; logs that come later it sends from their start."""
    state = ForwardState.objects.filter(setting=setting.key).first()
    if state is None:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
            state, is_new = ForwardState.objects.get_or_create(setting=setting.key)
            if is_new:
                ForwardPosition.objects.bulk_create(
                    ForwardPosition(state=state, project_ref=ref, seq=logs.head_of(ref).seq)
                    for ref in {0, *logs.refs("audit_seal")}
                )
    return state


def begin_new_logs(state: ForwardState, refs: Sequence[int]) -> None:
    """`refs` are all logs that have a seal."""
    known = set(ForwardPosition.objects.filter(state=state).values_list("project_ref", flat=True))
    missing = [ForwardPosition(state=state, project_ref=ref) for ref in refs if ref not in known]
    if missing:
        ForwardPosition.objects.bulk_create(missing, ignore_conflicts=True)


def waiting(**chosen: Any) -> QuerySet[ForwardPosition]:
    """The positions behind which something is sealed."""
    behind = Seal.objects.filter(project_ref=OuterRef("project_ref"), seq__gt=OuterRef("seq"))
    return ForwardPosition.objects.filter(Exists(behind), **chosen)


# --- what comes next ------------------------------------------------------------------------------------


def goals_of(state_ids: Collection[int]) -> dict[int, int]:
    """By the number of a position that something waits behind: the last seal of its log by now."""
    ends: dict[int, int] = {}
    goals: dict[int, int] = {}
    for position in waiting(state_id__in=state_ids):
        ref = position.project_ref
        goals[position.pk] = ends[ref] if ref in ends else ends.setdefault(ref, logs.head_of(ref).seq)
    return goals


def next_position(state_id: int, after: int, goals: Mapping[int, int] | None = None) -> ForwardPosition | None:
    """The next log with something to send after the log `after`, round and round, so that none waits for another.

    With goals, only where they are not reached yet.
    """
    found: QuerySet[ForwardPosition] = waiting(state_id=state_id).order_by("project_ref")
    if goals is not None:
        reached = ForwardPosition.objects.filter(state_id=state_id).values_list("pk", "seq")
        found = found.filter(pk__in=[pk for pk, seq in reached if seq < goals.get(pk, 0)])
    return found.filter(project_ref__gt=after).first() or found.first()


def read_next(position: ForwardPosition, line_format: str, most: int) -> Batch:
    """The batch that was on its way, or a new one of at most `most` events. There is one. Raises LeaseLost."""
    until = position.until if position.until > position.seq else None
    batch = _read(position.project_ref, position.seq, until, line_format, most)
    if batch.last != position.until:
        moved = ForwardPosition.objects.filter(pk=position.pk, seq=position.seq).update(until=batch.last)
        if not moved:
            raise LeaseLost
    return batch


def read_letter(state_id: int, line_format: str, most: int) -> Batch | None:
    """The beginning of the first dead letter that somebody wants to have sent again."""
    letter = DeadLetter.objects.filter(state_id=state_id, is_wanted=True).order_by("pk").first()
    if letter is None:
        return None
    batch = _read(letter.project_ref, letter.first - 1, letter.last, line_format, most)
    return Batch(batch.project_ref, letter.first, batch.last, batch.messages, batch.fault, letter)


def _read(project_ref: int, after: int, until: int | None, line_format: str, most: int) -> Batch:
    found = _sealed(project_ref, after, until, most)
    begins = found[0][0] if found else (until or after + 1) + 1
    if begins > after + 1:
        # Retention dropped them before they could be sent, or somebody took the seals away.
        return Batch(project_ref, after + 1, begins - 1, [], "missing")
    formatter = exporters.registry.get(line_format)()
    messages: list[Message] = []
    end, size, fault = after, 0, ""
    for seq, row in found:
        message = _message(project_ref, seq, row, formatter)
        # What can be sent and what cannot, for one reason or another, each go their own way.
        if seq != end + 1 or (end > after and fault != (message if isinstance(message, str) else "")):
            break
        if isinstance(message, str):
            fault = message
        else:
            size += len(message.line)
            if messages and size > BATCH_BYTES:
                break
            messages.append(message)
        end = seq
    return Batch(project_ref, after + 1, end, messages, fault)


def _sealed(project_ref: int, after: int, until: int | None, most: int) -> list[tuple[int, list[Any] | None]]:
    """Numbers and events, None where the event is gone."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT seal.seq, event.ord, {rows.columns('event')} FROM audit_seal AS seal"  # noqa: S608  our own columns
            " LEFT JOIN audit_event AS event ON event.id = seal.event_id AND event.ord = seal.event_ord"
            " WHERE seal.project_ref = %s AND seal.seq > %s AND seal.seq <= %s ORDER BY seal.seq LIMIT %s",
            [project_ref, after, 2**63 - 1 if until is None else until, most],
        )
        return [(seq, row if number is not None else None) for seq, number, *row in cursor.fetchall()]


def _message(project_ref: int, seq: int, row: list[Any] | None, formatter: LineFormat) -> Message | str:
    """Or why there can be none."""
    if row is None:
        return "missing"
    try:
        event, detail = rows.record_of(row)
        event["detail"] = orjson.loads(detail)
        return Message(project_ref, seq, event, formatter.line(event, seq))
    except (NotCanonical, orjson.JSONDecodeError):
        return "unreadable"
    except Exception as error:  # a form may be anybody's code; what it cannot write must not stop the rest
        logger.exception("an event has no line", format=formatter.name, seq=seq, error=type(error).__name__)
        return "unreadable"


# --- how it went ----------------------------------------------------------------------------------------


def settle_taken(state_id: int, owner: str, batch: Batch, name: Name) -> None:
    """Raises LeaseLost."""
    with transaction.atomic():
        state = _locked(state_id, owner)
        _move_on(state, batch)
        changes: dict[str, Any] = {"sent_at": now()}
        if state.failing_since is not None or state.is_told:
            changes |= {"failing_since": None, "failures": 0, "fault": "", "retry_at": None, "is_told": False}
        if state.is_told:
            name.record("audit.forward_recovered", failures=state.failures)
        _held(state_id, owner).update(**changes)


def settle_dead(state_id: int, owner: str, batch: Batch, fault: str, name: Name) -> None:
    """The receiver will not have it, or there is nothing to send: it goes to the list. Raises LeaseLost."""
    with transaction.atomic():
        state = _locked(state_id, owner)
        if batch.letter is None:
            bury(state, batch.project_ref, batch.first, batch.last, fault)
            _move_on(state, batch)
        else:
            _keep_dead(batch.letter, batch, fault)
        if not batch.fault:
            _held(state_id, owner).update(
                **_tell(state, fault, name), failing_since=state.failing_since or now(), fault=fault
            )


def settle_failed(state_id: int, owner: str, batch: Batch | None, fault: str, wait: float, name: Name) -> int:
    """It is sent again later, unless it was tried for long enough. How many events were given up. Raises LeaseLost.

    Without a batch nothing could be sent at all.
    """
    with transaction.atomic():
        state = _locked(state_id, owner)
        since = state.failing_since or now()
        retry_at = now() + timedelta(seconds=_pause(state.failures, wait))
        _held(state_id, owner).update(
            failing_since=since, failures=F("failures") + 1, fault=fault, retry_at=retry_at,
            **_tell(state, fault, name),
        )  # fmt: skip
        cutoff = now() - timedelta(seconds=settings.AUDIT_FORWARD_GIVE_UP_SECONDS)
        if since > cutoff:
            return 0
        given_up = f"given up: {fault}"[:40]
        if batch is not None and batch.letter is not None:
            _keep_dead(batch.letter, batch, given_up)
            return 0
        return sum(_give_up(state, position, rows.stamp(cutoff), given_up) for position in waiting(state=state))


def _pause(failures: int, wait: float) -> float:
    """Twice as long each time, or as long as the receiver asks for, within bounds."""
    pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 20))
    # Spread, so that the forwarders that one receiver failed do not all come back at one time.
    return max(pause * random.uniform(0.5, 1.0), min(wait, _LONGEST_PAUSE_SECONDS))  # noqa: S311  no secret


def _locked(state_id: int, owner: str) -> ForwardState:
    state = _held(state_id, owner).select_for_update().first()
    if state is None:
        raise LeaseLost
    return state


def _move_on(state: ForwardState, batch: Batch) -> None:
    if batch.letter is None:
        position = ForwardPosition.objects.filter(state=state, project_ref=batch.project_ref, seq__lt=batch.last)
        if not position.update(seq=batch.last, until=batch.last):
            raise LeaseLost
    elif batch.last < batch.letter.last:
        DeadLetter.objects.filter(pk=batch.letter.pk).update(first=batch.last + 1)
    else:
        DeadLetter.objects.filter(pk=batch.letter.pk).delete()


def _tell(state: ForwardState, fault: str, name: Name) -> Mapping[str, Any]:
    """Records the first failure. What changes of the state by it."""
    if state.is_told or (state.told_at is not None and state.told_at > now() - TOLD_AGAIN):
        return {}
    name.record("audit.forward_failed", fault=fault)
    return {"is_told": True, "told_at": now()}


def bury(state: ForwardState, project_ref: int, first: int, last: int, reason: str) -> None:
    """Adds to the range before it where that has the same reason, so that the list stays short."""
    before = DeadLetter.objects.filter(
        state=state, project_ref=project_ref, last=first - 1, reason=reason, is_wanted=False, attempts=1
    )
    if not before.update(last=last, at=now()):
        DeadLetter.objects.create(
            state=state, project_ref=project_ref, first=first, last=last, reason=reason, at=now()
        )


def _keep_dead(letter: DeadLetter, batch: Batch, reason: str) -> None:
    """What was sent again and was not taken stays in the list, and the rest of the letter is tried still."""
    stays = {"reason": reason, "attempts": letter.attempts + 1, "is_wanted": False, "at": now()}
    if batch.last >= letter.last:
        DeadLetter.objects.filter(pk=letter.pk).update(**stays)
        return
    DeadLetter.objects.create(
        state_id=letter.state_id, project_ref=letter.project_ref, first=batch.first, last=batch.last, **stays
    )
    DeadLetter.objects.filter(pk=letter.pk).update(first=batch.last + 1)


def _give_up(state: ForwardState, position: ForwardPosition, before: str, reason: str) -> int:
    """The events that happened before `before`, up to the first that did not. How many."""
    end = position.seq
    while found := _sealed(position.project_ref, end, None, BATCH):
        # Those that follow an event which is still fresh wait with it.
        old = list(takewhile(lambda each: _is_before(each[1], before), found))
        end = old[-1][0] if old else end
        if len(old) < len(found):
            break
    if end > position.seq:
        bury(state, position.project_ref, position.seq + 1, end, reason)
        ForwardPosition.objects.filter(pk=position.pk).update(seq=end, until=end)
    return end - position.seq


def _is_before(row: list[Any] | None, moment: str) -> bool:
    try:
        return row is None or rows.moment_of(row) < moment
    except NotCanonical:
        return True
