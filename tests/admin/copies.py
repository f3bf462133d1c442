"""Rows like one that is there: alike but for what has to differ."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from projects.models import User


def copy_of(row: Any, number: int) -> Any:
    """Not stored yet. Copies of different numbers differ from each other."""
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
