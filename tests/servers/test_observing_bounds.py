"""Whatever a server lists, and however often it says something else, it costs little."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway_site.lib.actor import Actor, acting_as
from projects.scoping import with_project
from servers import observing, offers, review
from servers.models import Review, Server, State, Tool
from tests.cast import Cast
from tests.servers.sighted import (
    CHANGED,
    FIRST,
    count,
    definition,
    events,
    listed,
    see,
    shows,
    state,
    version,
)

pytestmark = pytest.mark.django_db
ADA = Actor("user", "1", "ada@acme.test")


@pytest.mark.claim("review.bounded")
@pytest.mark.parametrize("mode", list(Review))
def test_a_server_that_says_something_else_each_time_fills_no_table(
    cast: Cast, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "MAX_VERSIONS", 5)
    server = cast.server(review=mode)
    for number in range(12):
        see(server, definition("read", f"Number {number}."))
    assert count(server) == 5
    assert version(server, definition("read", "Number 11."))
    assert state(server) == (State.APPROVED if mode == Review.TRUST else State.WAITING)


@pytest.mark.claim("review.bounded")
def test_what_a_person_rejected_is_never_forgotten(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "MAX_VERSIONS", 5)
    server = cast.server(review=Review.TRUST)
    see(server, FIRST)
    with acting_as(ADA):
        review.reject(version=version(server, FIRST))
    for number in range(12):
        see(server, definition("read", f"Number {number}."))
    see(server, FIRST)
    assert state(server) == State.REJECTED


@pytest.mark.claim("review.bounded")
def test_what_a_person_approved_and_what_either_era_says_now_is_never_forgotten(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "MAX_VERSIONS", 3)
    server = cast.server()
    see(server, FIRST)
    review.approve(version=version(server, FIRST))
    see(server, CHANGED, era="legacy")
    for number in range(9):
        see(server, definition("read", f"Number {number}."))
    assert version(server, FIRST).state == State.APPROVED
    assert version(server, CHANGED).state == State.WAITING
    review.roll_back(version=version(server, CHANGED))
    assert version(server, CHANGED).state == State.APPROVED


def _all_changed(cast: Cast, mode: str, number: int) -> Server:
    """A server that was seen to its end, and then lists every tool of its with another description."""
    server = cast.server(review=mode)
    see(server, *(definition(f"t{each}") for each in range(number)))
    see(server, *(definition(f"t{each}", "Another text.") for each in range(number)))
    return server


@pytest.mark.claim("review.bounded")
def test_of_many_changes_at_once_some_are_told_one_by_one_and_the_rest_together(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "MAX_EVENTS", 2)
    server = _all_changed(cast, Review.TRUST_FIRST, 5)
    assert [event.subject for event in events("definition.changed")] == ["t0", "t1"]
    [rest] = events("definitions.changed")
    assert (rest.decision, rest.detail["count"]) == ("waiting", 3)
    assert rest.detail["names"] == ["tool:t2", "tool:t3", "tool:t4"]
    for each in range(5):
        assert state(server, f"t{each}") == State.WAITING
        assert not shows(server, definition(f"t{each}")) and not shows(server, definition(f"t{each}", "Another text."))


@pytest.mark.claim("review.bounded")
def test_a_long_list_of_new_tools_that_wait_is_told_of_together(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "MAX_EVENTS", 2)
    see(cast.server(), *(definition(f"t{each}") for each in range(5)))
    assert [event.subject for event in events("definition.seen")] == ["t0", "t1"]
    assert [event.detail["count"] for event in events("definitions.seen")] == [3]


@pytest.mark.claim("review.bounded")
@pytest.mark.parametrize("mode", list(Review))
def test_a_look_at_a_list_takes_no_more_statements_for_a_longer_one(
    cast: Cast, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "MAX_EVENTS", 3)
    monkeypatch.setattr(observing, "MAX_VERSIONS", 3)
    server = cast.server(review=mode)
    taken = {}
    for number in (10, 200):
        # The last of them brings versions that are not kept any more.
        for text in ("First.", "Second.", "Third.", "Fourth."):
            with CaptureQueriesContext(connection) as statements:
                see(server, *(definition(f"{number}-{each}", text) for each in range(number)), whole=())
        taken[number] = len(statements)
    assert taken[200] <= taken[10]
    assert count(server, "200-7") == 3


@pytest.mark.claim("review.bounded")
def test_what_was_refused_is_not_read_into_memory(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST)
    see(server, CHANGED)
    with with_project(cast.acme.pk), CaptureQueriesContext(connection) as statements:
        offers.load([Server.objects.get(pk=server.pk)])
        [query] = [each["sql"] for each in statements if "servers_toolversion" in each["sql"]]
        with connection.cursor() as cursor:
            cursor.execute(query)
            texts = [text for row in cursor for text in row if isinstance(text, str)]
    assert any(FIRST["description"] in text for text in texts)
    assert not any(CHANGED["description"] in text for text in texts)


@pytest.mark.claim("review.bounded")
def test_a_server_has_so_many_tools_and_no_more(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "MAX_TOOLS", 3)
    server = cast.server()
    see(server, *(definition(f"t{number}") for number in range(5)))
    see(server, definition("t9"), definition("t0"))
    with with_project(cast.acme.pk):
        assert list(Tool.objects.filter(server=server).values_list("name", flat=True)) == ["t0", "t1", "t2"]


@pytest.mark.claim("review.bounded")
def test_of_two_entries_of_one_name_the_first_counts(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST, CHANGED)
    assert count(server) == 1
    assert shows(server, FIRST) and not shows(server, CHANGED)


@pytest.mark.claim("review.bounded")
@pytest.mark.parametrize("name", ["", "x" * 501, "a\0b", "a\ud800b"], ids=ascii)
def test_a_name_that_cannot_be_stored_keeps_no_other_tool_out(cast: Cast, name: str) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, definition(name), FIRST)
    with with_project(cast.acme.pk):
        assert list(Tool.objects.values_list("name", flat=True)) == ["read"]


@pytest.mark.claim("review.bounded")
@pytest.mark.parametrize(
    ("text", "stored"),
    [("a\0b", "a\\u0000b"), ("a\\u0000b", "a\\u0000b"), ("a\\\0", "a\\\\u0000"), ("\ud800", "\\ud800"),
     (float("inf"), "inf"), (2**80, 2**80)],
    ids=ascii,
)  # fmt: skip
def test_a_definition_that_no_database_holds_is_kept_written_out(cast: Cast, text: Any, stored: Any) -> None:
    server = cast.server()
    hostile = definition("read", text, **{"_meta": {"k\0": [text]}})
    see(server, hostile)
    observing.observe(server=server, era="modern", listed=listed(hostile), about={"instructions": text})
    kept = version(server, hostile).definition
    assert (kept["description"], kept["_meta"]) == (stored, {"k\\u0000": [stored]})
    with with_project(cast.acme.pk):
        assert Server.objects.get(pk=server.pk).about == {"modern": {"instructions": stored}}


@pytest.mark.claim("review.bounded")
def test_numbers_of_any_size_do_not_keep_the_catalogue_from_being_loaded(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST)
    huge = {**FIRST, "_meta": {"most": 2**80}}
    see(server, huge)
    assert shows(server, huge)
