"""Sealed events on their way to other systems: all of them, in order, and none waits for another receiver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from audit import forward_queue, forward_work, sealer, tasks
from audit.entry import now
from audit.forwarding import webhook
from audit.models import ForwardPosition, ForwardState, Seal
from tests.audit.forwarding.sending import (
    come_back,
    forwarder_to,
    join_threads,
    kinds,
    letters,
    some,
    state,
    tools,
    turn,
)
from tests.audit.receivers import HANG, Hook, hook, subjects
from tests.audit.sealing import execute, seal_all, write
from tests.cast import Cast
from tests.conftest import log_may_change
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
claim = pytest.mark.claim
postgresql_only = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="the suite's SQLite database is in memory and has one connection"
)


# --- order, and nothing left out -----------------------------------------------------------------------------


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


# --- apart from each other -----------------------------------------------------------------------------------


@claim("forward.apart")
@postgresql_only
def test_a_receiver_that_hangs_delays_neither_another_tenant_nor_the_sealing(cast: Cast, receiver: Hook) -> None:
    with hook() as dead:
        dead.decide = lambda _: HANG
        hanging = forwarder_to(dead.url, cast.acme)
        well = forwarder_to(receiver.url, cast.globex)
        some(50, cast.acme)
        sent = some(50, cast.globex, start=100)
        # What the schedule starts comes back before it is known how a turn ends: the sealing is behind it in the queue.
        assert tasks.forward() == 2
        assert state(hanging).failures == 0
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
def test_one_project_has_only_some_of_the_threads(cast: Cast, receiver: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    monkeypatch.setattr(forward_work, "_run", begun.append)
    for number in range(6):
        forwarder_to(receiver.url, cast.acme, name=f"siem-{number}")
    other = forwarder_to(receiver.url, cast.globex)
    some(1, cast.acme)
    assert forward_work.start_due() == forward_work.MOST_OF_PROJECT + 1
    join_threads()
    assert state(other).pk in begun


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
