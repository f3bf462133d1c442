"""Filters that people keep: saved, changed and deleted, each with its event; and which of them a person sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from audit.models import SavedFilter
from audit.recorder import record
from projects.access import Reach
from projects.models import Project, User
from projects.scoping import unscoped, with_project

MAX_OF_A_PERSON = 50
_MAX_SHOWN = 200


@transaction.atomic
def save_filter(
    *, project: Project, user: User, name: str, query: Mapping[str, str], is_shared: bool = False
) -> SavedFilter:
    """A new one, or another query and another share under a name that the person has used. Raises ValidationError."""
    with with_project(project.pk):
        own = SavedFilter.objects.filter(user=user)
        row = own.filter(name=name).first() or SavedFilter(project=project, user=user, name=name)
        is_new = row.pk is None
        if is_new and own.count() >= MAX_OF_A_PERSON:
            raise ValidationError(f"At most {MAX_OF_A_PERSON} filters can be kept in a project. Delete one first.")
        row.query, row.is_shared = dict(query), is_shared
        _clean(row)
        row.save()
    _record("filter.saved" if is_new else "filter.changed", row, project)
    return row


@transaction.atomic
def share_filter(*, saved: SavedFilter, is_shared: bool) -> None:
    with with_project(saved.project_id):
        saved.is_shared = is_shared
        saved.save(update_fields=["is_shared"])
    _record("filter.changed", saved, saved.project)


@transaction.atomic
def delete_filter(*, saved: SavedFilter) -> None:
    project = saved.project
    _record("filter.deleted", saved, project)
    with with_project(project.pk):
        saved.delete()


def filters_for(user: User, reach: Reach) -> list[SavedFilter]:
    """The person's own, and what others share, of projects within reach."""
    with unscoped("filters of all projects that the person may read"):
        rows = SavedFilter.objects.filter(Q(user=user) | Q(is_shared=True)).select_related("project", "user")
        if not reach.is_all:
            rows = rows.filter(project_id__in=reach.projects)
        return list(rows[:_MAX_SHOWN])


def own_filter(user: User, reach: Reach, number: int) -> SavedFilter | None:
    """The person's own with this number; None also for another's, and for one whose project is out of reach."""
    with unscoped("the filter says which project it is of"):
        row = SavedFilter.objects.filter(pk=number, user=user).select_related("project").first()
    return row if row is not None and reach.has(row.project_id) else None


def _clean(row: SavedFilter) -> None:
    row.name = row.name.strip()
    if not row.name or not row.name.isprintable():
        raise ValidationError({"name": "Give it a name of printable characters."})
    if not all(isinstance(name, str) and isinstance(text, str) for name, text in row.query.items()):
        raise ValidationError({"query": "A filter has names and texts."})
    row.full_clean(exclude=["query"])


def _record(kind: str, row: SavedFilter, project: Project) -> None:
    detail: dict[str, Any] = {"query": row.query, "shared": row.is_shared}
    record(kind, project_ref=project.pk, project=project.slug, subject=row.name, detail=detail)
