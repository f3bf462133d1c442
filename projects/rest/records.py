"""Rows of a list as bare records: of a row only the columns that are shown, since to make a model of it costs most."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db.models import QuerySet


def records(rows: QuerySet[Any], columns: Sequence[str], most: int) -> list[Any]:
    """At most so many of them, with attributes like the model's: "server__slug" is `record.server.slug`, or
    `record.server` is None where it is so in all that is asked of it. What was not asked for is no attribute.
    """
    names, make = _maker(tuple(dict.fromkeys(columns)))
    return [make(values) for values in rows.values_list(*names)[:most]]


@lru_cache(maxsize=256)
def _maker(columns: tuple[str, ...]) -> tuple[list[str], Callable[[Sequence[Any]], Any]]:
    """In which order the columns are to be read, and what makes a record of them."""
    own = [name for name in columns if "__" not in name]
    linked: dict[str, list[str]] = {}
    for name in columns:
        link, _, column = name.partition("__")
        if column:
            linked.setdefault(link, []).append(column)
    names = own + [f"{link}__{column}" for link, found in linked.items() for column in found]
    record = _type([*own, *linked])
    parts = []
    end = len(own)
    for found in linked.values():
        parts.append((slice(end, end + len(found)), _type(found)))
        end += len(found)

    def make(values: Sequence[Any]) -> Any:
        return record((*values[: len(own)], *(_linked(part, values[place]) for place, part in parts)))

    return names, make


def _type(names: list[str]) -> Callable[[Iterable[Any]], Any]:
    record: Any = namedtuple("Record", names)  # type: ignore[misc]  # the names are known at run time
    make: Callable[[Iterable[Any]], Any] = record._make
    return make


def _linked(make: Callable[[Iterable[Any]], Any], values: Sequence[Any]) -> Any:
    return None if all(value is None for value in values) else make(values)
