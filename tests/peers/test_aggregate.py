"""One client of either era sees and uses all published servers of a project by one address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.session import IncomingMessage

from tests.peers.conftest import GREETING, over
from tests.peers.peers import Mode, Reach, ThroughGateway
from tests.peers.test_everything import NOTICE_TIMEOUT, WATCHED, text_of

pytestmark = [
    pytest.mark.claim("aggregate.all-servers"),
    pytest.mark.claim("aggregate.bridge"),
    pytest.mark.asyncio,
    # Sampling, roots and logging are deprecated and live.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]
SERVERS = ("everything", "filesystem", "memory", "sequential-thinking", "time", "git")
SHOWN = f"mcp+everything+{WATCHED}"


@pytest.fixture(name="through_gateway", params=["http", "connect"])
def each_way(request: pytest.FixtureRequest, shared_reach: Reach, tmp_path: Path) -> Reach:
    return over(request.param, shared_reach, tmp_path)


@asynccontextmanager
async def client_of_all(reach: ThroughGateway, mode: Mode, **callbacks: Any) -> AsyncIterator[Client]:
    async with reach.client("", mode, **callbacks) as client:
        yield client


async def all_tools(client: Client) -> set[str]:
    """Once every server has been asked for its tools, which begins with the first list."""
    while True:
        names = {tool.name for tool in (await client.list_tools()).tools}
        if {name.partition("__")[0] for name in names} == set(SERVERS):
            return names
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_one_client_sees_and_calls_all_servers(
    through_gateway: ThroughGateway, mode: Mode, directory: Path, repository: Path
) -> None:
    calls: dict[str, tuple[dict[str, Any], str]] = {
        "everything__echo": ({"message": "héllo ☃"}, "Echo: héllo ☃"),
        "filesystem__read_text_file": ({"path": str(directory / "greeting.txt")}, GREETING.strip()),
        "memory__read_graph": ({}, "entities"),
        "sequential-thinking__sequentialthinking": (
            {"thought": "one", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1}, "thoughtNumber"
        ),
        "time__get_current_time": ({"timezone": "Europe/Paris"}, "Europe/Paris"),
        "git__git_log": ({"repo_path": str(repository)}, "First commit"),
    }  # fmt: skip
    async with client_of_all(through_gateway, mode) as client:
        assert client.protocol_version == ("2026-07-28" if mode == "auto" else "2025-11-25")
        assert set(calls) <= await all_tools(client)
        for name, (arguments, expected) in calls.items():
            result = await client.call_tool(name, arguments)
            assert not result.is_error, (name, result)
            assert expected in text_of(result), name


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_prompts_resources_and_completions_are_those_of_their_server(
    through_gateway: ThroughGateway, mode: Mode
) -> None:
    async with client_of_all(through_gateway, mode) as client:
        await all_tools(client)
        assert "everything__args-prompt" in {prompt.name for prompt in (await client.list_prompts()).prompts}
        prompt = await client.get_prompt("everything__args-prompt", {"city": "Paris", "state": "Texas"})
        assert isinstance(prompt.messages[0].content, types.TextContent)
        assert prompt.messages[0].content.text == "What's weather in Paris, Texas?"
        templates = (await client.list_resource_templates()).resource_templates
        assert "mcp+everything+demo://resource/dynamic/text/{resourceId}" in {each.uri_template for each in templates}
        for uri in (SHOWN, WATCHED):
            [content] = (await client.read_resource(uri)).contents
            assert isinstance(content, types.TextResourceContents)
            assert (content.text.startswith("Resource 1:"), str(content.uri)) == (True, uri)
        links = await client.call_tool("everything__get-resource-links", {"count": 3})
        linked = [part for part in links.content if isinstance(part, types.ResourceLink)]
        assert len(linked) == 3
        assert (await client.read_resource(str(linked[0].uri))).contents
        reference = types.PromptReference(name="everything__completable-prompt")
        answer = await client.complete(
            reference, {"name": "name", "value": "A"}, context_arguments={"department": "Engineering"}
        )
        assert answer.completion.values == ["Alice"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_progress_of_simultaneous_calls_reaches_the_right_one(
    through_gateway: ThroughGateway, mode: Mode
) -> None:
    async def run(client: Client, steps: int) -> list[float | None]:
        totals: list[float | None] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            totals.append(total)

        arguments = {"duration": 0.4, "steps": steps}
        name = "everything__trigger-long-running-operation"
        await client.call_tool(name, arguments, progress_callback=on_progress)
        return totals

    async with client_of_all(through_gateway, mode) as first, client_of_all(through_gateway, mode) as second:
        await all_tools(first)
        found = await asyncio.gather(*(run(client, steps) for steps in range(1, 4) for client in (first, second)))
        assert found == [[steps] * steps for steps in range(1, 4) for _ in range(2)]


async def test_a_subscriber_hears_of_a_changed_resource_and_of_log_lines(through_gateway: ThroughGateway) -> None:
    updates: asyncio.Queue[str] = asyncio.Queue()
    lines: asyncio.Queue[types.LoggingMessageNotificationParams] = asyncio.Queue()

    async def on_message(message: IncomingMessage) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            updates.put_nowait(str(message.params.uri))

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        lines.put_nowait(params)

    callbacks: dict[str, Any] = {"message_handler": on_message, "logging_callback": on_log}
    async with client_of_all(through_gateway, "legacy", **callbacks) as client:
        await all_tools(client)
        await client.set_logging_level("debug")
        await client.subscribe_resource(SHOWN)
        await client.call_tool("everything__toggle-subscriber-updates")
        assert await asyncio.wait_for(updates.get(), NOTICE_TIMEOUT) == SHOWN
        await client.call_tool("everything__toggle-simulated-logging")
        async with asyncio.timeout(NOTICE_TIMEOUT):
            while "level message" not in str((await lines.get()).data):
                pass
