"""What goes with rows that somebody is about to delete, as numbers: a project can have more than any page shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import CASCADE, PROTECT, RESTRICT, Model, QuerySet
from django.utils.text import capfirst

# So many rows are named, and of each kind counted.
MOST_NAMED, MOST_COUNTED = 100, 50_000


class Deleted(NamedTuple):
    """Names of the rows themselves, how many of each kind go, and the names of what keeps them from going."""

    named: list[str]
    numbers: dict[str, int | str]
    keeping: list[str]


def deleted_with(rows: Sequence[Model] | QuerySet[Any]) -> Deleted:
    if not rows:
        return Deleted([], {}, [])
    named, model, keys = rows[: MOST_NAMED + 1], type(rows[0]), [row.pk for row in rows]
    own: QuerySet[Any] = model._base_manager.filter(pk__in=keys)
    numbers: dict[str, int | str] = {str(model._meta.verbose_name_plural): len(keys)}
    for kind, below in _below(model, own):
        if number := below.order_by().values("pk")[: MOST_COUNTED + 1].count():
            words = f"more than {MOST_COUNTED:,}" if number > MOST_COUNTED else number
            numbers[str(kind._meta.verbose_name_plural)] = words
    more = ["and others"] if len(named) > MOST_NAMED else []
    return Deleted([*map(_name, named[:MOST_NAMED]), *more], numbers, list(_keeping(model, own)))


def _below(model: type[Model], rows: QuerySet[Any]) -> Iterator[tuple[type[Model], QuerySet[Any]]]:
    """Each kind once, by the shortest way: whatever is a project's has its number, however deep below it lies."""
    seen, waiting = {model}, [(model, rows)]
    while waiting:
        above, found = waiting.pop(0)
        for relation in _relations(above):
            kind = relation.related_model
            if relation.on_delete is CASCADE and kind not in seen:
                seen.add(kind)
                below = kind._base_manager.filter(**{f"{relation.field.name}__in": found.order_by().values("pk")})
                waiting.append((kind, below))
                yield kind, below


def _keeping(model: type[Model], rows: QuerySet[Any]) -> Iterator[str]:
    for relation in _relations(model):
        if relation.on_delete in (PROTECT, RESTRICT):
            held = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": rows})
            yield from map(_name, held[:MOST_NAMED])


def _relations(model: type[Model]) -> list[Any]:
    return [each for each in model._meta.get_fields(include_hidden=True)
            if each.auto_created and not each.concrete and (each.one_to_one or each.one_to_many)]  # fmt: skip


def _name(row: Model) -> str:
    return f"{capfirst(str(row._meta.verbose_name))}: {row}"
