"""The operator's pages for forwarders and dead letters."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from audit import forwarders
from audit.models import DeadLetter, Event, Forwarder, ForwardState
from projects.models import User
from projects.scoping import unscoped
from tests.admin.conftest import Stored, everything_stored
from tests.admin.test_pages import act, add, change, delete, errors_of
from tests.audit.receivers import hook

pytestmark = [pytest.mark.django_db, pytest.mark.claim("forward.own-only")]
FIELDS = {"name": "siem", "format": "cef", "address": "http://127.0.0.1:9002/in", "ca_bundle": "", "enabled": "on"}


def the(name: str) -> Forwarder:
    with unscoped("the test looks"):
        return Forwarder.objects.select_related("project").get(name=name)


@pytest.mark.claim("forward.secrets")
def test_a_signing_key_is_on_one_page_only(pages: Client, stored: Stored) -> None:
    shown = add(
        pages, "audit_forwarder", project=stored.project.pk, **{**FIELDS, "name": "other", "kind": "webhook"},
        authorization="Bearer canary-other",
    )  # fmt: skip
    made = the("other")
    key = made.secrets["signing_key"]
    assert key in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert made.secrets["authorization"] == "Bearer canary-other"
    newer = change(pages, "audit_forwarder", made.pk, **{**FIELDS, "name": "other"}, new_signing_key="on")
    key_now = the("other").secrets["signing_key"]
    assert key_now in newer.content.decode()
    assert key_now != key
    bodies = [
        pages.get(reverse(f"admin:audit_forwarder_{page}", args=arguments)).content.decode()
        for page, arguments in (("changelist", []), ("change", [made.pk]), ("history", [made.pk]))
    ]
    events = pages.get(reverse("admin:audit_event_changelist")).content.decode()
    for secret in (key, key_now, "canary-other"):
        assert not any(secret in body for body in [*bodies, events, everything_stored()])
    assert "authorization, signing key" in bodies[1]


def test_a_forwarder_is_changed_refused_and_deleted_by_its_service(pages: Client, stored: Stored) -> None:
    pk = stored.forwarder.pk
    before = the("siem").secrets
    events = Event.objects.count()
    change(pages, "audit_forwarder", pk, **FIELDS)
    assert Event.objects.count() == events
    change(pages, "audit_forwarder", pk, **{**FIELDS, "format": "syslog"})
    assert (the("siem").format, the("siem").secrets) == ("syslog", before)
    elsewhere = {**FIELDS, "address": "http://localhost:9002/in"}
    assert "another host" in str(errors_of(change(pages, "audit_forwarder", pk, **elsewhere))["authorization"])
    closed = change(pages, "audit_forwarder", pk, **{**FIELDS, "address": "http://10.0.0.1/"}, authorization="canary-7")
    assert "egress_denied: private address" in str(errors_of(closed)["address"])
    assert "canary-7" not in closed.content.decode()
    change(pages, "audit_forwarder", pk, **elsewhere, forget_authorization="on")
    assert "authorization" not in the("siem").secrets
    delete(pages, "audit_forwarder", pk)
    assert not ForwardState.objects.exists()
    kinds = list(Event.objects.order_by("ord").values_list("kind", flat=True))[events:]
    assert kinds == ["audit.forwarder_changed"] * 2 + ["audit.forwarder_deleted"]


def test_a_test_line_is_sent_from_the_page(pages: Client, stored: Stored) -> None:
    with hook() as receiver:
        receiver.script = [200, 403]
        stored.forwarder.address = receiver.url
        forwarders.change_forwarder(forwarder=stored.forwarder, authorization="")
        address = reverse("admin:audit_forwarder_test", args=[stored.forwarder.pk])
        assert "was taken" in pages.post(address, follow=True).content.decode()
        assert "was not taken: status 403" in pages.post(address, follow=True).content.decode()
    told = Event.objects.filter(kind="audit.forwarder_tested").order_by("ord")
    assert [(each.actor, each.detail["taken"]) for each in told] == [
        ("operator@gateway.test", True), ("operator@gateway.test", False),
    ]  # fmt: skip


@pytest.mark.claim("forward.dead-letters")
def test_dead_letters_are_sent_again_by_forwarder_or_one_by_one(pages: Client, stored: Stored) -> None:
    state = forwarders.state_of(stored.forwarder)
    letter = DeadLetter.objects.get()
    other = DeadLetter.objects.create(
        state=state, project_ref=stored.project.pk, first=20, last=21, reason="status 401", at=letter.at
    )
    listed = pages.get(reverse("admin:audit_forwarder_changelist")).content.decode()
    assert "11 dead" in listed
    act(pages, "audit_deadletter", "resend_selected", other.pk)
    assert set(DeadLetter.objects.filter(is_wanted=True)) == {other}
    act(pages, "audit_forwarder", "resend_dead_letters", stored.forwarder.pk)
    assert DeadLetter.objects.filter(is_wanted=True).count() == 2
    told = Event.objects.filter(kind="audit.forward_resent").order_by("ord")
    assert [(each.actor, each.detail["dead_letters"]) for each in told] == [("operator@gateway.test", 1)] * 2


def test_those_of_the_settings_are_sent_again_by_the_command_only(pages: Client, stored: Stored) -> None:
    state = ForwardState.objects.create(setting="0" * 16)
    letter = DeadLetter.objects.create(
        state=state, project_ref=0, first=1, last=1, reason="x", at=DeadLetter.objects.get().at
    )
    act(pages, "audit_deadletter", "resend_selected", letter.pk)
    assert not DeadLetter.objects.filter(is_wanted=True).exists()


def test_outsiders_do_nothing_to_them(stored: Stored, staff: User) -> None:
    mallory = User.objects.create_user("mallory@globex.test", "a long enough passphrase")
    for person in (staff, mallory):
        client = Client()
        client.force_login(person)
        pk = stored.forwarder.pk
        before = everything_stored()
        for path, data in (
            (reverse("admin:audit_forwarder_change", args=[pk]), {**FIELDS, "enabled": ""}),
            (reverse("admin:audit_forwarder_test", args=[pk]), {}),
            (reverse("admin:audit_forwarder_delete", args=[pk]), {"post": "yes"}),
            (reverse("admin:audit_forwarder_add"), {**FIELDS, "kind": "webhook", "project": stored.project.pk}),
            (reverse("admin:audit_forwarder_changelist"), {"action": "resend_dead_letters", "_selected_action": pk}),
            (reverse("admin:audit_deadletter_changelist"), {"action": "resend_selected", "_selected_action": 1}),
        ):
            assert client.post(path, data).status_code in (302, 403), path
            assert b"siem" not in client.get(path).content
        assert everything_stored() == before
