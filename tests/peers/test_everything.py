"""The npm reference server with every feature behaves through the gateway as it does directly."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.context import ClientRequestContext
from mcp.client.session import IncomingMessage
from pydantic import FileUrl

from tests.peers.conftest import over
from tests.peers.peers import Mode, Reach

pytestmark = [
    pytest.mark.claim("peers.everything"),
    pytest.mark.asyncio,
    # Sampling, roots and logging are deprecated and live.
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]

SERVER = "everything"
WATCHED = "demo://resource/dynamic/text/1"
NOTICE_TIMEOUT = 20.0


@pytest.fixture(name="reach", params=["http", "connect"])
def each_way(request: pytest.FixtureRequest, shared_reach: Reach, tmp_path: Path) -> Reach:
    return over(request.param, shared_reach, tmp_path)


def text_of(result: types.CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


async def tool_names(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_of_either_era_speaks_the_version_that_the_server_speaks(
    reach: Reach, mode: Mode
) -> None:
    async with reach.client(SERVER, mode) as client:
        assert client.protocol_version == "2025-11-25"
        assert client.server_info is not None
        assert client.server_info.name == "mcp-servers/everything"
        assert client.server_capabilities.logging is not None


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_tool_answers(reach: Reach, mode: Mode) -> None:
    async with reach.client(SERVER, mode) as client:
        result = await client.call_tool("echo", {"message": "héllo ☃"})
        assert text_of(result) == "Echo: héllo ☃"
        assert not result.is_error


async def test_wrong_arguments_come_back_as_an_error_of_the_tool(reach: Reach) -> None:
    async with reach.client(SERVER) as client:
        result = await client.call_tool("get-sum", {"a": "one", "b": 2})
        assert result.is_error
        # The gateway says where, and never repeats the value; the server itself gives its error code.
        assert "/a does not satisfy 'type'" in text_of(result) or "-32602" in text_of(result)


async def test_structured_content_and_pictures_arrive_whole(reach: Reach) -> None:
    async with reach.client(SERVER) as client:
        weather = await client.call_tool("get-structured-content", {"location": "New York"})
        assert isinstance(weather.structured_content, dict)
        assert set(weather.structured_content) == {"temperature", "conditions", "humidity"}
        picture = await client.call_tool("get-tiny-image")
        [image] = [part for part in picture.content if isinstance(part, types.ImageContent)]
        assert base64.b64decode(image.data).startswith(b"\x89PNG")
        links = await client.call_tool("get-resource-links", {"count": 3})
        assert sum(isinstance(part, types.ResourceLink) for part in links.content) == 3


async def test_resources_are_listed_found_by_template_and_read(reach: Reach) -> None:
    async with reach.client(SERVER) as client:
        listed = (await client.list_resources()).resources
        assert listed
        templates = (await client.list_resource_templates()).resource_templates
        assert "demo://resource/dynamic/text/{resourceId}" in {each.uri_template for each in templates}
        [content] = (await client.read_resource(WATCHED)).contents
        assert isinstance(content, types.TextResourceContents)
        assert content.text.startswith("Resource 1:")
        [blob] = (await client.read_resource("demo://resource/dynamic/blob/2")).contents
        assert isinstance(blob, types.BlobResourceContents)
        assert base64.b64decode(blob.blob).startswith(b"Resource 2:")


async def test_prompts_are_listed_and_filled_in(reach: Reach) -> None:
    async with reach.client(SERVER) as client:
        names = {prompt.name for prompt in (await client.list_prompts()).prompts}
        assert {"simple-prompt", "args-prompt", "completable-prompt"} <= names
        prompt = await client.get_prompt("args-prompt", {"city": "Paris", "state": "Texas"})
        [message] = prompt.messages
        assert isinstance(message.content, types.TextContent)
        assert message.content.text == "What's weather in Paris, Texas?"


async def test_completions_know_what_was_chosen_before(reach: Reach) -> None:
    async with reach.client(SERVER) as client:
        reference = types.PromptReference(name="completable-prompt")
        answer = await client.complete(
            reference, {"name": "name", "value": "A"}, context_arguments={"department": "Engineering"}
        )
        assert answer.completion.values == ["Alice"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_progress_arrives_in_order_before_the_result(reach: Reach, mode: Mode) -> None:
    seen: list[tuple[float, float | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    async with reach.client(SERVER, mode) as client:
        result = await client.call_tool(
            "trigger-long-running-operation", {"duration": 0.6, "steps": 3}, progress_callback=on_progress
        )
        assert not result.is_error
        assert seen == [(1, 3), (2, 3), (3, 3)]


async def test_progress_of_simultaneous_calls_reaches_the_right_one(reach: Reach) -> None:
    async def run(client: Client, steps: int) -> list[float | None]:
        totals: list[float | None] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            totals.append(total)

        arguments = {"duration": 0.4, "steps": steps}
        await client.call_tool("trigger-long-running-operation", arguments, progress_callback=on_progress)
        return totals

    async with reach.client(SERVER) as client:
        found = await asyncio.gather(*(run(client, steps) for steps in range(1, 6)))
        assert found == [[steps] * steps for steps in range(1, 6)]


async def test_the_server_logs_to_the_client(reach: Reach) -> None:
    lines: asyncio.Queue[types.LoggingMessageNotificationParams] = asyncio.Queue()

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        lines.put_nowait(params)

    async with reach.client(SERVER, logging_callback=on_log) as client:
        await client.set_logging_level("debug")
        await client.call_tool("toggle-simulated-logging")
        line = await asyncio.wait_for(lines.get(), NOTICE_TIMEOUT)
        assert "message" in str(line.data)


async def test_a_subscriber_hears_of_a_changed_resource(reach: Reach) -> None:
    updates: asyncio.Queue[str] = asyncio.Queue()

    async def on_message(message: IncomingMessage) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            updates.put_nowait(str(message.params.uri))

    async with reach.client(SERVER, message_handler=on_message) as client:
        await client.subscribe_resource(WATCHED)
        await client.call_tool("toggle-subscriber-updates")
        assert await asyncio.wait_for(updates.get(), NOTICE_TIMEOUT) == WATCHED
        await client.unsubscribe_resource(WATCHED)


async def sample(
    context: ClientRequestContext, params: types.CreateMessageRequestParams
) -> types.CreateMessageResult:
    [message] = params.messages
    assert isinstance(message.content, types.TextContent)
    return types.CreateMessageResult(
        role="assistant",
        model="test-model",
        content=types.TextContent(text=f"sampled: {message.content.text}"),
    )


async def fill_in(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    assert isinstance(params, types.ElicitRequestFormParams)
    content: dict[str, Any] = {"name": "Ada", "check": True}
    return types.ElicitResult(action="accept", content=content)


async def show_roots(context: ClientRequestContext) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri=FileUrl("file:///peers/root"), name="Peers")])


async def test_the_server_samples_through_the_client(reach: Reach) -> None:
    async with reach.client(SERVER, sampling_callback=sample) as client:
        assert "trigger-sampling-request" in await tool_names(client)
        result = await client.call_tool("trigger-sampling-request", {"prompt": "say hi", "maxTokens": 7})
        assert "sampled: " in text_of(result)
        assert "say hi" in text_of(result)


async def test_the_server_asks_the_person_through_the_client(reach: Reach) -> None:
    async with reach.client(SERVER, elicitation_callback=fill_in) as client:
        result = await client.call_tool("trigger-elicitation-request")
        assert "Ada" in text_of(result)


async def test_the_server_sees_the_roots_of_the_client(reach: Reach) -> None:
    async with reach.client(SERVER, list_roots_callback=show_roots) as client:
        result = await client.call_tool("get-roots-list")
        assert "file:///peers/root" in text_of(result)


async def test_what_a_client_cannot_do_is_not_offered_to_it(reach: Reach) -> None:
    async with reach.client(SERVER) as client:
        asking = {"trigger-sampling-request", "trigger-elicitation-request", "get-roots-list"}
        assert not asking & await tool_names(client)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_abandoned_call_does_not_stand_in_the_way_of_the_next(reach: Reach, mode: Mode) -> None:
    started = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        started.set()

    async with reach.client(SERVER, mode) as client:
        call = asyncio.create_task(
            client.call_tool(
                "trigger-long-running-operation",
                {"duration": 120, "steps": 1200},
                progress_callback=on_progress,
            )
        )
        await asyncio.wait_for(started.wait(), NOTICE_TIMEOUT)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert text_of(await client.call_tool("echo", {"message": "next"})) == "Echo: next"


async def test_two_sessions_keep_their_own_state(reach: Reach) -> None:
    async with (
        reach.client(SERVER, list_roots_callback=show_roots) as first,
        reach.client(SERVER) as second,
    ):
        assert "get-roots-list" in await tool_names(first)
        assert "get-roots-list" not in await tool_names(second)
