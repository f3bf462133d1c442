"""Children that die, hang, flood or lie: what it costs, and whom."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from servers.runner import shared, stdio
from servers.runner.messages import Trouble
from servers.runner.streams import MAX_QUEUED

from .conftest import HANDSHAKE, Recipe, child, events, runner, until

pytestmark = pytest.mark.claim("runner.faults")


@pytest.mark.asyncio
async def test_a_child_that_dies_fails_its_calls_and_the_next_call_works() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        await stage.call(url, "echo")
        waiting = asyncio.ensure_future(stage.call(url, "silence"))
        bridge = stage.app.pool.bridges()[0]
        await until(lambda: bridge.busy == 1)
        for status, body in await asyncio.gather(stage.call(url, "die"), waiting):
            assert (status, body["id"]) == (502, 1)
            assert body["error"] == {"code": -31001, "message": "Upstream unavailable"}
        status, body = await stage.call(url, "echo", text="back")
        assert (status, body["result"]["content"][0]["text"]) == (200, "back")
        [entry] = await stage.children()
        assert (entry["state"], entry["restarts"]) == ("ready", 1)


@pytest.mark.asyncio
async def test_a_call_that_arrives_right_after_a_kill_is_served() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        for _ in range(3):
            await stage.call(url, "echo")
            [entry] = await stage.children()
            os.kill(entry["pid"], signal.SIGKILL)
            # The kernel needs a moment to make it a zombie; from then on nobody may be given a dead child.
            os.waitid(os.P_PID, entry["pid"], os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222  for as long as a kill takes
            assert (await stage.call(url, "echo", text="x"))[0] == 200


@pytest.mark.asyncio
async def test_answers_written_before_a_death_are_delivered() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        big, dead = await asyncio.gather(stage.call(url, "big", size=3_000_000), stage.call(url, "die"))
        assert (big[0], len(big[1]["result"]["content"][0]["text"])) == (200, 3_000_000)
        assert dead[0] == 502


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(argv=("/nonexistent/server",)),
        Recipe(argv=("relative",)),
        Recipe(argv=("/bin/true",), cwd="/nonexistent"),
    ],
)
async def test_a_server_that_cannot_be_started_is_unavailable_in_both_eras(recipe: Recipe) -> None:
    async with runner() as stage:
        url = stage.add(recipe)
        assert (await stage.call(url, "echo"))[0] == 502
        async with stage.legacy(url, {"id": 1, "method": "initialize", "params": HANDSHAKE}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (502, -31001)


@pytest.mark.asyncio
async def test_a_child_that_dies_at_once_is_unavailable_to_the_handshake_and_leaves_no_session() -> None:
    async with runner() as stage:
        url = stage.add(child("dies"))
        for _ in range(3):
            async with stage.legacy(url, {"id": 1, "method": "initialize", "params": HANDSHAKE}) as response:
                assert response.status == 502
        assert stage.app.pool.bridges() == []


@pytest.mark.asyncio
async def test_a_child_that_dies_of_the_probe_counts_as_legacy_for_a_while() -> None:
    async with runner() as stage:
        url = stage.add(child("dies-on-probe"))
        for _ in range(2):
            async with stage.modern(url, "server/discover") as response:
                assert response.status == 404
        await stage.open(url)


@pytest.mark.asyncio
async def test_silence_on_the_probe_counts_as_legacy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PROBE_TIMEOUT", 0.1)
    async with runner() as stage:
        url = stage.add(Recipe(argv=("/bin/sleep", "600")))
        async with stage.modern(url, "server/discover") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (404, -32601)


@pytest.mark.asyncio
async def test_back_off_doubles_to_its_limit_and_a_healthy_time_resets_it() -> None:
    async def fail() -> Any:
        raise Trouble(-31001)

    host = shared.Shared(fail, lambda bridge: None, 60)
    delays = []
    for _ in range(12):
        host._count_failure()
        delays.append(round(host._retry_at - asyncio.get_running_loop().time(), 1))
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == 30.0
    with pytest.raises(Trouble):
        # Not even tried: the next start is further away than anyone waits.
        await host.bridge()


@pytest.mark.asyncio
async def test_a_line_without_end_kills_its_child_and_names_the_reason() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        await stage.call(url, "echo")
        status, body = await stage.call(url, "endless")
        assert (status, body["error"]["code"]) == (502, -31004)
        assert (await stage.call(url, "echo"))[0] == 200


@pytest.mark.asyncio
async def test_a_large_answer_passes_up_to_the_limit_of_a_line() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        status, body = await stage.call(url, "big", size=4 * 1024 * 1024 - 1000)
        assert (status, len(body["result"]["content"][0]["text"])) == (200, 4 * 1024 * 1024 - 1000)
        assert (await stage.call(url, "big", size=4 * 1024 * 1024))[1]["error"]["code"] == -31004


@pytest.mark.asyncio
async def test_banners_and_answers_that_nobody_asked_for_are_ignored_and_counted() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        status, body = await stage.call(url, "banner")
        assert (status, body["result"]["content"][0]["text"]) == (200, "after the banner")
        [entry] = await stage.children()
        assert entry["garbage"] == 5


@pytest.mark.asyncio
@pytest.mark.parametrize("tool", ["nan", "deep"])
async def test_an_answer_that_is_no_json_of_ours_ends_its_call(tool: str) -> None:
    async with runner() as stage:
        status, body = await stage.call(stage.add(child("plain")), tool)
        assert (status, body["error"]["code"]) == (502, -31003)


@pytest.mark.asyncio
async def test_a_call_without_answer_holds_up_nobody_else() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        stuck = [asyncio.ensure_future(stage.call(url, "silence")) for _ in range(20)]
        for number in range(50):
            assert (await stage.call(url, "echo", text=str(number)))[0] == 200
        for call in stuck:
            call.cancel()


@pytest.mark.asyncio
async def test_a_child_that_stops_reading_costs_memory_up_to_a_limit() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        assert (await stage.call(url, "deaf"))[0] == 200
        calls = [asyncio.ensure_future(stage.call(url, "echo", text="z" * 500_000)) for _ in range(12)]
        await until(lambda: sum(call.done() for call in calls) >= 8)
        assert {call.result()[0] for call in calls if call.done()} == {503}
        assert {call.result()[1]["error"]["code"] for call in calls if call.done()} == {-31007}
        for call in calls:
            call.cancel()


@pytest.mark.asyncio
async def test_a_reader_that_is_too_slow_loses_progress_but_not_the_answer() -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        params = {"name": "flood", "arguments": {"count": 20 * MAX_QUEUED}}
        async with stage.modern(url, "tools/call", params, meta={"progressToken": 1}) as response:
            found = [event async for event in events(response)]
        assert len(found) <= 20 * MAX_QUEUED + 1
        assert found[-1]["result"]["content"][0]["text"] == "flooded"


@pytest.mark.asyncio
async def test_a_child_gets_exactly_its_environment_and_its_limits() -> None:
    async with runner() as stage:
        env = {"PATH": "/usr/bin", "API_SECRET": "hunter2hunter2"}
        url = stage.add(child("plain", env=env, cwd="/var", memory_mb=200))
        found = json.loads((await stage.call(url, "environment"))[1]["result"]["content"][0]["text"])
        [entry] = await stage.children()
        assert {k: v for k, v in found["env"].items() if k != "LC_CTYPE"} == env
        assert (found["cwd"], found["sid"]) == ("/var", entry["pid"])
        limits = {line[:25].strip(): line[25:].split()[:2] for line in found["limits"].splitlines()[1:]}
        assert limits["Max data size"] == [str(200 << 20)] * 2
        assert limits["Max core file size"] == ["0", "0"]
        assert limits["Max open files"] == ["1024", "1024"]


@pytest.mark.asyncio
async def test_last_words_are_few_short_and_without_secrets() -> None:
    async with runner() as stage:
        url = stage.add(child("plain", env={"API_SECRET": "hunter2hunter2"}))
        await stage.call(url, "stderr")
        bridge = stage.app.pool.bridges()[0]
        await until(lambda: len(bridge.channel.notes()) == 20)
        lines = (await stage.children())[0]["stderr"]
        assert len(lines) == 20
        assert max(map(len, lines)) <= 300
        assert lines[-1].startswith("line 999 *** zzz")


@pytest.mark.asyncio
async def test_ending_a_child_ends_its_family(alive: Callable[[int], bool]) -> None:
    async with runner() as stage:
        url = stage.add(child("plain"))
        grandchild = int((await stage.call(url, "family"))[1]["result"]["content"][0]["text"])
        [entry] = await stage.children()
        assert alive(grandchild)
        os.kill(entry["pid"], signal.SIGKILL)
        await until(lambda: not alive(grandchild))


@pytest.mark.asyncio
async def test_a_child_that_ignores_every_request_to_end_is_killed(alive: Callable[[int], bool]) -> None:
    channel = await stdio.StdioChannel.start(child("stubborn"))
    assert channel.pid is not None
    assert alive(channel.pid)
    await channel.close(grace=0.3, term=0.2)
    assert not alive(channel.pid)
    with pytest.raises(Trouble):
        channel.send({"jsonrpc": "2.0"})


@pytest.mark.asyncio
async def test_many_starts_leave_no_zombie_and_no_open_file(alive: Callable[[int], bool]) -> None:
    async def live(behaviour: str) -> int:
        channel = await stdio.StdioChannel.start(child(behaviour))
        await channel.close()
        assert channel.pid is not None
        return channel.pid

    await live("plain")
    before = len(os.listdir("/proc/self/fd"))
    pids = [await live(behaviour) for _ in range(15) for behaviour in ("plain", "dies")]
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.asyncio
async def test_exits_are_seen_without_pidfd_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    async with runner() as stage:
        url = stage.add(child("plain"))
        assert (await stage.call(url, "die"))[0] == 502
        assert (await stage.call(url, "echo"))[0] == 200
