"""One stream of many servers takes a place for each, listens to no more than 64, and only to those it may."""

from __future__ import annotations

import asyncio
import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest

from projects.authentication import Principal
from proxy.aggregate import feed
from proxy.aggregate.feed import MAX_PARTS, Feed
from proxy.aggregate.passage import Passage, whole
from proxy.call import Answer, Call
from proxy.errors import Refusal
from proxy.meter import Meters
from proxy.snapshot import Snapshot
from tests.proxy.aggregate.test_lists import KEY, offered, snapshot

pytestmark = pytest.mark.claim("aggregate.stream-places")
MANY = snapshot({f"s{number}": [offered("x")] for number in range(MAX_PARTS + 6)})


class Listening:
    """A stream of all servers, none of which ever says anything; `reached` are those that were asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.newest: Snapshot = MANY
        self.reached: list[str] = []
        self.noted: list[str] = []
        self.log_is_there = True
        self.meters = Meters()
        state = SimpleNamespace(meters=self.meters, snapshots=SimpleNamespace(current=lambda _: self.newest))
        self.call = Call(
            cast(Any, state), "r", Principal(1, KEY), MANY, whole(1), "GET", "2025-11-25", False, None, {},
            aggregate=Passage(False, "2025-11-25"),
        )  # fmt: skip
        monkeypatch.setattr(feed, "note", self._note)

    async def _note(self, _: Call, upstream: Any) -> None:
        if not self.log_is_there:
            raise Refusal("audit_unavailable")
        self.noted.append(upstream.slug)

    async def _next(self, part: Call) -> Answer:
        assert part.upstream.slug in self.noted, "on record before it is reached"
        self.reached.append(part.upstream.slug)
        await asyncio.Event().wait()
        raise AssertionError

    async def attach(self) -> list[str]:
        """The servers that it listens to."""
        made = Feed(self.call, self._next)
        upstreams = MANY.upstreams.values()
        heard = [each.slug for each in upstreams if made.attach(each.slug, dataclasses.replace(
            self.call, upstream=each, aggregate=Passage(False, "2025-11-25")))]  # fmt: skip
        for _ in range(5):
            await asyncio.sleep(0)
        return heard

    async def close(self) -> None:
        self.call.close()
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Listening:
    return Listening(monkeypatch)


def test_each_server_takes_a_place_and_there_are_at_most_so_many(listening: Listening) -> None:
    async def listen() -> None:
        heard = await listening.attach()
        assert heard == listening.reached
        assert len(heard) == MAX_PARTS == listening.meters.total.streams
        await listening.close()
        assert listening.meters.total.streams == 0

    asyncio.run(listen())


def test_where_the_key_has_no_place_left_a_server_is_not_listened_to(listening: Listening, settings: Any) -> None:
    settings.KEY_STREAMS = 3

    async def listen() -> None:
        assert len(await listening.attach()) == len(listening.reached) == 3
        await listening.close()

    asyncio.run(listen())


def test_a_server_that_the_key_may_not_use_now_is_not_listened_to(listening: Listening) -> None:
    narrowed = dataclasses.replace(KEY, servers=("s1",))
    listening.newest = dataclasses.replace(MANY, keys={"k1": narrowed})

    async def listen() -> None:
        await listening.attach()
        assert listening.reached == listening.noted == ["s1"]
        await listening.close()

    asyncio.run(listen())


def test_without_a_log_no_server_is_reached(listening: Listening) -> None:
    listening.log_is_there = False

    async def listen() -> None:
        await listening.attach()
        assert (listening.reached, listening.meters.total.streams) == ([], 0)
        await listening.close()

    asyncio.run(listen())
