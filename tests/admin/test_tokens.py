"""The page of one's own admin tokens: issued once it is known who asks, shown once, scoped, and revoked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event
from projects import tokens
from projects.models import AdminToken
from tests.admin.conftest import everything_stored
from tests.admin.people import People, two_tenants_of_every_role
from tests.signing_in import proof_is_old

pytestmark = [pytest.mark.django_db, pytest.mark.claim("rest.tokens-page")]
TEXT = re.compile(r"mga_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}")


@pytest.fixture
def people(db: None) -> People:
    return two_tenants_of_every_role()


def ask(client: Client, **fields: Any) -> Any:
    given = {"project": "acme", "label": "canary-label", "actions": ["config.read"], "days": 30, **fields}
    return client.post(reverse("admin:tokens"), given)


def test_a_token_is_shown_once_and_does_what_was_chosen(people: People) -> None:
    owner = people.browser("owner")
    answer = ask(owner, actions=["config.read", "audit.read"], networks="192.0.2.0/24")
    text = TEXT.search(answer.content.decode())
    assert text is not None and "no-store" in answer["Cache-Control"]
    row = AdminToken.objects.get()
    assert (row.user, row.project, row.actions) == (people.users["owner"], people.acme, ["audit.read", "config.read"])
    assert row.networks == ["192.0.2.0/24"]
    assert text[0] not in everything_stored()
    again = owner.get(reverse("admin:tokens")).content.decode()
    assert f"mga_{row.token_id}…" in again and TEXT.search(again) is None
    event = Event.objects.get(kind="token.issued")
    assert (event.subject, event.actor) == (row.token_id, "owner@gateway.test")


def test_nobody_gets_one_that_may_more_than_they(people: People) -> None:
    member, auditor, operator = (people.browser(name) for name in ("member", "auditor", "operator"))
    for client, fields in (
        (member, {"actions": ["config.write"]}), (member, {"actions": ["gateway.read"]}), (member, {"project": ""}),
        (auditor, {"actions": ["config.read"]}), (member, {"actions": []}), (member, {"days": 367}),
        (member, {"project": "globex"}), (member, {"networks": "everywhere"}), (member, {"project": "a\x00"}),
    ):  # fmt: skip
        assert ask(client, **fields).status_code == 422, fields
    foreign, nothing = (ask(member, project=slug).context["form"].errors for slug in ("globex", "never"))
    assert foreign == nothing
    assert not AdminToken.objects.exists()
    assert ask(operator, project="", actions=["gateway.read"]).status_code == 200
    assert AdminToken.objects.get().project is None


def test_it_is_revoked_by_its_person_and_by_nobody_else(people: People) -> None:
    text = TEXT.search(ask(people.browser("member")).content.decode())
    assert text is not None
    row = AdminToken.objects.get()
    assert row.label not in people.browser("owner").get(reverse("admin:tokens")).content.decode()
    revoke = {"act": "revoke", "token": row.token_id}
    people.browser("owner").post(reverse("admin:tokens"), revoke)
    assert tokens.authenticate(text[0], None).user == people.users["member"]
    people.browser("member").post(reverse("admin:tokens"), revoke)
    with pytest.raises(tokens.Refused, match="revoked"):
        tokens.authenticate(text[0], None)


@pytest.mark.claim("signin.again")
def test_who_asks_proves_again_who_they_are(people: People) -> None:
    owner = people.browser("owner")
    proof_is_old(owner)
    for answer in (owner.get(reverse("admin:tokens")), ask(owner)):
        assert answer.status_code == 302 and answer["Location"].startswith(reverse("admin:second_factor"))
    assert not AdminToken.objects.exists()


def test_whoever_has_no_part_in_the_gateway_has_no_page(people: People) -> None:
    people.users["outsider"].is_active = False
    people.users["outsider"].save()
    for name in ("outsider", "nobody"):
        assert people.browser(name).get(reverse("admin:tokens")).status_code == 302, name
