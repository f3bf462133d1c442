"""One event's proof: every edit of what belongs to it is found, and the proof holds for those who have only the key."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from audit import signing, verify_audit
from audit.canonical import canonical
from audit.chain import path_to, root_along, root_of
from audit.models import Checkpoint, Event, Seal
from audit.verify_event import Finding, verify_event
from tests.audit.sealing import execute, make_log, write
from tests.conftest import log_may_change

pytestmark = pytest.mark.claim("browse.verify")


def test_inclusion_paths_are_those_of_the_standard() -> None:
    chance = random.Random(9162)
    for size in (1, 2, 3, 5, 8, 13, 64, 69):
        leaves = [chance.randbytes(32) for _ in range(size)]
        for index in range(size):
            path = path_to(index, leaves)
            root = root_of(leaves)
            assert root_along(leaves[index], index, size, path) == root
            assert verify_audit.root_of_path(leaves[index], index, size, path) == root == verify_audit.merkle(leaves)
            wrong = chance.randrange(size + 1)
            if wrong != index:
                assert root_along(leaves[index], wrong, size, path) != root
                assert verify_audit.root_of_path(leaves[index], wrong, size, path) != root
            assert root_along(leaves[index], index, size, [*path, bytes(32)]) is None


def failed(found: Finding) -> set[str]:
    return {step.name for step in found.steps if step.ok is False}


# What somebody may do who has the database, and the steps that find it.
EDITS: dict[str, tuple[str, set[str]]] = {
    "an edited event": ("UPDATE audit_event SET subject = 'another' WHERE ord = {ord}", {"Leaf"}),
    "an event in another project": ("UPDATE audit_event SET project_ref = 77 WHERE ord = {ord}",
                                    {"In its log", "Leaf"}),
    "an edited seal": ("UPDATE audit_seal SET leaf = {other} WHERE event_ord = {ord}",
                       {"Leaf", "Chain", "Inclusion"}),
    "an edited link": ("UPDATE audit_seal SET chain = {other} WHERE event_ord = {ord}", {"Chain", "Signed chain"}),
    "an edited neighbour's seal": ("UPDATE audit_seal SET leaf = {other} WHERE project_ref = {ref} AND seq = {next}",
                                   {"Inclusion", "Signed chain"}),
    "a seal before it that is gone": ("DELETE FROM audit_seal WHERE project_ref = {ref} AND seq = {before}",
                                      {"Chain", "Checkpoint"}),
    "a checkpoint that is gone": ("DELETE FROM audit_checkpoint WHERE id = {checkpoint}",
                                  {"Inclusion", "Signature"}),
    "an edited checkpoint": ("UPDATE audit_checkpoint SET root = {other} WHERE id = {checkpoint}",
                             {"Inclusion", "Signature"}),
    "a seal of its own that is gone": ("DELETE FROM audit_seal WHERE event_ord = {ord}", {"In time"}),
}  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_every_edit_of_what_an_event_stands_on_is_found() -> None:
    make_log(batches=3, size=15)
    row = Checkpoint.objects.filter(project_ref=1).order_by("id")[1]
    seal = Seal.objects.get(project_ref=1, seq=row.size - 2)
    event = Event.objects.get(pk=seal.event_ord)
    assert verify_event(event).result == "intact"
    digest = "'\\x" + "ab" * 32 + "'::bytea" if connection.vendor == "postgresql" else "x'" + "ab" * 32 + "'"
    for name, (statement, steps) in EDITS.items():
        statement = statement.format(ord=event.ord, other=digest, ref=1, next=seal.seq + 1, before=seal.seq - 1,
                                     checkpoint=row.id)  # fmt: skip
        found = _undone(partial(_after, statement, event.ord))
        assert (found.result, failed(found)) == ("tampered", steps), name
        assert found.proof is None, name
    assert verify_event(event).result == "intact"
    fresh = write(1)[0]
    assert verify_event(Event.objects.get(id=fresh.id)).proof is None


def _after(statement: str, number: int) -> Finding:
    with log_may_change():
        execute(statement.replace("%", "%%"))
    return verify_event(Event.objects.get(pk=number))


def _undone(work: Callable[[], Finding]) -> Finding:
    with transaction.atomic():
        found = work()
        transaction.set_rollback(True)
    return found


@pytest.mark.django_db(transaction=True)
def test_a_proof_holds_for_somebody_with_the_key_only_and_no_change_of_it_does(tmp_path: Path) -> None:
    make_log(batches=2, size=40)
    (tmp_path / "keys.json").write_text(json.dumps(signing.key_set()))
    proof = verify_event(Event.objects.filter(project_ref=1).order_by("ord")[17]).proof
    assert proof is not None
    (tmp_path / "proof.json").write_bytes(canonical(proof))
    script = Path(verify_audit.__file__)

    def run(*more: str) -> int:
        return subprocess.run([sys.executable, "-I", str(script), str(tmp_path / "proof.json"), *more],
                              check=False, capture_output=True).returncode  # fmt: skip

    assert run("--public-key", str(tmp_path / "keys.json")) == 0
    assert run() == 2
    keys = verify_audit.read_keys(str(tmp_path / "keys.json"))
    assert verify_audit.verify_proof(proof, keys) == []
    for change in _changes(proof):
        try:
            problems = verify_audit.verify_proof(change, keys)
        except (*verify_audit.DAMAGED, verify_audit.Unusable):
            continue
        assert problems, change
    (tmp_path / "proof.json").write_text("{}")
    assert run("--public-key", str(tmp_path / "keys.json")) == 2


def _changes(proof: dict[str, Any]) -> list[dict[str, Any]]:
    changed = []
    for name in ("seq", "index", "leaves"):
        changed.append({**copy.deepcopy(proof), name: proof[name] + 1})
    for name, value in (("subject", "another"), ("project_ref", 2), ("new", 1)):
        changed.append({**copy.deepcopy(proof), "event": {**proof["event"], name: value}})
    for name in ("root", "chain", "signature", "previous", "size", "key_id"):
        other = copy.deepcopy(proof)
        held = other["checkpoint"][name]
        other["checkpoint"][name] = held + 1 if isinstance(held, int) else held[::-1] or "00"
        changed.append(other)
    changed.append({**copy.deepcopy(proof), "leaf": "00" * 32})
    changed.append({**copy.deepcopy(proof), "path": proof["path"][1:]})
    changed.append({**copy.deepcopy(proof), "path": [*proof["path"][:-1], "00" * 32]})
    return changed
