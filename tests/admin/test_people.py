"""Accounts in the admin pages: e-mail is the name, rights come from memberships, and one operator always stays."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from audit.models import Event
from projects import authentication, versions
from projects.models import Membership, User
from projects.scoping import unscoped, with_project
from tests.admin.conftest import PASSWORD, Stored, everything_stored
from tests.admin.test_pages import act, add, change, delete, errors_of

pytestmark = [pytest.mark.django_db, pytest.mark.claim("admin.people")]


def person(**fields: Any) -> dict[str, Any]:
    return {"email": "ada@acme.test", "first_name": "", "last_name": "", "is_active": "on", **fields}


def test_a_person_is_added_with_a_password_and_can_be_an_operator(pages: Client) -> None:
    fields = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD, "is_superuser": "on"}
    assert add(pages, "projects_user", email="Second@Gateway.test", **fields).status_code == 302
    user = User.objects.get(email="second@gateway.test")
    assert user.is_superuser
    assert user.is_staff
    assert user.check_password(PASSWORD)
    event = Event.objects.get(kind="user.created")
    assert (event.subject, event.actor) == ("second@gateway.test", "operator@gateway.test")
    assert PASSWORD not in everything_stored()


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "not an address"), ("email", ""), ("email", "OPERATOR@gateway.test"), ("password2", "short"),
     ("password2", "other than the first")],
)  # fmt: skip
def test_wrong_input_is_a_form_error(pages: Client, field: str, value: str) -> None:
    fields = {"email": "x@y.test", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    assert field in errors_of(add(pages, "projects_user", **{**fields, field: value}))


def test_deactivating_someone_stops_their_keys(pages: Client, stored: Stored) -> None:
    before = versions.current()
    assert change(pages, "projects_user", stored.user.pk, **person(is_active="")).status_code == 302
    assert versions.changed_since(before)[1] == [stored.project.pk]
    with with_project(stored.project.pk):
        assert authentication.load_keys(stored.project.pk) == {}
    event = Event.objects.get(kind="user.changed")
    assert (event.actor, event.detail["active"]) == ("operator@gateway.test", False)


def test_an_operator_sets_a_password_and_that_is_recorded(pages: Client, stored: Stored) -> None:
    path = reverse("admin:auth_user_password_change", args=[stored.user.pk])
    fields = {"usable_password": "true", "password1": "another passphrase", "password2": "another passphrase"}
    assert pages.post(path, {**fields, "set-password": "x"}).status_code == 302
    stored.user.refresh_from_db()
    assert stored.user.check_password("another passphrase")
    event = Event.objects.get(kind="user.password_set")
    assert (event.subject, event.actor) == ("ada@acme.test", "operator@gateway.test")


def test_whom_a_projects_link_let_in_is_made_an_operator_knowingly(pages: Client, stored: Stored) -> None:
    path = reverse("admin:projects_user_change", args=[stored.user.pk])
    warning = f"A link of the project {stored.project.slug} opened this account"
    assert warning not in pages.get(path).content.decode()
    User.objects.filter(pk=stored.user.pk).update(opened_in=stored.project.pk)
    assert warning in pages.get(path).content.decode()
    wanted = person(is_superuser="on")
    assert "is_known" in errors_of(change(pages, "projects_user", stored.user.pk, **wanted))
    assert not User.objects.get(pk=stored.user.pk).is_superuser
    assert change(pages, "projects_user", stored.user.pk, **person(first_name="Ada")).status_code == 302
    assert change(pages, "projects_user", stored.user.pk, **wanted, is_known="on").status_code == 302
    assert User.objects.get(pk=stored.user.pk).is_superuser


def test_the_page_of_an_account_leads_to_a_new_password(pages: Client, stored: Stored) -> None:
    page = pages.get(reverse("admin:projects_user_change", args=[stored.user.pk])).content.decode()
    assert f'href="{reverse("admin:auth_user_password_change", args=[stored.user.pk])}"' in page


def test_the_last_operator_stays(pages: Client, operator: User) -> None:
    for fields in ({"is_superuser": "on", "is_active": ""}, {"is_superuser": "", "is_active": "on"}):
        errors = errors_of(change(pages, "projects_user", operator.pk, **person(email=operator.email, **fields)))
        assert "at least one active operator" in str(errors)
    delete(pages, "projects_user", operator.pk)
    act(pages, "projects_user", "delete_selected", operator.pk, post="yes")
    assert User.objects.filter(pk=operator.pk, is_active=True, is_superuser=True).exists()


def test_another_operator_can_be_stood_down(pages: Client) -> None:
    other = User.objects.create_superuser("second@gateway.test", PASSWORD)
    assert change(pages, "projects_user", other.pk, **person(email=other.email)).status_code == 302
    other.refresh_from_db()
    assert not other.is_superuser
    assert not other.is_staff


def test_deleting_someone_removes_their_memberships_by_the_rules(pages: Client, stored: Stored) -> None:
    response = delete(pages, "projects_user", stored.user.pk)
    assert "at least one owner" in pages.get(response.url).content.decode()
    assert User.objects.filter(pk=stored.user.pk).exists()

    with unscoped("the test adds an owner"):
        other = User.objects.create_user("bob@acme.test")
        Membership.objects.create(project=stored.project, user=other, role="owner")
    delete(pages, "projects_user", stored.user.pk)
    assert not User.objects.filter(pk=stored.user.pk).exists()
    kinds = list(Event.objects.order_by("-ord").values_list("kind", flat=True)[:3])
    assert kinds == ["user.deleted", "member.removed", "key.revoked"]
    with with_project(stored.project.pk):
        assert authentication.load_keys(stored.project.pk) == {}


def test_no_page_shows_a_password_hash(pages: Client, operator: User) -> None:
    body = pages.get(reverse("admin:projects_user_change", args=[operator.pk])).content.decode()
    assert operator.password.rsplit("$", 1)[1] not in body
    assert settings.AUTH_USER_MODEL == "projects.User"
