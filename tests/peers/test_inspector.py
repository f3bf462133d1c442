"""The MCP inspector's command line works against the gateway with nothing but an address and a header."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.conformance.install import node, package
from tests.peers.peers import ThroughGateway

pytestmark = pytest.mark.claim("peers.inspector")

TIMEOUT = 60.0


def inspect(reach: ThroughGateway, slug: str, method: str, *arguments: str) -> dict[str, Any]:
    launcher = package("@modelcontextprotocol/inspector", "clients", "launcher", "build", "index.js")
    header = f"Authorization: {reach.headers['Authorization']}"
    command = [node(), str(launcher), "--cli", reach.url(slug), "--transport", "http", "--header", header]
    result = subprocess.run(
        [*command, "--method", method, *arguments], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.mark.parametrize(("slug", "tool"), [("everything", "echo"), ("time", "convert_time")])
def test_the_inspector_lists_the_tools_of_either_era(
    through_gateway: ThroughGateway, slug: str, tool: str
) -> None:
    answer = inspect(through_gateway, slug, "tools/list")
    assert tool in {each["name"] for each in answer["tools"]}


def test_the_inspector_calls_a_tool(through_gateway: ThroughGateway) -> None:
    answer = inspect(
        through_gateway, "everything", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hi"
    )
    assert answer["content"] == [{"type": "text", "text": "Echo: hi"}]


@pytest.mark.parametrize(("method", "member"), [("resources/list", "resources"), ("prompts/list", "prompts")])
def test_the_inspector_lists_resources_and_prompts(
    through_gateway: ThroughGateway, method: str, member: str
) -> None:
    assert inspect(through_gateway, "everything", method)[member]
