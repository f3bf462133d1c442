"""The runner's small parts, as conversations of values."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from servers.runner.bridge import Bridge, LegacyBridge, ModernBridge
from servers.runner.channel import Inbox, Lines
from servers.runner.messages import Message, parse_line
from servers.runner.notes import Notes
from servers.runner.streams import MAX_QUEUED, Call, Stream

pytestmark = pytest.mark.claim("runner.messages")


def test_lines_come_out_whole_however_the_bytes_are_cut() -> None:
    dice = random.Random(3)
    text = b"".join(bytes(dice.choices(b"ab\n", k=50)) for _ in range(40)) + b"end\n"
    for size in (1, 2, 3, 7, 64, 5000):
        lines = Lines(100_000)
        found = [line for at in range(0, len(text), size) for line in lines.feed(text[at : at + size])]
        assert found == text.split(b"\n")[:-1]


def test_a_line_over_the_limit_is_noticed_and_not_kept() -> None:
    lines = Lines(10)
    assert lines.feed(b"ok\n0123456789") == [b"ok"]
    assert not lines.overflown
    assert lines.feed(b"x") == []
    assert lines.overflown
    assert lines.feed(b"\nmore\n") == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"Welcome", None),
        (b"[1]", None),
        (b"{", None),
        (b'{"a": NaN}', None),
        (b'{"method": "x", "id": 1, "params": NaN}', None),
        (b'{"id": 3, "result": "\\ud800"}', 3),
        (b'{"id": "4", "result": Infinity}', "4"),
        (b'{"id": 5, "result": ' + b"[" * 99 + b"]" * 99 + b"}", 5),
    ],
)
def test_what_cannot_be_carried_is_dropped_or_ends_its_call(line: bytes, message: Any) -> None:
    found = parse_line(line)
    assert (found and (found["id"], found["error"]["code"])) == (message and (message, -31003))


@pytest.mark.asyncio
async def test_an_inbox_pauses_its_source_and_resumes_it_when_read() -> None:
    said: list[str] = []
    inbox = Inbox(lambda: said.append("pause"), lambda: said.append("resume"))
    for _ in range(30):
        inbox.put(b'{"x": "' + b"y" * 50_000 + b'"}')
    assert said == ["pause"]
    inbox.end()
    assert len([message async for message in inbox.read()]) == 30
    assert said == ["pause", "resume"]


def test_notes_keep_the_end_in_whatever_pieces_it_came() -> None:
    notes = Notes(["topsecret"])
    for at in range(100):
        notes.feed(f"line {at} tops".encode())
        notes.feed(b"ecret\x1b[31m token=abc\n")
    notes.feed(b"z" * 10_000_000)
    lines = notes.read()
    assert len(lines) == 20
    assert lines[-2] == "line 99 *** [31m token=***"
    assert lines[-1] == "z" * 300


def test_a_full_stream_refuses_more_but_still_gets_its_answer() -> None:
    call = Call(1, "a", "m", streams=True, wants_logs=False)
    pushed = [call.push({"n": number}) for number in range(MAX_QUEUED + 1)]
    assert pushed == [True] * MAX_QUEUED + [False]
    call.finish({"jsonrpc": "2.0", "id": "a", "result": {}})
    assert len(call.take()) == MAX_QUEUED
    assert call.answer == b'{"jsonrpc":"2.0","id":"a","result":{}}'
    assert not call.push({})


@pytest.mark.asyncio
async def test_a_stream_waits_no_longer_than_it_is_told() -> None:
    stream = Stream()
    await stream.wait(0.01)
    assert not stream.ready()


class Recorder:
    """A channel that says what a test wants and remembers what it was told."""

    pid = None
    garbage = 0

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.lines: asyncio.Queue[Message | None] = asyncio.Queue()

    def send(self, message: Message) -> None:
        self.sent.append(orjson.loads(orjson.dumps(message)))

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (message := await self.lines.get()) is not None:
            yield message

    def alive(self) -> bool:
        return True

    def notes(self) -> list[str]:
        return []

    def kill(self) -> None:
        self.lines.put_nowait(None)

    async def close(self, *, grace: float = 2.0, term: float = 1.0) -> None:
        self.kill()


def anything(dice: random.Random, depth: int = 0) -> Any:
    plain: list[Any] = [None, True, 0, 1, 2, -1, 1.5, "", "1", "2", "x", 2**60, [], {}]
    if depth > 2 or dice.random() < 0.5:
        return dice.choice(plain)
    if dice.random() < 0.3:
        return [anything(dice, depth + 1) for _ in range(2)]
    names = ["_meta", "progressToken", "requestId", "io.modelcontextprotocol/subscriptionId", "code", "x"]
    return {dice.choice(names): anything(dice, depth + 1) for _ in range(2)}


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [ModernBridge, LegacyBridge])
async def test_no_message_of_a_server_whatever_its_shape_breaks_a_bridge(kind: type[Bridge]) -> None:
    dice = random.Random(11)
    channel = Recorder()
    bridge = kind(channel, lambda _: None)
    methods = ["notifications/progress", "notifications/message", "notifications/x", "sampling/createMessage", 7]
    for _ in range(20_000):
        if dice.random() < 0.01:
            params = {"_meta": {"progressToken": anything(dice)}}
            bridge.call({"id": anything(dice), "method": "tools/call", "params": params}, streams=True)
        names = dice.sample(["id", "method", "params", "result", "error"], 3)
        message = {name: dice.choice(methods) if name == "method" else anything(dice) for name in names}
        bridge._dispatch(message)
    call = bridge.call({"id": "last", "method": "ping"}, streams=False)
    channel.lines.put_nowait({"id": channel.sent[-1]["id"], "result": {"ok": True}})
    await call.wait(5)
    assert call.answer_message == {"jsonrpc": "2.0", "id": "last", "result": {"ok": True}}
    await bridge.close()


@pytest.mark.asyncio
async def test_a_request_of_a_modern_server_is_refused_at_once() -> None:
    channel = Recorder()
    bridge = ModernBridge(channel, lambda _: None)
    channel.lines.put_nowait({"jsonrpc": "2.0", "id": 8, "method": "roots/list"})
    await bridge.close()
    assert [(message["id"], message["error"]["code"]) for message in channel.sent] == [(8, -32601)]


@pytest.mark.asyncio
async def test_a_subscriber_that_is_too_slow_is_ended_rather_than_left_stale() -> None:
    channel = Recorder()
    bridge = ModernBridge(channel, lambda _: None)
    call = bridge.call({"id": "s", "method": "subscriptions/listen"}, streams=True)
    meta = {"io.modelcontextprotocol/subscriptionId": call.own}
    for _ in range(MAX_QUEUED + 1):
        bridge._dispatch({"method": "notifications/tools/list_changed", "params": {"_meta": meta}})
    assert call.code == -31007
    assert channel.sent[-1]["method"] == "notifications/cancelled"
    await bridge.close()
