"""Walks along one log, seal by seal and checkpoint by checkpoint, and says what is wrong and where. No database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from audit import retained
from audit.chain import START, link, root_of
from audit.checkpoint import Statement
from gateway_site.lib.secrets import key_id_of

_SHOWN = 1_000
# An event that was sealed so long after the time that it claims is worth a look; a store that was away does that too.
LATE = timedelta(minutes=10)

KINDS = {
    "event_changed": "The event is not what was sealed.",
    "event_missing": "The event was sealed and is gone.",
    "event_moved": "The event was sealed in this project and stands in another.",
    "event_duplicated": "There is another event with the same id or number.",
    "event_unreadable": "The event cannot be read as one.",
    "event_unsealed": "The event claims a time at which it would have been sealed, and was not.",
    "seal_missing": "Seals are missing.",
    "seal_changed": "The seal does not follow from the one before.",
    "seals_unsigned": "The seals come after the last checkpoint; it was removed, or they were added.",
    "checkpoint_missing": "The checkpoint does not follow the one before: one between them is missing.",
    "checkpoint_forged": "The checkpoint's signature does not fit it.",
    "checkpoint_misplaced": "The checkpoint is not in its place.",
    "checkpoint_mismatch": "The events since the checkpoint before are not those that were signed.",
    "history_rewritten": "The chain up to the checkpoint is not the one that was signed.",
    "unknown_key": "The checkpoint was signed by a key that is not trusted, or not in use at that time.",
    "log_truncated": "The end of the log is missing.",
    "witness_mismatch": "A checkpoint that was kept elsewhere says otherwise.",
    "retention_forged": "The event says that a part of the log was dropped, and is not signed by a trusted key.",
    "payload_changed": "The payload is not the one that the event names.",
    "line_damaged": "The line is not as exports are written.",
    "manifest_changed": "The manifest does not fit what it describes, or its signature does not fit it.",
    "file_changed": "The file is not the one that the manifest describes.",
}


@dataclass(frozen=True)
class Damage:
    """What is wrong, in which log, and where: a seal's number, or None for the log as a whole."""

    kind: str
    project_ref: int
    seq: int | None
    text: str


@dataclass
class Report:
    """What a verification found. `notes` are no damage."""

    events: int = 0
    checkpoints: int = 0
    logs: int = 0
    pending: int = 0
    found: int = 0
    damages: list[Damage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def damage(self, kind: str, project_ref: int, seq: int | None, more: str = "") -> None:
        self.found += 1
        if len(self.damages) < _SHOWN:
            self.damages.append(Damage(kind, project_ref, seq, f"{KINDS[kind]}{' ' if more else ''}{more}"))

    def note(self, text: str) -> None:
        if len(self.notes) < _SHOWN:
            self.notes.append(text)

    @property
    def is_intact(self) -> bool:
        return self.found == 0

    def to_json(self) -> dict[str, Any]:
        return {"result": "intact" if self.is_intact else "tampered", **asdict(self)}


@dataclass(slots=True)
class Link:
    """A seal on the way past. `chain` is None where only the leaf is known; `fault` is a kind, if the event has one."""

    seq: int
    leaf: bytes
    chain: bytes | None = None
    fault: str | None = None
    at: str = ""
    # Of an event that says that a part was dropped: its id and detail.
    retained: tuple[str, Any] | None = None
    # Id and digest of the payload that its event names.
    payload: tuple[str, str] | None = None


@dataclass(frozen=True)
class Beginning:
    """What comes before the first link: nothing, or what an export says.

    `dropped` is up to where the log itself has checkpoints without their events, which an event behind them must say;
    `retained` is up to where that is known already.
    """

    size: int = 0
    chain: bytes = START
    previous: bytes | None = b""
    dropped: int = 0
    retained: int = 0


def by_project(statements: Iterable[Statement]) -> dict[int, list[Statement]]:
    found: dict[int, list[Statement]] = {}
    for each in statements:
        found.setdefault(each.project_ref, []).append(each)
    return found


class Walk:
    """One log. `keys` are trusted public keys by id, `witnesses` checkpoints that were kept elsewhere."""

    def __init__(
        self, project_ref: int, report: Report, keys: Mapping[str, bytes], witnesses: Iterable[Statement] = (),
        beginning: Beginning | None = None,
    ) -> None:  # fmt: skip
        beginning = beginning or Beginning()
        self._ref, self._report, self._keys = project_ref, report, keys
        self._seq, self._chain, self._previous = beginning.size, beginning.chain, beginning.previous
        self._signed_size = beginning.size
        self._dropped = beginning.dropped
        # Up to where events of this log say that it was dropped.
        self._retained = beginning.retained
        self._leaves: list[bytes] = []
        # What is broken in this batch, or in the chain, was said once.
        self._batch_is_broken = self._chain_is_broken = False
        self._key_id = ""
        self._late_before = ""
        self._witnesses: dict[int, list[Statement]] = {}
        for each in witnesses:
            self._witnesses.setdefault(each.size, []).append(each)

    @property
    def size(self) -> int:
        """The number of the last seal that was passed."""
        return self._seq

    def follow(self, links: Iterable[Link], checkpoints: Iterable[Statement]) -> None:
        """Both from the first to the last."""
        coming = iter(checkpoints)
        checkpoint = self._pass_dropped(next(coming, None), coming)
        checkpoint = self._pass_checkpoints(checkpoint, coming)
        for each in links:
            self._pass_link(each)
            if checkpoint is not None and checkpoint.size <= self._seq:
                checkpoint = self._pass_checkpoints(checkpoint, coming)
        self._end(checkpoint, coming)

    def _pass_dropped(self, checkpoint: Statement | None, coming: Iterator[Statement]) -> Statement | None:
        """Checkpoints whose events are gone; the last of them is where the log goes on from."""
        if self._dropped:
            self._look_at_witnesses()
        while checkpoint is not None and checkpoint.size <= self._dropped:
            self._report.checkpoints += 1
            if self._previous is not None and checkpoint.previous != self._previous:
                self._say("checkpoint_missing", checkpoint.size)
            if checkpoint.size < self._signed_size or checkpoint.project_ref != self._ref:
                self._say("checkpoint_misplaced", checkpoint.size)
            elif self._is_authentic(checkpoint):
                self._seq, self._chain = checkpoint.size, checkpoint.chain
                self._look_at_witnesses()
            self._previous, self._signed_size = checkpoint.signature, checkpoint.size
            checkpoint = next(coming, None)
        for size in [size for size in self._witnesses if size < self._seq]:
            # What it counts was signed then and there.
            del self._witnesses[size]
            self._say("witness_mismatch", size)
        return checkpoint

    def _pass_checkpoints(self, checkpoint: Statement | None, coming: Iterator[Statement]) -> Statement | None:
        """Those that belong here; the first that does not."""
        self._look_at_witnesses()
        while checkpoint is not None and checkpoint.size <= self._seq:
            self._pass_checkpoint(checkpoint)
            checkpoint = next(coming, None)
        return checkpoint

    def _pass_link(self, each: Link) -> None:
        if each.seq != self._seq + 1:
            self._say_gap(each)
        elif each.chain is not None and link(self._chain, each.seq, each.leaf) != each.chain:
            self._say("seal_changed", each.seq)
            self._batch_is_broken = True
        if each.fault is not None:
            self._say(each.fault, each.seq)
            # An export has the leaf beside the event; what the leaf comes to is still to be seen.
        self._chain = each.chain if each.chain is not None else link(self._chain, each.seq, each.leaf)
        self._seq = each.seq
        self._leaves.append(each.leaf)
        self._report.events += 1
        if each.at and each.at < self._late_before:
            self._report.note(f"project {self._ref}, {each.seq}: sealed long after the time that it claims, {each.at}")
        if each.retained is not None and each.fault is None:
            self._note_retention(each.seq, *each.retained)
        if self._seq in self._witnesses:
            self._look_at_witnesses()

    def _note_retention(self, seq: int, event: str, detail: Any) -> None:
        if not retained.is_authentic(detail, self._ref, self._keys) or detail["last_seq"] >= seq:
            self._say("retention_forged", seq)
            return
        self._retained = max(self._retained, detail["last_seq"])
        # Before the others, of which not all may be shown.
        self._report.notes.insert(0, f"project {self._ref}: {retained.describe(detail, event)}")

    def _say_gap(self, each: Link) -> None:
        first, last = self._seq + 1, each.seq - 1
        self._say("seal_missing", first, f"From {first} to {last}." if last >= first else "Out of order.")
        self._batch_is_broken = True
        # Without its stored value the chain cannot be taken up again.
        self._chain_is_broken = self._chain_is_broken or each.chain is None

    def _pass_checkpoint(self, each: Statement) -> None:
        self._report.checkpoints += 1
        self._look_at_order(each)
        if self._is_authentic(each):
            self._compare(each)
        self._late_before = (datetime.fromisoformat(each.at) - LATE).isoformat()[:19]
        self._previous, self._leaves, self._batch_is_broken = each.signature, [], False
        self._signed_size = each.size

    def _look_at_order(self, each: Statement) -> None:
        if self._previous is not None and each.previous != self._previous:
            self._say("checkpoint_missing", each.size)
        if each.size != self._seq or each.size < self._signed_size or each.project_ref != self._ref:
            self._say("checkpoint_misplaced", each.size)
            self._batch_is_broken = True

    def _is_authentic(self, each: Statement) -> bool:
        public = self._keys.get(each.key_id)
        if public is None or (self._key_id and each.key_id != self._key_id):
            self._say("unknown_key", each.size, f"Its id is {each.key_id}.")
            return False
        if not each.is_signed_by(public):
            self._say("checkpoint_forged", each.size)
            return False
        self._key_id = key_after(each)
        return True

    def _compare(self, each: Statement) -> None:
        if not self._batch_is_broken and root_of(self._leaves) != each.root:
            self._say("checkpoint_mismatch", each.size, self._batch())
        if each.size == self._seq and each.chain != self._chain and not self._chain_is_broken:
            self._say("history_rewritten", each.size, self._batch())
            self._chain_is_broken = True

    def _look_at_witnesses(self) -> None:
        for each in self._witnesses.pop(self._seq, ()):
            if each.chain != self._chain and not self._chain_is_broken:
                self._say("witness_mismatch", each.size)

    def _end(self, checkpoint: Statement | None, coming: Iterator[Statement]) -> None:
        if self._retained < self._dropped:
            self._say("seal_missing", self._retained + 1, f"From {self._retained + 1} to {self._dropped}.")
        if checkpoint is not None:
            last = max([checkpoint, *coming], key=lambda each: each.size)
            self._say("log_truncated", self._seq + 1, f"{last.size} events were signed, {self._seq} are here.")
        elif self._leaves:
            self._say("seals_unsigned", self._signed_size + 1, f"Up to {self._seq}.")
        beyond = [size for size in self._witnesses if size > self._seq]
        if beyond:
            text = f"A checkpoint that was kept elsewhere counts {max(beyond)} events, {self._seq} are here."
            self._say("log_truncated", self._seq + 1, text)

    def _batch(self) -> str:
        return f"From {self._signed_size + 1} to {self._seq}." if self._leaves else ""

    def _say(self, kind: str, seq: int | None, more: str = "") -> None:
        self._report.damage(kind, self._ref, seq, more)


def key_after(each: Statement) -> str:
    """The id of the key that signs what follows."""
    return key_id_of(each.next_key) if each.next_key else each.key_id
