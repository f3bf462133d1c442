"""What discovery finds of a server: both eras, whole lists as they were said, within limits of size and time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from servers import conversation, demo, sdk
from servers.conversation import discover
from servers.discovery import Discovered
from servers.upstream import Upstream, UpstreamError
from tests.servers.lister import EVERYTHING, SILENCE, Lister, Message, introduced, paged, tool


@pytest.fixture
def lister() -> Iterator[Lister]:
    with Lister() as running:
        yield running


def reach(url: str, headers: dict[str, str] | None = None, seconds: float = 30.0) -> Upstream:
    return Upstream(1, 1, "docs", "http", url, "0" * 16, seconds, headers or {})


def find(lister: Lister, **how: Any) -> Discovered:
    return asyncio.run(discover(reach(lister.url, **how)))


def names(found: Discovered, era: str, kind: str = "tool") -> list[str]:
    return [entry.name for entry in found.eras[era].entries if entry.kind == kind]


def failure(lister: Lister, **how: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        find(lister, **how)
    return caught.value


@pytest.mark.claim("discovery.both-eras")
class TestEras:
    def test_each_is_read_for_itself(self, lister: Lister) -> None:
        lister.modern = introduced("modern", instructions="Be kind.", extra="unknown")
        found = find(lister)
        assert (names(found, "modern"), names(found, "legacy")) == (["modern_tool"], ["legacy_tool"])
        modern, legacy = found.eras["modern"], found.eras["legacy"]
        assert (modern.server_info["name"], legacy.server_info["name"]) == ("modern server", "legacy server")
        assert (modern.versions, legacy.versions) == (("2026-07-28",), ("2025-11-25",))
        assert (modern.instructions, legacy.instructions) == ("Be kind.", "")
        assert modern.capabilities == {"tools": {}}

    @pytest.mark.parametrize(("silent", "left"), [("modern", "legacy"), ("legacy", "modern")])
    def test_that_are_not_spoken_are_left_out(self, lister: Lister, silent: str, left: str) -> None:
        setattr(lister, silent, None)
        assert set(find(lister).eras) == {left}

    @pytest.mark.parametrize("status", [400, 404, 405, 500])
    def test_that_are_refused_by_http_are_left_out(self, lister: Lister, status: int) -> None:
        lister.modern = {"server/discover": status}
        assert set(find(lister).eras) == {"legacy"}

    def test_that_are_never_answered_are_left_out(
        self, lister: Lister, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversation, "_INTRODUCTION_SECONDS", 0.3)
        lister.modern = {"server/discover": SILENCE}
        assert set(find(lister).eras) == {"legacy"}

    def test_are_not_spoken_by_who_names_no_version_that_there_is(self, lister: Lister) -> None:
        lister.legacy = introduced("legacy")
        lister.legacy["initialize"]["protocolVersion"] = "1999-01-01"
        lister.modern = introduced("modern")
        lister.modern["server/discover"]["supportedVersions"] = ["2025-11-25", 7]
        assert str(failure(lister)) == "speaks neither era"

    def test_a_legacy_session_is_opened_used_and_ended(self, lister: Lister) -> None:
        lister.modern = None
        find(lister)
        of_session = [each for each in lister.seen if each.headers.get("mcp-session-id") == "session-1"]
        methods = [each.method or each.http_method for each in of_session]
        assert methods == ["notifications/initialized", "tools/list", "DELETE"]
        assert {each.headers["mcp-protocol-version"] for each in of_session} == {"2025-11-25"}
        assert "mcp-protocol-version" not in lister.asked("initialize")[0].headers

    def test_modern_requests_carry_their_headers_and_no_session(self, lister: Lister) -> None:
        find(lister)
        (asked,) = lister.asked("tools/list", "modern")
        assert (asked.headers["mcp-method"], asked.headers["mcp-protocol-version"]) == ("tools/list", "2026-07-28")
        assert "mcp-session-id" not in asked.headers

    def test_a_server_that_asks_back_is_answered(self, lister: Lister) -> None:
        lister.before = [
            {"jsonrpc": "2.0", "id": "p1", "method": "ping"},
            {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}},
            {"jsonrpc": "2.0", "id": "r1", "method": "roots/list"},
            {"odd": True},
        ]
        lister.modern = None
        assert names(find(lister), "legacy") == ["legacy_tool"]
        answers = [each.message for each in lister.seen if "method" not in each.message and each.message]
        assert {"jsonrpc": "2.0", "id": "p1", "result": {}} in answers
        assert [answer["error"]["code"] for answer in answers if answer["id"] == "r1"]

    def test_a_server_written_on_the_sdk_is_read_in_both(self) -> None:
        config = uvicorn.Config(demo.server.streamable_http_app(), port=0, log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.01)
        try:
            port = server.servers[0].sockets[0].getsockname()[1]
            found = asyncio.run(discover(reach(f"http://127.0.0.1:{port}/mcp")))
        finally:
            server.should_exit = True
            thread.join(10)
        for era in ("modern", "legacy"):
            assert set(names(found, era)) == {"echo", "customer", "slow", "fail"}
            assert names(found, era, "resource") == ["demo://about"]
            assert names(found, era, "prompt") == ["greet"]
            assert found.eras[era].server_info["name"] == "demo"
            assert found.eras[era].instructions.startswith("Harmless")
            assert set(found.eras[era].whole) == {"tool", "prompt", "resource", "template"}


@pytest.mark.claim("discovery.verbatim")
class TestDefinitions:
    def test_are_kept_as_the_server_said_them(self, lister: Lister) -> None:
        said = tool("odd", inputSchema="not a schema", newMember={"deep": [1, None, 10**20]}, title=7)
        lister.modern = lister.legacy = None
        for era in ("modern", "legacy"):
            setattr(lister, era, introduced(era) | {"tools/list": {"tools": [said]}})
        found = find(lister)
        assert [each.entries[0].definition for each in found.eras.values()] == [said, said]

    @pytest.mark.parametrize(
        "odd",
        [None, 5, "x", [], {}, {"name": 5}, {"name": ""}, {"name": "n" * 501}, {"name": "a\0b"},
         {"name": "huge", "description": "x" * 300_000}],
        ids=lambda value: str(value)[:20].encode("unicode_escape").decode(),
    )  # fmt: skip
    def test_that_are_odd_cost_only_themselves(self, lister: Lister, odd: Any) -> None:
        lister.legacy = introduced("legacy") | {"tools/list": {"tools": [tool("before"), odd, tool("after")]}}
        found = find(lister)
        assert names(found, "legacy") == ["before", "after"]
        assert "tool" in found.eras["legacy"].whole

    @pytest.mark.parametrize("lists", [{"tools": {"a": 1}}, {}, {"tools": None}], ids=str)
    def test_that_are_in_no_list_are_a_failure_and_not_an_empty_list(self, lister: Lister, lists: Message) -> None:
        lister.legacy = introduced("legacy") | {"tools/list": lists}
        assert str(failure(lister)) == "tools/list gave no list"

    def test_of_every_kind_are_found_on_all_pages(self, lister: Lister) -> None:
        lister.modern = introduced("modern", EVERYTHING) | {
            "tools/list": paged("tools", [tool("a")], [tool("b")], [], [tool("c")]),
            "prompts/list": paged("prompts", [{"name": "p"}], [{"name": "q"}]),
            "resources/list": paged("resources", [{"uri": "r:1", "name": "r"}], [{"uri": "r:2", "name": "r"}]),
            "resources/templates/list": paged("resourceTemplates", [{"uriTemplate": "r:{n}", "name": "r"}]),
        }
        found = find(lister)
        assert names(found, "modern") == ["a", "b", "c"]
        assert names(found, "modern", "prompt") == ["p", "q"]
        assert names(found, "modern", "resource") == ["r:1", "r:2"]
        assert names(found, "modern", "template") == ["r:{n}"]

    def test_are_not_taken_from_a_list_that_broke_off(self, lister: Lister) -> None:
        pages = paged("tools", [tool("a")], [tool("b")])
        lister.modern = introduced("modern") | {
            "tools/list": lambda message: 500 if "cursor" in message["params"] else pages(message)
        }
        assert str(failure(lister)) == "tools/list was refused with status 500"

    def test_a_list_that_is_declared_and_not_there_is_empty(self, lister: Lister) -> None:
        lister.modern = introduced("modern", EVERYTHING)
        found = find(lister)
        assert names(found, "modern") == ["modern_tool"]
        assert set(found.eras["modern"].whole) == {"tool", "prompt", "resource", "template"}


@pytest.mark.claim("discovery.bounded")
class TestLimits:
    def test_a_list_without_an_end_is_left_and_not_taken_for_whole(
        self, lister: Lister, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversation, "MAX_PAGES", 5)
        lister.modern = introduced("modern") | {
            "tools/list": lambda message: {"tools": [tool(f"t{len(lister.seen)}")], "nextCursor": "again"}
        }
        found = find(lister)
        assert len(found.eras["modern"].entries) == 5
        assert found.eras["modern"].whole == ("prompt", "resource", "template")

    @pytest.mark.parametrize(("limit", "value"), [("MAX_TOOLS", 3), ("MAX_LIST_BYTES", 200)])
    def test_what_is_more_than_can_be_kept_is_left(
        self, lister: Lister, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
    ) -> None:
        many = [tool(f"tool_{number}") for number in range(10)]
        lister.modern = introduced("modern") | {"tools/list": paged("tools", *([each] for each in many))}
        monkeypatch.setattr(conversation, limit, value)
        monkeypatch.setattr(conversation, "open_session", _with_room(sdk.open_session))
        found = find(lister)
        assert 0 < len(found.eras["modern"].entries) < 10
        assert "tool" not in found.eras["modern"].whole

    def test_an_answer_that_is_too_large_is_not_read(
        self, lister: Lister, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversation, "MAX_LIST_BYTES", 2_000)
        lister.modern = introduced("modern") | {"tools/list": {"tools": [tool("x", description="x" * 3_000)]}}
        assert failure(lister).kind == "too_large"

    def test_what_a_server_says_of_itself_is_cut(self, lister: Lister) -> None:
        lister.modern = introduced("modern", {"tools": {}, "huge": "x" * 20_000}, instructions="ä\0" * 20_000)
        about = find(lister).eras["modern"]
        assert about.capabilities == {}
        assert about.instructions == "ä" * 8_192
        assert names(Discovered({"modern": about}), "modern") == ["modern_tool"]

    def test_a_server_that_never_answers_ends_in_time(
        self, lister: Lister, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversation, "_INTRODUCTION_SECONDS", 0.3)
        lister.modern = {"server/discover": SILENCE}
        lister.legacy = {"initialize": SILENCE}
        started = time.monotonic()
        assert failure(lister).kind == "timeout"
        assert time.monotonic() - started < 5

    @pytest.mark.parametrize("limit", ["_SECONDS", "_ANSWER_SECONDS"])
    def test_a_list_that_never_comes_ends_in_time(
        self, lister: Lister, monkeypatch: pytest.MonkeyPatch, limit: str
    ) -> None:
        monkeypatch.setattr(conversation, limit, 0.5)
        lister.legacy = introduced("legacy") | {"tools/list": SILENCE}
        started = time.monotonic()
        assert failure(lister).kind == "timeout"
        assert time.monotonic() - started < 8


@pytest.mark.claim("discovery.errors")
class TestErrors:
    def test_name_the_status_of_a_server_that_refuses_our_credentials(self, lister: Lister) -> None:
        lister.modern, lister.legacy = {"server/discover": 401}, {"initialize": 401}
        assert (failure(lister).kind, str(failure(lister))) == ("unavailable", "status 401")

    def test_name_the_kind_of_trouble_of_one_that_is_not_there(self, lister: Lister) -> None:
        with Lister() as gone:
            url = gone.url
        with pytest.raises(UpstreamError) as caught:
            asyncio.run(discover(reach(url)))
        assert caught.value.kind == "unavailable"

    def test_repeat_no_word_of_the_server_and_no_secret(self, lister: Lister) -> None:
        def echo(message: Message) -> Message:
            secret = lister.seen[-1].headers["authorization"]
            return {"error": {"code": -32000, "message": secret, "data": secret}}

        lister.legacy = introduced("legacy") | {"tools/list": echo}
        error = failure(lister, headers={"Authorization": "Bearer canary"})
        assert str(error) == "tools/list was refused with error -32000"
        assert "canary" not in repr(error) + repr(error.__cause__)


def _with_room(opened: Any) -> Any:
    """The limit of one answer stays, so that the limit of all is what is tested."""
    return lambda *args, **how: opened(*args, **{**how, "limit": 2**20})
