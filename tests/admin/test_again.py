"""What matters is asked for again: after ten minutes these pages lead to the question and back."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event
from projects import services
from projects.models import ApiKey, TotpDevice, User
from projects.scoping import unscoped
from tests.admin.conftest import PASSWORD, Stored
from tests.admin.signing import ASK, INDEX, code_of, give_code
from tests.signing_in import factor_of, proof_is_old

pytestmark = [pytest.mark.django_db, pytest.mark.claim("signin.again")]


def is_question(response: Any) -> bool:
    return bool(response.status_code == 302) and response.headers["Location"].startswith(ASK)


def asked(stored: Stored) -> list[str]:
    """Pages that are asked for again when they are opened."""
    pages = [
        ("projects_apikey_add", ()), ("projects_membership_add", ()),
        ("projects_membership_change", (stored.membership.pk,)),
        ("projects_membership_delete", (stored.membership.pk,)),
        ("projects_user_add", ()), ("projects_user_change", (stored.user.pk,)),
        ("projects_user_delete", (stored.user.pk,)), ("auth_user_password_change", (stored.user.pk,)),
        ("audit_export_add", ()), ("audit_exportschedule_add", ()), ("invitations", ()), ("account_password", ()),
        ("second_factor_set_up", ()), ("recovery_codes", ()),
    ]  # fmt: skip
    found = [reverse(f"admin:{name}", args=args) for name, args in pages]
    return [*found, reverse("audit-export-download", args=[uuid.uuid4()])]


def actions(stored: Stored) -> list[tuple[str, dict[str, str]]]:
    """What a list does to rows."""
    rows = (("projects_apikey", "rotate_keys", stored.key.pk), ("projects_user", "reset_factors", stored.user.pk),
            ("projects_user", "delete_selected", stored.user.pk),
            ("projects_membership", "delete_selected", stored.membership.pk),
            ("audit_subjectkey", "erase_people", 1))  # fmt: skip
    return [(reverse(f"admin:{model}_changelist"),
             {"action": action, "_selected_action": str(pk), "confirmed": "yes", "post": "yes"})
            for model, action, pk in rows]  # fmt: skip


def test_after_ten_minutes_each_page_asks_and_comes_back_to_itself(pages: Client, stored: Stored) -> None:
    for path in asked(stored):
        assert not is_question(pages.get(path)), path
    proof_is_old(pages)
    for path in asked(stored):
        response = pages.get(path)
        assert is_question(response), path
        assert parse_qs(urlsplit(response["Location"]).query)["next"] == [path]
        assert pages.get(response["Location"]).status_code == 200


def test_what_is_posted_late_is_not_done_then_or_later(pages: Client, operator: User, stored: Stored) -> None:
    proof_is_old(pages)
    before, keys = Event.objects.count(), _keys()
    fields = {"project": stored.project.pk, "email": stored.user.email, "label": "late", "servers": "*", "tools": "*",
              "surface": "native"}  # fmt: skip
    add = reverse("admin:projects_apikey_add")
    response = pages.post(add, fields)
    assert is_question(response)
    for path, data in actions(stored):
        assert is_question(pages.post(path, data)), path
    assert Event.objects.count() == before
    answer = pages.post(response["Location"], {"code": code_of(factor_of(operator).secret), "next": add})
    assert answer["Location"] == add
    assert pages.get(add).status_code == 200
    assert _keys() == keys, "only a form comes back"
    assert pages.post(add, fields).status_code == 200
    assert _keys() == keys + 1


def _keys() -> int:
    with unscoped("the test counts"):
        return ApiKey.objects.count()


def test_what_only_shows_is_not_asked_for_again(pages: Client, stored: Stored) -> None:
    proof_is_old(pages)
    for name in ("projects_apikey_changelist", "projects_membership_changelist", "projects_user_changelist",
                 "audit_export_changelist", "audit_event_changelist", "index", "account"):  # fmt: skip
        assert pages.get(reverse(f"admin:{name}")).status_code == 200, name


def test_a_proof_from_the_future_or_of_no_time_is_none(pages: Client, stored: Stored) -> None:
    add = reverse("admin:projects_apikey_add")
    proof_is_old(pages, -3600)
    assert is_question(pages.get(add))
    wrong: list[Any] = [None, "x", [], "999999999999"]
    for nonsense in wrong:
        session = pages.session
        session["verified_at"] = nonsense
        session.save()
        assert is_question(pages.get(add)), nonsense


def test_who_needs_no_second_factor_gives_the_password(client: Client, stored: Stored) -> None:
    user = User.objects.create_user("carla@acme.test", PASSWORD)
    services.set_member(project=stored.project, user=user, role="auditor")
    client.force_login(user)
    add = reverse("admin:audit_export_add")
    assert client.get(add).status_code == 200
    proof_is_old(client)
    question = client.get(add)
    assert is_question(question)
    assert client.post(question["Location"], {"password": "wrong"}).status_code == 422
    assert is_question(client.get(add))
    assert Event.objects.filter(kind="auth.sign_in_failed", subject=user.email).exists()
    assert client.post(question["Location"], {"password": PASSWORD, "next": add})["Location"] == add
    assert client.get(add).status_code == 200


def test_a_password_is_no_proof_for_who_has_a_second_factor(pages: Client, operator: User) -> None:
    proof_is_old(pages)
    pages.post(ASK, {"password": PASSWORD})
    pages.post("/admin/login/", {"username": operator.email, "password": PASSWORD, "next": INDEX})
    assert is_question(pages.get(reverse("admin:projects_apikey_add")))


def test_the_session_gets_a_new_key_with_every_proof(pages: Client, operator: User) -> None:
    before = pages.cookies["sessionid"].value
    device = factor_of(operator)
    assert give_code(pages, code_of(device.secret)).status_code == 302
    assert pages.cookies["sessionid"].value != before
    old = Client()
    old.cookies["sessionid"] = before
    assert old.get(INDEX).status_code == 302
    assert TotpDevice.objects.get(pk=device.pk).last_used_at is not None
