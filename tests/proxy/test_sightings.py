"""What servers list is written down aside: it keeps its own project waiting at the most."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from projects.authentication import KeyRecord, Principal
from proxy import sightings
from proxy.call import Call
from proxy.errors import Refusal
from proxy.sightings import Sightings
from proxy.snapshot import Snapshots
from proxy.stages.review import review_message
from servers.upstream import Upstream

pytestmark = pytest.mark.claim("review.aside")
KEY = KeyRecord("k1", "laptop", 1, 1, "ada@acme.test", "owner", "p1", b"", ("*",), ("*",), (), None)
TOOLS = [{"name": "read", "inputSchema": {"type": "object"}}]
SECONDS = 20


class Writer:
    """Stands for the database: holds every write until it is let go, and knows what was under way."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.ended = 0
        self.has_begun = threading.Event()
        self.may_end = threading.Event()

    def observe(self, server_id: int, project_id: int, **_: Any) -> bool:
        self.begun.append((project_id, server_id))
        self.has_begun.set()
        assert self.may_end.wait(SECONDS)
        self.ended += 1
        return True


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    made = Writer()
    monkeypatch.setattr(sightings, "observe_by_id", made.observe)
    yield made
    made.may_end.set()


class _Snapshots:
    """Nothing is known of any server, before or after."""

    def current(self, project_id: int) -> None:
        return None

    async def reload(self, project_id: int) -> None:
        return None


def call(state: Any, server: int, project: int = 1) -> Call:
    upstream = Upstream(server, project, f"s{server}", "http", "http://127.0.0.1:9/mcp", "c0ffee", 60.0)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    return Call(
        state=state, request_id="r", principal=Principal(project, KEY), snapshot=cast(Any, None), upstream=upstream,
        http_method="POST", version=None, modern=True, message=message, headers={},
    )  # fmt: skip


def run(test: Any) -> None:
    async def within() -> None:
        snapshots = _Snapshots()
        noting = Sightings(cast(Snapshots, snapshots))
        try:
            async with asyncio.timeout(SECONDS):
                await test(SimpleNamespace(snapshots=snapshots, sightings=noting))
        finally:
            noting.close()

    asyncio.run(within())


async def begun(writer: Writer, number: int) -> None:
    while len(writer.begun) < number:
        await asyncio.sleep(0.005)


def test_a_write_whose_caller_has_left_keeps_the_turn_of_its_server_and_its_project(writer: Writer) -> None:
    async def test(state: Any) -> None:
        first = asyncio.create_task(state.sightings.note(call(state, 1), "tools", TOOLS))
        await begun(writer, 1)
        first.cancel()
        await asyncio.wait([first])
        again = [asyncio.create_task(state.sightings.note(call(state, server), "tools", TOOLS)) for server in (1, 2)]
        other = asyncio.create_task(state.sightings.note(call(state, 3, project=2), "tools", TOOLS))
        await begun(writer, 2)
        assert writer.begun == [(1, 1), (2, 3)], "another project's is written meanwhile, and none of the same"
        writer.may_end.set()
        await asyncio.gather(*again, other)
        assert sorted(writer.begun) == [(1, 1), (1, 1), (1, 2), (2, 3)]
        assert writer.ended == 4

    run(test)


def test_who_waits_too_long_is_refused_and_the_turn_ends_with_the_write(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightings, "_WAIT_SECONDS", 0.1)

    async def test(state: Any) -> None:
        for _ in range(3):
            with pytest.raises(Refusal) as refused:
                await state.sightings.note(call(state, 1), "tools", TOOLS)
            assert refused.value.kind == "configuration_stale"
        assert writer.begun == [(1, 1)], "nobody else's was written meanwhile"
        writer.may_end.set()
        monkeypatch.setattr(sightings, "_WAIT_SECONDS", SECONDS)
        await state.sightings.note(call(state, 1), "tools", TOOLS)
        assert writer.begun == [(1, 1), (1, 1)]

    run(test)


def test_of_a_list_without_an_end_only_so_much_is_looked_at_and_passed_on(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightings, "MAX_ENTRIES", 3)
    writer.may_end.set()

    async def test(state: Any) -> None:
        asked, message = call(state, 1), {"result": {"tools": [{"name": f"t{number}"} for number in range(50)]}}
        await review_message(asked, message)
        assert [tool["name"] for tool in message["result"]["tools"]] == ["t0", "t1", "t2"]
        assert asked.unapproved == {("tool", "t0"), ("tool", "t1"), ("tool", "t2")}

    run(test)


def test_others_have_their_turn_while_a_long_list_is_gone_through(writer: Writer) -> None:
    writer.may_end.set()

    async def test(state: Any) -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        tools = [{"name": f"t{number}", "description": "x" * 20_000} for number in range(sightings.MAX_ENTRIES)]
        await sightings._digested("tools", tools)
        counting.cancel()
        assert turns > 1

    run(test)
