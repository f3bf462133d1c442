"""Invitations by link: who makes them, whom they let in, how often, and what is kept of them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from audit.models import Event
from gateway_site.lib.actor import Actor, acting_as
from projects import people, services
from projects.models import Invitation, Membership, Project, User
from projects.permissions import Role
from projects.scoping import unscoped, with_project
from projects.signin import invitations, verification
from tests.admin.conftest import PASSWORD, everything_stored
from tests.admin.signing import SET_UP, give_password
from tests.cast import Cast
from tests.signing_in import factor_of, password_only, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.claim("signin.invitations")]
PAGE = "/admin/invitations/"
NEW = "zoe@acme.test"


def link_to(project: Project, email: str = NEW, role: str = Role.ADMIN) -> str:
    with acting_as(Actor("user", "1", "ada@acme.test")):
        return invitations.path_of(invitations.invite(project=project, email=email, role=role)[1])


def role_of(email: str, project: Project) -> str | None:
    with with_project(project.pk):
        return Membership.objects.filter(user__email=email).values_list("role", flat=True).first()


def browser(user: User) -> Client:
    client = Client()
    signed_in(client, user)
    return client


def test_an_operator_makes_a_link_that_is_shown_once(pages: Client, cast: Cast) -> None:
    fields = {"project": cast.acme.slug, "email": "Zoe@acme.test", "role": "admin"}
    response = pages.post(PAGE, fields)
    assert "no-store" in response["Cache-Control"]
    (link,) = re.findall(r"http://testserver(/invite/[\w-]{43}/)", response.content.decode())
    assert link not in pages.get(PAGE).content.decode()
    assert NEW in pages.get(PAGE).content.decode()
    assert link.split("/")[2] not in everything_stored()
    assert Client().get(link).status_code == 200
    event = Event.objects.get(kind="member.invited")
    assert (event.subject, event.project, event.actor) == (NEW, "acme", "operator@gateway.test")


def test_who_is_new_makes_an_account_and_goes_on_to_a_second_factor(cast: Cast) -> None:
    link, client = link_to(cast.acme), Client()
    page = client.get(link).content.decode()
    assert "acme" in page
    assert "ada@acme.test" in page
    for weak in ("", "short", "password"):
        assert client.post(link, {"password": weak}).status_code == 422
    assert not User.objects.filter(email=NEW).exists()
    response = client.post(link, {"password": PASSWORD}, follow=True)
    assert response.redirect_chain[-1][0].startswith(SET_UP)
    assert role_of(NEW, cast.acme) == Role.ADMIN
    assert role_of(NEW, cast.globex) is None
    accepted = Event.objects.get(kind="member.invitation_accepted")
    assert (accepted.subject, accepted.actor) == (NEW, NEW)
    assert Client().get(link).status_code == 404
    assert Client().post(link, {"password": PASSWORD}).status_code == 404


def test_a_member_by_invitation_is_in_and_needs_no_second_factor(cast: Cast) -> None:
    link, client = link_to(cast.acme, role=Role.MEMBER), Client()
    client.post(link, {"password": PASSWORD})
    assert role_of(NEW, cast.acme) == Role.MEMBER
    assert client.get("/admin/account/").status_code == 200
    assert client.get("/admin/projects/user/").status_code in (302, 403)


def test_who_has_an_account_signs_in_with_it_and_nobody_else_accepts(cast: Cast) -> None:
    link = link_to(cast.globex, "carla@acme.test", Role.AUDITOR)
    stranger = Client()
    page = stranger.get(link).content.decode()
    assert "has an account" in page
    for client in (stranger, browser(cast.bob), browser(cast.mallory)):
        client.post(link, {"password": "a password of my own"})
        assert role_of(cast.carla.email, cast.globex) is None
    assert cast.carla.check_password(PASSWORD)
    own = Client()
    assert give_password(own, cast.carla.email, to=link).redirect_chain[-1][0] == link
    assert "Join the project" in own.get(link).content.decode()
    assert role_of(cast.carla.email, cast.globex) is None, "not by looking"
    own.post(link)
    assert role_of(cast.carla.email, cast.globex) == Role.AUDITOR
    assert own.get(link).status_code == 404


def test_the_second_factor_is_asked_for_before_a_link_is_accepted(cast: Cast) -> None:
    factor_of(cast.ada)
    link = link_to(cast.globex, cast.ada.email)
    password_only(Client(), cast.ada).post(link, {})
    assert role_of(cast.ada.email, cast.globex) is None
    browser(cast.ada).post(link, {})
    assert role_of(cast.ada.email, cast.globex) == Role.ADMIN


def test_a_link_gives_no_password_to_an_account_with_rights_elsewhere(cast: Cast) -> None:
    """An account that somebody made for an address, with rights in a project of which the inviter knows nothing."""
    person = people.create_person(email=NEW)
    services.set_member(project=cast.globex, user=person, role=Role.OWNER)
    operator = people.create_person(email="root@gateway.test", is_superuser=True)
    for user in (person, operator):
        link = link_to(cast.acme, user.email)
        Client().post(link, {"password": PASSWORD})
        user.refresh_from_db()
        assert not user.has_usable_password()
        assert role_of(user.email, cast.acme) is None
    harmless = people.create_person(email="yan@acme.test")
    Client().post(link_to(cast.acme, harmless.email), {"password": PASSWORD})
    assert role_of(harmless.email, cast.acme) == Role.ADMIN


def test_an_account_that_one_project_opened_gets_into_no_other_by_its_address(pages: Client, cast: Cast) -> None:
    """An owner may open an account for an address that is not theirs, and wait for what others give to it."""
    Client().post(_link_by(cast.mallory, cast.globex), {"password": "a password of mallory's"})
    assert role_of(NEW, cast.globex) == Role.ADMIN
    fields = {"project": cast.acme.pk, "email": NEW, "role": "admin"}
    for by in (browser(cast.ada), pages):
        assert "invite" in by.post("/admin/projects/membership/add/", fields).content.decode()
        assert role_of(NEW, cast.acme) is None
    victim = User.objects.get(email=NEW)
    with pytest.raises(ValidationError):
        services.set_member(project=cast.acme, user=victim, role=Role.ADMIN)
    services.set_member(project=cast.globex, user=victim, role=Role.OWNER)
    # Whoever has the link has been told by somebody who knows the address.
    own = browser(victim)
    own.post(_link_by(cast.ada, cast.acme))
    assert role_of(NEW, cast.acme) == Role.ADMIN


def test_who_an_operator_has_vouched_for_is_added_by_the_address(pages: Client, cast: Cast) -> None:
    by_operator = pages.post(PAGE, {"project": cast.globex.slug, "email": NEW, "role": "member"}).content.decode()
    (link,) = re.findall(r"http://testserver(/invite/[\w-]{43}/)", by_operator)
    Client().post(link, {"password": PASSWORD})
    services.set_member(project=cast.acme, user=User.objects.get(email=NEW), role=Role.MEMBER)
    assert role_of(NEW, cast.acme) == Role.MEMBER
    other = "yan@acme.test"
    Client().post(_link_by(cast.mallory, cast.globex, other), {"password": "a password of mallory's"})
    person = User.objects.get(email=other)
    factor_of(person)
    given = {"usable_password": "true", "password1": "another passphrase", "password2": "another passphrase"}
    assert pages.post(f"/admin/projects/user/{person.pk}/password/", given).status_code == 302
    person.refresh_from_db()
    assert not verification.has_factor(person)
    services.set_member(project=cast.acme, user=person, role=Role.MEMBER)


def _link_by(owner: User, project: Project, email: str = NEW) -> str:
    with acting_as(Actor("user", str(owner.pk), owner.email)):
        return invitations.path_of(invitations.invite(project=project, email=email, role=Role.ADMIN)[1])


@pytest.mark.parametrize("how", ["removed", "demoted"])
def test_links_end_with_the_rights_of_who_made_them(cast: Cast, how: str) -> None:
    services.set_member(project=cast.acme, user=cast.bob, role=Role.OWNER)
    own, foreign, kept = (
        _link_by(cast.ada, cast.acme), _link_by(cast.ada, cast.globex, "yan@acme.test"),
        _link_by(cast.bob, cast.acme, "xia@acme.test"),
    )  # fmt: skip
    if how == "removed":
        services.remove_member(membership=cast.membership(cast.ada))
    else:
        services.set_member(project=cast.acme, user=cast.ada, role=Role.MEMBER)
    assert [Client().get(link).status_code for link in (own, foreign, kept)] == [404, 200, 200]


def test_a_link_ends_after_a_week_when_it_is_withdrawn_and_when_there_is_a_newer_one(
    pages: Client, cast: Cast
) -> None:
    first = link_to(cast.acme)
    second = link_to(cast.acme)
    assert Client().get(first).status_code == 404
    assert Client().get(second).status_code == 200
    with unscoped("the test lets time pass"):
        row = Invitation.objects.get()
        assert timedelta(days=6, hours=23) < row.expires_at - timezone.now() <= timedelta(days=7)
        Invitation.objects.update(expires_at=timezone.now())
    assert Client().get(second).status_code == 404
    with pytest.raises(ValidationError):
        invitations.accept(invitation=row, user=User.objects.create_user(NEW))
    assert invitations.prune() == 1
    third = link_to(cast.acme)
    with unscoped("the test names the row"):
        pages.post(PAGE, {"act": "withdraw", "invitation": Invitation.objects.get().pk})
    assert Client().get(third).status_code == 404
    assert Event.objects.filter(kind="member.invitation_withdrawn").count() == 1


def test_of_two_who_accept_at_once_one_does(cast: Cast) -> None:
    link_to(cast.acme)
    with unscoped("the test names the row"):
        row = Invitation.objects.select_related("project").get()
    user = invitations.accept_as_new(invitation=row, password=PASSWORD)
    with pytest.raises(ValidationError):
        invitations.accept(invitation=row, user=user)
    assert Event.objects.filter(kind="member.invitation_accepted").count() == 1


@pytest.mark.parametrize("token", ["wrong", "x" * 5000, "%00", "ü", "0"])
def test_a_wrong_link_is_not_found(cast: Cast, token: str) -> None:
    link_to(cast.acme)
    assert Client().get(f"/invite/{token}/").status_code == 404
    assert Client().post(f"/invite/{token}/", {"password": PASSWORD}).status_code == 404


def test_owners_invite_to_their_own_project_and_others_to_none(cast: Cast) -> None:
    link_to(cast.globex, "canary@globex.test")
    page = browser(cast.ada).get(PAGE).content.decode()
    assert "globex" not in page
    with unscoped("the test names the row"):
        foreign = Invitation.objects.get().pk
    owner = browser(cast.ada)
    assert owner.post(PAGE, {"project": cast.globex.slug, "email": NEW, "role": "owner"}).status_code == 422
    owner.post(PAGE, {"act": "withdraw", "invitation": foreign})
    assert "/invite/" in owner.post(PAGE, {"project": cast.acme.slug, "email": NEW, "role": "member"}).content.decode()
    with unscoped("the test counts"):
        assert Invitation.objects.count() == 2
    for person in (cast.bob, cast.carla):
        assert browser(person).get(PAGE).status_code == 403
        fields = {"project": cast.acme.pk, "email": NEW, "role": "owner"}
        assert browser(person).post(PAGE, fields).status_code == 403
    assert Client().get(PAGE).status_code == 302


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [({"email": "nonsense"}, "email"), ({"email": ""}, "email"), ({"role": "king"}, "role"),
     ({"project": "0"}, "project"), ({"project": "x"}, "project"), ({"email": "ada@acme.test"}, "already")],
)  # fmt: skip
def test_wrong_input_is_a_form_error(pages: Client, cast: Cast, fields: dict[str, str], wrong: str) -> None:
    given = {"project": cast.acme.slug, "email": NEW, "role": "member", **fields}
    response = pages.post(PAGE, given)
    assert response.status_code == 422
    assert wrong in str(response.context["form"].errors.as_data())
    with unscoped("the test counts"):
        assert not Invitation.objects.exists()


def test_commands_invite_list_and_withdraw(cast: Cast) -> None:
    out = StringIO()
    call_command("member", "invite", NEW, "--role", "auditor", "--project", "acme", "--json", stdout=out)
    made = json.loads(out.getvalue())
    assert Client().get(made["path"]).status_code == 200
    out = StringIO()
    call_command("member", "invitations", "--project", "acme", "--json", stdout=out)
    assert [each["email"] for each in json.loads(out.getvalue())] == [NEW]
    assert made["path"].split("/")[2] not in out.getvalue()
    call_command("member", "withdraw", NEW, "--project", "acme", stdout=StringIO())
    assert Client().get(made["path"]).status_code == 404
