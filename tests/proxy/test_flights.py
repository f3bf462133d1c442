"""What many ask at one time is asked once, whoever leaves meanwhile and whatever comes of it."""

from __future__ import annotations

import asyncio

import pytest

from proxy.flights import Flights

pytestmark = pytest.mark.claim("cache.single-flight")


class Question:
    """Counts how often it is asked, and is answered when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> str:
        self.asked += 1
        return await self.answer


def test_all_who_ask_at_one_time_get_one_answer() -> None:
    async def test() -> None:
        flights, question = Flights(), Question()
        asking = [asyncio.create_task(flights.join("list", question)) for _ in range(50)]
        other = asyncio.create_task(flights.join("another", question))
        await asyncio.sleep(0)
        question.answer.set_result("tools")
        assert set(await asyncio.gather(*asking, other)) == {"tools"}
        assert question.asked == 2, "once for each question"
        assert len(flights) == 0
        assert await flights.join("list", question) == "tools"
        assert question.asked == 3, "and again for who comes later"

    asyncio.run(test())


def test_who_leaves_takes_the_answer_from_nobody() -> None:
    async def test() -> None:
        flights, question = Flights(), Question()
        first = asyncio.create_task(flights.join("list", question))
        second = asyncio.create_task(flights.join("list", question))
        await asyncio.sleep(0)
        first.cancel()
        question.answer.set_result("tools")
        assert await second == "tools"
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(test())


def test_a_failure_is_everyones_and_is_not_kept() -> None:
    async def test() -> None:
        flights, failing, question = Flights(), Question(), Question()
        asking = [asyncio.create_task(flights.join("list", failing)) for _ in range(3)]
        await asyncio.sleep(0)
        failing.answer.set_exception(ValueError("no"))
        assert [type(each) for each in await asyncio.gather(*asking, return_exceptions=True)] == [ValueError] * 3
        question.answer.set_result("tools")
        assert await flights.join("list", question) == "tools"

    asyncio.run(test())


def test_closing_ends_what_nobody_waits_for_any_more() -> None:
    async def test() -> None:
        flights, question = Flights(), Question()
        asking = asyncio.create_task(flights.join("list", question))
        await asyncio.sleep(0)
        await flights.close()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert len(flights) == 0

    asyncio.run(test())
