"""What pages ask of the database and send does not grow with what there is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.admin.crowd import Place, Sizes, crowd, places
from tests.admin.tenants import Tenants

pytestmark = [pytest.mark.django_db, pytest.mark.claim("pages.growth")]
# More than any page shows, or offers to choose from; and as much again.
SIZES = Sizes(projects=120, servers=240, tools=4_000, keys=240, members=250, others=130)
# Of the request itself, and what a page needs besides.
_OF_REQUEST, _OF_PAGE = 10, 10
# Numbers and names have more digits, and a list more pages; twice as many rows or choices would be far more. A session
# notes now and then that it was seen.
_MORE_BYTES, _TIMES_AS_MANY, _MORE_QUERIES = 5_000, 1.2, 1
# They show several things, each of which is asked for.
_OF_SEVERAL = 20
_SEVERAL = {"index", "index of a project", "servers-figures", "servers-figures of a project", "why, answered",
            "servers-inbox", "servers-inbox of a project", "servers-tool", "audit/forwarder/1/change/"}  # fmt: skip
# A deletion says of each kind of what goes with it how many there are.
_DELETION = 40
_ASKS = ("SELECT", "UPDATE", "INSERT")


def asked_of(two: Tenants, role: str, listed: list[Place]) -> dict[str, tuple[int, int]]:
    """Queries and bytes, by what is asked for; of what opens to the role."""
    client, found = two.client(role), {}
    for place in listed:
        with CaptureQueriesContext(connection) as caught:
            response: Any = place.visit.by(client)
        if response.status_code == HTTPStatus.OK and not response.streaming:
            asked = sum(each["sql"].startswith(_ASKS) for each in caught.captured_queries)
            found[f"{place.name}: {place.visit.path}"] = (asked, len(response.content))
    return found


@pytest.mark.parametrize("role", ["operator", "owner", "member"])
def test_pages_cost_as_much_where_there_is_more_of_everything(two: Tenants, role: str) -> None:
    crowd(two, SIZES)
    listed = [each for each in places(two) if not each.name.endswith((" sorted", " filtered", " searched"))]
    asked_of(two, role, listed[:20])
    few = asked_of(two, role, listed)
    crowd(two, SIZES, first=10_000)
    many = asked_of(two, role, listed)
    assert len(many) > {"operator": 100, "owner": 80, "member": 40}[role]
    assert {name: (few[name], many[name]) for name in many if _has_grown(few[name], many[name])} == {}
    dear = {name: queries for name, (queries, _) in many.items() if queries > _OF_REQUEST + _most(name)}
    assert dear == {}


def _has_grown(few: tuple[int, int], many: tuple[int, int]) -> bool:
    return many[0] > few[0] + _MORE_QUERIES or many[1] > few[1] * _TIMES_AS_MANY + _MORE_BYTES


def _most(name: str) -> int:
    kind = name.partition(":")[0]
    return _DELETION if kind.endswith("/delete/") else _OF_SEVERAL if kind in _SEVERAL else _OF_PAGE
