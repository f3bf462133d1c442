"""Rows that a declaration names by their slugs."""

from __future__ import annotations

from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def named(rows: QuerySet[M], what: str, slug: str | None) -> M | None:
    """None for no slug. Raises ValidationError for one that there is not."""
    if slug is None:
        return None
    row = rows.filter(slug=slug).first()
    if row is None:
        raise ValidationError(f"There is no {what} {slug}.")
    return row
