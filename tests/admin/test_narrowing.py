"""In a form that is about one project, nothing of another can be chosen, even of one's own."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from projects import services
from projects.models import Project
from projects.scoping import unscoped
from servers.models import Grant, Server
from tests.cast import Cast
from tests.signing_in import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.claim("scope.sweep")]


@pytest.fixture
def owner(cast: Cast) -> Client:
    """Of both projects."""
    services.set_member(project=cast.globex, user=cast.ada, role="owner")
    client = Client()
    signed_in(client, cast.ada)
    return client


@pytest.fixture
def theirs(cast: Cast) -> tuple[Server, Server]:
    return cast.server("own", cast.acme), cast.server("other", cast.globex)


def offered(client: Client, model: str, project: Project | None) -> set[str]:
    asked = {"app_label": "servers", "model_name": model, "field_name": "server", "term": ""}
    answer = client.get(reverse("admin:autocomplete"), asked | ({"project": str(project.pk)} if project else {}))
    return {each["text"] for each in answer.json()["results"]}


@pytest.mark.parametrize("model", ["grant", "overlay"])
def test_servers_of_the_form_s_project_are_offered(
    owner: Client, cast: Cast, theirs: tuple[Server, Server], model: str
) -> None:
    assert offered(owner, model, None) >= {"acme/own", "globex/other"}
    assert all(text.startswith("acme/") for text in offered(owner, model, cast.acme))
    assert "globex/other" in offered(owner, model, cast.globex)


def test_a_rule_takes_no_server_of_another_project(
    owner: Client, cast: Cast, theirs: tuple[Server, Server]
) -> None:
    own, other = theirs
    fields: dict[str, Any] = {"project": cast.acme.pk, "server": other.pk, "effect": "allow", "pattern": "*"}
    answer = owner.post(reverse("admin:servers_grant_add"), fields)
    assert "The project has no such server." in answer.content.decode()
    assert owner.post(reverse("admin:servers_grant_add"), {**fields, "server": own.pk}).status_code == 302
    with unscoped("the test looks"):
        grant = Grant.objects.get(server=own)
    address = reverse("admin:servers_grant_change", args=[grant.pk])
    page = owner.get(address).content.decode()
    assert f'data-project="{cast.acme.pk}"' in page and "projects/narrowed" in page
    changed = owner.post(address, {**fields, "server": other.pk})
    assert changed.status_code == 200 and changed.context["adminform"].form.errors.keys() == {"server"}
    with unscoped("the test looks"):
        assert Grant.objects.get(pk=grant.pk).server == own
