"""No page of the site shows or touches anything of a project in which one has no part: found in the site itself."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.urls import reverse

from projects import middleware
from projects.models import Project, User
from projects.pages import reach_of
from projects.scoped_pages import ScopedAdmin
from projects.scoping import unscoped
from tests.admin.forms import ADDABLE, foreign_fields, post_of
from tests.admin.sweep import (
    NOBODYS,
    Leaks,
    Visit,
    models_with_pages,
    numbers_of,
    own_addresses,
    prefix_of,
    sweep,
    text_of,
    visits_of,
    writes_of,
)
from tests.admin.tenants import ROLES, Tenants, rows_of, stored_of, tenant_models

SCOPED = [model for model in models_with_pages() if isinstance(admin.site._registry[model], ScopedAdmin)]
MEMBERS = [role for role in ROLES if role != "operator"]
# Their rows are no tenant models, or their scope is in their own hands: the request's own scope does not hold them.
# For these the second wall is the database's (tests/projects/test_row_security.py).
OF_ONE_WALL = {"audit.Event", "projects.Project"}


def by_name(model: type[Model]) -> str:
    return model._meta.label


# Whose forms a project's own people add rows with.
WITH_FORMS = [model for model in SCOPED if by_name(model) in set(ADDABLE) - {"projects.Project"}]


def without_scope(patch: pytest.MonkeyPatch) -> None:
    """The outer wall away: each request sees all projects."""
    patch.setattr(middleware, "_scope_of", lambda request: unscoped("the test takes the outer wall away"))


def without_filters(patch: pytest.MonkeyPatch, model: type[Model], *names: str) -> None:
    """The page's own wall away, or the named parts of it."""
    page: Any = admin.site._registry[model]
    parts: dict[str, Any] = {
        "rows": ("rows_within", lambda request, action, rows: rows),
        "permission": ("may", lambda request, action, obj=None: bool(reach_of(request, action))),
        "choices": ("choices_within", lambda reach, of: of._default_manager.all()),
    }
    for name in names or parts:
        patch.setattr(page, *parts[name])


# --- what is shown ------------------------------------------------------------------------------------------


def test_both_tenants_have_a_row_of_everything_with_a_canary_in_it(two: Tenants) -> None:
    """Else the sweep would look for nothing."""
    for project in (two.acme, two.globex):
        for model in {*tenant_models(), *SCOPED}:
            with unscoped("the test looks at rows of any project"):
                rows = rows_of(model, project)
                assert rows.exists(), model
                if model._meta.label not in ("servers.Grant", "guardrails.Guardrail"):
                    assert any(project.slug in str(row.__dict__) or model._meta.label == "projects.Membership"
                               for row in rows), model  # fmt: skip


@pytest.mark.claim("scope.sweep")
@pytest.mark.parametrize("role", MEMBERS)
def test_no_page_shows_anything_of_another_project(two: Tenants, role: str) -> None:
    leaks = sweep(two, role)
    assert leaks.found == []
    assert leaks.visits > 200
    # It would see what is there: it sees its own.
    assert leaks.own >= {"outsider": 0, "auditor": 8, "member": 60}.get(role, 80), leaks.own


@pytest.mark.claim("scope.sweep")
def test_the_sweep_finds_what_there_is_to_find(two: Tenants) -> None:
    """The operator, who may see all, is shown the other tenant on some page of every model."""
    operator = two.client("operator")
    for model in SCOPED:
        assert any(two.globex.slug in text_of(visit.by(operator)) for visit in visits_of(model, two)), model


@pytest.mark.claim("scope.sweep")
@pytest.mark.parametrize("role", MEMBERS)
def test_a_foreign_row_is_answered_like_one_that_there_is_not(two: Tenants, role: str) -> None:
    client = two.client(role)
    for model in SCOPED:
        foreign = numbers_of(model, two)[1]
        paths = [path for path, number in own_addresses(model, two) if number == foreign]
        paths += [reverse(f"{prefix_of(model)}_{name}", args=[foreign]) for name in ("change", "history", "delete")]
        for path in paths:
            for method in ("GET", "POST"):
                visits = [Visit(path.replace(f"/{foreign}/", f"/{number}/"), (("post", "yes"),), method)
                          for number in (foreign, NOBODYS)]  # fmt: skip
                first, second = (_bare(client, visit) for visit in visits)
                assert _without(first, foreign) == _without(second, NOBODYS), (method, path)


def _bare(client: Any, visit: Visit) -> str:
    """Without what differs between any two answers."""
    client.cookies.pop("messages", None)
    response = visit.by(client)
    text = f"{response.status_code} {text_of(response)}"
    return re.sub(r"csrfmiddlewaretoken\W+value=\W\w+|nonce\W+[\w+/=-]+", "", text)


def _without(text: str, number: int) -> str:
    """The number that was asked for, as addresses and messages repeat it."""
    return re.sub(rf"(/|“|%2F){number}(/|”|%2F)", r"\1N\2", text)


# --- that it fails where a filter is missing ----------------------------------------------------------------


LeaksWithout = Callable[..., list[str]]


@pytest.fixture
def leaks_without(two: Tenants, monkeypatch: pytest.MonkeyPatch) -> LeaksWithout:
    """What an owner finds of the other tenant on a model's pages when the named walls are gone."""

    def found(model: type[Model], *filters: str, scope: bool) -> list[str]:
        if not scope:
            without_scope(monkeypatch)
        if filters:
            without_filters(monkeypatch, model, *filters)
        return sweep(two, "owner", model).found

    return found


@pytest.mark.claim("scope.walls")
@pytest.mark.parametrize("model", SCOPED, ids=by_name)
def test_the_pages_keep_tenants_apart_without_the_requests_scope(
    model: type[Model], leaks_without: LeaksWithout
) -> None:
    assert leaks_without(model, scope=False) == []


@pytest.mark.claim("scope.walls")
@pytest.mark.parametrize("model", [each for each in SCOPED if by_name(each) not in OF_ONE_WALL], ids=by_name)
def test_the_requests_scope_keeps_tenants_apart_without_the_pages(
    model: type[Model], leaks_without: LeaksWithout
) -> None:
    assert leaks_without(model, "rows", "permission", scope=True) == []


@pytest.mark.claim("scope.walls")
@pytest.mark.parametrize("model", SCOPED, ids=by_name)
def test_the_sweep_notices_a_missing_filter(model: type[Model], leaks_without: LeaksWithout) -> None:
    assert leaks_without(model, "rows", "permission", scope=False)


@pytest.mark.claim("scope.walls")
@pytest.mark.parametrize("model", WITH_FORMS, ids=by_name)
def test_the_sweep_notices_a_missing_limit_of_choices(model: type[Model], leaks_without: LeaksWithout) -> None:
    assert leaks_without(model, "choices", scope=False)


# --- what is done -------------------------------------------------------------------------------------------


@pytest.mark.claim("scope.writes")
@pytest.mark.parametrize("role", MEMBERS)
def test_nothing_of_another_project_can_be_changed(two: Tenants, role: str) -> None:
    before, leaks, client = stored_of(two.globex), Leaks(), two.client(role)
    for model in models_with_pages():
        for visit in writes_of(model, two):
            leaks.look(visit.by(client), visit, two.globex.slug, two.acme.slug)
    assert leaks.found == []
    assert leaks.visits > 60
    assert stored_of(two.globex) == before


@pytest.mark.claim("scope.writes")
def test_an_operator_who_does_the_same_changes_something(two: Tenants) -> None:
    """Else the test above would not have tried."""
    before = stored_of(two.globex)
    for model in models_with_pages():
        for visit in writes_of(model, two):
            with contextlib.suppress(Exception):
                visit.by(two.client("operator"))
    assert stored_of(two.globex) != before


@pytest.mark.claim("scope.writes")
@pytest.mark.parametrize("label", sorted(ADDABLE))
def test_a_posted_row_of_another_project_is_refused(two: Tenants, label: str) -> None:
    model = next(each for each in SCOPED if by_name(each) == label)
    client, path = two.client("owner"), reverse(f"{prefix_of(model)}_add")
    if label == "projects.Project":
        assert client.post(path, ADDABLE[label]).status_code == 403
        return
    before, named = stored_of(two.globex), foreign_fields(client, path)
    assert named, "a form that names nothing needs no such test"
    for name, other in named.items():
        with unscoped("the test names a row of any project"):
            foreign = rows_of(other, two.globex).order_by("pk").last()
        for pk in (foreign.pk if foreign is not None else NOBODYS, NOBODYS):
            response = client.post(path, {**post_of(label, two), name: str(pk)})
            assert response.status_code == 200, (name, pk)
            assert name in response.context["adminform"].form.errors, (name, response.context["adminform"].form.errors)
            assert two.globex.slug not in text_of(response)
    assert stored_of(two.globex) == before
    # With rows of one's own the same is done.
    count = _count(model, two.acme)
    response = client.post(path, post_of(label, two))
    assert response.status_code in (200, 302) and _count(model, two.acme) == count + 1


def _count(model: type[Model], project: Project) -> int:
    with unscoped("the test counts rows of any project"):
        return int(rows_of(model, project).count())


@pytest.mark.claim("scope.writes")
def test_every_form_that_adds_to_a_project_is_tried(two: Tenants) -> None:
    asked = _asked_by(two, "owner")
    may_add = {by_name(model) for model in SCOPED if admin.site._registry[model].has_add_permission(asked)}
    assert may_add == set(ADDABLE) - {"projects.Project"}


def _asked_by(two: Tenants, role: str) -> Any:
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=two.people[role].pk)
    return request


@pytest.mark.claim("scope.writes")
def test_services_refuse_what_a_form_would_have_let_through(
    two: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its limits of choices no form of a project takes in what is another's."""
    before = stored_of(two.globex)
    for model in WITH_FORMS:
        label = by_name(model)
        without_filters(monkeypatch, model, "choices")
        client, path = two.client("owner"), reverse(f"{prefix_of(model)}_add")
        for name, other in foreign_fields(client, path).items():
            with unscoped("the test names a row of any project"):
                foreign = rows_of(other, two.globex).order_by("pk").last()
            if foreign is None:
                continue
            count = _count(model, two.acme), _count(model, two.globex)
            response = client.post(path, {**post_of(label, two), name: str(foreign.pk)})
            assert (_count(model, two.acme), _count(model, two.globex)) == count, (label, name, response.status_code)
    assert stored_of(two.globex) == before
