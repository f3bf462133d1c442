"""Rows of a tenant can be had under its scope only, by every way that Django offers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, models, transaction
from django.db.models import Count, Exists, OuterRef, Prefetch, Subquery
from django.utils import timezone

from audit import exports, forwarders
from audit.models import ExportSchedule, SavedFilter
from guardrails import services as guardrails
from guardrails.specs import Spec
from projects import jobs
from projects.checks import tenant_models_use_the_tenant_manager
from projects.models import AdminToken, ApiKey, Membership, Project, User
from projects.scoping import NoActiveProject, TenantManager, TenantModel, unscoped, with_project
from projects.signin import invitations
from servers.models import Overlay, Server, Tool, ToolVersion
from servers.services import EVERYTHING, set_grants
from tests.cast import Cast

pytestmark = pytest.mark.claim("tenancy.fails-closed")
TENANT_MODELS = [model for model in apps.get_models() if issubclass(model, TenantModel)]
WAYS: dict[str, Callable[[Any], Any]] = {
    "all": lambda model: list(model.objects.all()),
    "filter": lambda model: list(model.objects.filter(pk=1)),
    "get": lambda model: model.objects.get(pk=1),
    "first": lambda model: model.objects.first(),
    "count": lambda model: model.objects.count(),
    "exists": lambda model: model.objects.exists(),
    "in_bulk": lambda model: model.objects.in_bulk(),
    "values_list": lambda model: list(model.objects.values_list("pk")),
    "aggregate": lambda model: model.objects.aggregate(n=Count("pk")),
    "iterator": lambda model: list(model.objects.iterator()),
    "update": lambda model: model.objects.update(project_id=1),
    "delete": lambda model: model.objects.all().delete(),
    "create": lambda model: model.objects.create(project_id=1),
    "bulk_create": lambda model: model.objects.bulk_create([model(project_id=1)]),
    "raw": lambda model: list(model.objects.raw(f'SELECT * FROM "{model._meta.db_table}"')),
    "subquery": lambda model: list(Project.objects.filter(pk__in=Subquery(model.objects.values("project_id")))),
    "exists_subquery": lambda model: list(
        Project.objects.filter(Exists(model.objects.filter(project_id=OuterRef("pk"))))
    ),
    "prefetch": lambda model: Prefetch("x", queryset=model.objects.all()),
    "default_manager": lambda model: list(model._default_manager.all()),
    "base_manager": lambda model: list(model._base_manager.all()),
    "save": lambda model: model(project_id=1).save(),
    "delete_row": lambda model: model(pk=1, project_id=1).delete(),
    "refresh": lambda model: model(pk=1, project_id=1).refresh_from_db(),
}


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_to_be_had_without_an_active_project(
    cast: Cast, model: type[TenantModel], way: str
) -> None:
    with pytest.raises(NoActiveProject):
        WAYS[way](model)


def test_the_sweep_covers_the_models_that_belong_to_a_project() -> None:
    assert {ApiKey, Membership, Server, Tool} <= set(TENANT_MODELS)
    owned = {
        model
        for model in apps.get_models()
        if any(isinstance(field, models.ForeignKey) and field.related_model is Project for field in model._meta.fields)
    }
    # Credentials of REST are found before anyone knows whose they are; only the module of that name asks for them.
    assert owned - {AdminToken} == set(TENANT_MODELS)


def test_asynchronous_iteration_fails_closed(cast: Cast) -> None:
    async def look() -> None:
        async for _ in ApiKey.objects.all():
            pass

    with pytest.raises(NoActiveProject):
        asyncio.run(look())


def test_another_thread_does_not_inherit_the_scope(cast: Cast) -> None:
    with with_project(cast.acme.pk), ThreadPoolExecutor(1) as pool, pytest.raises(NoActiveProject):
        pool.submit(ApiKey.objects.count).result()


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model.__name__)
def test_a_scope_shows_its_own_rows_only(cast: Cast, model: type[TenantModel]) -> None:
    populate(cast)
    with unscoped("the test compares"):
        everything = {row.pk: row.project_id for row in model._default_manager.all()}
    for project in (cast.acme, cast.globex):
        own = {pk for pk, owner in everything.items() if owner == project.pk}
        assert own, "both tenants have rows"
        with with_project(project.pk):
            manager: Any = model._default_manager
            assert set(manager.values_list("pk", flat=True)) == own
            assert manager.aggregate(n=Count("pk"))["n"] == len(own)
            assert manager.filter(pk__in=set(everything) - own).exists() is False
            assert set(manager.in_bulk(list(everything))) == own


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model.__name__)
def test_a_row_cannot_be_written_from_another_project(cast: Cast, model: type[TenantModel]) -> None:
    populate(cast)
    with with_project(cast.globex.pk):
        theirs = model._default_manager.first()
    assert theirs is not None
    with with_project(cast.acme.pk):
        for write in (theirs.save, theirs.delete):
            with pytest.raises(NoActiveProject):
                write()


def test_a_row_cannot_be_made_for_another_project(cast: Cast) -> None:
    with with_project(cast.acme.pk):
        for make in (
            lambda: Membership.objects.create(project=cast.globex, user=cast.ada),
            lambda: Membership.objects.bulk_create([Membership(project=cast.globex, user=cast.ada)]),
            lambda: Membership.objects.update(project=cast.globex),
            lambda: Membership.objects.update(project_id=cast.globex.pk),
        ):
            with pytest.raises(NoActiveProject):
                make()
    with with_project(cast.globex.pk):
        assert list(Membership.objects.values_list("user_id", flat=True)) == [cast.mallory.pk]


def test_a_row_cannot_be_taken_from_another_project_by_its_number(cast: Cast) -> None:
    key, _ = cast.key()
    key.project = cast.globex
    ways: list[dict[str, Any]] = [{"force_update": True}, {"update_fields": ["project"]}, {}]
    for how in ways:
        with with_project(cast.globex.pk), pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
            key.save(**how)
    with with_project(cast.acme.pk):
        assert ApiKey.objects.filter(pk=key.pk).exists()


def test_a_foreign_key_to_another_tenants_row_does_not_open(cast: Cast) -> None:
    populate(cast)
    with with_project(cast.acme.pk):
        tool = Tool.objects.get()
    with pytest.raises(NoActiveProject):
        _ = tool.server
    with with_project(cast.globex.pk), pytest.raises(Server.DoesNotExist):
        _ = tool.server
    with with_project(cast.acme.pk):
        assert tool.server.slug == "docs"


def test_no_related_manager_leads_from_shared_rows_to_a_tenants_rows() -> None:
    for model in (Project, User):
        relations = [each for each in model._meta.get_fields(include_hidden=True) if each.one_to_many]
        owned = [each for each in relations if each.related_model in TENANT_MODELS]
        assert owned
        assert all(each.hidden for each in owned)


def test_scopes_nest_and_end(cast: Cast) -> None:
    with with_project(cast.acme.pk):
        with with_project(cast.globex.pk):
            assert Membership.objects.count() == 1
        assert Membership.objects.count() == 3
        with unscoped("both"):
            assert Membership.objects.count() == 4
    with pytest.raises(NoActiveProject):
        Membership.objects.count()


def test_a_query_keeps_the_scope_it_was_made_under(cast: Cast) -> None:
    with with_project(cast.acme.pk):
        query = Membership.objects.all()
    with with_project(cast.globex.pk):
        assert {row.project_id for row in query} == {cast.acme.pk}


def test_seeing_every_project_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"), unscoped(""):
        pass


def test_a_tenant_model_with_an_open_manager_is_refused_by_the_system_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert tenant_models_use_the_tenant_manager(None) == []
    monkeypatch.setattr(ApiKey._meta, "default_manager", models.Manager())
    assert [message.id for message in tenant_models_use_the_tenant_manager(None)] == ["projects.E001"]


def test_every_manager_of_a_tenant_model_is_scoped() -> None:
    for model in TENANT_MODELS:
        assert all(isinstance(manager, TenantManager) for manager in (*model._meta.managers, model._base_manager))


def populate(cast: Cast) -> None:
    """One row of every tenant model in both projects."""
    for project, user in ((cast.acme, cast.ada), (cast.globex, cast.mallory)):
        cast.key(user=user, project=project)
        server = cast.server(project=project)
        with with_project(project.pk):
            tool = Tool.objects.create(project=project, server=server, name="read", digest="0" * 64)
            ToolVersion.objects.create(project=project, tool=tool, digest=tool.digest)
            Overlay.objects.create(project=project, server=server, tool="read", hidden=True)
        set_grants(server=server, grants=[EVERYTHING])
        jobs.enqueue(project=project, kind="tests.nothing", subject_ref=1, label="nothing")
        exports.request_export(project=project, form="csv")
        exports.schedule_export(
            schedule=ExportSchedule(
                project=project, form="csv", destination="s3", endpoint="https://203.0.114.1", bucket="logs",
                key_id="AKID",
            ),
            secret="secret",
        )  # fmt: skip
        forwarders.create_forwarder(project=project, name="siem", kind="syslog", address="syslog://127.0.0.1:514")
        with with_project(project.pk):
            SavedFilter.objects.create(project=project, user=user, name="mine")
        invitations.invite(project=project, email="new@acme.test", role="member")
        guardrails.create_policy(project=project, slug="tools", guardrails=[Spec("size")])
        guardrails.add_exception(
            project=project, detector="pii", text="x", reason="x", expires_at=timezone.now() + timedelta(days=1)
        )
