"""What can be done to forwarders, those of the settings too."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from prometheus_client import generate_latest

from audit import checks, destinations, forward_queue, forward_work, forwarders
from audit.models import DeadLetter, Event, Forwarder, ForwardPosition, ForwardState
from projects import services as projects
from projects.scoping import NoActiveProject, unscoped, with_project
from tests.audit.forwarding.sending import (
    come_back,
    forwarder_to,
    kinds,
    letters,
    some,
    tools,
    turn,
)
from tests.audit.parsers import read_syslog
from tests.audit.receivers import RESET, Hook
from tests.audit.sealing import execute, seal_all
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)
claim = pytest.mark.claim
CANARY = "canary-authorization"


# --- of the whole gateway ------------------------------------------------------------------------------------


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


# --- what can be done ----------------------------------------------------------------------------------------


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
