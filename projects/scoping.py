"""Which project is active: every query on a tenant's rows needs one, or a stated reason to see them all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from django.dispatch import receiver

if TYPE_CHECKING:
    from django.db.models.query import QuerySet


class NoActiveProject(RuntimeError):
    """A tenant's rows were asked for while no project was active. Use with_project() or unscoped()."""


class _Unscoped:
    """Marks that all projects may be seen."""


_UNSCOPED = _Unscoped()
_active: ContextVar[int | _Unscoped | None] = ContextVar("active_project", default=None)

M = TypeVar("M", bound=models.Model)


@contextmanager
def with_project(project_id: int) -> Iterator[None]:
    """Only rows of this project can be seen or made inside."""
    token = _active.set(project_id)
    try:
        yield
    finally:
        _active.reset(token)


@contextmanager
def unscoped(reason: str) -> Iterator[None]:
    """Rows of all projects can be seen inside; `reason` is for the reader of the code."""
    if not reason:
        raise ValueError("unscoped() needs a reason")
    token = _active.set(_UNSCOPED)
    try:
        yield
    finally:
        _active.reset(token)


class TenantQuerySet(models.QuerySet[M]):
    """Writes that pass by save() are held to the active project too."""

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
        return queryset if isinstance(active, _Unscoped) else queryset.filter(project_id=active)


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
    """Also foreign keys, refresh_from_db() and save() see the active project's rows only."""
    if issubclass(sender, TenantModel):
        sender._meta.base_manager_name = "objects"


def _check_active(row: Any) -> None:
    active = _active.get()
    if active is None or (not isinstance(active, _Unscoped) and active != row.project_id):
        raise NoActiveProject(f"{type(row).__name__} of project {row.project_id} written outside of it")
