"""Which projects are active: every query on a tenant's rows needs some, or a stated reason to see them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from django.dispatch import receiver

from projects import row_security

if TYPE_CHECKING:
    from django.db.models.query import QuerySet


class NoActiveProject(RuntimeError):
    """A tenant's rows were asked for while no project was active, or one that is out of bounds.

    Use with_project(), within() or unscoped().
    """


class _Unscoped:
    """Marks that all projects may be seen."""


_UNSCOPED = _Unscoped()
_active: ContextVar[frozenset[int] | _Unscoped | None] = ContextVar("active_project", default=None)

M = TypeVar("M", bound=models.Model)


@contextmanager
def with_project(project_id: int) -> Iterator[None]:
    """Only rows of this project can be seen or made inside. Raises NoActiveProject for one that is out of bounds."""
    bound = row_security.bound.get()
    if bound is not None and project_id not in bound:
        raise NoActiveProject(f"project {project_id} is none of those that this request is about")
    with _activated(frozenset([project_id])):
        yield


@contextmanager
def within(projects: Iterable[int]) -> Iterator[None]:
    """Only rows of these projects can be seen or made inside, and with_project() leads to no other.

    What serves a person runs in one, with the projects that the person has business in. PostgreSQL is held to it too
    (projects.row_security). Inside of another it can only be narrower; raises NoActiveProject otherwise.
    """
    chosen, bound = frozenset(projects), row_security.bound.get()
    if bound is not None and not chosen <= bound:
        raise NoActiveProject(f"projects {sorted(chosen - bound)} are none of those that this request is about")
    with row_security.bounded(chosen), _activated(chosen):
        yield


@contextmanager
def _activated(scope: frozenset[int] | _Unscoped) -> Iterator[None]:
    token = _active.set(scope)
    try:
        yield
    finally:
        _active.reset(token)


@contextmanager
def unscoped(reason: str) -> Iterator[None]:
    """Rows of all projects can be seen inside, without bounds; `reason` is for the reader of the code."""
    if not reason:
        raise ValueError("unscoped() needs a reason")
    is_bounded = row_security.bound.get() is not None
    with row_security.bounded(None) if is_bounded else nullcontext(), _activated(_UNSCOPED):
        yield


class TenantQuerySet(models.QuerySet[M]):
    """Writes that pass by save() are held to the active projects too."""

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> Any:
        rows = list(objs)
        for row in rows:
            _check_active(row)
        return super().bulk_create(rows, *args, **kwargs)

    def update(self, **kwargs: Any) -> int:
        if {"project", "project_id"} & kwargs.keys() and not isinstance(_active.get(), _Unscoped):
            raise NoActiveProject(f"{self.model.__name__} was to be moved to another project")
        return super().update(**kwargs)


class TenantManager(models.Manager[M]):
    """Fails closed on every query path, because the query set itself cannot be made without a project."""

    _queryset_class = TenantQuerySet

    def get_queryset(self) -> QuerySet[M]:
        active = _active.get()
        if active is None:
            raise NoActiveProject(f"{self.model.__name__} was queried without an active project")
        queryset = super().get_queryset()
        if isinstance(active, _Unscoped):
            return queryset
        # One is asked for as one, which every planner understands.
        if len(active) == 1:
            return queryset.filter(project_id=next(iter(active)))
        return queryset.filter(project_id__in=active)


class TenantModel(models.Model):
    """A row that belongs to one project."""

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises NoActiveProject when the row belongs to another project than the active one."""
        _check_active(self)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raises NoActiveProject like save()."""
        _check_active(self)
        return super().delete(*args, **kwargs)


@receiver(models.signals.class_prepared)
def _guard_base_manager(sender: type[models.Model], **_: Any) -> None:
    """Also foreign keys, refresh_from_db() and save() see the active projects' rows only, and so does the database."""
    if issubclass(sender, TenantModel):
        sender._meta.base_manager_name = "objects"
        if not sender._meta.abstract:
            row_security.protect(sender._meta.db_table, "project_id")


def _check_active(row: Any) -> None:
    active = _active.get()
    if active is None or (not isinstance(active, _Unscoped) and row.project_id not in active):
        raise NoActiveProject(f"{type(row).__name__} of project {row.project_id} written outside of it")
