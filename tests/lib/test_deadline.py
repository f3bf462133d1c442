"""A deadline ends what takes too long, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from gateway_site.lib.deadline import Deadline

pytestmark = [pytest.mark.asyncio, pytest.mark.claim("server.deadline")]


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_what_takes_too_long_raises_and_the_task_goes_on() -> None:
    with pytest.raises(TimeoutError), Deadline(0.01):
        await for_ever()
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    await asyncio.sleep(0)


async def test_what_is_in_time_is_left_alone_also_afterwards() -> None:
    with Deadline(0.02):
        await asyncio.sleep(0)
    await asyncio.sleep(0.04)


async def test_an_error_of_the_block_stays_what_it_is() -> None:
    with pytest.raises(KeyError), Deadline(1):
        raise KeyError


async def test_the_inner_and_the_outer_deadline_are_told_apart() -> None:
    with Deadline(1), pytest.raises(TimeoutError), Deadline(0.01):
        await for_ever()
    with pytest.raises(TimeoutError), Deadline(0.01), Deadline(1):
        await for_ever()


async def test_a_task_that_is_cancelled_from_outside_stays_cancelled() -> None:
    began = asyncio.Event()

    async def work() -> None:
        with Deadline(5):
            began.set()
            await for_ever()

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_comes_with_the_deadline_is_not_lost() -> None:
    async def work() -> None:
        with Deadline(0.01):
            try:
                await for_ever()
            except asyncio.CancelledError:
                task.cancel()
                raise

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
