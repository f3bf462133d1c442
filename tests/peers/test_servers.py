"""Published servers of both eras, over stdio behind the gateway, do their work for clients of both eras."""

from __future__ import annotations

import json
from pathlib import Path

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from tests.peers.conftest import GREETING
from tests.peers.peers import Mode, Reach
from tests.peers.test_everything import text_of, tool_names

pytestmark = [pytest.mark.asyncio, pytest.mark.claim("peers.servers")]

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])
ERAS = {
    ("filesystem", "auto"): "2025-11-25",
    ("filesystem", "legacy"): "2025-11-25",
    ("memory", "auto"): "2025-11-25",
    ("sequential-thinking", "auto"): "2025-11-25",
    ("time", "auto"): "2026-07-28",
    ("time", "legacy"): "2025-11-25",
    ("git", "auto"): "2026-07-28",
    ("git", "legacy"): "2025-11-25",
}


@pytest.mark.parametrize(("slug", "mode"), ERAS)
async def test_client_and_server_agree_on_the_newest_version_that_both_know(
    reach: Reach, slug: str, mode: Mode
) -> None:
    async with reach.client(slug, mode) as client:
        assert client.protocol_version == ERAS[slug, mode]
        assert await tool_names(client)


@MODES
async def test_the_file_server_reads_and_writes_inside_its_directory(
    reach: Reach, directory: Path, mode: Mode
) -> None:
    async with reach.client("filesystem", mode) as client:
        read = await client.call_tool("read_text_file", {"path": str(directory / "greeting.txt")})
        assert text_of(read) == GREETING
        written = directory / f"written-{mode}.txt"
        await client.call_tool("write_file", {"path": str(written), "content": "by a tool"})
        assert written.read_text() == "by a tool"


async def test_the_file_server_stays_inside_its_directory(reach: Reach) -> None:
    async with reach.client("filesystem") as client:
        result = await client.call_tool("read_text_file", {"path": "/etc/hostname"})
        assert result.is_error
        # The gateway sees by the path alone what the server would refuse.
        assert "Access denied" in text_of(result) or "PATH_TRAVERSAL" in text_of(result)


async def test_what_one_session_remembers_another_one_finds(reach: Reach) -> None:
    entity = {"name": "Ada", "entityType": "person", "observations": ["wrote the first program"]}
    async with reach.client("memory", "legacy") as client:
        await client.call_tool("create_entities", {"entities": [entity]})
    async with reach.client("memory") as client:
        graph = json.loads(text_of(await client.call_tool("read_graph")))
        assert entity["name"] in {each["name"] for each in graph["entities"]}


async def test_a_thought_is_counted(reach: Reach) -> None:
    thought = {"thought": "First.", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1}
    async with reach.client("sequential-thinking") as client:
        result = await client.call_tool("sequentialthinking", thought)
        assert json.loads(text_of(result))["thoughtNumber"] == 1


@MODES
async def test_the_clock_converts_between_time_zones(reach: Reach, mode: Mode) -> None:
    question = {"source_timezone": "Asia/Tokyo", "time": "12:00", "target_timezone": "Asia/Kolkata"}
    async with reach.client("time", mode) as client:
        result = await client.call_tool("convert_time", question)
        assert "08:30" in text_of(result)


async def test_the_values_of_a_server_reach_its_command(reach: Reach) -> None:
    async with reach.client("time") as client:
        [tool] = [each for each in (await client.list_tools()).tools if each.name == "get_current_time"]
        assert "Europe/Paris" in json.dumps(tool.input_schema)


@MODES
async def test_an_unknown_tool_is_an_error_of_the_protocol(reach: Reach, mode: Mode) -> None:
    async with reach.client("time", mode) as client:
        with pytest.raises(MCPError) as refused:
            await client.call_tool("no-such-tool")
        assert refused.value.code == types.INVALID_PARAMS


@MODES
async def test_the_repository_shows_its_history(reach: Reach, repository: Path, mode: Mode) -> None:
    async with reach.client("git", mode) as client:
        result = await client.call_tool("git_log", {"repo_path": str(repository)})
        assert "First commit" in text_of(result)
