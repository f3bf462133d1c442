"""Two tenants with one row of everything, a canary in every text, and a browser for each role.

A project's slug is its canary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models import Model
from django.test import Client

from audit.models import DeadLetter, Event, SavedFilter, SubjectKey
from projects import services
from projects.models import Project, User
from projects.permissions import Role
from projects.scoping import TenantModel, unscoped
from tests.cast import two_tenants
from tests.rest.canaries import canary_of
from tests.rest.filling import fill
from tests.signing_in import signed_in

# The owner and the others of acme; somebody in no project at all; and globex's own owner.
ROLES = ("owner", "admin", "member", "auditor", "outsider", "operator")
# What a page is made from and never shows, or what has a form of its own.
_NOT_TEXTS = {"sealed", "digest", "pepper_id", "endpoint", "secret", "file_name", "root", "sha256", "shown_once",
              "text_digest", "place_digest", "lease_owner", "discovered_hash"}  # fmt: skip


@dataclass
class Tenants:
    acme: Project
    globex: Project
    people: dict[str, User]
    clients: dict[str, Client] = field(default_factory=dict)
    # What was worked out for a sweep, which is the same for each role.
    visits: dict[Any, list[Any]] = field(default_factory=dict)

    def client(self, role: str) -> Client:
        if role not in self.clients:
            self.clients[role] = Client(raise_request_exception=False)
            signed_in(self.clients[role], self.people[role])
        return self.clients[role]

    def anew(self) -> Tenants:
        """For another test: browsers that have been nowhere else, and rows as they are stored."""
        people = {role: User.objects.get(pk=each.pk) for role, each in self.people.items()}
        other = Tenants(
            Project.objects.get(pk=self.acme.pk), Project.objects.get(pk=self.globex.pk), people, visits=self.visits
        )
        for role, client in self.clients.items():
            other.clients[role] = Client(raise_request_exception=False)
            other.clients[role].cookies.load({name: each.value for name, each in client.cookies.items()})
        return other

    def row(self, model: type[Model], project: Project) -> Any:
        """One that the project has."""
        with unscoped("the test names a row of any project"):
            return rows_of(model, project).latest("pk")


def tenants() -> Tenants:
    cast = two_tenants()
    people = {"owner": cast.ada, "member": cast.bob, "auditor": cast.carla}
    people["admin"] = User.objects.create_user("alan@acme.test")
    people["outsider"] = User.objects.create_user("nobody@nowhere.test")
    people["operator"] = User.objects.create_superuser("operator@gateway.test")
    people["theirs"] = cast.mallory
    services.set_member(project=cast.acme, user=people["admin"], role=Role.ADMIN)
    made = Tenants(cast.acme, cast.globex, people)
    for project, owner in ((cast.acme, cast.ada), (cast.globex, cast.mallory)):
        fill(project)
        with unscoped("the test makes rows of any project"):
            SavedFilter.objects.create(
                project=project, user=owner, name=canary_of(project.slug), is_shared=True, query={"kind": "x"}
            )
        project.slug = canary_of(project.slug)
        project.save()
        mark(project)
        _write_history(made, project)
    return made


def mark(project: Project) -> None:
    """The canary into every text that is still empty."""
    canary = project.slug
    with unscoped("the test writes rows of any project"):
        for model in tenant_models():
            empty = {
                each.name: canary
                for each in model._meta.concrete_fields
                if isinstance(each, (models.CharField, models.TextField)) and each.name not in _NOT_TEXTS
                and not each.choices and not each.unique and (each.max_length or 999) >= len(canary)
                and not model._default_manager.filter(project=project).exclude(**{each.name: ""}).exists()
            }  # fmt: skip
            if empty and model._meta.label != "servers.Server":
                model._default_manager.filter(project=project).update(**empty)


def _write_history(made: Tenants, project: Project) -> None:
    """As Django does of every row that somebody changed in its pages."""
    for model in admin.site._registry:
        with unscoped("the test names a row of any project"):
            row = rows_of(model, project).order_by("pk").last()
        if row is not None:
            LogEntry.objects.create(
                user=made.people["operator"], content_type=ContentType.objects.get_for_model(model),
                object_id=str(row.pk), object_repr=project.slug, action_flag=CHANGE,
                change_message=project.slug,
            )  # fmt: skip


def tenant_models() -> list[type[Model]]:
    from django.apps import apps

    return [model for model in apps.get_models() if issubclass(model, TenantModel)]


def rows_of(model: type[Model], project: Project) -> Any:
    """Its rows that belong to the project; those of models that belong to none are whose name it has."""
    rows: Any = model._default_manager.all()
    if issubclass(model, TenantModel):
        return rows.filter(project=project)
    if model is Project:
        return rows.filter(pk=project.pk)
    if model in (Event, SubjectKey, DeadLetter):
        return rows.filter(project_ref=project.pk)
    if model is User:
        return rows.filter(email__contains=project.slug)
    return rows.none()


def stored_of(project: Project) -> str:
    """All rows of all tables that are the project's, as text, but those that every page view writes."""
    parts: list[str] = []
    with connection.cursor() as cursor:
        for table, column in _tables():
            cursor.execute(f'SELECT * FROM "{table}" WHERE "{column}" = %s ORDER BY 1', [project.pk])
            parts += [f"{table}: {json.dumps(row, default=str)}" for row in cursor.fetchall()]
    return "\n".join(parts)


def _tables() -> Iterator[tuple[str, str]]:
    from django.apps import apps

    for model in apps.get_models():
        names = {each.column for each in model._meta.concrete_fields}
        for column in ("project_id", "project_ref"):
            if column in names:
                yield model._meta.db_table, column
    yield "projects_project", "id"
