"""What somebody might do to a sealed log, in the database and in an export, and by what name it should be found.

Each operator gets a source of chance and gives the kinds of damage of which at least one must be reported. Operators on
the database are run as its owner, without triggers; those on exports are given the folder's lines.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection

from audit import logs, retained, rows, storage
from audit.canonical import canonical
from audit.chain import START, leaf_of, link, root_of
from audit.checkpoint import Statement, read_line
from audit.export_format import CHECKPOINTS, EVENTS, KEYS, MANIFEST, PURPOSE
from audit.models import Checkpoint, Event, Seal
from audit.signing import to_key_set
from gateway_site.lib.secrets import key_id_of
from tests.audit.sealing import EARLIER, entry, execute

Kinds = set[str]
DatabaseOperator = Callable[[random.Random], Kinds]
TEXTS = ("kind", "project", "actor_kind", "actor_id", "actor", "request_id", "trace_id", "session", "server", "method",
         "subject", "decision", "reason", "params_digest", "result_digest", "payload_digest")  # fmt: skip
NUMBERS = ("server_ref", "policy_version", "http_status", "rpc_code", "upstream_status", "bytes_in", "bytes_out",
           "duration_us")  # fmt: skip


def _event(chance: random.Random) -> Event:
    events: list[Event] = list(Event.objects.order_by("ord"))
    return chance.choice(events)


def _seal(chance: random.Random) -> Seal:
    seals: list[Seal] = list(Seal.objects.order_by("project_ref", "seq"))
    return chance.choice(seals)


def _checkpoint(chance: random.Random) -> Checkpoint:
    checkpoints: list[Checkpoint] = list(Checkpoint.objects.order_by("id"))
    return chance.choice(checkpoints)


def edit(chance: random.Random) -> Kinds:
    event = _event(chance)
    # A retention has texts only.
    is_call = event.call_id is not None
    if chance.random() < 0.3 and is_call:
        name = chance.choice(NUMBERS)
        execute(f"UPDATE audit_event SET {name} = {name} + 1 WHERE ord = %s", [event.ord])
    elif chance.random() < 0.2 and is_call:
        name = chance.choice(("call_id", "payload_ref"))
        execute(f"UPDATE audit_event SET {name} = NULL WHERE ord = %s", [event.ord])
    else:
        name = chance.choice([name for name in TEXTS if getattr(event, name)])
        value = getattr(event, name)
        place = chance.randrange(len(value) + 1)
        changed = value[: place - 1] + "~" + value[place:] if place and value else value[1:] or "~"
        execute(f"UPDATE audit_event SET {name} = %s WHERE ord = %s", [changed, event.ord])
    return {"event_changed"}


def edit_detail(chance: random.Random) -> Kinds:
    event = _event(chance)
    detail = {**event.detail, chance.choice(("a", "guardrails", "b")): chance.choice([None, 0, "", [], 1.5, {"x": 1}])}
    if detail == event.detail:
        detail = {}
    execute("UPDATE audit_event SET detail = %s WHERE ord = %s", [json.dumps(detail), event.ord])
    return {"event_changed"}


def back_date(chance: random.Random) -> Kinds:
    event = _event(chance)
    at = event.at - timedelta(microseconds=chance.choice((1, 1_000_000, 86_400_000_000, 40 * 86_400_000_000)))
    stored: Any = at if connection.vendor == "postgresql" else at.strftime("%Y-%m-%d %H:%M:%S.%f")
    execute("UPDATE audit_event SET at = %s WHERE ord = %s", [stored, event.ord])
    return {"event_changed"}


def delete(chance: random.Random) -> Kinds:
    execute("DELETE FROM audit_event WHERE ord = %s", [_event(chance).ord])
    return {"event_missing"}


def delete_with_seal(chance: random.Random) -> Kinds:
    seal = _seal(chance)
    execute("DELETE FROM audit_event WHERE ord = %s", [seal.event_ord])
    execute("DELETE FROM audit_seal WHERE project_ref = %s AND seq = %s", [seal.project_ref, seal.seq])
    return {"seal_missing", "log_truncated"}


def insert(chance: random.Random) -> Kinds:
    """As if it had happened then; the sealer, which would give it its place at the end, is not running."""
    number = chance.randrange(60)
    storage.insert([entry(number, at=EARLIER + timedelta(seconds=number, microseconds=7))])
    return {"event_unsealed"}


def insert_with_seal(chance: random.Random) -> Kinds:
    """At the end, with a seal that anybody can compute, or in the middle with all that follow computed again."""
    seal = _seal(chance)
    storage.insert([entry(1, project_ref=seal.project_ref or None)])
    event = Event.objects.latest("ord")
    if chance.random() < 0.5:
        _add_seal(logs.head_of(seal.project_ref), seal.project_ref, event)
        return {"seals_unsigned"}
    _renumber(seal.project_ref, seal.seq)
    _put_seal(seal.project_ref, seal.seq, event)
    _chain_again(seal.project_ref, seal.seq)
    return {"checkpoint_mismatch", "history_rewritten"}


def _renumber(ref: int, since: int) -> None:
    for seal in Seal.objects.filter(project_ref=ref, seq__gte=since).order_by("-seq"):
        execute("UPDATE audit_seal SET seq = seq + 1 WHERE project_ref = %s AND seq = %s", [ref, seal.seq])


def _add_seal(head: logs.Head, ref: int, event: Event) -> None:
    _put_seal(ref, head.seq + 1, event)
    _chain_again(ref, head.seq + 1)


def _put_seal(ref: int, seq: int, event: Event) -> None:
    columns = "project_ref, seq, event_id, event_ord, leaf, chain"
    number = event.id if connection.vendor == "postgresql" else event.id.hex
    values = [ref, seq, number, event.ord, _leaf(event.ord), START]
    execute(f"INSERT INTO audit_seal ({columns}) VALUES (%s, %s, %s, %s, %s, %s)", values)


def _leaf(number: int) -> bytes:
    row = execute(f"SELECT {rows.columns('event')} FROM audit_event AS event WHERE ord = %s", [number])[0]
    return rows.leaf_of_row(row)


def _chain_again(ref: int, since: int) -> None:
    before = Seal.objects.filter(project_ref=ref, seq=since - 1).first()
    chain = bytes(before.chain) if before else START
    for seal in Seal.objects.filter(project_ref=ref, seq__gte=since).order_by("seq"):
        chain = link(chain, seal.seq, bytes(seal.leaf))
        execute("UPDATE audit_seal SET chain = %s WHERE project_ref = %s AND seq = %s", [chain, ref, seal.seq])


def swap_events(chance: random.Random) -> Kinds:
    """What two lines say, not their numbers."""
    first, second = chance.sample(list(Event.objects.filter(project_ref=1).order_by("ord")), 2)
    for event, other in ((first, second), (second, first)):
        execute("UPDATE audit_event SET subject = %s WHERE ord = %s", [other.subject, event.ord])
    return {"event_changed"}


def swap_seals(chance: random.Random) -> Kinds:
    first, second = chance.sample([seal.seq for seal in Seal.objects.filter(project_ref=1).order_by("seq")], 2)
    for old, new in ((first, -1), (second, first), (-1, second)):
        execute("UPDATE audit_seal SET seq = %s WHERE project_ref = 1 AND seq = %s", [new, old])
    return {"seal_changed"}


def move(chance: random.Random) -> Kinds:
    event = _event(chance)
    other = chance.choice([ref for ref in (1, 2, None, 77) if ref != event.project_ref])
    execute("UPDATE audit_event SET project_ref = %s WHERE ord = %s", [other, event.ord])
    return {"event_moved"}


def truncate(chance: random.Random) -> Kinds:
    seal = _seal(chance)
    condition = [seal.project_ref, seal.seq]
    execute("DELETE FROM audit_event WHERE ord IN (SELECT event_ord FROM audit_seal"
            " WHERE project_ref = %s AND seq >= %s)", condition)  # fmt: skip
    execute("DELETE FROM audit_seal WHERE project_ref = %s AND seq >= %s", condition)
    return {"log_truncated"}


def forge_checkpoint(chance: random.Random) -> Kinds:
    each = _checkpoint(chance)
    name = chance.choice(("size", "root", "chain", "at", "signature"))
    if name == "size":
        execute("UPDATE audit_checkpoint SET size = size + 1 WHERE id = %s", [each.pk])
        return {"checkpoint_forged", "checkpoint_misplaced", "log_truncated"}
    value: Any = each.at + timedelta(seconds=1)
    if name != "at":
        value = bytearray(getattr(each, name))
        value[chance.randrange(len(value))] ^= 1 << chance.randrange(8)
        value = bytes(value)
    elif connection.vendor != "postgresql":
        value = value.strftime("%Y-%m-%d %H:%M:%S.%f")
    execute(f"UPDATE audit_checkpoint SET {name} = %s WHERE id = %s", [value, each.pk])
    return {"checkpoint_forged"}


def chain_again(chance: random.Random) -> Kinds:
    """An edit, and everything computed again that can be computed without the key."""
    seal = _seal(chance)
    execute("UPDATE audit_event SET subject = 'another' WHERE ord = %s", [seal.event_ord])
    execute("UPDATE audit_seal SET leaf = %s WHERE project_ref = %s AND seq = %s",
            [_leaf(seal.event_ord), seal.project_ref, seal.seq])  # fmt: skip
    _chain_again(seal.project_ref, seal.seq)
    return {"checkpoint_mismatch", "history_rewritten"}


def drop_checkpoint(chance: random.Random) -> Kinds:
    execute("DELETE FROM audit_checkpoint WHERE id = %s", [_checkpoint(chance).pk])
    return {"checkpoint_missing", "seals_unsigned"}


def change_key(chance: random.Random) -> Kinds:
    """All checkpoints of a log signed again, by somebody else."""
    key, previous = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32)), b""
    ref = chance.choice(logs.refs("audit_checkpoint"))
    for each in Checkpoint.objects.filter(project_ref=ref).order_by("id"):
        statement = replace(logs.statement_of(each), previous=previous,
                            key_id=key_id_of(key.public_key().public_bytes_raw())).sign(key)  # fmt: skip
        execute("UPDATE audit_checkpoint SET key_id = %s, previous = %s, signature = %s WHERE id = %s",
                [statement.key_id, previous, statement.signature, each.pk])  # fmt: skip
        previous = statement.signature
    return {"unknown_key"}


def duplicate(chance: random.Random) -> Kinds:
    event = _event(chance)
    names = [field.name for field in Event._meta.concrete_fields if field.name not in ("ord", "at")]
    number = event.ord if chance.random() < 0.5 and connection.vendor == "postgresql" else event.ord + 1_000_000
    at = event.at - timedelta(microseconds=1)
    stored: Any = at if connection.vendor == "postgresql" else at.strftime("%Y-%m-%d %H:%M:%S.%f")
    execute(f"INSERT INTO audit_event (ord, at, {', '.join(names)}) SELECT %s, %s, {', '.join(names)}"
            " FROM audit_event WHERE ord = %s", [number, stored, event.ord])  # fmt: skip
    return {"event_duplicated"}


ON_DATABASE: tuple[DatabaseOperator, ...] = (
    edit, edit_detail, back_date, delete, delete_with_seal, insert, insert_with_seal, swap_events, swap_seals, move,
    truncate, forge_checkpoint, chain_again, drop_checkpoint, change_key, duplicate,
)  # fmt: skip


def _kept(ref: int) -> list[Seal]:
    """Seals of a log whose beginning was dropped, the first that is left first."""
    return list(Seal.objects.filter(project_ref=ref).order_by("seq"))


def _drop_to(ref: int, seq: int) -> None:
    """The beginning of a log, as somebody would who has the database."""
    execute("DELETE FROM audit_event WHERE ord IN (SELECT event_ord FROM audit_seal"
            " WHERE project_ref = %s AND seq <= %s)", [ref, seq])  # fmt: skip
    execute("DELETE FROM audit_seal WHERE project_ref = %s AND seq <= %s", [ref, seq])


def drop_more(chance: random.Random) -> Kinds:
    """More than the retention says, up to a checkpoint or not."""
    kept = [each.seq for each in _kept(1)][:-1]
    sizes = list(Checkpoint.objects.filter(project_ref=1, size__in=kept).values_list("size", flat=True))
    _drop_to(1, chance.choice([*kept, *sizes, *sizes]))
    return {"seal_missing"}


def drop_without_a_word(chance: random.Random) -> Kinds:
    """The beginning of a log that says nothing of a retention."""
    kept = [each.seq for each in _kept(2)][:-1]
    sizes = list(Checkpoint.objects.filter(project_ref=2, size__in=kept).values_list("size", flat=True))
    _drop_to(2, chance.choice([*kept, *sizes, *sizes]))
    return {"seal_missing"}


def _retention() -> Event:
    event: Event = Event.objects.get(project_ref=1, kind="audit.retained")
    return event


def widen_retention(chance: random.Random) -> Kinds:
    """The event says more than it did, with or without a signature, and so much is dropped."""
    event = _retention()
    sizes = Checkpoint.objects.filter(project_ref=1, size__gt=event.detail["last_seq"]).order_by("size")
    widened = logs.statement_of(chance.choice(list(sizes)[:-1] or list(sizes)))
    detail = {**event.detail, "last_seq": widened.size, "checkpoint": widened.to_line().decode()}
    if chance.random() < 0.5:
        key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        detail = retained.state(
            project_ref=1, first_seq=1, before=detail["before"], at=detail["at"], checkpoint=widened,
            key_id=chance.choice((detail["key_id"], key_id_of(key.public_key().public_bytes_raw()))), key=key,
        )  # fmt: skip
    execute("UPDATE audit_event SET detail = %s WHERE ord = %s", [json.dumps(detail), event.ord])
    if chance.random() < 0.5:
        seal = Seal.objects.get(event_id=event.id)
        execute("UPDATE audit_seal SET leaf = %s WHERE event_id = %s",
                [_leaf(event.ord), event.id if connection.vendor == "postgresql" else event.id.hex])  # fmt: skip
        _chain_again(1, seal.seq)
    _drop_to(1, min(widened.size, Seal.objects.get(event_id=event.id).seq - 1))
    return {"seal_missing"}


def forge_retention(chance: random.Random) -> Kinds:
    """A statement of another log's, or signed by nobody, behind what it is to excuse."""
    detail = {**_retention().detail, "project_ref": chance.choice((1, 2))}
    last = Checkpoint.objects.filter(project_ref=2).order_by("-size").values_list("size", flat=True)[1]
    detail["last_seq"] = chance.choice((detail["last_seq"], last))
    storage.insert([entry(1, kind="audit.retained", project_ref=2, project="globex", detail=detail)])
    _add_seal(logs.head_of(2), 2, Event.objects.latest("ord"))
    _drop_to(2, last)
    return {"seal_missing"}


def drop_retention(chance: random.Random) -> Kinds:
    """What excuses the missing beginning is taken away itself."""
    event = _retention()
    execute("DELETE FROM audit_event WHERE ord = %s", [event.ord])
    return {"event_missing"}


ON_RETAINED: tuple[DatabaseOperator, ...] = (
    drop_more, drop_without_a_word, widen_retention, forge_retention, drop_retention,
)  # fmt: skip


@dataclass
class Copy:
    """An export that is read, changed, and written again."""

    folder: Path
    events: list[bytes] = field(default_factory=list)
    checkpoints: list[bytes] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    raw_manifest: bytes = b""

    def __post_init__(self) -> None:
        self.events = (self.folder / EVENTS).read_bytes().splitlines()
        self.checkpoints = (self.folder / CHECKPOINTS).read_bytes().splitlines()
        self.raw_manifest = (self.folder / MANIFEST).read_bytes()
        self.manifest = json.loads(self.raw_manifest)

    def write(self, chance: random.Random) -> None:
        """Half of the time the manifest is made to fit, as far as that can be done without the key."""
        for name, lines in ((EVENTS, self.events), (CHECKPOINTS, self.checkpoints)):
            content = b"".join(line + b"\n" for line in lines)
            (self.folder / name).write_bytes(content)
            if chance.random() < 0.5:
                digest = hashlib.sha256(content).hexdigest()
                self.manifest["files"][name] = {"sha256": digest, "bytes": len(content)}
        (self.folder / MANIFEST).write_bytes(canonical(self.manifest) + b"\n")

    def line(self, number: int) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.events[number])
        return content

    def put(self, number: int, line: dict[str, Any]) -> None:
        self.events[number] = canonical(line)


CopyOperator = Callable[[Copy, random.Random], Kinds]


def _any(copy: Copy, chance: random.Random) -> tuple[int, dict[str, Any]]:
    number = chance.randrange(len(copy.events))
    return number, copy.line(number)


def edit_line(copy: Copy, chance: random.Random) -> Kinds:
    number, line = _any(copy, chance)
    name = chance.choice(TEXTS + NUMBERS)
    line["event"][name] = chance.choice(("other", 5, None, True))
    copy.put(number, line)
    return {"event_changed"}


def edit_line_detail(copy: Copy, chance: random.Random) -> Kinds:
    number, line = _any(copy, chance)
    line["event"]["detail"] = {"a": chance.random()}
    copy.put(number, line)
    return {"event_changed"}


def back_date_line(copy: Copy, chance: random.Random) -> Kinds:
    number, line = _any(copy, chance)
    line["event"]["at"] = "2025" + line["event"]["at"][4:]
    copy.put(number, line)
    return {"event_changed"}


def delete_line(copy: Copy, chance: random.Random) -> Kinds:
    del copy.events[chance.randrange(len(copy.events))]
    return {"seal_missing", "log_truncated"}


def blank_line(copy: Copy, chance: random.Random) -> Kinds:
    """The event is taken out and its leaf left, as if a filter had done it."""
    number, line = _any(copy, chance)
    copy.put(number, {"leaf": line["leaf"], "seq": line["seq"]})
    return {"manifest_changed"}


def insert_line(copy: Copy, chance: random.Random) -> Kinds:
    number, line = _any(copy, chance)
    line["event"]["id"] = str(uuid.uuid4())
    line["leaf"] = leaf_of(canonical(line["event"])).hex()
    copy.events.insert(number, canonical(line))
    return {"seal_missing"}


def swap_lines(copy: Copy, chance: random.Random) -> Kinds:
    first, second = chance.sample(range(len(copy.events)), 2)
    copy.events[first], copy.events[second] = copy.events[second], copy.events[first]
    return {"seal_missing"}


def swap_contents(copy: Copy, chance: random.Random) -> Kinds:
    first, second = chance.sample(range(len(copy.events)), 2)
    one, other = copy.line(first), copy.line(second)
    one["seq"], other["seq"] = other["seq"], one["seq"]
    copy.put(first, other)
    copy.put(second, one)
    return {"checkpoint_mismatch", "history_rewritten"}


def move_line(copy: Copy, chance: random.Random) -> Kinds:
    number, line = _any(copy, chance)
    line["event"]["project_ref"] = 2
    copy.put(number, line)
    return {"event_moved"}


def truncate_lines(copy: Copy, chance: random.Random) -> Kinds:
    del copy.events[chance.randrange(len(copy.events)) :]
    return {"log_truncated"}


def forge_line(copy: Copy, chance: random.Random) -> Kinds:
    number = chance.randrange(len(copy.checkpoints))
    statement = read_line(copy.checkpoints[number])
    changes: dict[str, Any] = {"root": chance.randbytes(32), "chain": chance.randbytes(32),
                               "signature": chance.randbytes(64), "at": "2025" + statement.at[4:]}  # fmt: skip
    name = chance.choice(sorted(changes))
    copy.checkpoints[number] = replace(statement, **{name: changes[name]}).to_line()
    return {"checkpoint_forged"}


def chain_lines_again(copy: Copy, chance: random.Random) -> Kinds:
    number, line = _any(copy, chance)
    line["event"]["subject"] = "another"
    line["leaf"] = leaf_of(canonical(line["event"])).hex()
    copy.put(number, line)
    return {"checkpoint_mismatch"}


def drop_line(copy: Copy, chance: random.Random) -> Kinds:
    del copy.checkpoints[chance.randrange(len(copy.checkpoints))]
    return {"checkpoint_missing", "seals_unsigned"}


def sign_all_again(copy: Copy, chance: random.Random) -> Kinds:
    """A whole export made anew, with a key of somebody else's that it names itself."""
    key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
    public = key.public_key().public_bytes_raw()
    number, line = _any(copy, chance)
    line["event"]["subject"] = "another"
    line["leaf"] = leaf_of(canonical(line["event"])).hex()
    copy.put(number, line)
    leaves = [bytes.fromhex(copy.line(each)["leaf"]) for each in range(len(copy.events))]
    chain = START
    for seq, leaf in enumerate(leaves, 1):
        chain = link(chain, seq, leaf)
    statement = Statement(1, len(leaves), root_of(leaves), chain, "2026-01-01T00:00:00.000000Z", b"", key_id_of(public))
    copy.checkpoints = [statement.sign(key).to_line()]
    keys = canonical({**to_key_set({key_id_of(public): public}), "changes": []})
    (copy.folder / KEYS).write_bytes(keys)
    about = {name: value for name, value in copy.manifest.items() if name != "signature"}
    about |= {"key_id": key_id_of(public), "chain": chain.hex()}
    about["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in (
            (EVENTS, b"".join(each + b"\n" for each in copy.events)),
            (CHECKPOINTS, b"".join(each + b"\n" for each in copy.checkpoints)),
            (KEYS, keys),
        )
    }
    copy.manifest = {**about, "signature": key.sign(PURPOSE + canonical(about)).hex()}
    return {"unknown_key"}


def duplicate_line(copy: Copy, chance: random.Random) -> Kinds:
    number = chance.randrange(len(copy.events))
    copy.events.insert(chance.randrange(len(copy.events)), copy.events[number])
    return {"seal_missing"}


def respell_line(copy: Copy, chance: random.Random) -> Kinds:
    """The same values, written otherwise: two names in one object could then mean two things."""
    number = chance.randrange(len(copy.events))
    line = copy.events[number]
    copy.events[number] = chance.choice((line.replace(b'"seq":', b'"seq": '), line[:-1] + b',"seq":1}', line + b" "))
    return {"line_damaged"}


def edit_manifest(copy: Copy, chance: random.Random) -> Kinds:
    changes: dict[str, Any] = {
        "project": "other", "project_ref": 2, "created_at": "2025-01-01T00:00:00.000000Z", "events": 3,
        "first_seq": 2, "last_seq": 5, "chain": "00" * 32, "chain_before": "11" * 32, "previous": "22" * 64,
        "chosen": {"server": "docs"}, "signature": "33" * 64, "another": 1,
    }  # fmt: skip
    name = chance.choice(sorted(changes))
    copy.manifest[name] = changes[name]
    return {"manifest_changed"}


ON_COPY: tuple[CopyOperator, ...] = (
    edit_line, edit_line_detail, back_date_line, delete_line, blank_line, insert_line, swap_lines, swap_contents,
    move_line, truncate_lines, forge_line, chain_lines_again, drop_line, sign_all_again, duplicate_line, respell_line,
    edit_manifest,
)  # fmt: skip
