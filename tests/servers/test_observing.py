"""What a server lists is written down, and decided on as far as no person has to."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection

from audit.models import Event
from projects import versions
from projects.scoping import with_project
from servers import observing, review
from servers.definitions import digest
from servers.models import Review, Server, State
from servers.observing import Listed
from tests.cast import Cast, two_tenants
from tests.servers.sighted import (
    CHANGED,
    FIRST,
    THIRD,
    count,
    definition,
    events,
    listed,
    see,
    shows,
    state,
    tool,
    version,
)
from tests.threads import at_one_time

pytestmark = pytest.mark.django_db
ALL_KINDS = ("tool", "prompt", "resource", "template")


# --- the three modes -----------------------------------------------------------------------------------


@pytest.mark.claim("review.modes")
def test_under_review_everything_new_waits(cast: Cast) -> None:
    server = cast.server(review=Review.REVIEW)
    assert see(server, FIRST)
    assert state(server) == State.WAITING
    assert not shows(server, FIRST)
    [event] = events("definition.seen")
    assert (event.subject, event.server, event.decision, event.detail["digest"]) == (
        "read", "docs", "waiting", digest(FIRST),
    )  # fmt: skip


@pytest.mark.claim("review.modes")
def test_trust_first_approves_what_is_first_seen_and_lets_changes_wait(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST, definition("write"))
    assert (state(server), state(server, "write")) == (State.APPROVED, State.APPROVED)
    assert shows(server, FIRST)
    [event] = events("definitions.approved")
    assert (event.detail["count"], event.detail["names"]) == (2, ["tool:read", "tool:write"])
    see(server, CHANGED, definition("write"))
    assert (state(server), state(server, "write")) == (State.WAITING, State.APPROVED)
    assert not shows(server, CHANGED)
    [changed] = events("definition.changed")
    assert (changed.detail["before"], changed.detail["digest"]) == (digest(FIRST), digest(CHANGED))


@pytest.mark.claim("review.modes")
def test_trust_records_every_change_and_lets_it_pass(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST)
    see(server, FIRST)
    see(server, CHANGED)
    assert state(server) == State.APPROVED
    assert shows(server, CHANGED)
    assert [event.decision for event in events("definition.changed")] == ["approved"]


@pytest.mark.claim("review.modes")
@pytest.mark.parametrize("mode", list(Review))
def test_what_is_seen_again_changes_nothing(cast: Cast, mode: str) -> None:
    server = cast.server(review=mode)
    see(server, FIRST)
    before, current = Event.objects.count(), versions.current()
    assert not see(server, FIRST)
    assert (Event.objects.count(), versions.current()) == (before, current)


@pytest.mark.claim("review.modes")
def test_a_change_raises_the_projects_version_so_that_workers_see_it(cast: Cast) -> None:
    server = cast.server()
    current = versions.current()
    see(server, FIRST)
    assert versions.changed_since(current)[1] == [cast.acme.pk]
    current = versions.current()
    review.approve(version=version(server, FIRST))
    assert versions.changed_since(current)[1] == [cast.acme.pk]


# --- first sight ---------------------------------------------------------------------------------------


@pytest.mark.claim("review.first-sight")
def test_a_tool_that_comes_after_the_first_list_waits(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST)
    see(server, FIRST, definition("write"))
    assert (state(server), state(server, "write")) == (State.APPROVED, State.WAITING)


@pytest.mark.claim("review.first-sight")
def test_an_empty_first_list_is_a_first_list(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server)
    see(server, FIRST)
    assert state(server) == State.WAITING


@pytest.mark.claim("review.first-sight")
def test_a_list_that_was_not_seen_to_its_end_uses_nothing_up(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST, whole=())
    see(server, definition("write"), whole=())
    see(server, FIRST, definition("write"), definition("last"))
    assert {state(server, name) for name in ("read", "write", "last")} == {State.APPROVED}
    see(server, FIRST, definition("write"), definition("last"), definition("new"))
    assert state(server, "new") == State.WAITING


@pytest.mark.claim("review.first-sight")
def test_what_clients_are_shown_before_the_first_whole_list_does_not_change_unseen(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, definition("read"), whole=())
    see(server, definition("for-some-clients"), whole=())
    assert (state(server), state(server, "for-some-clients")) == (State.APPROVED, State.APPROVED)
    see(server, definition("read", "Reads more."), whole=())
    assert state(server) == State.WAITING
    see(server, definition("write", "In the other era."), era="legacy", whole=())
    see(server, definition("for-some-clients", "In the other era."), era="legacy", whole=())
    assert (state(server, "write"), state(server, "for-some-clients")) == (State.APPROVED, State.APPROVED)


@pytest.mark.claim("review.first-sight")
def test_what_is_read_in_several_eras_at_one_time_is_first_sight_together(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    closed = observing.closed_kinds(server)
    for era, shown in (("legacy", FIRST), ("modern", CHANGED)):
        observing.observe(
            server=server, era=era, listed=listed(shown), whole=["tool"], closed=closed, ends_first_sight=True
        )
    assert state(server) == State.APPROVED
    see(server, THIRD, era="legacy")
    assert state(server) == State.WAITING


@pytest.mark.claim("review.first-sight")
def test_a_tool_that_changed_before_its_server_was_read_waits_in_every_era(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST, whole=())
    closed = observing.closed_kinds(server)
    assert observing.eras_in_order(server, ["legacy", "modern"]) == ["modern", "legacy"]
    for era, shown in (("modern", CHANGED), ("legacy", THIRD)):
        observing.observe(
            server=server, era=era, listed=listed(shown), whole=["tool"], closed=closed, ends_first_sight=True
        )
    assert state(server) == State.WAITING
    assert {version(server, each).state for each in (CHANGED, THIRD)} == {State.WAITING}


@pytest.mark.claim("review.first-sight")
def test_an_era_that_a_server_comes_to_speak_later_is_trusted_with_nothing_new(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST, definition("write"), era="legacy")
    see(server, CHANGED, definition("write"), definition("new"))
    assert (state(server), state(server, "new")) == (State.WAITING, State.WAITING)
    assert state(server, "write") == State.APPROVED, "it is what was approved"


@pytest.mark.claim("review.first-sight")
def test_a_server_that_is_never_read_to_its_end_is_not_trusted_for_long(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST, whole=())
    monkeypatch.setattr(observing, "FIRST_SIGHT", timedelta(0))
    see(server, FIRST, definition("later"), whole=())
    assert state(server, "later") == State.WAITING
    other = cast.server("other", review=Review.TRUST_FIRST)
    observing.observe(server=other, era="modern", listed=listed(FIRST), whole=(), ends_first_sight=True)
    monkeypatch.setattr(observing, "FIRST_SIGHT", timedelta(hours=1))
    see(other, FIRST, definition("later"), whole=())
    assert state(other, "later") == State.WAITING


@pytest.mark.claim("review.first-sight")
def test_each_kind_has_a_first_list_of_its_own(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST)
    prompt = Listed("prompt", "greet", {"name": "greet"})
    observing.observe(server=server, era="modern", listed=[prompt], whole=["prompt"])
    assert state(server, "greet") == State.APPROVED
    later = Listed("prompt", "later", {"name": "later"})
    observing.observe(server=server, era="modern", listed=[prompt, later], whole=["prompt"])
    assert state(server, "later") == State.WAITING


@pytest.mark.claim("review.first-sight")
@pytest.mark.django_db(transaction=True)
def test_of_two_first_lists_at_one_time_only_one_is_the_first() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time")
    server = two_tenants().server(review=Review.TRUST_FIRST)
    lists = (FIRST, CHANGED)
    at_one_time(*(partial(see, server, shown) for shown in lists))
    assert sorted(version(server, shown).state for shown in lists) == [State.APPROVED, State.WAITING]
    assert (state(server), count(server)) == (State.WAITING, 2)


# --- what waits sticks ---------------------------------------------------------------------------------


@pytest.mark.claim("review.waiting-sticks")
def test_a_server_that_takes_its_change_back_still_waits(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST)
    see(server, CHANGED)
    see(server, FIRST)
    assert state(server) == State.WAITING
    assert not shows(server, FIRST)
    review.reject(version=version(server, CHANGED))
    assert state(server) == State.APPROVED
    assert shows(server, FIRST) and not shows(server, CHANGED)


@pytest.mark.claim("review.waiting-sticks")
def test_a_tool_that_is_taken_out_and_listed_again_still_waits(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST)
    see(server, CHANGED)
    see(server)
    assert (tool(server).modern_digest, state(server)) == ("", State.WAITING)
    see(server, FIRST)
    assert state(server) == State.WAITING


@pytest.mark.claim("review.waiting-sticks")
def test_less_trust_from_now_on_changes_no_decision_that_was_made(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST)
    see(server, FIRST)
    with with_project(cast.acme.pk):
        Server.objects.filter(pk=server.pk).update(review=Review.REVIEW)
    see(server, FIRST)
    assert state(server) == State.APPROVED
    see(server, CHANGED)
    assert state(server) == State.WAITING


@pytest.mark.claim("review.waiting-sticks")
def test_a_change_in_one_era_closes_the_tool_in_both(cast: Cast) -> None:
    server = cast.server(review=Review.TRUST_FIRST)
    see(server, FIRST)
    see(server, FIRST, era="legacy")
    see(server, CHANGED, era="legacy")
    assert state(server) == State.WAITING
    assert not shows(server, FIRST)
    review.reject(version=version(server, CHANGED))
    assert state(server) == State.REJECTED, "the older era still says what was rejected"
    see(server, FIRST, era="legacy")
    assert state(server) == State.APPROVED


# --- what goes and comes -------------------------------------------------------------------------------


@pytest.mark.claim("review.decisions")
def test_decisions_outlast_a_tools_absence(cast: Cast) -> None:
    server = cast.server()
    see(server, FIRST)
    review.approve(version=version(server, FIRST))
    assert see(server)
    assert tool(server).modern_digest == ""
    see(server, FIRST)
    assert (state(server), tool(server).modern_digest) == (State.APPROVED, digest(FIRST))


@pytest.mark.claim("review.decisions")
def test_a_list_that_was_not_seen_to_its_end_and_other_kinds_take_nothing_out(cast: Cast) -> None:
    server = cast.server()
    see(server, FIRST)
    see(server, whole=())
    see(server, whole=["prompt"])
    assert tool(server).modern_digest == digest(FIRST)


@pytest.mark.claim("review.modes")
def test_what_a_server_says_of_itself_is_kept_by_era(cast: Cast) -> None:
    server = cast.server()
    for era in ("modern", "legacy"):
        assert observing.observe(server=server, era=era, listed=[], about={"instructions": era})
    assert not observing.observe(server=server, era="modern", listed=[], about={"instructions": "modern"})
    with with_project(cast.acme.pk):
        assert Server.objects.get(pk=server.pk).about == {
            "modern": {"instructions": "modern"}, "legacy": {"instructions": "legacy"},
        }  # fmt: skip
