"""Rows that an address names, or the one answer for all that cannot be seen."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from projects.rest.problems import Problem
from projects.rest.references import pk_of

M = TypeVar("M", bound=Model)


def one(rows: QuerySet[M], **place: Any) -> M:
    """Raises Problem. `rows` are those that the caller may see."""
    found = rows.filter(**place).first()
    if found is None:
        raise Problem("not-found")
    return found


def as_uuid(text: str) -> uuid.UUID:
    """Raises Problem."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Problem("not-found") from None


def by_reference(rows: QuerySet[M], kind: str, text: str, project_id: int = 0) -> M:
    """Like `one`, for what projects.rest.references gave a name."""
    pk = pk_of(kind, text, project_id)
    if pk is None:
        raise Problem("not-found")
    return one(rows, pk=pk)


def narrowed(rows: QuerySet[M], **wanted: Any) -> QuerySet[M]:
    """Those that have what is wanted; None and an empty text want nothing."""
    return rows.filter(**{lookup: value for lookup, value in wanted.items() if value not in (None, "")})


def locked(rows: QuerySet[M]) -> QuerySet[M]:
    """Nobody else's until the end of the transaction."""
    return rows.select_for_update(of=("self",))
