"""When a failing service is left alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.breaker import Breaker, State

pytestmark = pytest.mark.claim("guardrails.provider-breaker")


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker(failures=3, cool_down=10)
    for _ in range(3):
        assert breaker.lets_through(at)
        breaker.fail(at)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(failures=3, cool_down=10)
    for outcome in ("fail", "fail", "succeed", "fail", "fail"):
        assert breaker.lets_through(0)
        breaker.succeed() if outcome == "succeed" else breaker.fail(0)
        assert breaker.state is State.CLOSED
    breaker.fail(0)
    assert breaker.state is State.OPEN
    assert not breaker.lets_through(0)


def test_after_the_cool_down_one_request_is_on_trial() -> None:
    breaker = opened(at=5)
    assert not breaker.lets_through(14.9)
    assert breaker.lets_through(15)
    assert breaker.state is State.HALF_OPEN
    assert not breaker.lets_through(15)


def test_a_good_trial_closes_it() -> None:
    breaker = opened()
    assert breaker.lets_through(10)
    breaker.succeed()
    assert breaker.state is State.CLOSED
    breaker.fail(10)
    assert breaker.lets_through(10)


def test_a_bad_trial_opens_it_again_at_once() -> None:
    breaker = opened()
    assert breaker.lets_through(10)
    breaker.fail(11)
    assert breaker.state is State.OPEN
    assert not breaker.lets_through(20.9)
    assert breaker.lets_through(21)


def test_a_trial_that_was_given_up_leaves_room_for_another() -> None:
    breaker = opened()
    assert breaker.lets_through(10)
    breaker.give_up()
    assert breaker.state is State.OPEN
    assert breaker.lets_through(10)


def test_a_trial_that_never_ends_does_not_shut_it_for_ever() -> None:
    breaker = opened()
    assert breaker.lets_through(10)
    assert not breaker.lets_through(19)
    assert breaker.lets_through(20)


def test_what_began_before_it_opened_does_not_prolong_the_cool_down() -> None:
    breaker = opened()
    breaker.fail(9)
    assert breaker.lets_through(10)


@given(st.lists(st.tuples(st.sampled_from(["ask", "fail", "give_up"]), st.floats(0, 30)), max_size=60))
def test_while_it_fails_no_more_than_one_request_in_a_cool_down_goes_through(acts: list[tuple[str, float]]) -> None:
    breaker, now = opened(), 0.0
    let_through: list[float] = []
    on_trial = False
    for act, passed in acts:
        now += passed
        if act == "ask" and breaker.lets_through(now):
            let_through.append(now)
            on_trial = True
        elif act == "fail" and on_trial:
            breaker.fail(now)
            on_trial = False
    assert all(later - earlier >= 10 for earlier, later in pairwise(let_through))
