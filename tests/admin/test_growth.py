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
# Numbers, and the links to the pages of a list, have more digits.
_MORE_BYTES = 2_000
# Their rows stand for several things each: what a definition is compared with, the parts of a call.
_BY_ROWS = {"servers-inbox": 40, "servers-inbox of a project": 40, "servers-tool": 30}
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
    grown = {name: (few[name], many[name]) for name in many
             if many[name][0] > few[name][0] or many[name][1] > few[name][1] + _MORE_BYTES}  # fmt: skip
    assert grown == {}
    dear = {name: queries for name, (queries, _) in many.items() if queries > _OF_REQUEST + _most(name)}
    assert dear == {}


def _most(name: str) -> int:
    kind = name.partition(":")[0]
    return _DELETION if kind.endswith("/delete/") else _BY_ROWS.get(kind, _OF_PAGE)
