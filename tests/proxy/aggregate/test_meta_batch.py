"""A batch between its calls: rights that change meanwhile, answers that are too large together, and its limits."""

from __future__ import annotations

import asyncio
import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.aggregate.meta.batch import call_tools
from proxy.aggregate.meta.inner import Wanted, _make
from proxy.aggregate.passage import Passage
from proxy.call import Answer, Call
from proxy.errors import Refusal
from proxy.meter import Meters
from proxy.snapshot import Snapshot
from proxy.stages.limit import limit
from servers.rights import Rights, Rule
from tests.proxy.aggregate.test_lists import ALL, KEY, Asker, offered, snapshot

META = dataclasses.replace(KEY, surface="meta")


class Batcher(Asker):
    """Calls reach `answer`, which stands for all stages; what it does to the project is seen by the next call."""

    def __init__(self, held: Snapshot) -> None:
        super().__init__(dataclasses.replace(held, keys={"k1": META}))
        self.seen: list[Call] = []
        self.answers: list[Any] = []
        self.newest: Snapshot | None = self.held
        self.is_confirmed = True
        self._state.snapshots = SimpleNamespace(current=lambda _: self.newest, is_confirmed=lambda: self.is_confirmed)

    async def answer_call(self, call: Call) -> Answer:
        self.seen.append(call)
        text = self.answers.pop(0)
        if callable(text):
            text = text()
        if isinstance(text, Refusal):
            raise text
        result = {"content": [{"type": "text", "text": text}]}
        return Answer(200, {"jsonrpc": "2.0", "id": call.message_id, "result": result})

    def run(self, *answers: Any) -> dict[str, Any]:
        self.answers = list(answers)
        call = self.call("tools/call", META)
        cast(Passage, call.aggregate).run = self.answer_call
        calls = [{"name": "x", "args": {}} for _ in answers]
        return asyncio.run(call_tools(call, {"server_name": "a", "tool_calls": calls}))

    def statuses(self, *answers: Any) -> list[str]:
        return [item["status"] for item in self.run(*answers)["results"]]


@pytest.fixture
def batcher() -> Batcher:
    return Batcher(snapshot({"a": [offered("x")]}))


@pytest.mark.claim("meta.pipeline")
def test_each_call_has_the_rights_of_its_own_time(batcher: Batcher) -> None:
    def deny() -> str:
        denied = Rights((ALL, Rule("deny", "a", "", "x")), batcher.held.rights.offers)
        batcher.newest = dataclasses.replace(batcher.held, rights=denied)
        return "first"

    batcher.run(deny, "second")
    assert [(call.upstream.slug, call.is_whole) for call in batcher.seen] == [("a", False), ("", True)]


@pytest.mark.claim("meta.pipeline")
def test_a_key_that_is_gone_calls_nothing_more(batcher: Batcher) -> None:
    def revoke() -> str:
        batcher.newest = dataclasses.replace(batcher.held, keys={})
        return "first"

    assert batcher.statuses(revoke, "second") == ["success", "error"]
    assert len(batcher.seen) == 1


@pytest.mark.claim("meta.pipeline")
def test_nothing_is_called_under_a_configuration_that_may_be_old(batcher: Batcher) -> None:
    batcher.is_confirmed = False
    assert batcher.statuses("first") == ["error"]
    assert batcher.seen == []


@pytest.mark.claim("meta.stops")
@pytest.mark.parametrize(
    ("kind", "status"),
    [("unknown_tool", "denied"), ("not_found", "denied"), ("rate_limited", "error"), ("upstream_timeout", "error"),
     ("audit_unavailable", "error"), ("guard_unavailable", "error")],
)  # fmt: skip
def test_a_no_of_any_stage_ends_the_batch(batcher: Batcher, kind: str, status: str) -> None:
    answer = batcher.run("fine", Refusal(kind, reason="for the log alone"), "never")
    assert [item["status"] for item in answer["results"]] == ["success", status]
    assert answer["status"] == "partial"
    assert len(batcher.seen) == 2
    assert "for the log alone" not in str(answer)


@pytest.mark.claim("meta.stops")
def test_answers_that_are_too_large_together_are_not_all_kept(batcher: Batcher, settings: Any) -> None:
    settings.MAX_RESPONSE_BYTES = 10_000
    answer = batcher.run("x" * 6_000, "y" * 6_000, "never")
    assert [item["status"] for item in answer["results"]] == ["success", "error"]
    assert answer["results"][1]["error"]["message"] == "The answers are too large together"
    assert "yyy" not in str(answer)


@pytest.mark.claim("meta.pipeline")
def test_each_call_counts_for_the_rate_and_all_for_one_place(batcher: Batcher, settings: Any) -> None:
    settings.KEY_RATE, settings.KEY_CONCURRENCY = 60, 1
    meters = batcher._state.meters = Meters()
    outer = batcher.call("tools/call", META)
    passage = cast(Passage, outer.aggregate)

    async def done(call: Call) -> Answer:
        return Answer(200)

    async def run() -> None:
        await limit(outer, done)
        # A minute's sixth at once.
        for _ in range(10):
            await limit(_make(outer, passage, Wanted("a", "x", {})), done)
        with pytest.raises(Refusal, match="rate_limited"):
            await limit(_make(outer, passage, Wanted("a", "x", {})), done)

    asyncio.run(run())
    assert meters.projects[1].calls == 1
