"""What the runner says of a server's child processes: whether they run, and their last lines on stderr."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
from django.conf import settings

from gateway_site.lib import egress, jsontext
from gateway_site.lib.waiting import wait_for
from servers.models import Server, Transport
from servers.texts import visible

_SECONDS = 2.0
_MAX_CHILDREN = 20


@dataclass(frozen=True, slots=True)
class Child:
    """`lines` are at most 20, without the values of the child's environment (servers.runner.notes)."""

    pid: int
    era: str
    state: str
    restarts: int
    lines: tuple[str, ...]


def children_of(server: Server) -> list[Child] | None:
    """None when the runner does not answer, or the server has no children: it is reached over the network."""
    if server.transport == Transport.HTTP:
        return None
    listed = wait_for(_ask)
    if listed is None:
        return None
    place = (server.project_id, server.pk)
    own = [each for each in listed if (each.get("project_id"), each.get("server_id")) == place]
    return [_child(each) for each in own[:_MAX_CHILDREN]]


def _child(said: dict[str, Any]) -> Child:
    return Child(
        int(said.get("pid") or 0), str(said.get("era", "")), str(said.get("state", "")), int(said.get("restarts") or 0),
        tuple(visible(str(line)) for line in said.get("stderr", ())),
    )  # fmt: skip


async def _ask() -> list[dict[str, Any]] | None:
    try:
        async with (
            asyncio.timeout(_SECONDS),
            egress.open_unix_session(str(settings.RUNNER_SOCKET), limit=1) as session,
            session.get("http://runner/children") as response,
        ):
            found = jsontext.decode(await response.read())
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else None
