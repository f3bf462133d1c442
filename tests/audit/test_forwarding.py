"""Sealed events on their way to other systems: all of them, in order, whatever the receiver does."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from prometheus_client import generate_latest

from audit import checks, destinations, forward_queue, forward_work, forwarders, sealer, tasks
from audit.entry import now
from audit.forwarding import Destination, NotTaken, registry, webhook
from audit.models import DeadLetter, Event, Forwarder, ForwardPosition, ForwardState, Seal
from gateway_site.lib import egress
from gateway_site.lib.egress import EgressDenied
from projects import services as projects
from projects.models import Project
from projects.scoping import NoActiveProject, unscoped, with_project
from tests.audit.parsers import read_cef, read_syslog
from tests.audit.receivers import HANG, RESET, Hook, authority, hook, subjects, syslog_server
from tests.audit.sealing import execute, seal_all, write
from tests.cast import Cast, two_tenants
from tests.conftest import log_may_change

pytestmark = pytest.mark.django_db(transaction=True)
claim = pytest.mark.claim
postgresql_only = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="the suite's SQLite database is in memory and has one connection"
)
CANARY = "canary-authorization"


@pytest.fixture
def cast() -> Cast:
    return two_tenants()


@pytest.fixture
def receiver() -> Iterator[Hook]:
    with hook() as played:
        yield played


@pytest.fixture(autouse=True)
def _no_threads_are_left() -> Iterator[None]:
    yield
    join_threads()
    forward_work._running.clear()
    forward_work._begun.clear()


def join_threads() -> None:
    for each in forward_work._running.values():
        each.thread.join(20)


def forwarder_to(address: str, project: Project, **fields: Any) -> Forwarder:
    """From what is sealed after now; its own creation is the first of it."""
    seal_all()
    given = {"name": "siem", "kind": "webhook", "format": "syslog", **fields}
    made, _ = forwarders.create_forwarder(project=project, address=address, **given)
    return made


def some(count: int, project: Project, start: int = 0) -> list[str]:
    """Sealed events of the project; their subjects."""
    made = write(count, start, project_ref=project.pk, project=project.slug)
    seal_all()
    return [each.subject for each in made]


def turn(forwarder: Forwarder) -> int:
    return forward_work.take_turn(state(forwarder).pk)


def state(forwarder: Forwarder) -> ForwardState:
    return forwarders.state_of(forwarder)


def come_back() -> None:
    """As after the pause."""
    ForwardState.objects.update(retry_at=None)


def tools(lines: list[bytes]) -> list[str]:
    return [subject for subject in subjects(lines) if subject.startswith("tool-")]


def kinds(prefix: str = "audit.forward_") -> list[str]:
    return list(Event.objects.filter(kind__startswith=prefix).order_by("ord").values_list("kind", flat=True))


def letters() -> list[tuple[int, int, str, int]]:
    return list(DeadLetter.objects.order_by("first").values_list("first", "last", "reason", "attempts"))


# --- order, and nothing left out ------------------------------------------------------------------------


@claim("forward.in-order")
def test_what_is_sealed_arrives_in_its_order_and_once_while_nothing_fails(
    cast: Cast, receiver: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward_queue, "BATCH", 10)
    some(4, cast.acme, start=900)
    forwarder = forwarder_to(receiver.url, cast.acme)
    sent = some(35, cast.acme)
    some(5, cast.globex, start=500)
    write(3, start=700, project_ref=cast.acme.pk, project="acme")  # not sealed, so not yet sent
    assert turn(forwarder) == 36
    assert subjects(receiver.taken) == ["siem", *sent]
    assert [len(request.lines) for request in receiver.requests] == [10, 10, 10, 6]
    assert turn(forwarder) == 0
    seal_all()
    assert turn(forwarder) == 3
    assert kinds() == []


@claim("forward.at-once")
def test_what_is_sent_at_once_ends_with_what_was_sealed_when_it_began(
    cast: Cast, receiver: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a log that is written all the time it would else never end; here each batch brings as much as it takes."""
    monkeypatch.setattr(forward_queue, "BATCH", 5)
    forwarder = forwarder_to(receiver.url, cast.acme)
    sent = some(14, cast.acme)
    grown: list[str] = []
    settle = forward_queue.settle_taken

    def settle_and_grow(*given: Any) -> None:
        settle(*given)
        if len(grown) < 100:
            grown.extend(some(5, cast.acme, start=1000 + len(grown)))

    monkeypatch.setattr(forward_queue, "settle_taken", settle_and_grow)
    out = StringIO()
    call_command("audit", "forward", "--now", stdout=out)
    assert subjects(receiver.taken) == ["siem", *sent]
    assert len(grown) == 15, "three batches"
    assert "15 waiting" in out.getvalue()
    monkeypatch.undo()
    assert turn(forwarder) == 15
    assert tools(receiver.taken) == [*sent, *grown]


@claim("forward.in-order")
def test_a_forwarder_can_begin_with_the_logs_first_event(cast: Cast, receiver: Hook) -> None:
    seal_all()
    forwarder = forwarder_to(receiver.url, cast.acme, from_start=True)
    assert turn(forwarder) == Seal.objects.filter(project_ref=cast.acme.pk).count()
    assert json.loads(receiver.taken[0].split(b"] ")[1])["kind"] == "project.created"


KILLED = """
import sys, django
django.setup()
from audit import forward_work
print(forward_work.take_turn(int(sys.argv[1])))
"""


@claim("forward.in-order")
@claim("forward.signed")
@postgresql_only
def test_after_a_kill_in_the_middle_of_a_batch_every_event_arrives_in_its_order(cast: Cast, receiver: Hook) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme)
    sent = some(1600, cast.acme)
    receiver.script = [200, 200, HANG]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(state(forwarder).pk)], env={**os.environ, "DATABASE_URL": database_url()}
    )
    try:
        receiver.wait_for(3)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    # Nobody else may send before its lease is over, and then from where it was.
    some(3, cast.acme, start=1600)
    assert turn(forwarder) == 0
    ForwardState.objects.update(lease_until=now() - timedelta(seconds=1))
    assert turn(forwarder) == 1604 - 1000
    arrived = subjects([line for request in receiver.requests for line in request.lines])
    assert list(dict.fromkeys(arrived)) == ["siem", *sent, "tool-1600", "tool-1601", "tool-1602"]
    cut, again = receiver.requests[2:4]
    assert (cut.answer, again.answer) == (HANG, 200)
    assert cut.body == again.body
    assert cut.headers["idempotency-key"] == again.headers["idempotency-key"]
    keys = [request.headers["idempotency-key"] for request in receiver.requests]
    assert len(set(keys)) == len(keys) - 1


def database_url() -> str:
    given = connection.get_connection_params()
    return f"postgres://{given['user']}:{given.get('password', '')}@{given['host']}:{given['port']}/{given['dbname']}"


@claim("forward.in-order")
def test_one_process_at_a_time_sends_for_a_forwarder(cast: Cast, receiver: Hook) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme)
    some(3, cast.acme)
    owner = forward_queue.claim(state(forwarder).pk)
    assert owner is not None
    assert turn(forwarder) == 0
    forward_queue.give_back(state(forwarder).pk, owner)
    assert turn(forwarder) == 4


@claim("forward.in-order")
def test_who_lost_the_lease_moves_nothing_on(cast: Cast, receiver: Hook) -> None:
    """Its batch may have arrived, and arrives again."""
    forwarder = forwarder_to(receiver.url, cast.acme)
    some(3, cast.acme)

    def lose(_: bytes) -> int:
        receiver.decide = None
        return 200

    receiver.decide = lose
    pk = state(forwarder).pk
    owner = forward_queue.claim(pk)
    assert owner is not None
    position = forward_queue.next_position(pk, -1)
    assert position is not None
    batch = forward_queue.read_next(position, "syslog", 10)
    forward_queue.take_away(state(forwarder))
    with pytest.raises(forward_queue.LeaseLost):
        forward_queue.settle_taken(pk, owner, batch, forward_work.name_of(forwarder))
    assert turn(forwarder) == 4


@claim("forward.dead-letters")
def test_what_was_dropped_before_it_could_be_sent_is_listed(cast: Cast, receiver: Hook) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme)
    some(6, cast.acme)
    begin = ForwardPosition.objects.get(state=state(forwarder)).seq
    with log_may_change():
        dropped = "FROM audit_seal WHERE project_ref = %s AND seq <= %s"
        execute(f"DELETE FROM audit_event WHERE ord IN (SELECT event_ord {dropped})", [cast.acme.pk, begin + 3])
        execute(f"DELETE {dropped}", [cast.acme.pk, begin + 3])
    assert turn(forwarder) == 4
    assert [each[:3] for each in letters()] == [(begin + 1, begin + 3, "missing")]
    again = forwarder_to(receiver.url, cast.acme, name="again", from_start=True)
    assert ForwardPosition.objects.get(state=state(again)).seq == begin + 3


@claim("forward.in-order")
def test_an_event_that_is_gone_or_cannot_be_read_stops_nothing(cast: Cast, receiver: Hook) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme)
    some(6, cast.acme)
    first = ForwardPosition.objects.get(state=state(forwarder)).seq
    with log_may_change():
        execute("DELETE FROM audit_event WHERE subject = 'tool-2'")
        change = "detail = '{\"a\": 1e400}'" if connection.vendor == "postgresql" else "at = 'never'"
        execute(f"UPDATE audit_event SET {change} WHERE subject = 'tool-4'")
    assert turn(forwarder) == 5
    assert tools(receiver.taken) == ["tool-0", "tool-1", "tool-3", "tool-5"]
    assert [each[:3] for each in letters()] == [
        (first + 4, first + 4, "missing"), (first + 6, first + 6, "unreadable"),
    ]  # fmt: skip


# --- what a receiver does not take ----------------------------------------------------------------------


@claim("forward.retried")
@pytest.mark.parametrize(
    ("part", "fault"), [(500, "status 500"), (503, "status 503"), (429, "status 429"), (408, "status 408"),
                        (302, "status 302"), (RESET, "dropped"), (HANG, "timeout")],
)  # fmt: skip
def test_what_is_not_taken_now_is_sent_again_and_told_once(
    cast: Cast, receiver: Hook, part: int | str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "_SECONDS", 0.5)
    forwarder = forwarder_to(receiver.url, cast.acme)
    sent = some(5, cast.acme)
    # What is dropped is tried twice at once: a kept connection may have been closed meanwhile.
    receiver.script = [part] * (4 if part == RESET else 2)
    for failures in (1, 2):
        assert turn(forwarder) == 0
        held = state(forwarder)
        assert (held.fault, held.failures) == (fault, failures)
        assert held.retry_at is not None
        assert held.lease_until is None
    assert not forward_work.due().exists()
    assert kinds() == ["audit.forward_failed"]
    event = Event.objects.get(kind="audit.forward_failed")
    assert (event.project_ref, event.subject, event.detail["fault"]) == (cast.acme.pk, "siem", fault)
    come_back()
    assert turn(forwarder) == 6
    assert tools(receiver.taken) == sent
    assert kinds() == ["audit.forward_failed", "audit.forward_recovered"]
    held = state(forwarder)
    assert (held.failing_since, held.failures, held.fault) == (None, 0, "")


@claim("forward.retried")
def test_pauses_grow_to_a_bound_are_spread_and_heed_the_receiver(cast: Cast, receiver: Hook) -> None:
    pauses = [[forward_queue._pause(failures, 0.0) for _ in range(50)] for failures in range(12)]
    for failures, each in enumerate(pauses):
        top = min(300.0, 2.0**failures)
        assert all(top / 2 <= pause <= top for pause in each)
        assert len(set(each)) > 10
    forwarder = forwarder_to(receiver.url, cast.acme)
    receiver.script, receiver.headers = [429], {"Retry-After": "120"}
    seal_all()
    turn(forwarder)
    retry_at = state(forwarder).retry_at
    assert retry_at is not None
    assert 110 < (retry_at - now()).total_seconds() < 121


@claim("forward.retried")
def test_a_receiver_that_fails_and_recovers_all_the_time_does_not_fill_the_log_with_it(
    cast: Cast, receiver: Hook
) -> None:
    """The events about it are sent to it too."""
    forwarder = forwarder_to(receiver.url, cast.acme)
    for _ in range(5):
        seal_all()
        receiver.script = [500]
        turn(forwarder)
        come_back()
        turn(forwarder)
        some(1, cast.acme)
    assert kinds() == ["audit.forward_failed", "audit.forward_recovered"]


@claim("forward.dead-letters")
def test_what_is_refused_is_listed_event_by_event_and_the_rest_goes_on(cast: Cast, receiver: Hook) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme)
    sent = some(20, cast.acme)
    receiver.decide = lambda body: 400 if b"tool-7 " in body or b'"tool-7"' in body else 200
    assert turn(forwarder) == 20
    assert tools(receiver.taken) == [each for each in sent if each != "tool-7"]
    [(first, last, reason, attempts)] = letters()
    assert (first, reason, attempts) == (last, "status 400", 1)
    assert Seal.objects.get(project_ref=cast.acme.pk, seq=first).event_id == Event.objects.get(subject="tool-7").id
    assert kinds() == ["audit.forward_failed", "audit.forward_recovered"]


@claim("forward.dead-letters")
def test_dead_letters_can_be_sent_again(cast: Cast, receiver: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward_queue, "BATCH", 8)
    forwarder = forwarder_to(receiver.url, cast.acme)
    sent = some(20, cast.acme)
    receiver.decide = lambda _: 401
    assert turn(forwarder) == 0
    # A refusal of everything is one entry, however many batches it was.
    [(first, last, reason, attempts)] = letters()
    assert (last - first + 1, reason, attempts) == (21, "status 401", 1)
    # Still refused: it stays, and says how often.
    assert forwarders.resend(forwarder=forwarder) == 1
    seal_all()
    turn(forwarder)
    assert {(each[2], each[3]) for each in letters()} == {("status 401", 1), ("status 401", 2)}
    assert sum(each[1] - each[0] + 1 for each in letters()) == Seal.objects.filter(
        project_ref=cast.acme.pk, seq__gte=first
    ).count()  # fmt: skip
    receiver.decide = None
    assert forwarders.resend(forwarder=forwarder) == len(letters())
    seal_all()
    turn(forwarder)
    assert sorted(tools(receiver.taken)) == sorted(sent)
    assert letters() == []
    assert kinds("audit.forward_resent") == ["audit.forward_resent"] * 2


@claim("forward.dead-letters")
def test_what_failed_for_too_long_is_listed_and_what_is_fresh_waits(
    cast: Cast, receiver: Hook, settings: Any
) -> None:
    settings.AUDIT_FORWARD_GIVE_UP_SECONDS = 3600
    forwarder = forwarder_to(receiver.url, cast.acme)
    seal_all()
    turn(forwarder)
    some(1200, cast.acme)  # of long ago
    fresh = write(2, start=5000, project_ref=cast.acme.pk, project="acme", at=now())
    seal_all()
    receiver.decide = lambda _: 503
    turn(forwarder)
    assert letters() == []
    ForwardState.objects.update(failing_since=now() - timedelta(hours=2), retry_at=None)
    turn(forwarder)
    [(first, last, reason, _)] = letters()
    assert (last - first + 1, reason) == (1200, "given up: status 503")
    come_back()
    receiver.decide = None
    turn(forwarder)
    assert tools(receiver.taken) == [each.subject for each in fresh]


@claim("forward.dead-letters")
def test_what_became_of_events_is_counted_without_names(cast: Cast, receiver: Hook) -> None:
    before = metrics()
    forwarder = forwarder_to(receiver.url, cast.acme)
    some(4, cast.acme)
    receiver.script = [500]
    turn(forwarder)
    come_back()
    receiver.decide = lambda body: 400 if b"tool-3" in body else 200
    turn(forwarder)
    receiver.decide = None
    forwarders.resend(forwarder=forwarder)
    turn(forwarder)
    forward_work.start_due()
    after = metrics()
    gained = {name: after[name] - before.get(name, 0.0) for name in after}
    events = "mcpgw_audit_forward_events_total"
    assert gained[f'{events}{{kind="webhook",outcome="sent"}}'] == 4
    assert gained[f'{events}{{kind="webhook",outcome="dead"}}'] == 1
    assert gained[f'{events}{{kind="webhook",outcome="resent"}}'] == 1
    assert gained['mcpgw_audit_forward_faults_total{fault="status",kind="webhook"}'] >= 2
    assert after["mcpgw_audit_forward_failing"] == after["mcpgw_audit_forward_dead_letters"] == 0
    assert not any("acme" in name or "siem" in name or "127.0.0.1" in name for name in after)


def metrics() -> dict[str, float]:
    lines = generate_latest().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines)
        if name.startswith("mcpgw_audit_forward_") and "_created" not in name
    }


# --- apart from each other ------------------------------------------------------------------------------


@claim("forward.apart")
@postgresql_only
def test_a_receiver_that_hangs_delays_neither_another_tenant_nor_the_sealing(cast: Cast, receiver: Hook) -> None:
    with hook() as dead:
        dead.decide = lambda _: HANG
        hanging = forwarder_to(dead.url, cast.acme)
        well = forwarder_to(receiver.url, cast.globex)
        some(50, cast.acme)
        sent = some(50, cast.globex, start=100)
        began = time.monotonic()
        # What the schedule starts comes back at once: the sealing is behind it in the queue.
        assert tasks.forward() == 2
        assert time.monotonic() - began < 2.0
        dead.wait_for(1)
        wait_until(lambda: tools(receiver.taken) == sent)
        more = write(3, start=200, project_ref=cast.globex.pk, project="globex")
        assert sealer.seal_batch() >= 0
        seal_all()
        wait_until(lambda: tasks.forward() >= 0 and len(tools(receiver.taken)) == 53)
        assert tools(receiver.taken)[50:] == [each.subject for each in more]
        # The dead one is at its first request still.
        assert len(dead.requests) == 1
        assert state(hanging).lease_until is not None
        assert state(well).failures == 0
        dead.released.set()


@claim("forward.apart")
def test_of_many_that_fail_only_some_are_tried_at_one_time(
    cast: Cast, receiver: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(forward_work, "_run", begun.append)
    monkeypatch.setattr(forward_work, "MOST_THREADS", 4)
    monkeypatch.setattr(forward_work, "MOST_OF_PROJECT", 10)
    made = [forwarder_to(receiver.url, cast.acme, name=f"siem-{number}") for number in range(6)]
    some(1, cast.acme)
    failing = [state(forwarder).pk for forwarder in made[:4]]
    ForwardState.objects.filter(pk__in=failing).update(failures=3, failing_since=now())
    forward_work.start_due()
    join_threads()
    assert set(begun) - set(failing) == {state(forwarder).pk for forwarder in made[4:]}
    assert len(set(begun) & set(failing)) == 2


@claim("forward.apart")
def test_those_that_still_fail_count_when_others_are_started(
    cast: Cast, receiver: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    over = threading.Event()

    def hang(state_id: int) -> None:
        begun.append(state_id)
        over.wait(20)

    monkeypatch.setattr(forward_work, "_run", hang)
    monkeypatch.setattr(forward_work, "MOST_THREADS", 4)
    monkeypatch.setattr(forward_work, "MOST_OF_PROJECT", 10)
    made = [forwarder_to(receiver.url, cast.acme, name=f"siem-{number}") for number in range(4)]
    some(1, cast.acme)
    ForwardState.objects.update(failures=3, failing_since=now())
    try:
        assert forward_work.start_due() == 2
        # They have their leases by then.
        ForwardState.objects.filter(pk__in=begun).update(lease_until=now() + timedelta(minutes=1))
        assert forward_work.start_due() == 0
        ForwardState.objects.filter(pk=max(state(forwarder).pk for forwarder in made)).update(failures=0)
        assert forward_work.start_due() == 1
    finally:
        over.set()


@claim("forward.apart")
def test_where_there_are_more_than_threads_all_have_their_turn(
    cast: Cast, receiver: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(forward_work, "_run", begun.append)
    monkeypatch.setattr(forward_work, "MOST_THREADS", 2)
    made = [forwarder_to(receiver.url, project, name=name) for project in (cast.acme, cast.globex)
            for name in ("one", "two")]  # fmt: skip
    some(1, cast.acme)
    for _ in range(2):
        forward_work.start_due()
        join_threads()
    assert sorted(begun) == sorted(state(forwarder).pk for forwarder in made)


@claim("forward.apart")
def test_one_project_has_only_some_of_the_threads(
    cast: Cast, receiver: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    monkeypatch.setattr(forward_work, "_run", begun.append)
    for number in range(6):
        forwarder_to(receiver.url, cast.acme, name=f"siem-{number}")
    other = forwarder_to(receiver.url, cast.globex)
    some(1, cast.acme)
    assert forward_work.start_due() == forward_work.MOST_OF_PROJECT + 1
    join_threads()
    assert state(other).pk in begun


def wait_until(condition: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@claim("forward.apart")
def test_a_form_or_transport_that_breaks_costs_its_own_forwarder_only(
    cast: Cast, receiver: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme)
    some(2, cast.acme)

    async def break_down(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(webhook.Webhook, "send", break_down)
    assert turn(forwarder) == 0
    assert state(forwarder).fault == "internal"
    monkeypatch.undo()
    come_back()
    assert turn(forwarder) == 3


# --- what is sent ---------------------------------------------------------------------------------------


@claim("forward.signed")
def test_a_webhooks_body_is_signed_with_the_key_that_was_shown_once(cast: Cast, receiver: Hook) -> None:
    seal_all()
    forwarder, key = forwarders.create_forwarder(
        project=cast.acme, name="siem", kind="webhook", format="cef", address=receiver.url,
        authorization=f"Splunk {CANARY}",
    )  # fmt: skip
    some(2, cast.acme)
    turn(forwarder)
    [request] = receiver.requests
    stamp = request.headers["x-mcpgw-timestamp"]
    assert abs(int(stamp) - time.time()) < 60
    expected = hmac.new(key.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-mcpgw-signature"] == f"v1={expected}"
    assert request.headers["authorization"] == f"Splunk {CANARY}"
    assert request.headers["content-type"] == "text/plain; charset=utf-8"
    assert [read_cef(line).extension["cs3"] for line in request.lines] == ["siem", "tool-0", "tool-1"]
    # A new key ends the old one at once.
    _, newer = forwarders.change_forwarder(forwarder=forwarder, new_signing_key=True)
    assert newer != key
    some(1, cast.acme, start=5)
    turn(forwarder)
    last = receiver.requests[-1]
    proof = hmac.new(newer.encode(), f"{last.headers['x-mcpgw-timestamp']}.".encode() + last.body, hashlib.sha256)
    assert last.headers["x-mcpgw-signature"] == f"v1={proof.hexdigest()}"


@claim("forward.syslog")
@pytest.mark.parametrize("form", ["syslog", "cef"])
def test_syslog_over_tcp_has_each_message_with_its_length(cast: Cast, form: str) -> None:
    with syslog_server() as (server, port):
        forwarder = forwarder_to(f"syslog://127.0.0.1:{port}", cast.acme, kind="syslog", format=form)
        sent = some(700, cast.acme)
        assert turn(forwarder) == 701
        server.wait_for(701)
        assert (server.faults, server.connections) == ([], 1)
        read = [read_syslog(message) for message in server.messages]
        assert read[1].kind == "mcp.call.outcome"
        if form == "cef":
            texts = [each.text.removeprefix(b"\xef\xbb\xbf") + b"\n" for each in read]
            assert [read_cef(text).extension["cs3"] for text in texts] == ["siem", *sent]
        else:
            assert [each.data["mcpgw@32473"]["subject"] for each in read] == ["siem", *sent]


@claim("forward.syslog")
def test_syslog_over_tls_trusts_the_authority_that_it_was_given_and_no_other_name(
    cast: Cast, tmp_path: Path
) -> None:
    ours = authority(tmp_path / "ours", "127.0.0.1")
    other = authority(tmp_path / "other", "siem.example")
    with syslog_server(ours.server) as (server, port), syslog_server(other.server) as (named_otherwise, wrong_port):
        address = f"syslog+tls://127.0.0.1:{port}"
        forwarder = forwarder_to(address, cast.acme, kind="syslog", ca_bundle=ours.pem)
        # Several batches over one connection.
        sent = some(1700, cast.acme)
        assert turn(forwarder) == 1701
        server.wait_for(1701)
        assert server.connections == 1
        assert [read_syslog(each).data["mcpgw@32473"]["subject"] for each in server.messages] == ["siem", *sent]
        # Not by an authority that the machine knows; by the right one for another name.
        for to, bundle in ((address, ""), (f"syslog+tls://127.0.0.1:{wrong_port}", other.pem)):
            forwarder.address, forwarder.ca_bundle = to, bundle
            forwarders.change_forwarder(forwarder=forwarder)
            seal_all()
            assert turn(forwarder) == 0
            assert state(forwarder).fault == "certificate"
        assert named_otherwise.messages == []
        assert len(server.messages) == 1701


@claim("forward.syslog")
@claim("forward.in-order")
def test_a_syslog_connection_that_is_cut_off_leaves_nothing_out(cast: Cast) -> None:
    with syslog_server() as (server, port):
        forwarder = forwarder_to(f"syslog://127.0.0.1:{port}", cast.acme, kind="syslog")
        sent = some(2000, cast.acme)
        server.cut_after = 3
        for _ in range(5):
            turn(forwarder)
            come_back()
        wait_until(lambda: "tool-1999" in tools(server.messages))
        assert list(dict.fromkeys(subjects(server.messages))) == ["siem", *sent]


@claim("forward.syslog")
def test_a_syslog_receiver_that_is_not_there_is_tried_again(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with syslog_server() as (_, port):
        pass
    forwarder = forwarder_to(f"syslog://127.0.0.1:{port}", cast.acme, kind="syslog")
    seal_all()
    assert turn(forwarder) == 0
    assert state(forwarder).fault == "unreachable"


@claim("forward.egress")
def test_forwarders_reach_only_what_the_egress_rules_let_them(cast: Cast, receiver: Hook, settings: Any) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme)
    settings.EGRESS_ALLOW = []
    for kind, address in (
        ("webhook", receiver.url), ("webhook", "https://10.0.0.1/"), ("webhook", "https://siem.example:8443/"),
        ("webhook", "http://siem.example/"), ("syslog", "syslog://siem.example:514"), ("syslog", "syslog+tls://[::1]"),
        ("syslog", "syslog+tls://siem.example:443"), ("syslog", "syslog+tls://127.1:6514"),
        ("syslog", "syslog+tls://169.254.169.254"), ("syslog", "syslog+tls://u:p@siem.example"),
        ("syslog", "syslog+tls://siem.example/path"), ("syslog", "https://siem.example/"),
    ):  # fmt: skip
        with pytest.raises(ValidationError) as caught:
            forwarders.create_forwarder(project=cast.acme, name="other", kind=kind, address=address)
        assert list(caught.value.message_dict) == ["address"], address
    made, key = forwarders.create_forwarder(
        project=cast.acme, name="open", kind="syslog", address="syslog+tls://siem.example"
    )
    assert (made.address, made.format, key) == ("syslog+tls://siem.example:6514", "syslog", "")
    # What was opened once may be closed again.
    seal_all()
    assert turn(forwarder) == 0
    assert state(forwarder).fault == "denied: loopback address"
    assert receiver.requests == []


@claim("forward.egress")
@pytest.mark.asyncio
async def test_a_name_that_means_a_closed_address_is_not_connected_to(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checked is what is connected to, at each connection."""
    settings.EGRESS_ALLOW = []
    with pytest.raises(EgressDenied, match="loopback"):
        await egress.open_stream("syslog+tls://localhost:6514")


@claim("forward.plugins")
def test_a_transport_is_a_registered_class(cast: Cast) -> None:
    taken: list[int] = []

    class Kept:
        name, label, default_format = "kept", "Kept", "cef"
        schemes: tuple[str, ...] = ("kept",)
        secrets = frozenset[str]()

        def __init__(self, destination: Destination, media_type: str, header: bytes) -> None:
            self._fails = destination.address.endswith("never")

        @staticmethod
        def check(address: str) -> str:
            return address

        async def send(self, messages: Any) -> None:
            if self._fails:
                raise NotTaken("never")
            taken.extend(message.seq for message in messages)

        async def close(self) -> None:
            """Nothing to give back."""

    registry.add(Kept)
    try:
        forwarder = forwarder_to("kept://here", cast.acme, kind="kept", format="")
        some(2, cast.acme)
        assert turn(forwarder) == 3
        assert taken == sorted(taken)
        forwarder.address = "kept://never"
        forwarders.change_forwarder(forwarder=forwarder)
        assert forwarders.test_forwarder(forwarder=forwarder) == forwarders.Tried(False, "never")
    finally:
        del registry._classes["kept"]
    # Uninstalled: its forwarders stand still and say so.
    seal_all()
    assert turn(forwarder) == 0
    assert state(forwarder).fault == "not installed"


# --- of the whole gateway -------------------------------------------------------------------------------


@claim("forward.settings")
def test_the_operators_receiver_gets_every_log_also_those_that_come_later(
    cast: Cast, receiver: Hook, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward_queue, "BATCH", 5)
    some(3, cast.acme, start=900)
    settings.AUDIT_FORWARD = [f"{receiver.url}?x=secret-of-the-receiver#format=syslog"]
    settings.AUDIT_FORWARD_SECRET = "the-operators-key"
    forward_work.begin_settings()
    sent = {project.pk: some(12, project, start) for project, start in ((cast.acme, 0), (cast.globex, 100))}
    late = projects.create_project(slug="late")
    some(4, late, start=200)
    assert call("--now").count("0 waiting") == 1
    records = [json.loads(line[line.index(b"{") :]) for line in receiver.taken]
    for ref, expected in sent.items():
        assert [each["subject"] for each in records if each.get("project_ref") == ref] == expected
    # From its start: nothing of it is missing.
    of_late = [each["kind"] for each in records if each.get("project_ref") == late.pk]
    assert of_late == ["project.created", *["mcp.call.outcome"] * 4]
    # The logs take turns.
    order = [each.get("project_ref") for each in records]
    assert order.index(cast.globex.pk) < len(order) - 1 - order[::-1].index(cast.acme.pk)
    assert receiver.requests[0].headers["x-mcpgw-signature"].startswith("v1=")
    assert "secret-of-the-receiver" not in str(execute("SELECT * FROM audit_forwardstate"))


@claim("forward.settings")
@pytest.mark.parametrize(
    "addresses", [["ftp://siem.example"], ["siem.example:514"], ["https://10.0.0.1/secret-path"],
                  ["syslog+tls://siem.example?format=xml"], ["syslog+tls://siem.example?colour=red"],
                  ["https://siem.example/#format=jsonn"], ["https://siem.example/", "https://siem.example/"]],
)  # fmt: skip
def test_a_bad_address_of_the_settings_is_said_before_anything_starts(settings: Any, addresses: list[str]) -> None:
    settings.EGRESS_ALLOW = []
    assert checks.the_log_can_be_forwarded(None) == []
    settings.AUDIT_FORWARD = addresses
    [error] = checks.the_log_can_be_forwarded(None)
    assert error.id == "audit.E002"
    assert "secret-path" not in error.msg
    with pytest.raises(CommandError):
        call()


@claim("forward.settings")
def test_the_settings_name_syslog_and_webhooks_with_their_forms(settings: Any) -> None:
    settings.AUDIT_FORWARD = ["syslog+tls://Siem.example?format=cef", " https://siem.example/in?token=1#format=syslog"]
    settings.AUDIT_FORWARD_AUTHORIZATION = "Bearer canary"
    first, second = destinations.of_settings()
    assert (first.destination.kind, first.destination.format) == ("syslog", "cef")
    assert first.destination.address.lower() == "syslog+tls://siem.example:6514"
    assert (second.destination.kind, second.destination.format) == ("webhook", "syslog")
    assert second.destination.address == "https://siem.example/in?token=1"
    assert first.destination.secrets == {}
    assert second.destination.secrets == {"authorization": "Bearer canary"}
    assert "canary" not in repr(second)
    # A credential is for one receiver.
    settings.AUDIT_FORWARD = ["https://siem.example/in", "https://other.example/in"]
    destinations._of_settings.cache_clear()
    assert [each.id for each in checks.the_log_can_be_forwarded(None)] == ["audit.E002"]


# --- what can be done -----------------------------------------------------------------------------------


def call(*arguments: str) -> str:
    out = StringIO()
    call_command("audit", "forward", *arguments, stdout=out)
    return out.getvalue()


@claim("forward.dead-letters")
def test_the_command_lists_resends_and_sends(cast: Cast, receiver: Hook) -> None:
    forwarder_to(receiver.url, cast.acme)
    some(3, cast.acme)
    receiver.decide = lambda _: 403
    assert call() == f"acme: siem to {receiver.url.removesuffix('/in')}: 4 waiting\n"
    assert "failing: status 403, 0 times; 4 dead" in call("--now", "--project", "acme")
    receiver.decide = None
    seal_all()
    assert "siem: 1 dead letters are sent again" in call("--resend", "--now")
    assert tools(receiver.taken) == ["tool-0", "tool-1", "tool-2"]
    assert letters() == []
    assert call("--project", "globex") == ""


@claim("forward.own-only")
def test_a_test_line_says_what_happened_and_is_no_event_of_the_log(cast: Cast, receiver: Hook) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme)
    receiver.script = [200, 404]
    assert forwarders.test_forwarder(forwarder=forwarder) == forwarders.Tried(True, "taken")
    assert forwarders.test_forwarder(forwarder=forwarder) == forwarders.Tried(False, "status 404")
    shown = read_syslog(receiver.requests[0].body.rstrip())
    assert (shown.kind, shown.data["mcpgw@32473"]["seq"]) == ("audit.forward_test", "0")
    told = Event.objects.filter(kind="audit.forwarder_tested").order_by("ord")
    assert [(each.detail["taken"], each.detail["answer"]) for each in told] == [(True, "taken"), (False, "status 404")]
    assert not Event.objects.filter(kind="audit.forward_test").exists()


@claim("forward.secrets")
def test_a_stored_authorization_does_not_follow_to_another_host(cast: Cast, receiver: Hook) -> None:
    forwarder = forwarder_to(receiver.url, cast.acme, authorization=f"Bearer {CANARY}")
    forwarder.address = receiver.url.replace("127.0.0.1", "localhost")
    with pytest.raises(ValidationError) as caught:
        forwarders.change_forwarder(forwarder=forwarder)
    assert list(caught.value.message_dict) == ["authorization"]
    forwarder.address = f"{receiver.url}/elsewhere"
    forwarders.change_forwarder(forwarder=forwarder)
    seal_all()
    turn(forwarder)
    assert receiver.requests[-1].headers["authorization"] == f"Bearer {CANARY}"
    forwarder.address = receiver.url.replace("127.0.0.1", "localhost")
    forwarders.change_forwarder(forwarder=forwarder, authorization="")
    seal_all()
    turn(forwarder)
    assert "authorization" not in receiver.requests[-1].headers


@claim("forward.secrets")
def test_secrets_are_in_no_line_event_log_or_table(
    cast: Cast, receiver: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    seal_all()
    forwarder, key = forwarders.create_forwarder(
        project=cast.acme, name="siem", kind="webhook", format="syslog", address=f"{receiver.url}?token=canary-query",
        authorization=f"Bearer {CANARY}",
    )  # fmt: skip
    forwarders.test_forwarder(forwarder=forwarder)
    some(2, cast.acme)
    receiver.script = [500, RESET, RESET, 401]
    for _ in range(4):
        turn(forwarder)
        come_back()
    forwarders.change_forwarder(forwarder=forwarder)
    forwarders.resend(forwarder=forwarder)
    call("--now")
    forwarders.delete_forwarder(forwarder=forwarder)
    seal_all()
    with unscoped("the test looks at everything"):
        stored = repr(list(Event.objects.values())) + repr([list(each.values()) for each in (
            Forwarder.objects.all(), ForwardState.objects.all(), DeadLetter.objects.all())])  # fmt: skip
    said = capsys.readouterr()
    lines = b"".join(request.body for request in receiver.requests).decode()
    for place in (stored, said.out, said.err, lines, generate_latest().decode(), call()):
        assert "canary" not in place
        assert key not in place
    assert set(kinds("audit.forwarder_")) == {
        "audit.forwarder_created", "audit.forwarder_tested", "audit.forwarder_changed", "audit.forwarder_deleted",
    }  # fmt: skip


@claim("forward.own-only")
def test_no_other_project_sees_changes_or_sends_for_a_forwarder(cast: Cast, receiver: Hook) -> None:
    ours = forwarder_to(receiver.url, cast.acme)
    theirs = forwarder_to(receiver.url, cast.globex, name="other")
    receiver.decide = lambda _: 403
    some(2, cast.acme)
    turn(ours)
    before = letters()
    with with_project(cast.globex.pk):
        assert [each.name for each in Forwarder.objects.all()] == ["other"]
        assert not Forwarder.objects.filter(pk=ours.pk).exists()
        with pytest.raises(NoActiveProject):
            ours.save()
        # Another's letters are not among one's own, whatever number is given.
        assert forwarders.resend(forwarder=theirs, only=DeadLetter.objects.values_list("pk", flat=True)) == 0
        ours.project = cast.globex
        with pytest.raises(ValidationError):
            forwarders.change_forwarder(forwarder=ours)
    with pytest.raises(NoActiveProject):
        list(Forwarder.objects.all())
    assert letters() == before
    assert not DeadLetter.objects.filter(is_wanted=True).exists()


@claim("forward.own-only")
def test_what_is_switched_off_deleted_or_of_a_project_that_is_gone_is_not_sent(cast: Cast, receiver: Hook) -> None:
    off = forwarder_to(receiver.url, cast.acme)
    some(2, cast.acme)
    off.enabled = False
    forwarders.change_forwarder(forwarder=off)
    assert turn(off) == 0
    assert not forward_work.due().exists()
    forwarder_to(receiver.url, cast.globex)
    some(2, cast.globex)
    projects.delete_project(project=cast.globex)
    seal_all()
    assert not forward_work.due().exists()
    assert ForwardState.objects.count() == 1
    forwarders.delete_forwarder(forwarder=off)
    assert ForwardState.objects.count() == ForwardPosition.objects.count() == 0
    assert receiver.requests == []


@claim("forward.own-only")
def test_what_cannot_be_a_forwarder_is_refused(cast: Cast, receiver: Hook) -> None:
    good: dict[str, Any] = {"project": cast.acme, "name": "siem", "kind": "webhook", "format": "cef"}
    good["address"] = receiver.url
    for field, value in (
        ("name", "Bad Name"), ("kind", "pigeon"), ("format", "xml"), ("address", "not an address"), ("address", ""),
        ("ca_bundle", "no pem"), ("ca_bundle", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        ("authorization", "two\nlines"),
    ):  # fmt: skip
        with pytest.raises(ValidationError) as caught:
            forwarders.create_forwarder(**{**good, field: value})
        assert field in caught.value.message_dict, (field, value)
    for number in range(forwarders.MAX_FORWARDERS):
        forwarders.create_forwarder(**{**good, "name": f"siem-{number}"})
    with pytest.raises(ValidationError, match="at most"):
        forwarders.create_forwarder(**{**good, "name": "more"})
    with pytest.raises(ValidationError):
        forwarders.create_forwarder(**{**good, "project": cast.globex, "kind": "syslog"})
