"""The published MCP servers that the tests talk to, and the two ways to reach them: gateway and directly."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, Unpack

from mcp.client.client import Client
from mcp.client.session import ElicitationFnT, ListRootsFnT, LoggingFnT, MessageHandlerFnT, SamplingFnT
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from tests.conformance.gateway import Gateway
from tests.conformance.install import node, package
from tests.databases import ROOT

PROJECT, USER, LABEL = "peers", "ada@peers.test", "tests"
# Starting a child, both handshakes and the calls of one test together; far more than any of them needs.
SESSION_DEADLINE = 60.0
READ_TIMEOUT = 30.0
PATH_SLOT = {"pattern": "/[A-Za-z0-9_./-]+"}

Mode = Literal["auto", "legacy"]


class Callbacks(TypedDict, total=False):
    """What a test hands to its client."""

    sampling_callback: SamplingFnT
    elicitation_callback: ElicitationFnT
    list_roots_callback: ListRootsFnT
    logging_callback: LoggingFnT
    message_handler: MessageHandlerFnT


@dataclass(frozen=True)
class Peer:
    """One published server: its command with slots, and the values for them."""

    slug: str
    executable: str
    args: tuple[str, ...]
    slots: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    def template(self) -> dict[str, Any]:
        return {
            "slug": self.slug,
            "executable": self.executable,
            "args": list(self.args),
            "params": {name: dict(slot) for name, slot in self.slots.items()},
            **({"env": dict(self.env)} if self.env else {}),
        }

    def server(self) -> dict[str, Any]:
        return {
            "slug": self.slug,
            "transport": "stdio",
            "template": self.slug,
            "params": dict(self.values),
        }

    def parameters(self) -> StdioServerParameters:
        """The same command for a client that starts the server itself."""
        command = sys.executable if self.executable == "{python}" else self.executable
        return StdioServerParameters(
            command=command,
            args=[arg.format(**self.values) for arg in self.args],
            env={name: value.format(**self.values) for name, value in self.env.items()},
        )


def npm_server(name: str, *args: str, **more: Any) -> Peer:
    program = package(f"@modelcontextprotocol/server-{name}", "dist", "index.js")
    return Peer(name, node(), (str(program), *args), **more)


def published_servers(directory: Path, repository: Path) -> tuple[Peer, ...]:
    """Every server under test; `directory` is what the file server may show."""
    return (
        npm_server("everything"),
        npm_server("filesystem", "{root}", slots={"root": PATH_SLOT}, values={"root": str(directory)}),
        npm_server(
            "memory",
            slots={"file": PATH_SLOT},
            values={"file": str(directory / "memory.jsonl")},
            env={"MEMORY_FILE_PATH": "{file}"},
        ),
        npm_server("sequential-thinking"),
        Peer(
            "time",
            "{python}",
            ("-m", "mcp_server_time", "--local-timezone={timezone}"),
            {"timezone": {"pattern": "[A-Za-z_/]+"}},
            {"timezone": "Europe/Paris"},
        ),
        Peer(
            "git",
            "{python}",
            ("-m", "mcp_server_git", "--repository={repository}"),
            {"repository": PATH_SLOT},
            {"repository": str(repository)},
        ),
    )


def declarations(servers: tuple[Peer, ...]) -> dict[str, Any]:
    """One project with all of them."""
    return {
        "version": 1,
        "command_templates": [peer.template() for peer in servers],
        "projects": [
            {
                "slug": PROJECT,
                "members": [{"email": USER, "role": "owner"}],
                "servers": [peer.server() for peer in servers],
                "keys": [{"user": USER, "label": LABEL, "servers": ["*"], "expires_in_days": 1}],
            }
        ],
    }


class Reach(Protocol):
    """How a test gets a client of a published server."""

    def client(
        self, slug: str, mode: Mode = "auto", **callbacks: Unpack[Callbacks]
    ) -> AbstractAsyncContextManager[Client]: ...


@dataclass(frozen=True)
class ThroughGateway:
    gateway: Gateway

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.gateway.key(PROJECT, LABEL)}"}

    def url(self, slug: str) -> str:
        """Of one server; "" is all of them."""
        return self.gateway.url(PROJECT, slug).rstrip("/")

    @asynccontextmanager
    async def client(
        self, slug: str, mode: Mode = "auto", **callbacks: Unpack[Callbacks]
    ) -> AsyncIterator[Client]:
        async with (
            asyncio.timeout(SESSION_DEADLINE),
            self._transport(slug) as transport,
            Client(transport, mode=mode, read_timeout_seconds=READ_TIMEOUT, **callbacks) as client,
        ):
            yield client

    @asynccontextmanager
    async def _transport(self, slug: str) -> AsyncIterator[Any]:
        async with create_mcp_http_client(headers=self.headers) as http_client:
            yield streamable_http_client(self.url(slug), http_client=http_client)


@dataclass(frozen=True)
class ThroughConnect(ThroughGateway):
    """As a client does that only starts programs: the command speaks HTTP for it."""

    key_file: Path

    @asynccontextmanager
    async def _transport(self, slug: str) -> AsyncIterator[Any]:
        arguments = ["--url", self.url(slug), "--key-file", str(self.key_file)]
        yield StdioServerParameters(
            command=sys.executable, args=["-m", "gateway_site.main", "connect", *arguments], cwd=ROOT
        )


@dataclass(frozen=True)
class Directly:
    """Without a gateway, to tell a fault of a published server from one of ours."""

    servers: tuple[Peer, ...]

    @asynccontextmanager
    async def client(
        self, slug: str, mode: Mode = "auto", **callbacks: Unpack[Callbacks]
    ) -> AsyncIterator[Client]:
        [peer] = [each for each in self.servers if each.slug == slug]
        async with (
            asyncio.timeout(SESSION_DEADLINE),
            Client(peer.parameters(), mode=mode, read_timeout_seconds=READ_TIMEOUT, **callbacks) as client,
        ):
            yield client


def wants_directly() -> bool:
    return os.environ.get("PEERS_DIRECTLY") == "1"
