"""What is pasted into a client, so that it finds the servers that a key covers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from django.http import HttpRequest

from projects.models import ApiKey, Project

# Servers are an upper layer's business, which says here what a project has.
_server_names: list[Callable[[Project], Iterable[str]]] = []


def name_servers_with(function: Callable[[Project], Iterable[str]]) -> None:
    """`function` gives the slugs of a project's servers that can be called."""
    _server_names.append(function)


@dataclass(frozen=True)
class Snippet:
    """Something to paste into a client, or to keep as the file `name`; `where` says where it belongs."""

    client: str
    text: str
    name: str
    where: str


def connections(request: HttpRequest, key: ApiKey, text: str) -> list[Snippet]:
    """How clients are told about the servers that the key covers."""
    urls = {name: request.build_absolute_uri(path) for name, path in _addresses(key).items()}
    first = next(iter(urls.values()))
    http = {name: {"url": url, "headers": _headers(text)} for name, url in urls.items()}
    typed = {name: {"type": "http", **entry} for name, entry in http.items()}
    asked = {name: {**entry, "headers": {"Authorization": "Bearer ${input:gateway-key}"}}
             for name, entry in typed.items()}  # fmt: skip
    question = {"type": "promptString", "id": "gateway-key", "description": "Gateway key", "password": True}
    bridged = {name: _bridge(url, text) for name, url in urls.items()}
    return [
        Snippet("Claude Code", _claude_lines(urls, text), "connect-claude-code.sh", "Run it in a terminal."),
        Snippet("Claude Code, for a project", _json({"mcpServers": typed}), "mcp.json",
                ".mcp.json in the project's folder."),
        Snippet("Claude Desktop", _json({"mcpServers": bridged}), "claude_desktop_config.json",
                "claude_desktop_config.json; it needs the command mcp-gateway on that machine."),
        Snippet("Cursor", _json({"mcpServers": http}), "mcp.json",
                ".cursor/mcp.json in the project's folder, or ~/.cursor/mcp.json."),
        Snippet("VS Code", _json({"inputs": [question], "servers": asked}), "mcp.json",
                ".vscode/mcp.json in the project's folder; VS Code asks for the key."),
        Snippet("Codex", _codex(urls, text), "config.toml", "Add it to ~/.codex/config.toml."),
        Snippet("Python", _python(first, text), "list_tools.py", "pip install 'mcp>=2', then run it."),
        Snippet("curl", _curl(first, text), "list_tools.sh", "Run it in a terminal."),
    ]  # fmt: skip


def _headers(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def _claude_lines(urls: dict[str, str], text: str) -> str:
    return "\n".join(
        f'claude mcp add --transport http {name} {shlex.quote(url)} --header "Authorization: Bearer {text}"'
        for name, url in urls.items()
    )


def _codex(urls: dict[str, str], text: str) -> str:
    # A string of JSON is one of TOML too, for what stands in these.
    return "\n".join(
        f"[mcp_servers.{json.dumps(name)}]\nurl = {json.dumps(url)}\n"
        f'http_headers = {{ "Authorization" = {json.dumps(f"Bearer {text}")} }}\n'
        for name, url in urls.items()
    )


def _python(url: str, text: str) -> str:
    return f"""import asyncio

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = {url!r}
HEADERS = {_headers(text)!r}


async def main() -> None:
    async with httpx2.AsyncClient(headers=HEADERS, timeout=60) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            for tool in (await client.list_tools()).tools:
                print(tool.name, "-", tool.description)


asyncio.run(main())
"""


_MODERN = "2026-07-28"
_ENVELOPE = "io.modelcontextprotocol/"


def _curl(url: str, text: str) -> str:
    meta = {f"{_ENVELOPE}protocolVersion": _MODERN, f"{_ENVELOPE}clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    headers = {
        **_headers(text), "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": _MODERN, "Mcp-Method": "tools/list",
    }  # fmt: skip
    sent = [f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    lines = [f"curl -sS {shlex.quote(url)}", *sent, f"  --data {shlex.quote(json.dumps(body))}"]
    return " \\\n".join(lines) + "\n"


def _addresses(key: ApiKey) -> dict[str, str]:
    project = key.project
    slugs = [slug for function in _server_names for slug in function(project)]
    covered = [slug for slug in slugs if any(fnmatchcase(slug, pattern) for pattern in key.servers)]
    if not covered:
        return {project.slug: f"/mcp/{project.slug}"}
    return {slug: f"/mcp/{project.slug}/{slug}" for slug in covered}


def _bridge(url: str, text: str) -> dict[str, Any]:
    # In the environment, since arguments can be read by everybody on the machine.
    plain = ["--allow-http"] if url.startswith("http:") else []
    return {"command": "mcp-gateway", "args": ["connect", "--url", url, *plain], "env": {"GATEWAY_KEY": text}}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)
