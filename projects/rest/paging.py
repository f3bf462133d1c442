"""Lists in pages: by key, so that their length does not matter, with cursors that nobody can make or move."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import orjson
from django.conf import settings
from django.db.models import Model, Q, QuerySet
from pydantic import BaseModel, Field

from gateway_site.lib.secrets import Unsealable
from projects.rest.problems import Problem
from projects.rest.records import records
from projects.rest.requests import RestRequest

T = TypeVar("T")
M = TypeVar("M", bound=Model)
MOST = 200


class Page(BaseModel, Generic[T]):
    """`next_cursor` is null on the last page. There is no count."""

    items: list[T]
    next_cursor: str | None = None


class Paging(BaseModel):
    """Which page."""

    limit: int = Field(default=50, ge=1, le=MOST)
    cursor: str | None = Field(default=None, max_length=2000, description="next_cursor of the page before.")


class Search(Paging):
    """Which page of what has this text in it."""

    search: str | None = Field(default=None, max_length=200)


def page(
    request: RestRequest,
    paging: Paging,
    rows: QuerySet[M],
    make: Callable[[M], T],
    order: Sequence[str] = ("pk",),
    columns: Sequence[str] = (),
) -> Page[T]:
    """`order` names columns that are never null, the last of them unique; "-" before a name turns it around.
    `columns` are those that `make` looks at: it gets records of them (projects.rest.records), which is far cheaper
    than rows.

    Raises Problem for a cursor of another list, other filters or another token.
    """
    reached = opened(request, paging, len(order))
    if reached is not None:
        rows = rows.filter(_after(order, reached))
    rows = rows.order_by(*order)
    found: list[Any] = (
        records(rows, [*columns, *(name.lstrip("-") for name in order)], paging.limit + 1)
        if columns
        else list(rows[: paging.limit + 1])
    )
    shown = found[: paging.limit]
    more = len(found) > paging.limit
    return Page(
        items=[make(row) for row in shown], next_cursor=sealed(request, _values(shown[-1], order)) if more else None
    )


def sealed(request: RestRequest, values: list[Any]) -> str:
    """A cursor that this list with these filters opens again for this token."""
    return settings.KEYRING.seal(orjson.dumps(values), _place(request))


def opened(request: RestRequest, paging: Paging, length: int) -> list[Any] | None:
    """So many values that `sealed` was given; None on the first page. Raises Problem."""
    if paging.cursor is None:
        return None
    try:
        values = orjson.loads(settings.KEYRING.unseal(paging.cursor, _place(request)))
    except (Unsealable, ValueError):
        raise Problem("invalid-cursor") from None
    if not isinstance(values, list) or len(values) != length:
        raise Problem("invalid-cursor")
    return values


def _after(order: Sequence[str], values: list[Any]) -> Q:
    """Whatever follows in that order: equal in the first columns and beyond in the next."""
    condition = Q()
    for place, name in enumerate(order):
        equal = {each.lstrip("-"): value for each, value in zip(order[:place], values, strict=False)}
        beyond = f"{name.lstrip('-')}__{'lt' if name.startswith('-') else 'gt'}"
        condition |= Q(**equal, **{beyond: values[place]})
    return condition


def _place(request: RestRequest) -> str:
    filters = sorted((name, value) for name, value in request.GET.items() if name not in ("cursor", "limit"))
    digest = hashlib.sha256(urlencode(filters).encode()).hexdigest()
    return f"rest.cursor:{request.auth.token.token_id}:{request.path}:{digest}"


def _values(row: Model, order: Sequence[str]) -> list[Any]:
    return [getattr(row, name.lstrip("-")) for name in order]
