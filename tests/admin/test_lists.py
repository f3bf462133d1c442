"""What lists ask of the database: as much for thirty rows as for three, and no count without an end."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import Event
from projects.models import ApiKey, Project, User
from projects.scoped_pages import ScopedAdmin
from projects.scoping import unscoped
from projects.switcher import MAX_LISTED
from servers.models import Server, Tool
from tests.admin.copies import copy_of
from tests.admin.sweep import models_with_pages, prefix_of
from tests.admin.tenants import Tenants
from tests.audit.payload import call_of

pytestmark = [pytest.mark.django_db, pytest.mark.claim("scope.lists")]
# What the request itself needs: who asks, in which projects, which of them is looked at, and what waits for them.
_OF_REQUEST = 10
# What can be chosen from in the filters of the log, and the planner's settings for one page.
_OF_LOG = 10


def multiply(model: type[Model], two: Tenants, number: int) -> None:
    """As many more rows as one that is there, alike but for what has to differ."""
    if model is Event:
        for each in range(number):
            call_of(two.acme, two.people["owner"], f"call {each}")
        return
    with unscoped("the test makes rows of any project"):
        row = model._default_manager.order_by("pk").first() or model()
        if isinstance(row, User):
            row.email = "someone@acme.test"
        copies = [copy_of(row, each) for each in range(number)]
        model._default_manager.bulk_create(copies)


def queries_of(client: Client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as caught:
        response = client.get(path)
    assert response.status_code == 200
    return [each["sql"] for each in caught.captured_queries if each["sql"].startswith(("SELECT", "UPDATE", "INSERT"))]


@pytest.mark.parametrize("role", ["owner", "operator"])
@pytest.mark.parametrize("model", models_with_pages(), ids=lambda model: model._meta.label)
def test_more_rows_take_no_more_queries(two: Tenants, model: type[Model], role: str) -> None:
    page, client = admin.site._registry[model], two.client(role)
    if role == "owner" and (not isinstance(page, ScopedAdmin) or model is Project):
        return
    path = reverse(f"{prefix_of(model)}_changelist") + ("?within=all" if model is Event else "")
    multiply(model, two, 2)
    queries_of(client, path)
    few = queries_of(client, path)
    multiply_again(model, two)
    many = queries_of(client, path)
    assert len(many) == len(few), "\n".join(sorted(set(many) - set(few)))
    assert len(many) <= _OF_REQUEST + (_OF_LOG if model is Event else 2), "\n".join(many)


def multiply_again(model: type[Model], two: Tenants) -> None:
    """Other values than those of before."""
    with unscoped("the test makes rows of any project"):
        if model is not Event:
            last = model._default_manager.order_by("pk").last()
            assert last is not None
            model._default_manager.bulk_create([copy_of(last, 100 + each) for each in range(27)])
            return
    multiply(model, two, 27)


def test_no_list_counts_all_there_is(two: Tenants) -> None:
    counted = 0
    for model in models_with_pages():
        if isinstance(admin.site._registry[model], ScopedAdmin):
            queries = queries_of(two.client("owner"), reverse(f"{prefix_of(model)}_changelist"))
            counts = [each for each in queries if each.startswith("SELECT COUNT(*)")]
            assert all("LIMIT" in each for each in counts), counts
            counted += len(counts)
    assert counted


@pytest.mark.claim("scope.lists")
def test_of_many_projects_a_list_is_filtered_by_a_name_that_is_typed(two: Tenants) -> None:
    path, operator = reverse("admin:projects_membership_changelist"), two.client("operator")
    links = operator.get(path).content.decode()
    assert f"project__id__exact={two.acme.pk}" in links and 'name="project__slug"' not in links
    Project.objects.bulk_create(Project(slug=f"many-{number:04}") for number in range(1_000))
    page = operator.get(path).content.decode()
    assert 'name="project__slug"' in page and f"project__id__exact={two.acme.pk}" not in page
    offered = page[page.index('<datalist id="filter-projects">'):]
    assert offered[: offered.index("</datalist>")].count("<option") == MAX_LISTED
    shown = operator.get(path, {"project__slug": two.acme.slug, "role__exact": "owner"})
    assert {each.project for each in shown.context["cl"].result_list} == {two.acme}
    assert '<input type="hidden" name="role__exact" value="owner">' in shown.content.decode()
    assert operator.get(path, {"project__slug": "a\x00"}).status_code == 302
    # Whoever is in few of them is offered no name, and finds nothing by another's.
    owner = two.client("owner")
    assert 'name="project__slug"' not in owner.get(path).content.decode()
    named = owner.get(path, {"project__slug": two.globex.slug}).context["cl"].result_list
    assert {each.project for each in named} <= {two.acme}


@pytest.mark.claim("pages.growth")
def test_lists_and_forms_are_compressed_and_what_is_posted_for_is_not(two: Tenants) -> None:
    owner, takes = two.client("owner"), {"accept-encoding": "gzip"}
    path, key = reverse("admin:projects_apikey_changelist"), two.row(ApiKey, two.acme)
    for address in (path, reverse("admin:projects_apikey_change", args=[key.pk])):
        assert owner.get(address, headers=takes)["Content-Encoding"] == "gzip"
        assert not owner.get(address).has_header("Content-Encoding")
    rotated = {"action": "rotate_keys", "_selected_action": key.pk, "confirmed": "yes"}
    issued = owner.post(path, rotated, headers=takes)
    assert "mgw_" in issued.content.decode() and not issued.has_header("Content-Encoding")


@pytest.mark.claim("pages.growth")
def test_what_goes_with_a_project_is_said_in_numbers(two: Tenants) -> None:
    with unscoped("the test makes rows of any project"):
        server = two.row(Server, two.acme)
        names = [f"one-of-many-{each}" for each in range(300)]
        Tool.objects.bulk_create(Tool(project=two.acme, server=server, name=name) for name in names)
        number = Tool.objects.filter(project=two.acme).count()
    page = two.client("operator").get(reverse("admin:projects_project_delete", args=[two.acme.pk])).content.decode()
    assert f"Tools: {number}" in page and "one-of-many" not in page
    assert f"Project: {two.acme}" in page
