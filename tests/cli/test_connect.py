"""The stdio face in front of a running gateway: both eras, restarts, lost sessions, cancelling, bad input, keys."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from tests.cli.bridge import COMMAND, Bridge
from tests.conformance.gateway import Gateway
from tests.conformance.processes import running_fixture
from tests.databases import ROOT
from tests.e2e.upstream import Upstream, running

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
SDK = "conformance"


@dataclass
class Desk:
    """Where Ada sits: her gateway, the upstream behind it, and the file with her key."""

    gateway: Gateway
    upstream: Upstream
    key_file: Path

    def url(self, server: str = "") -> str:
        return self.gateway.url("acme", server).rstrip("/")

    def bridge(self, server: str = "", *more: str) -> Bridge:
        return Bridge(self.url(server), self.key_file, *more)

    def parameters(self, server: str) -> StdioServerParameters:
        command, *arguments = COMMAND
        arguments += ["--url", self.url(server), "--key-file", str(self.key_file)]
        return StdioServerParameters(command=command, args=arguments, cwd=ROOT)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("desk")
    with running() as upstream, running_fixture(home) as fixture:
        servers = [{"slug": "docs", "url": upstream.url("docs")}, {"slug": SDK, "url": fixture}]
        keys = [{"user": "ada@acme.test", "label": label} for label in ("ada", "spare")]
        project = {
            "slug": "acme", "members": [{"email": "ada@acme.test", "role": "owner"}], "servers": servers, "keys": keys,
            "policies": [{"slug": "open", "mode": "observe", "default": True}],
        }  # fmt: skip
        with Gateway(home / "gateway", {"version": 1, "projects": [project]}) as gateway:
            gateway.manage("discover", "--wait")
            yield Desk(gateway, upstream, write_key(home / "key", gateway.key("acme", "ada")))


def write_key(path: Path, key: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(f"{key}\n")
    return path


def call(text: str, tool: str = "echo") -> dict[str, Any]:
    return {"name": tool, "arguments": {"text": text}}


def said(answer: dict[str, Any]) -> str:
    return str(answer["result"]["content"][0]["text"])


def text_of(result: types.CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


# --- both eras ------------------------------------------------------------------------------------------


@pytest.mark.claim("connect.passes")
@pytest.mark.asyncio
@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_a_client_of_either_era_uses_every_feature(desk: Desk, mode: Any, version: str) -> None:
    reported: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    async def fill_in(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Ada", "username": "ada", "email": "a@b.test"})

    async with asyncio.timeout(30), Client(
        desk.parameters(SDK), mode=mode, elicitation_callback=fill_in
    ) as client:
        assert client.protocol_version == version
        assert text_of(await client.call_tool("test_simple_text")).startswith("This is")
        await client.call_tool("test_tool_with_progress", progress_callback=on_progress)
        assert reported == [0, 50, 100]
        assert (await client.call_tool("test_error_handling")).is_error
        [part] = (await client.call_tool("test_image_content")).content
        assert isinstance(part, types.ImageContent)
        asking = "test_elicitation" if mode == "legacy" else "test_input_required_result_elicitation"
        assert "ada" in text_of(await client.call_tool(asking, {"message": "Who?"})).lower()
        # Its argument is repeated in a header, of which a client over stdio knows nothing.
        assert text_of(await client.call_tool("test_mirrored_header", {"region": "ü"})) == "Region: ü"
        assert (await client.get_prompt("test_simple_prompt")).messages
        assert (await client.read_resource("test://static-text")).contents


@pytest.mark.claim("connect.passes")
@pytest.mark.asyncio
async def test_a_stream_that_the_server_closes_early_is_taken_up_again(desk: Desk) -> None:
    async with asyncio.timeout(20), Client(desk.parameters(SDK), mode="legacy") as client:
        assert text_of(await client.call_tool("test_reconnection")) == "Answered after the stream was closed."


@pytest.mark.claim("connect.passes")
def test_ids_come_back_as_they_were_sent(desk: Desk) -> None:
    with desk.bridge() as bridge:
        for message_id in (0, 7, "7", "ü", 2**53 - 1):
            bridge.begin_modern("tools/call", call(f"id {message_id!r}", "docs__echo"), message_id)
        for message_id in (2**53 - 1, "ü", "7", 7, 0):
            answer = bridge.answer(message_id)
            assert said(answer) == f"id {message_id!r}"
            assert type(answer["id"]) is type(message_id)


@pytest.mark.claim("connect.passes")
def test_what_the_server_says_of_its_own_accord_arrives_in_both_eras(desk: Desk) -> None:
    changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    with desk.bridge("docs") as legacy, desk.bridge("docs") as modern:
        legacy.open()
        modern.begin_modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "ear")
        modern.wait_for(lambda each: each.get("method") == "notifications/subscriptions/acknowledged")
        desk.upstream.wait_for(lambda: desk.upstream.streams.count("/docs") >= 2)
        desk.upstream.push(changed)
        for bridge in (legacy, modern):
            bridge.wait_for(lambda each: each.get("method") == changed["method"])


# --- cancelling -----------------------------------------------------------------------------------------


@pytest.mark.claim("connect.cancels")
@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_a_call_that_the_client_gives_up_is_given_up_at_the_server(desk: Desk, era: str) -> None:
    words = f"waiting, {era}"
    with desk.bridge("docs") as bridge:
        if era == "legacy":
            bridge.open()
            bridge.send({"jsonrpc": "2.0", "id": "long", "method": "tools/call", "params": call(words, "wait")})
        else:
            bridge.begin_modern("tools/call", call(words, "wait"), "long")
        desk.upstream.wait_for(lambda: words in desk.upstream.streams)
        bridge.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "long"}})
        desk.upstream.wait_for(lambda: words in desk.upstream.left)
        ask = bridge.ask if era == "legacy" else bridge.ask_modern
        assert said(ask("tools/call", call("next"), "next")) == "next"
        assert not any(json.loads(line).get("id") == "long" for line in bridge.lines)


# --- restarts and lost sessions -------------------------------------------------------------------------


@pytest.mark.claim("connect.returns")
def test_clients_go_on_after_the_gateway_has_been_restarted(desk: Desk) -> None:
    with desk.bridge("docs") as modern, desk.bridge("docs") as legacy, desk.bridge("docs") as listener:
        assert said(modern.ask_modern("tools/call", call("before"))) == "before"
        legacy.open()
        assert said(legacy.ask("tools/call", call("before"))) == "before"
        listener.begin_modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "ear")
        listener.wait_for(lambda each: each.get("method") == "notifications/subscriptions/acknowledged")
        desk.gateway.stop()
        modern.begin_modern("tools/call", call("meanwhile"), "meanwhile")
        desk.gateway.start()
        assert said(modern.answer("meanwhile")) == "meanwhile"
        assert said(legacy.ask("tools/call", call("after"), 2)) == "after"
        # It cannot know what it missed, so it is told that there may be something.
        missed = listener.wait_for(lambda each: each.get("method") == "notifications/tools/list_changed")
        assert missed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "ear"
        acknowledged = [line for line in listener.lines if b"acknowledged" in line]
        assert len(acknowledged) == 1


@contextmanager
def without_a_stream() -> Iterator[tuple[str, Counter[str]]]:
    """An address that has sessions, and answers 404 to who wants to listen and to notices; what it was asked."""
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked["GET"] += 1
            self._answer(404, b"")

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked[message["method"]] += 1
            result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}
            answer = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": result}).encode()
            is_notice = message["method"] == "notifications/progress"
            self._answer(404 if is_notice else 200, answer if "id" in message else b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Mcp-Session-Id", f"s{asked['initialize']}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/mcp/acme/docs", asked
        finally:
            server.shutdown()


@pytest.mark.claim("connect.returns")
def test_who_is_never_given_a_stream_is_not_asked_for_new_sessions_for_ever(tmp_path: Path) -> None:
    with without_a_stream() as (url, asked), Bridge(url, write_key(tmp_path / "key", "any")) as bridge:
        bridge.open()
        bridge.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
        for number in range(100):
            assert "result" in bridge.ask("ping", message_id=number)
        assert bridge.end() == 0
        assert asked["ping"] == 100
        # For the stream and for the notice one each, and none for what is sent with them.
        assert asked["initialize"] <= 4
        assert asked["GET"] <= 6


@pytest.mark.claim("connect.returns")
def test_a_session_that_the_server_has_lost_is_opened_again(desk: Desk) -> None:
    with desk.bridge("docs") as bridge:
        bridge.open()
        assert bridge.ask("logging/setLevel", {"level": "debug"}, "level").get("result") is not None
        desk.upstream.forget_sessions()
        before = len(desk.upstream.seen)
        assert said(bridge.ask("tools/call", call("still here"), "call")) == "still here"
        since = [each.message.get("method") for each in desk.upstream.seen[before:]]
        assert {"initialize", "notifications/initialized", "logging/setLevel"} <= set(since)
        # Whether the call or the open stream is the first to be told is a matter of time.
        assert 1 <= len(desk.upstream.saw("still here")) <= 2
        assert b"opened again" in bridge.noted


@pytest.mark.claim("connect.returns")
def test_a_gateway_that_nobody_hears_of_is_an_error_with_the_request_s_id(desk: Desk) -> None:
    with Bridge("http://127.0.0.1:9/mcp", desk.key_file, "--patience", "0.3") as bridge:
        bridge.begin_modern("tools/list", {}, "lost")
        error = bridge.wait_for(lambda each: each.get("id") == "lost")["error"]
        assert error["code"] == -31020
        assert "cannot be reached" in error["message"]


# --- input and output -----------------------------------------------------------------------------------


@pytest.mark.claim("connect.input")
def test_what_is_no_message_is_answered_and_the_next_one_works(desk: Desk) -> None:
    with desk.bridge("docs") as bridge:
        for line, code in ((b"{", -32700), (b"[]", -32600), (b'{"a": ' + b"9" * 17 * 2**20 + b"}", -32600)):
            bridge.write(line + b"\r\n\n")
            assert bridge.wait_for(lambda each: each.get("id") is None)["error"]["code"] == code
        bridge.send({"jsonrpc": "2.0", "id": [1], "method": "ping"})
        assert bridge.wait_for(lambda each: each.get("id") is None)["error"]["code"] == -32600
        # Too long for the gateway, not for a line.
        assert bridge.ask_modern("tools/call", call("x" * 5 * 2**20))["error"]["code"] == -31022
        assert said(bridge.ask_modern("tools/call", call("next"))) == "next"


@pytest.mark.claim("connect.input")
def test_a_script_gets_its_answers_before_the_end_of_input_ends_it(desk: Desk) -> None:
    with desk.bridge("docs") as bridge:
        bridge.begin_modern("tools/call", call("last words"))
        assert bridge.end() == 0
        assert [said(json.loads(line)) for line in bridge.lines] == ["last words"]


@pytest.mark.claim("connect.input")
def test_the_end_of_input_ends_sessions_and_streams(desk: Desk) -> None:
    with desk.bridge("docs") as bridge:
        bridge.open()
        bridge.send({"jsonrpc": "2.0", "id": "long", "method": "tools/call", "params": call("cut off", "wait")})
        desk.upstream.wait_for(lambda: "cut off" in desk.upstream.streams)
        assert bridge.end() == 0
        desk.upstream.wait_for(lambda: "cut off" in desk.upstream.left)
        desk.upstream.wait_for(lambda: desk.upstream.seen[-1].http_method == "DELETE")
        assert bridge.noted == b""


# --- the key --------------------------------------------------------------------------------------------


@pytest.mark.claim("connect.key")
def test_without_a_key_or_to_strange_places_it_does_not_start(desk: Desk, tmp_path: Path) -> None:
    empty = write_key(tmp_path / "empty", "")
    away = tmp_path / "away"
    for arguments, reason in (
        (["--url", desk.url()], "There is no key"),
        (["--url", desk.url(), "--key-file", str(empty)], "holds no key"),
        (["--url", desk.url(), "--key-file", str(away)], "cannot be read"),
        (["--url", "http://192.0.2.1/mcp", "--key-file", str(desk.key_file)], "plain http"),
        (["--url", "http://127.evil.test/mcp", "--key-file", str(desk.key_file)], "plain http"),
        (["--url", "https://a:b@gw.test/mcp", "--key-file", str(desk.key_file)], "credentials"),
        (["--url", desk.url(), "--key", "mgw_x"], "unrecognized"),
    ):
        done = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in done.stderr


@pytest.mark.claim("connect.key")
def test_a_key_that_is_replaced_in_its_file_is_read_again(desk: Desk, tmp_path: Path) -> None:
    key_file = write_key(tmp_path / "key", f"mgw_0000000000_{'0' * 49}")
    with Bridge(desk.url("docs"), key_file) as bridge:
        assert bridge.ask_modern("tools/list")["error"]["code"] == -31401
        write_key(key_file, desk.gateway.key("acme", "spare"))
        assert bridge.ask_modern("tools/list")["result"]["tools"]


@pytest.mark.claim("connect.key")
def test_a_key_of_the_environment_is_neither_shown_nor_handed_on(desk: Desk) -> None:
    key = desk.gateway.key("acme", "ada")
    with Bridge(desk.url("docs"), None, environment={"GATEWAY_KEY": key}) as bridge:
        assert said(bridge.ask_modern("tools/call", call("hello"))) == "hello"
        command = Path(f"/proc/{bridge.process.pid}/cmdline").read_bytes()
        assert bridge.end() == 0
    secret = key[15:].encode()
    assert secret not in command
    assert secret not in b"".join(bridge.lines) + bridge.noted
