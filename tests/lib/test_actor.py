"""Who is acting now."""

from __future__ import annotations

import asyncio

import pytest

from gateway_site.lib.actor import SYSTEM, Actor, acting_as, current

pytestmark = pytest.mark.claim("audit.actor")
ADA, BOB = Actor("user", "1", "ada@acme.test"), Actor("user", "2", "bob@acme.test")


def test_nobody_in_particular_is_the_system() -> None:
    assert current() == SYSTEM


def test_an_actor_ends_with_its_block_even_after_an_error() -> None:
    with acting_as(ADA):
        with pytest.raises(ZeroDivisionError), acting_as(BOB):
            raise ZeroDivisionError(current() == BOB)
        assert current() == ADA
    assert current() == SYSTEM


def test_concurrent_tasks_act_for_themselves() -> None:
    async def act(who: Actor, mine: asyncio.Event, other: asyncio.Event) -> Actor:
        with acting_as(who):
            mine.set()
            await other.wait()
            return current()

    async def both() -> list[Actor]:
        first, second = asyncio.Event(), asyncio.Event()
        async with asyncio.timeout(5):
            return list(await asyncio.gather(act(ADA, first, second), act(BOB, second, first)))

    assert asyncio.run(both()) == [ADA, BOB]
