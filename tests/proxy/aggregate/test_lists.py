"""The lists of all servers: merged, filtered, paged, and cheap however many servers there are."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from guardrails.compiled import PolicySet
from guardrails.engine.findings import Blocked, Failure, Passed, Report, Verdict
from guardrails.engine.rules import Policy
from guardrails.exemptions import Exemption
from guardrails.presets import PRESETS
from projects.authentication import KeyRecord, Principal
from proxy.aggregate import table
from proxy.aggregate.lists import answer_list
from proxy.aggregate.passage import Passage, whole
from proxy.aggregate.state import Aggregate
from proxy.call import Answer, Call
from proxy.definitions import Definitions
from proxy.errors import Refusal
from proxy.inspection import Inspection
from proxy.snapshot import Snapshot
from proxy.stages.record import _digest
from servers.models import State
from servers.offers import Offer, Offered
from servers.rights import Rights, Rule
from servers.upstream import Upstream
from tests.growth import assert_at_most

KEY = KeyRecord("k1", "laptop", 1, 1, "ada@acme.test", "owner", "p1", b"", ("*",), ("*",), (), None)
ALL = Rule("allow", "", "", "*")


def offered(name: str, state: str = State.APPROVED, kind: str = "tool", **current: str) -> Offered:
    schema = {"type": "object", "properties": {f"p{i}": {"type": "string", "description": "d" * 40} for i in range(8)}}
    named = {"tool": "name", "resource": "uri"}[kind]
    text = orjson.dumps({named: name, "description": "What it does. " * 20, "inputSchema": schema})
    return Offered(
        kind, name, state, frozenset({"d"}), definitions={"modern": text}, current=current or {"modern": "d"}
    )


def snapshot(servers: dict[str, list[Offered]], rules: tuple[Rule, ...] = (ALL,)) -> Snapshot:
    upstreams, offers = {}, {}
    for number, (slug, entries) in enumerate(servers.items(), 1):
        upstreams[slug] = Upstream(number, 1, slug, "http", "http://127.0.0.1:9001/mcp", "c0ffee", 60.0)
        eras = {"modern"}.union(*(each.current for each in entries))
        lists = frozenset((era, kind) for kind in ("tool", "resource") for era in eras)
        offers[slug] = Offer(number, lists=lists, entries={(each.kind, each.name): each for each in entries})
    return Snapshot(1, "acme", 1, True, {"k1": KEY}, upstreams, b"d" * 32, PolicySet(Policy()), Rights(rules, offers))


class Asker:
    """Asks one event loop's state, in which servers do not answer."""

    def __init__(self, held: Snapshot, failing: tuple[int, ...] = ()) -> None:
        self.held, self.aggregate = held, Aggregate()
        self.aggregate.freshness = cast(Any, SimpleNamespace(await_first_sight=_nothing, look_after=_nothing))
        self._state = SimpleNamespace(
            aggregate=self.aggregate, guards=SimpleNamespace(definitions=Definitions()),
            connections=SimpleNamespace(is_failing=lambda server: server in failing),
        )  # fmt: skip

    def call(self, method: str = "tools/list", key: KeyRecord = KEY, modern: bool = True, **params: Any) -> Call:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        version = "2026-07-28" if modern else "2025-11-25"
        return Call(
            cast(Any, self._state), "r", Principal(1, key), self.held, whole(1), "POST", version, modern, message, {},
            aggregate=Passage(modern, version),
        )  # fmt: skip

    def answer(self, *args: Any, **more: Any) -> Answer:
        return asyncio.run(answer_list(self.call(*args, **more)))

    def result(self, *args: Any, **more: Any) -> dict[str, Any]:
        result: dict[str, Any] = orjson.loads(self.answer(*args, **more).body or b"")["result"]
        return result

    def names(self, *args: Any, **more: Any) -> list[str]:
        return [tool["name"] for tool in self.result(*args, **more)["tools"]]


async def _nothing(*_: Any) -> None:
    return None


@pytest.mark.claim("aggregate.no-oracle")
def test_only_what_is_approved_listed_now_and_granted_is_shown() -> None:
    asker = Asker(snapshot(
        {"b": [offered("two"), offered("one"), offered("waits", State.WAITING), offered("no", State.REJECTED)],
         "a": [offered("one"), dataclasses.replace(offered("gone"), current={})],
         "closed": [offered("one")]},
        (ALL, Rule("deny", "closed", "", "*"), Rule("deny", "", "", "two")),
    ))  # fmt: skip
    assert asker.names() == ["a__one", "b__one"]
    for key, expected in [
        (dataclasses.replace(KEY, servers=("b",)), ["b__one"]),
        (dataclasses.replace(KEY, tools=("a/one",)), ["a__one"]),
        (dataclasses.replace(KEY, tools=("a__one",)), []),
        (dataclasses.replace(KEY, role="auditor"), []),
    ]:
        assert asker.names(key=key) == expected


@pytest.mark.claim("aggregate.all-servers")
def test_a_client_sees_the_list_of_its_era_where_the_server_has_given_one() -> None:
    both = offered("both", modern="d", legacy="d")
    asker = Asker(snapshot({"a": [both, offered("new", modern="d"), offered("old", legacy="d")], "b": [offered("x")]}))
    assert asker.names() == ["a__both", "a__new", "b__x"]
    assert asker.names(modern=False) == ["a__both", "a__old", "b__x"]
    assert set(asker.result(modern=False)) == {"tools"}


@pytest.mark.claim("aggregate.one-down")
def test_servers_that_do_not_answer_are_named() -> None:
    asker = Asker(snapshot({"a": [offered("x")], "b": [offered("x")], "new": []}), failing=(2,))
    asker.held.rights.offers["new"] = Offer(3)  # type: ignore[index]  # a mapping that only its maker may change
    assert asker.names() == ["a__x", "b__x"]
    assert asker.result()["_meta"]["securemcp/unavailable"] == ["b", "new"]


@pytest.mark.claim("aggregate.cursors")
def test_long_lists_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_ENTRIES", 3)
    asker = Asker(snapshot({"a": [offered(f"t{number}") for number in range(8)]}))
    seen: list[str] = []
    page: dict[str, Any] = {"nextCursor": None}
    while "nextCursor" in page:
        cursor = {"cursor": page["nextCursor"]} if page["nextCursor"] else {}
        page = asker.result(**cursor)
        assert len(page["tools"]) <= 3
        seen += [tool["name"] for tool in page["tools"]]
    assert seen == [f"a__t{number}" for number in range(8)]
    cursor = asker.result()["nextCursor"]
    other = dataclasses.replace(KEY, key_id="k2")
    changed = Asker(snapshot({"a": [offered(f"u{number}") for number in range(8)]}))
    for who, method, key, asked in [
        ("another key", "tools/list", other, asker),
        ("another list", "prompts/list", KEY, asker),
        ("the list has changed", "tools/list", KEY, changed),
    ]:
        with pytest.raises(Refusal) as refused:
            asked.result(method, key, cursor=cursor)
        assert (refused.value.code, refused.value.message) == (-32602, "Invalid cursor"), who


@pytest.mark.claim("aggregate.cheap")
def test_a_list_of_five_thousand_tools_that_is_known_costs_a_fiftieth_of_making_it() -> None:
    held = snapshot({f"s{number}": [offered(f"tool_{each}") for each in range(50)] for number in range(100)})
    asker = Asker(held)
    first = asker.answer()
    assert len(orjson.loads(first.body or b"")["result"]["tools"]) == 5_000
    # asyncio.run shows its task to itself, and with it the whole list.
    with closing(asyncio.new_event_loop()) as loop:
        assert_at_most(
            0.02,
            lambda: loop.run_until_complete(answer_list(asker.call())),
            lambda: loop.run_until_complete(answer_list(Asker(held).call())),
        )
    again = asker.answer()
    assert again.body == first.body
    assert again.digest == _digest(asker.call(), orjson.loads(first.body or b"")["result"])


@pytest.mark.claim("aggregate.cheap")
def test_a_change_of_one_server_costs_nothing_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asker = Asker(snapshot({"a": [offered("x")], "b": [offered("x")]}))
    asker.answer()
    made: list[str] = []
    decode = Offered.definition

    def note(self: Offered, era: str) -> dict[str, Any] | None:
        made.append(self.name)
        return decode(self, era)

    monkeypatch.setattr(Offered, "definition", note)
    offers = {**asker.held.rights.offers, "c": Offer(3, lists=frozenset({("modern", "tool")}),
                                                     entries={("tool", "new"): offered("new")})}  # fmt: skip
    upstreams = {**asker.held.upstreams, "c": dataclasses.replace(asker.held.upstreams["a"], server_id=3, slug="c")}
    asker.held = dataclasses.replace(asker.held, upstreams=upstreams, rights=Rights((ALL,), offers))
    assert asker.names() == ["a__x", "b__x", "c__new"]
    assert made == ["new"]


class Judged:
    """What every definition is judged to be from now on, and how often that was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.verdict: Verdict = Passed(Report())
        self.asked = 0
        monkeypatch.setattr(Inspection, "_inspect", self._inspect)

    async def _inspect(self, *_: Any) -> Verdict:
        self.asked += 1
        return self.verdict


def guarded(*exemptions: Exemption) -> Snapshot:
    policies = PolicySet(PRESETS["strict"], exemptions=exemptions)
    return dataclasses.replace(snapshot({"docs": [offered("echo")]}), policies=policies)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Judged:
    return Judged(monkeypatch)


@pytest.mark.claim("aggregate.kept-verdicts")
def test_a_list_that_an_exception_let_through_ends_with_the_exception(judged: Judged) -> None:
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    asker = Asker(guarded(Exemption("injection", soon)))
    assert asker.names() == asker.names() == ["docs__echo"]
    assert judged.asked == 1, "until then it is kept"
    judged.verdict = Blocked(Report(), "injection", "INJECTION", "")
    deadline = time.monotonic() + 5
    while asker.names():
        assert time.monotonic() < deadline
    assert datetime.now(UTC) >= soon


@pytest.mark.claim("aggregate.kept-verdicts")
def test_a_list_of_which_a_check_could_not_be_made_is_checked_again(judged: Judged) -> None:
    judged.verdict = Passed(Report(failures=(Failure("r", "provider", "down", "flag"),)))
    asker = Asker(guarded())
    assert asker.names() == ["docs__echo"]
    judged.verdict = Blocked(Report(), "injection", "INJECTION", "")
    assert asker.names() == []
    judged.verdict = Passed(Report())
    assert (asker.names(), judged.asked) == ([], 2), "what could be made is kept"
