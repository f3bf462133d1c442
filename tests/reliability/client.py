"""A small concurrent MCP client, modern era, every request with JSON-RPC id 1."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp

MODERN = "2026-07-28"
SECONDS = 20.0


def params(tool: str, nonce: str) -> dict[str, Any]:
    return {
        "name": tool,
        "arguments": {"nonce": nonce},
        "_meta": {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}},
    }


@dataclass
class Load:
    """What a number of clients saw."""

    answered: list[str] = field(default_factory=list)
    refused: list[tuple[int, Any]] = field(default_factory=list)
    broken: int = 0
    mixed: int = 0


async def call(
    session: aiohttp.ClientSession, url: str, key: str, tool: str, nonce: str
) -> tuple[int, dict[str, Any]]:
    """Status and message. Raises aiohttp.ClientError when the connection breaks, TimeoutError when nothing comes."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params(tool, nonce)}
    headers = {
        "Authorization": f"Bearer {key}", "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call", "Mcp-Name": tool,
    }  # fmt: skip
    async with (
        asyncio.timeout(SECONDS),
        session.post(url, data=json.dumps(message), headers=headers) as answer,
    ):
        body = await answer.read()
        if answer.content_type == "text/event-stream":
            body = [line for line in body.split(b"\n") if line.startswith(b"data: ")][-1][6:]
        return answer.status, json.loads(body)


async def keep_calling(url: str, key: str, load: Load, stop: asyncio.Event, limit: int = 1_000_000) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        while not stop.is_set() and limit > 0:
            limit -= 1
            nonce = uuid.uuid4().hex
            try:
                status, message = await call(session, url, key, "echo", nonce)
            except (aiohttp.ClientError, ConnectionError):
                load.broken += 1
                # Nobody may be there for a while, and what is to come back needs the machine.
                await asyncio.sleep(0.05)
                continue
            if status != 200:
                load.refused.append((status, message))
            elif message["id"] == 1 and message["result"]["content"][0]["text"] == nonce:
                load.answered.append(nonce)
            else:
                load.mixed += 1


async def call_first(url: str, key: str, tool: str) -> dict[str, Any]:
    """The first answer of a server whose process may still be starting; it has as long as a busy machine needs."""
    async with asyncio.timeout(90):
        while True:
            status, message, _ = await call_once(url, key, tool)
            if status == 200:
                return message
            await asyncio.sleep(0.2)


async def call_once(url: str, key: str, tool: str) -> tuple[int, dict[str, Any], str]:
    nonce = uuid.uuid4().hex
    async with aiohttp.ClientSession() as session:
        status, message = await call(session, url, key, tool, nonce)
        return status, message, nonce
