"""One decision for calling and for listing."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.compiled import PolicySet
from guardrails.engine.rules import Policy
from projects.authentication import KeyRecord, Principal
from projects.permissions import Role
from proxy.call import Answer, Call, Event
from proxy.errors import Refusal
from proxy.snapshot import Snapshot
from proxy.stages.authorize import authorize, check, still_allowed
from proxy.wire import MAX_LISTENED
from servers.events import RawEvent
from servers.offers import Offer, Offered
from servers.rights import Rights, Rule
from servers.upstream import Upstream

KEY = KeyRecord("k1", "laptop", 1, 1, "ada@acme.test", "owner", "p1", b"", ("*",), ("*",), (), None)
DOCS = Upstream(7, 1, "docs", "http", "http://127.0.0.1:9001/mcp", "c0ffee", 60.0)
ALL = Rule("allow", "", "", "*")
TRUSTED = Offer(7, "trust")
RIGHTS = Rights((ALL,), {"docs": TRUSTED})
SNAPSHOT = Snapshot(1, "acme", 1, True, {"k1": KEY}, {"docs": DOCS}, b"d" * 32, PolicySet(Policy()), RIGHTS)

# Names that a hostile server would choose are among them.
NAMES = st.sampled_from(
    ["read", "read_file", "write", "docs/read", "wiki/read", "prompt:read", "resource:read", "*", "[r]ead", "", "é",
     "file:///a", "file:///a/b", "http://x/y", "docs/file:///a", "a/b/c"]
)  # fmt: skip
GLOBS = st.one_of(
    NAMES,
    st.sampled_from(
        ["*", "**", "?*", "r*", "p*", "read*", "docs/*", "wiki/*", "*/read", "prompt:*", "prompt:r*", "prompt:docs/*",
         "resource:*", "resource:file:///*", "resource:docs/*", "[a-z]*", "file:*"]
    ),
    st.text(st.sampled_from("read*?[]/:-!promt"), max_size=8),
)  # fmt: skip
KEYS = st.builds(
    lambda role, servers, tools: dataclasses.replace(KEY, role=role, servers=tuple(servers), tools=tuple(tools)),
    st.sampled_from([*Role.values, "", "unknown"]),
    st.lists(st.sampled_from(["*", "docs", "d*", "wiki", "DOCS"]), max_size=2),
    st.lists(GLOBS, max_size=3),
)
SURFACES = {
    "tool": ("tools/list", "tools", "name", "tools/call", "name"),
    "prompt": ("prompts/list", "prompts", "name", "prompts/get", "name"),
    "resource": ("resources/list", "resources", "uri", "resources/read", "uri"),
}


def call(method: str, key: KeyRecord = KEY, params: dict[str, Any] | None = None, **changes: Any) -> Call:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    state = SimpleNamespace(snapshots=SimpleNamespace(current=lambda _: changes.get("snapshot", SNAPSHOT)))
    fields: dict[str, Any] = {
        "state": cast(Any, state), "request_id": "r", "principal": Principal(1, key), "snapshot": SNAPSHOT,
        "upstream": DOCS, "http_method": "POST", "version": None, "modern": False, "message": message, "headers": {},
        **changes,
    }  # fmt: skip
    return Call(**fields)


def answered(made: Call, answer: Answer) -> Answer:
    async def upstream(_: Call) -> Answer:
        return answer

    return asyncio.run(authorize(made, upstream))


RULES = st.lists(
    st.builds(
        Rule, st.sampled_from(["allow", "deny"]), st.sampled_from(["", "docs", "wiki"]),
        st.sampled_from(["", "owner", "member"]), st.one_of(st.just("*"), GLOBS),
    ),
    max_size=4,
)  # fmt: skip
OFFERS = st.builds(
    lambda review, lists, states: Offer(
        7, review, 1, frozenset(lists),
        {(kind, name): Offered(kind, name, state) for (kind, name), state in states.items()},
    ),
    st.sampled_from(["review", "trust-first", "trust"]),
    st.sets(st.tuples(st.sampled_from(["modern", "legacy"]), st.sampled_from(["tool", "prompt", "resource"]))),
    st.dictionaries(
        st.tuples(st.sampled_from(["tool", "prompt", "resource"]), NAMES),
        st.sampled_from(["approved", "waiting", "rejected"]), max_size=6,
    ),
)  # fmt: skip
SNAPSHOTS = st.builds(
    lambda rules, offer, allow: dataclasses.replace(
        SNAPSHOT, rights=Rights((*rules, *([ALL] if allow else [])), {"docs": offer})
    ),
    RULES, OFFERS, st.booleans(),
)  # fmt: skip
ERAS = st.sampled_from([("2025-11-25", False), ("2026-07-28", True)])


def is_callable(key: KeyRecord, method: str, argument: str, name: str, **changes: Any) -> bool:
    try:
        check(call(method, key, {argument: name}, **changes))
    except Refusal:
        return False
    return True


@pytest.mark.claim("authorize.listing-is-calling")
@given(KEYS, SNAPSHOTS, ERAS, st.sampled_from(sorted(SURFACES)), st.lists(NAMES, max_size=6), st.booleans())
def test_what_is_listed_is_what_can_be_called(
    key: KeyRecord, snapshot: Snapshot, era: tuple[str, bool], kind: str, names: list[str], resumed: bool
) -> None:
    lists, member, name_of, calls, argument = SURFACES[kind]
    made: dict[str, Any] = {"snapshot": snapshot, "version": era[0], "modern": era[1]}
    message = {"jsonrpc": "2.0", "id": 1, "result": {member: [{name_of: name} for name in names]}}
    can_call = [name for name in names if is_callable(key, calls, argument, name, **made)]
    if resumed:
        # A list may also come as the answer on a stream that is taken up again.
        made |= {"http_method": "GET", "message": None}
    try:
        answer = answered(call(lists, key, **made), Answer(200, message))
    except Refusal:
        assert can_call == []
        return
    assert answer.message is not None
    assert [entry[name_of] for entry in answer.message["result"][member]] == can_call


@pytest.mark.claim("authorize.listing-is-calling")
@given(KEYS, st.lists(NAMES, max_size=6))
def test_a_list_that_comes_as_a_stream_is_filtered_alike(key: KeyRecord, names: list[str]) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": name} for name in names]}}

    async def stream() -> AsyncGenerator[Event, None]:
        yield Event(RawEvent(comments=("hello",)), None)
        yield Event(RawEvent("{}"), {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
        yield Event(RawEvent("{}"), message)

    async def run(made: Call) -> list[Event]:
        async def upstream(_: Call) -> Answer:
            return Answer(200, events=stream())

        answer = await authorize(made, upstream)
        assert answer.events is not None
        return [event async for event in answer.events]

    for made in (call("tools/list", key), call("", key, http_method="GET", message=None)):
        message["result"] = {"tools": [{"name": name} for name in names]}
        try:
            events = asyncio.run(run(made))
        except Refusal:
            assert not any(is_callable(key, "tools/call", "name", name) for name in names)
            continue
        last = events[-1].message
        assert len(events) == 3
        assert last is not None
        expected = [name for name in names if is_callable(key, "tools/call", "name", name)]
        assert [entry["name"] for entry in last["result"]["tools"]] == expected


@pytest.mark.claim("authorize.listing-is-calling")
def test_a_shortened_list_is_not_for_shared_caches() -> None:
    result = {"tools": [{"name": "read"}, {"name": "write"}], "cacheScope": "public", "ttlMs": 5}
    key = dataclasses.replace(KEY, tools=("read",))
    answer = answered(call("tools/list", key), Answer(200, {"jsonrpc": "2.0", "id": 1, "result": result}))
    assert answer.message == {
        "jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "read"}], "cacheScope": "private", "ttlMs": 5},
    }  # fmt: skip


@pytest.mark.claim("authorize.listing-is-calling")
def test_entries_without_a_usable_name_are_not_shown_to_a_restricted_key() -> None:
    result = {"tools": [{"name": 7}, {}, "read", None, {"name": ["read"]}, {"name": "read"}]}
    key = dataclasses.replace(KEY, tools=("read",))
    answer = answered(call("tools/list", key), Answer(200, {"jsonrpc": "2.0", "id": 1, "result": result}))
    assert answer.message is not None
    assert answer.message["result"]["tools"] == [{"name": "read"}]


@pytest.mark.claim("authorize.no-oracle")
@pytest.mark.parametrize(
    ("method", "params", "kind", "text"),
    [
        ("tools/call", {"name": "write"}, "unknown_tool", "Unknown tool: write"),
        ("prompts/get", {"name": "write"}, "unknown_prompt", "Unknown prompt: write"),
        ("resources/read", {"uri": "file:///a"}, "unknown_resource", "Unknown resource: file:///a"),
        ("resources/subscribe", {"uri": "file:///a"}, "unknown_resource", "Unknown resource: file:///a"),
        ("resources/unsubscribe", {"uri": "file:///a"}, "unknown_resource", "Unknown resource: file:///a"),
        (
            "completion/complete", {"ref": {"type": "ref/prompt", "name": "write"}}, "unknown_prompt",
            "Unknown prompt: write",
        ),
        (
            "completion/complete", {"ref": {"type": "ref/resource", "uri": "file:///{x}"}}, "unknown_resource",
            "Unknown resource: file:///{x}",
        ),
        (
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": ["file:///a"]}}, "unknown_resource",
            "Unknown resource: file:///a",
        ),
    ],
)  # fmt: skip
def test_what_a_key_does_not_cover_does_not_exist(method: str, params: dict[str, Any], kind: str, text: str) -> None:
    with pytest.raises(Refusal) as caught:
        answered(call(method, dataclasses.replace(KEY, tools=("read",)), params), Answer(200))
    assert (caught.value.kind, caught.value.status, caught.value.code) == (kind, 400, -32602)
    assert caught.value.message == text
    answered(call(method, KEY, params), Answer(200))


@pytest.mark.claim("authorize.no-oracle")
@pytest.mark.parametrize("rules", [(Rule("allow", "", "", "read"),), (ALL, Rule("deny", "", "", "write"))], ids=str)
@pytest.mark.parametrize("method", ["tools/execute", "tasks/list", "tasks/get"])
def test_who_may_not_use_all_of_a_server_has_no_methods_that_cannot_be_told_apart(
    method: str, rules: tuple[Rule, ...]
) -> None:
    snapshot = dataclasses.replace(SNAPSHOT, rights=Rights(rules, {"docs": TRUSTED}))
    with pytest.raises(Refusal) as caught:
        check(call(method, KEY, {"name": "write"}, snapshot=snapshot))
    assert caught.value.kind == "unknown_method"
    check(call(method, KEY, {"name": "write"}))


@pytest.mark.claim("authorize.no-oracle")
def test_a_template_that_is_not_approved_completes_nothing() -> None:
    entries = {("template", "file:///{x}"): Offered("template", "file:///{x}", "rejected")}
    offer = Offer(7, "trust", 1, frozenset(), entries)
    snapshot = dataclasses.replace(SNAPSHOT, rights=Rights((ALL,), {"docs": offer}))
    params = {"ref": {"type": "ref/resource", "uri": "file:///{x}"}}
    with pytest.raises(Refusal):
        check(call("completion/complete", KEY, params, snapshot=snapshot))
    check(call("completion/complete", KEY, params))


@pytest.mark.claim("authorize.no-oracle")
def test_the_upstream_is_not_asked_for_what_is_refused() -> None:
    async def upstream(_: Call) -> Answer:
        raise AssertionError("was called")

    with pytest.raises(Refusal):
        asyncio.run(authorize(call("tools/call", dataclasses.replace(KEY, tools=("read",)), {"name": "w"}), upstream))


def _changed(**changes: Any) -> Snapshot:
    return dataclasses.replace(SNAPSHOT, **changes)


@pytest.mark.claim("revocation.open-calls")
@pytest.mark.parametrize(
    ("snapshot", "allowed"),
    [
        (SNAPSHOT, True),
        (_changed(version=9), True),
        (_changed(keys={"k1": KEY, "k2": KEY}), True),
        (None, False),
        (_changed(enabled=False), False),
        (_changed(keys={}), False),
        (_changed(keys={"k1": dataclasses.replace(KEY, expires_at=1.0)}), False),
        (_changed(keys={"k1": dataclasses.replace(KEY, role="auditor")}), False),
        (_changed(keys={"k1": dataclasses.replace(KEY, servers=("wiki",))}), False),
        (_changed(keys={"k1": dataclasses.replace(KEY, tools=("write",))}), False),
        (_changed(upstreams={}), False),
        (_changed(upstreams={"docs": dataclasses.replace(DOCS, server_id=8)}), False),
    ],
    ids=["as before", "newer", "another key", "project gone", "project disabled", "key gone", "expired", "role",
         "server scope", "tool scope", "server off", "server replaced"],
)  # fmt: skip
def test_an_open_call_lives_as_long_as_its_right(snapshot: Snapshot | None, allowed: bool) -> None:
    assert still_allowed(call("tools/call", KEY, {"name": "read"}), snapshot) is allowed


@pytest.mark.claim("revocation.open-calls")
def test_a_stream_of_a_changed_server_ends_with_its_session() -> None:
    stream = call("", http_method="GET", message=None)
    moved = _changed(upstreams={"docs": dataclasses.replace(DOCS, config_hash="other")})
    assert still_allowed(stream, SNAPSHOT)
    assert not still_allowed(stream, moved)


@pytest.mark.claim("revocation.open-calls")
def test_a_listener_ends_when_its_key_may_no_longer_read_what_it_listens_to() -> None:
    listener = call(
        "subscriptions/listen", KEY, {"notifications": {"resourceSubscriptions": ["file:///a"]}}, modern=True
    )
    narrowed = dataclasses.replace(KEY, tools=("resource:file:///b",))
    assert still_allowed(listener, SNAPSHOT)
    assert not still_allowed(listener, _changed(keys={"k1": narrowed}))


def _denied(number: int) -> Rights:
    rules = [Rule("deny", "", "", f"resource:secret-{each}*") for each in range(number)]
    return Rights((*rules, Rule("allow", "", "", "resource:*"), ALL), {"docs": TRUSTED})


MANY = {"notifications": {"resourceSubscriptions": [f"note-{each}" for each in range(MAX_LISTENED)]}}


@pytest.mark.claim("authorize.many")
def test_a_listener_to_much_is_decided_on_with_pauses_and_ends_when_its_rules_change() -> None:
    held = dataclasses.replace(SNAPSHOT, rights=_denied(100))
    listener = call("subscriptions/listen", KEY, MANY, modern=True, snapshot=held)
    turns = 0

    async def listen() -> None:
        nonlocal turns

        async def upstream(_: Call) -> Answer:
            return Answer(200)

        listening = asyncio.create_task(authorize(listener, upstream))
        while not listening.done():
            turns += 1
            await asyncio.sleep(0)
        await listening

    asyncio.run(listen())
    assert turns > 5
    same = dataclasses.replace(held, version=2, rights=_denied(100))
    assert still_allowed(listener, same), "what did not change is not decided on again"
    assert not still_allowed(listener, dataclasses.replace(held, version=3, rights=_denied(101)))
    few = {"notifications": {"resourceSubscriptions": ["note-1"]}}
    assert still_allowed(
        call("subscriptions/listen", KEY, few, modern=True, snapshot=held),
        dataclasses.replace(held, version=3, rights=_denied(101)),
    )
