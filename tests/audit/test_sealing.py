"""Seals, checkpoints and keys: each event once, in every order of commits, with any number of sealers."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from audit import anchoring, checks, logs, sealed, sealer, signing, storage, verify_audit, work
from audit.anchors import AnchorFailed, registry
from audit.chain import START, leaf_of, link, root_of
from audit.checkpoint import BadCheckpoint, Statement, read_line
from audit.entry import now
from audit.models import AnchorPosition, Checkpoint, Event, Seal, SealerState
from audit.verify import verify
from gateway_site.lib import secrets
from tests.audit.sealing import entry, execute, make_log, seal_all, write
from tests.conftest import log_may_change

pytestmark = pytest.mark.django_db(transaction=True)
postgresql_only = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer")


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key ring and an anchor file of the test's own."""
    settings.AUDIT_ANCHOR_FILE = tmp_path / "anchors" / "checkpoints.jsonl"
    settings.KEYRING_PATH = tmp_path / "keys" / "keyring.json"
    settings.KEYRING = secrets.load_or_create(settings.KEYRING_PATH)
    monkeypatch.setattr(signing, "_read", {})


def is_intact() -> bool:
    report = verify(signing.public_keys(), patience=0.0)
    assert report.is_intact, report.damages
    return True


# RFC 6962 appendix and its public test vectors, which RFC 9162 keeps: roots over these leaves, one more each time.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.claim("audit.leaf")
def test_roots_are_those_of_the_standards_vectors() -> None:
    leaves = [leaf_of(bytes.fromhex(each)) for each in LEAVES]
    assert [root_of(leaves[: count + 1]).hex() for count in range(len(leaves))] == ROOTS
    assert root_of([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.claim("audit.leaf")
@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_two_ways_to_build_the_tree_agree(leaves: list[bytes]) -> None:
    assert root_of(leaves) == verify_audit.merkle(leaves)


@pytest.mark.claim("audit.leaf")
def test_what_is_stored_is_what_the_arithmetic_gives() -> None:
    made = write(7, project_ref=5, project="acme")
    seal_all()
    seals = list(Seal.objects.filter(project_ref=5).order_by("seq"))
    assert [seal.event_id for seal in seals] == [each.id for each in made]
    chain = START
    for seq, seal in enumerate(seals, 1):
        chain = link(chain, seq, bytes(seal.leaf))
        assert (seal.seq, bytes(seal.chain)) == (seq, chain)
    checkpoint = logs.latest_checkpoint(5)
    assert checkpoint is not None
    assert (checkpoint.size, checkpoint.chain) == (7, chain)
    assert checkpoint.root == root_of([bytes(seal.leaf) for seal in seals])


@pytest.mark.claim("audit.leaf")
@pytest.mark.parametrize("name", sorted(set(entry()._fields)))
def test_every_field_changes_the_leaf(name: str) -> None:
    one = entry(1)
    value = getattr(one, name)
    other: Any = {"at": now(), "detail": {"other": 1}}.get(name)
    if other is None:
        other = value + 1 if isinstance(value, int) else f"{value[:-1]}~" if isinstance(value, str) else entry().id
    storage.insert([one, one._replace(id=entry().id)._replace(**{name: other})])
    seal_all()
    first, second = Seal.objects.order_by("event_ord")
    assert first.leaf != second.leaf


@pytest.mark.claim("audit.sealed-once")
@postgresql_only
def test_what_commits_late_is_not_passed_over() -> None:
    """Its number is lower than that of what is sealed before it, which a cursor by number would never see again."""
    with psycopg.connect(**parameters()) as late:
        late.execute(INSERT, [None, "late"])
        write(3)
        assert Event.objects.count() == 3
        assert sealer.seal_batch() == 0, "sealed past a transaction that was still open"
        late.commit()
    assert seal_all() == 4
    assert Event.objects.earliest("ord").subject == "late"
    assert is_intact()


def parameters() -> dict[str, Any]:
    given = connection.get_connection_params()
    return {name: given[name] for name in ("host", "port", "user", "password", "dbname") if given.get(name)}


@pytest.mark.claim("audit.sealed-once")
@postgresql_only
def test_twelve_writers_and_three_sealers_leave_nothing_out_and_seal_nothing_twice() -> None:
    done, enough, faults = threading.Event(), threading.Event(), []

    def write_on(number: int) -> None:
        chance = random.Random(number)
        with psycopg.connect(**parameters()) as own:
            while not enough.is_set():
                with own.transaction():
                    for _ in range(chance.randrange(1, 5)):
                        own.execute(INSERT, [number % 4 or None, f"writer-{number}"])
                        own.execute("SELECT pg_sleep(%s)", [chance.random() / 50])

    def seal_on() -> None:
        try:
            while not done.is_set():
                sealer.seal_batch(limit=50)
        except Exception as error:  # noqa: BLE001  whatever goes wrong in the thread is the test's to say
            faults.append(error)
        finally:
            connection.close()

    sealers = [threading.Thread(target=seal_on, daemon=True) for _ in range(3)]
    writers = [threading.Thread(target=write_on, args=(number,), daemon=True) for number in range(12)]
    for thread in (*sealers, *writers):
        thread.start()
    try:
        deadline = time.monotonic() + 60
        while Checkpoint.objects.count() < 60 and not faults:
            assert time.monotonic() < deadline, "nothing was sealed while it was written"
            time.sleep(0.05)
        enough.set()
        for thread in writers:
            thread.join(60)
        seal_all()
    finally:
        enough.set()
        done.set()
        for thread in (*writers, *sealers):
            thread.join(60)
    assert faults == []
    assert Seal.objects.count() == Event.objects.count()
    assert Seal.objects.values("event_id").distinct().count() == Event.objects.count()
    assert is_intact()


INSERT = (
    "INSERT INTO audit_event (id, at, kind, project_ref, project, actor_kind, actor_id, actor, request_id, trace_id,"
    " session, server, method, subject, decision, reason, params_digest, result_digest, payload_digest, detail)"
    " VALUES (gen_random_uuid(), now(), 'x', %s, '', '', '', '', '', '', '', '', '', %s, '', '', '', '', '', '{}')"
)


@pytest.mark.claim("audit.sealed-once")
def test_batches_end_anywhere_also_inside_of_one_transaction() -> None:
    write(23)
    deadline = time.monotonic() + 60
    while Seal.objects.count() < 23:
        assert time.monotonic() < deadline
        sealer.seal_batch(limit=4)
    assert is_intact()


@pytest.mark.claim("audit.sealed-once")
@postgresql_only
def test_a_log_that_was_restored_in_another_database_goes_on() -> None:
    """There the numbers of its transactions are not yet given out."""
    make_log(batches=1)
    write(5, start=100)
    last = Event.objects.latest("ord").ord
    with log_may_change():
        execute("UPDATE audit_event SET txid = '4611686018427387904'::xid8 WHERE ord = %s", [last])
        SealerState.objects.update(txid=4611686018427387000)
    assert seal_all() == 5
    write(5, start=200)
    assert seal_all() == 5
    assert is_intact()


@pytest.mark.claim("audit.sealed-once")
def test_an_event_that_cannot_be_read_is_sealed_as_such_and_stops_nobody() -> None:
    write(3)
    change = "detail = '{\"a\": 1e400}'" if connection.vendor == "postgresql" else "at = 'never'"
    with log_may_change():
        execute(f"UPDATE audit_event SET {change} WHERE ord = %s", [Event.objects.latest("ord").ord])
    seal_all()
    report = verify(signing.public_keys(), patience=0.0)
    assert [each.kind for each in report.damages] == ["event_unreadable"]
    write(3, start=50)
    assert seal_all() == 3


@pytest.mark.claim("audit.checkpoints")
def test_each_batch_has_its_checkpoint_and_each_follows_the_one_before() -> None:
    make_log(batches=3)
    for ref in (0, 1, 2):
        statements = list(logs.checkpoints_of(ref))
        assert [each.size for each in statements] == [5, 10, 15]
        assert [each.previous for each in statements] == [b"", statements[0].signature, statements[1].signature]
        public = signing.public_keys()[statements[0].key_id]
        assert all(each.is_signed_by(public) for each in statements)
        Ed25519PublicKey.from_public_bytes(public).verify(
            statements[0].signature, verify_audit.checkpoint_message(json.loads(statements[0].to_line()))
        )


@pytest.mark.claim("audit.checkpoints")
def test_a_log_in_which_nothing_happens_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    make_log(batches=1)
    assert sealer.sign_idle_logs() == 0
    monkeypatch.setattr("audit.sealer.IDLE", timedelta(0))
    assert sealer.sign_idle_logs() == 3
    assert [each.size for each in logs.checkpoints_of(1)] == [5, 5]
    assert is_intact()


@pytest.mark.claim("audit.checkpoints")
@pytest.mark.parametrize(
    "change", [b" ", b',"size":1', b"\x00", b'"a"'], ids=["space", "twice", "byte", "text"]
)
def test_only_what_we_write_is_read_as_a_checkpoint(change: bytes) -> None:
    make_log(batches=1)
    statement = logs.latest_checkpoint(1)
    assert statement is not None
    line = statement.to_line()
    assert read_line(line) == statement
    with pytest.raises(BadCheckpoint):
        read_line(line[:-1] + change + line[-1:])


@pytest.mark.claim("audit.keys")
def test_whoever_trusts_the_first_key_can_verify_what_later_keys_signed() -> None:
    make_log(batches=2)
    first = signing.public_keys()
    for _ in range(2):
        call_command("audit", "keys", "rotate")
        write(10, start=100)
        write(3, start=100, project_ref=9, project="new")
        seal_all()
    assert len({each.key_id for each in Checkpoint.objects.all()}) == 3
    report = verify(first, patience=0.0)
    assert report.is_intact, report.damages
    # The last key alone has not signed what was before, and is not said by anybody else to have.
    last = logs.signing_key()
    only_last = verify({last: signing.public_keys()[last]}, patience=0.0)
    assert {each.kind for each in only_last.damages} == {"unknown_key"}


@pytest.mark.claim("audit.keys")
def test_a_key_that_was_replaced_signs_nothing_more() -> None:
    """Also not for somebody who has it still: what it signs after its follower was named is found."""
    make_log(batches=1)
    old = settings.KEYRING.signing_key(logs.signing_key())
    call_command("audit", "keys", "rotate")
    ring = secrets.load_or_create(settings.KEYRING_PATH)
    assert len(ring.signing) == len(ring.retired) == 1
    write(6, start=50)
    seal_all()
    statement = logs.latest_checkpoint(1)
    assert statement is not None
    forged = replace(statement, key_id=next(iter(ring.retired))).sign(old)
    with log_may_change():
        execute("UPDATE audit_checkpoint SET key_id = %s, signature = %s WHERE project_ref = 1 AND signature = %s",
                [forged.key_id, forged.signature, statement.signature])  # fmt: skip
    found = verify(signing.public_keys(), patience=0.0).damages
    assert [(each.kind, each.project_ref) for each in found] == [("unknown_key", 1)]


@pytest.mark.claim("audit.keys")
def test_a_key_is_added_first_and_used_when_the_log_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    make_log(batches=1)
    before = logs.signing_key()
    call_command("audit", "keys", "add")
    added = capsys.readouterr().out.split()[0]
    assert Event.objects.get(kind="audit.key_added").subject == added
    write(3, start=50)
    seal_all()
    assert logs.signing_key() == before != added
    call_command("audit", "keys", "rotate")
    write(3, start=60)
    seal_all()
    assert logs.signing_key() == added
    capsys.readouterr()
    call_command("audit", "keys", "list")
    assert capsys.readouterr().out.split() == [before, "retired", added, "signs"]
    assert Event.objects.get(kind="audit.key_changed", subject=added).detail == {"before": before}
    assert is_intact()


@pytest.mark.claim("audit.keys")
def test_a_node_whose_ring_lacks_the_key_leaves_sealing_to_others(tmp_path: Path, settings: Any) -> None:
    make_log(batches=1)
    call_command("audit", "keys", "rotate")
    write(3, start=50)
    signing._read.clear()
    settings.KEYRING_PATH = tmp_path / "elsewhere" / "keyring.json"
    settings.KEYRING = secrets.load_or_create(settings.KEYRING_PATH)
    count = Seal.objects.count()
    assert work.attempt(work.seal) == 0
    assert Seal.objects.count() == count


@pytest.mark.claim("audit.keys")
def test_the_public_keys_are_to_be_had_by_anybody(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit", "keys", "rotate")
    answer = client.get("/.well-known/gateway-audit-keys.json")
    assert answer.status_code == 200
    assert signing.read_public_keys(answer.content) == signing.public_keys()
    assert len(answer.json()["keys"]) == 2
    assert set(answer.json()["keys"][0]) == {"kty", "crv", "alg", "use", "kid", "x"}
    assert client.post("/.well-known/gateway-audit-keys.json").status_code == 405
    capsys.readouterr()
    call_command("audit", "keys", "--public")
    assert json.loads(capsys.readouterr().out) == answer.json()


@pytest.mark.claim("audit.anchors")
def test_checkpoints_go_to_the_file_and_to_standard_output(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.AUDIT_ANCHORS = ["file", "log"]
    make_log(batches=2)
    capsys.readouterr()
    assert anchoring.publish() == 2
    lines = settings.AUDIT_ANCHOR_FILE.read_bytes().splitlines()
    assert [read_line(line) for line in lines] == [logs.latest_checkpoint(ref) for ref in (0, 1, 2)]
    assert settings.AUDIT_ANCHOR_FILE.stat().st_mode & 0o777 == 0o600
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["checkpoint"] for each in printed] == [json.loads(line) for line in lines]
    # Not again before it is time, and then only what is new.
    write(3, start=100)
    seal_all()
    assert anchoring.publish() == 0
    AnchorPosition.objects.update(at=now() - timedelta(hours=1))
    assert anchoring.publish() == 2
    assert len(settings.AUDIT_ANCHOR_FILE.read_bytes().splitlines()) == 6
    AnchorPosition.objects.update(at=now() - timedelta(hours=1))
    assert anchoring.publish() == 0


@pytest.mark.claim("audit.anchors")
def test_an_anchor_that_does_not_exist_is_said_before_anything_starts(settings: Any) -> None:
    assert checks.the_anchors_are_known(None) == []
    settings.AUDIT_ANCHORS = ["file", "fiel"]
    assert [each.id for each in checks.the_anchors_are_known(None)] == ["audit.E001"]


@pytest.fixture
def flaky() -> Iterator[list[bytes]]:
    """An anchor that fails once and then takes what it is given."""
    taken: list[bytes] = []
    fails = [True]

    class Flaky:
        name = "flaky"

        def publish(self, lines: list[bytes]) -> None:
            if fails and fails.pop():
                raise AnchorFailed("no")
            taken.extend(lines)

    registry.add(Flaky)  # type: ignore[arg-type]  # all that is asked of an anchor
    yield taken
    del registry._classes["flaky"]


@pytest.mark.claim("audit.anchors")
def test_what_an_anchor_did_not_take_is_tried_again_and_keeps_no_other_waiting(
    settings: Any, flaky: list[bytes]
) -> None:
    settings.AUDIT_ANCHORS = ["flaky", "file"]
    make_log(batches=1)
    assert anchoring.publish() == 1
    assert (flaky, len(settings.AUDIT_ANCHOR_FILE.read_bytes().splitlines())) == ([], 3)
    AnchorPosition.objects.update(at=now() - timedelta(hours=1))
    assert anchoring.publish() == 1
    assert len(flaky) == 3


@pytest.fixture
def hook() -> Iterator[tuple[str, list[bytes]]]:
    """An HTTP server's address, and the bodies that it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", bodies
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.claim("audit.anchors")
def test_a_webhook_is_reached_by_the_rules_for_everything_outside(
    settings: Any, hook: tuple[str, list[bytes]]
) -> None:
    settings.AUDIT_ANCHORS = ["webhook"]
    settings.AUDIT_WEBHOOK, bodies = hook
    make_log(batches=1)
    settings.EGRESS_ALLOW = []
    assert anchoring.publish() == 0
    assert bodies == []
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    AnchorPosition.objects.update(at=now() - timedelta(hours=1))
    assert anchoring.publish() == 1
    assert [read_line(line) for line in bodies[0].splitlines()] == [logs.latest_checkpoint(ref) for ref in (0, 1, 2)]


@pytest.mark.claim("audit.unsealed-metric")
def test_the_age_of_the_oldest_event_without_seal_is_a_metric() -> None:
    assert sealed.unsealed_seconds() == 0.0
    storage.insert([entry(at=now() - timedelta(seconds=30))])
    assert 30 <= sealed.unsealed_seconds() < 60
    seal_all()
    assert sealed.unsealed_seconds() == 0.0
    work.attempt(work.seal)
    assert sealed.UNSEALED._value.get() == 0.0


@pytest.mark.claim("audit.sealed-once")
def test_upkeep_seals_by_itself_and_goes_on_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("the suite's SQLite database is in memory and has one connection")
    faults = [RuntimeError("once")]
    real = sealer.seal_batch

    def fail_once(limit: int = 5_000) -> int:
        if faults:
            raise faults.pop()
        return real(limit)

    monkeypatch.setattr(sealer, "seal_batch", fail_once)
    stop = threading.Event()
    thread = threading.Thread(target=work.run, args=(stop,))
    thread.start()
    try:
        write(10)
        deadline = time.monotonic() + 60
        while Seal.objects.count() < 10:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join(60)
    assert faults == []


def test_a_statement_is_what_it_says() -> None:
    statement = Statement(1, 2, b"r" * 32, b"c" * 32, "2026-01-01T00:00:00.000000Z", b"", "0" * 16)
    assert not statement.is_signed_by(b"k" * 32)
    assert not statement.is_signed_by(b"no key")
