"""Rows that several REST operations of servers find and change."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from servers.models import Server


def servers_of_project() -> QuerySet[Server]:
    """Of the project that the operation runs in, with all that an answer shows of one."""
    return Server.objects.select_related("project", "template", "input_policy", "output_policy")


def named(rows: QuerySet[Any], field: str, slug: str) -> Any:
    """Raises ValidationError for the field of the body that names one that there is not."""
    row = rows.filter(slug=slug).first()
    if row is None:
        raise ValidationError({field: f"There is no {slug}."})
    return row


def changed(row: Any, changes: dict[str, Any]) -> Any:
    for name, value in changes.items():
        setattr(row, name, value)
    return row
