"""Verifies one event: its leaf, its link of the chain, its place under a signed checkpoint. Reads one batch only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection

from audit import logs, rows, signing
from audit.canonical import NotCanonical
from audit.chain import START, leaf_of, link, path_to, root_along
from audit.checkpoint import Statement, endorsed
from audit.entry import now
from audit.models import Checkpoint, Event, Seal
from audit.retained_logs import retention_end
from audit.snapshot import one_state
from audit.walk import LATE

FORMAT = "mcpgw-audit-proof/1"
# What one turn of the sealer signs is far less; more stands under one checkpoint only when others are missing.
_MAX_BATCH = 50_000


@dataclass(frozen=True)
class Step:
    """One thing that was looked at. `ok` is None where it could not be looked at."""

    name: str
    ok: bool | None
    text: str


@dataclass
class Finding:
    """What came out, and the proof for others; `proof` is None where the event is not proven."""

    steps: list[Step] = field(default_factory=list)
    proof: dict[str, Any] | None = None

    @property
    def result(self) -> str:
        """intact, tampered, or pending: not sealed, or not signed yet."""
        if any(step.ok is False for step in self.steps):
            return "tampered"
        return "intact" if self.proof is not None else "pending"

    def add(self, name: str, ok: bool | None, good: str, bad: str = "") -> bool:
        self.steps.append(Step(name, ok, good if ok else bad or good))
        return bool(ok)


def verify_event(event: Event) -> Finding:
    """Of an event as it was read. Raises Event.DoesNotExist when it was dropped since then, and django.db.Error."""
    found = Finding()
    with one_state():
        _verify(event, found)
    return found


def _verify(event: Event, found: Finding) -> None:
    row = _row(event.ord)
    if row is None:
        raise Event.DoesNotExist
    seal = Seal.objects.filter(event_id=event.id).first()
    if seal is None:
        found.add("Sealed", None, "", "It has no seal yet; that takes about a second.")
        _look_for_overdue(event, found)
        return
    found.add("Sealed", True, f"It is number {seal.seq} of its log.")
    found.add(
        "One of its kind", len(Event.objects.filter(id=event.id).values_list("ord")[:2]) == 1,
        "No other event has its id.", "Another event has the same id.",
    )  # fmt: skip
    found.add(
        "In its log", (event.project_ref or 0) == seal.project_ref and event.ord == seal.event_ord,
        "It stands where it was sealed.", "It was sealed in another project, or under another number.",
    )  # fmt: skip
    text = _look_at_leaf(row, bytes(seal.leaf), found)
    _look_at_link(seal, found)
    _look_at_checkpoint(seal, text, found)


def _row(number: int) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {rows.columns('event')} FROM audit_event AS event WHERE ord = %s",  # noqa: S608  our own columns
            [number],
        )
        found: tuple[Any, ...] | None = cursor.fetchone()
        return found


def _look_for_overdue(event: Event, found: Finding) -> None:
    """An event that claims a time before its log's last checkpoint by far would have been sealed."""
    newest = logs.latest_checkpoint(event.project_ref or 0)
    if newest is not None and rows.stamp(event.at + LATE) < newest.at:
        found.add("In time", False, "", "Events of that time were sealed long ago: it was put in later.")


def _look_at_leaf(row: tuple[Any, ...], sealed: bytes, found: Finding) -> bytes:
    """The event's canonical text."""
    try:
        text = rows.canonical_of(row)
    except NotCanonical:
        found.add("Leaf", False, "", "It cannot be read as an event.")
        return b""
    found.add("Leaf", leaf_of(text) == sealed, "It is what was sealed.", "It is not what was sealed: it was edited.")
    return text


def _look_at_link(seal: Any, found: Finding) -> None:
    before = Seal.objects.filter(project_ref=seal.project_ref, seq=seal.seq - 1).values_list("chain", flat=True).first()
    if before is None and seal.seq > 1 and retention_end(seal.project_ref) == seal.seq - 1:
        # What came before was dropped by a signed retention; the checkpoint that it left says what it came to.
        left = Checkpoint.objects.filter(project_ref=seal.project_ref, size=seal.seq - 1)
        before = left.order_by("id").values_list("chain", flat=True).first()
    if before is None and seal.seq > 1:
        found.add("Chain", False, "", "The seal before it is missing.")
        return
    chain = link(bytes(before) if before is not None else START, seal.seq, bytes(seal.leaf))
    found.add(
        "Chain", chain == bytes(seal.chain), "Its link follows from the one before.",
        "Its link does not follow from the one before.",
    )  # fmt: skip


def _look_at_checkpoint(seal: Any, text: bytes, found: Finding) -> None:
    ref, seq = seal.project_ref, seal.seq
    own = Checkpoint.objects.filter(project_ref=ref)
    row = own.filter(size__gte=seq).order_by("size", "id").first()
    if row is None:
        found.add("Checkpoint", None, "", "No checkpoint is over it.")
        return
    statement = logs.statement_of(row)
    before = own.filter(id__lt=row.id).order_by("-id").first()
    start = before.size if before is not None else 0
    if not start < seq <= statement.size or statement.size - start > _MAX_BATCH:
        found.add("Checkpoint", False, "", "The checkpoints before it are missing or out of order.")
        return
    batch = _batch(ref, start, statement.size)
    if [each[0] for each in batch] != list(range(start + 1, statement.size + 1)):
        found.add("Checkpoint", False, "", f"Seals between {start + 1} and {statement.size} are missing.")
        return
    _compare(seal, text, statement, before, batch, found)


def _batch(ref: int, after: int, last: int) -> list[tuple[int, bytes, bytes]]:
    seals = Seal.objects.filter(project_ref=ref, seq__gt=after, seq__lte=last).order_by("seq")
    return [(seq, bytes(leaf), bytes(chain)) for seq, leaf, chain in seals.values_list("seq", "leaf", "chain")]


def _compare(
    seal: Any, text: bytes, statement: Statement, before: Checkpoint | None, batch: list[tuple[int, bytes, bytes]],
    found: Finding,
) -> None:  # fmt: skip
    leaves, index = [leaf for _, leaf, _ in batch], seal.seq - batch[0][0]
    path = path_to(index, leaves)
    found.add(
        "Inclusion", root_along(bytes(seal.leaf), index, len(leaves), path) == statement.root,
        f"It is under the checkpoint over {statement.size} events, of {statement.at}.",
        "The checkpoint was signed over something else.",
    )  # fmt: skip
    chain = bytes(seal.chain)
    for seq, leaf, _ in batch[index + 1 :]:
        chain = link(chain, seq, leaf)
    found.add(
        "Signed chain", chain == statement.chain, "The chain leads from it to the checkpoint.",
        "The chain up to the checkpoint is not the one that was signed.",
    )  # fmt: skip
    keys, changes = signing.public_keys(), logs.key_changes()
    trusted = endorsed(keys, changes).get(statement.key_id)
    follows = statement.previous == (bytes(before.signature) if before is not None else b"")
    found.add(
        "Signature", trusted is not None and follows and statement.is_signed_by(trusted),
        f"Ed25519, by the key {statement.key_id}.",
        "The checkpoint's signature does not fit it." if trusted else "Its key is not trusted.",
    )  # fmt: skip
    if all(step.ok for step in found.steps):
        found.proof = {
            "format": FORMAT,
            "seq": seal.seq,
            "event": orjson.loads(text),
            "leaf": bytes(seal.leaf).hex(),
            "index": index,
            "leaves": len(leaves),
            "path": [each.hex() for each in path],
            "checkpoint": orjson.loads(statement.to_line()),
            "keys": signing.to_key_set(keys)["keys"],
            "changes": [each.to_line().decode() for each in changes],
            "made_at": rows.stamp(now()),
        }
