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
    """Something to paste into a client."""

    client: str
    text: str


def connections(request: HttpRequest, key: ApiKey, text: str) -> list[Snippet]:
    """How clients are told about the servers that the key covers."""
    urls = {name: request.build_absolute_uri(path) for name, path in _addresses(key).items()}
    bearer = f"Bearer {text}"
    http = {name: {"url": url, "headers": {"Authorization": bearer}} for name, url in urls.items()}
    typed = {name: {"type": "http", **entry} for name, entry in http.items()}
    lines = [
        f'claude mcp add --transport http {name} {shlex.quote(url)} --header "Authorization: {bearer}"'
        for name, url in urls.items()
    ]
    asking = {"Authorization": "Bearer ${input:gateway-key}"}
    asked = {name: {**entry, "headers": asking} for name, entry in typed.items()}
    question = {"type": "promptString", "id": "gateway-key", "description": "Gateway key", "password": True}
    bridged = {name: _bridge(url, text) for name, url in urls.items()}
    return [
        Snippet("Claude Code, on the command line", "\n".join(lines)),
        Snippet("Claude Code, .mcp.json", _json({"mcpServers": typed})),
        Snippet("Cursor, .cursor/mcp.json", _json({"mcpServers": http})),
        Snippet("VS Code, .vscode/mcp.json", _json({"inputs": [question], "servers": asked})),
        Snippet("Claude Desktop, claude_desktop_config.json (a bridge)", _json({"mcpServers": bridged})),
    ]


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
