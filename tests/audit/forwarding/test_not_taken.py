"""What a receiver does not take is sent again, or given up and kept for whoever looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit import forward_queue, forward_work, forwarders
from audit.entry import now
from audit.forwarding import webhook
from audit.models import Event, ForwardState, Seal
from tests.audit.forwarding.sending import (
    come_back,
    forwarder_to,
    kinds,
    letters,
    metrics,
    some,
    state,
    tools,
    turn,
)
from tests.audit.receivers import HANG, RESET, Hook
from tests.audit.sealing import seal_all, write
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)
claim = pytest.mark.claim


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
def test_what_failed_for_too_long_is_listed_and_what_is_fresh_waits(cast: Cast, receiver: Hook, settings: Any) -> None:
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
