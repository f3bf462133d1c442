"""What lists ask of the database: as much for thirty rows as for three, and no count without an end."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, models
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import Event
from projects.models import Project, User
from projects.scoped_pages import ScopedAdmin
from projects.scoping import unscoped
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
        copies = [_copy(row, each) for each in range(number)]
        model._default_manager.bulk_create(copies)


def _copy(row: Any, number: int) -> Any:
    copy = type(row)(**{each.attname: getattr(row, each.attname) for each in row._meta.concrete_fields
                        if not each.primary_key})  # fmt: skip
    unique = [each for each in row._meta.constraints if isinstance(each, models.UniqueConstraint)]
    together = {name for each in unique for name in each.fields}
    for each in row._meta.concrete_fields:
        if each.primary_key or not (each.unique or each.name in together):
            continue
        if isinstance(each, models.UUIDField):
            setattr(copy, each.name, uuid.uuid4())
        elif isinstance(each, models.CharField) and not each.choices:
            setattr(copy, each.name, f"{10**5 + number}{getattr(row, each.name)}"[: each.max_length])
        elif isinstance(each, models.BigIntegerField) and each.name != "project_ref":
            setattr(copy, each.name, 10**6 + number)
        elif each.related_model is User:
            setattr(copy, each.name, User.objects.create_user(f"{uuid.uuid4().hex}@acme.test"))
    if hasattr(copy, "is_default"):
        copy.is_default = False
    return copy


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
            model._default_manager.bulk_create([_copy(last, 100 + each) for each in range(27)])
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
