"""Asks a server what it offers, in whichever era it speaks, and puts the definitions into the catalogue."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from audit.recorder import record
from gateway_site.lib import jsontext
from projects.scoping import with_project
from servers.catalogue import MAX_LIST_BYTES, MAX_PAGES, MAX_SCHEMA_BYTES, MAX_TOOLS
from servers.models import Server, Tool
from servers.offers import LEGACY, MODERN
from servers.resolve import upstream_of
from servers.review import Listed, observe
from servers.upstream import Connections, Exchange, Upstream, UpstreamError

_CLIENT = {"name": "secure-mcp-gateway", "version": "1"}
# Kind, the capability that offers it, method, the member that lists, the member that names.
_LISTS = (
    (Tool.Kind.TOOL, "tools", "tools/list", "tools", "name"),
    (Tool.Kind.PROMPT, "prompts", "prompts/list", "prompts", "name"),
    (Tool.Kind.RESOURCE, "resources", "resources/list", "resources", "uri"),
    (Tool.Kind.TEMPLATE, "resources", "resources/templates/list", "resourceTemplates", "uriTemplate"),
)
_SECONDS = 60.0
_RETRY = timedelta(minutes=5)
Found = list[tuple[str, str, dict[str, Any]]]
Seen = tuple[str, Found]


class _Refused(Exception):
    """The server answered with a JSON-RPC error."""


async def discover(upstream: Upstream) -> Seen:
    """The era, and kind, name and definition of everything the server lists in it. Raises UpstreamError."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await _discover(upstream)
    except TimeoutError as error:
        raise UpstreamError("timeout", "the lists did not end in time") from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        # A list of another shape than any revision's.
        raise UpstreamError("invalid", type(error).__name__) from error


async def _discover(upstream: Upstream) -> Seen:
    connections = Connections()
    try:
        for era, conversation in ((MODERN, _modern), (LEGACY, _legacy)):
            try:
                async with conversation(connections, upstream) as (ask, capabilities):
                    return era, await _list_all(ask, capabilities)
            except _Refused:
                continue
        raise UpstreamError("invalid", "speaks neither era")
    finally:
        await connections.close()


async def _list_all(ask: Any, capabilities: Any) -> Found:
    """Asks only for what is declared: a server may take a method that it does not know badly."""
    if not isinstance(capabilities, dict):
        raise _Refused
    found: Found = []
    budget = MAX_LIST_BYTES
    for kind, capability, method, member, name_of in _LISTS:
        if capabilities.get(capability) is None:
            continue
        cursor: str | None = None
        for page in range(MAX_PAGES):
            try:
                result = await ask(method, {"cursor": cursor} if cursor else {})
            except _Refused:
                if kind == Tool.Kind.TOOL and page == 0 and not found:
                    raise
                break
            for entry in result.get(member) or []:
                size = _stored_size(entry, name_of)
                budget -= size or 0
                if len(found) >= MAX_TOOLS or budget < 0:
                    return found
                if size is not None:
                    found.append((kind, entry[name_of][:500], entry))
            cursor = result.get("nextCursor")
            if not isinstance(cursor, str):
                break
    return found


def _stored_size(entry: Any, name_of: str) -> int | None:
    """None for what is not kept: without a name, too large, or with null characters, which databases cannot hold."""
    if not isinstance(entry, dict) or not isinstance(entry.get(name_of), str):
        return None
    text = jsontext.encode(entry)
    return None if len(text) > MAX_SCHEMA_BYTES or b"\\u0000" in text else len(text)


@asynccontextmanager
async def _modern(connections: Connections, upstream: Upstream) -> AsyncIterator[Any]:
    ids = itertools.count(1)
    meta = {
        PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION,
        CLIENT_CAPABILITIES_META_KEY: {},
        CLIENT_INFO_META_KEY: _CLIENT,
    }

    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        headers = {"MCP-Protocol-Version": LATEST_MODERN_VERSION, "Mcp-Method": method}
        result, _ = await _request(connections, upstream, next(ids), method, {**params, "_meta": meta}, headers)
        return result

    result = await ask("server/discover", {})
    yield ask, result.get("capabilities")


@asynccontextmanager
async def _legacy(connections: Connections, upstream: Upstream) -> AsyncIterator[Any]:
    ids = itertools.count(1)
    offer = {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": _CLIENT}
    result, session = await _request(connections, upstream, next(ids), "initialize", offer, {})
    headers = {"MCP-Protocol-Version": str(result.get("protocolVersion", LATEST_HANDSHAKE_VERSION))}
    if session:
        headers["Mcp-Session-Id"] = session

    async def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        answer, _ = await _request(connections, upstream, next(ids), method, params, headers)
        return answer

    try:
        await _notify(connections, upstream, "notifications/initialized", headers)
        yield ask, result.get("capabilities")
    finally:
        if session:
            exchange = await connections.send(upstream, "DELETE", headers, None)
            exchange.close()


async def _request(
    connections: Connections, upstream: Upstream, message_id: int, method: str, params: Any, headers: dict[str, str]
) -> tuple[dict[str, Any], str]:
    """The result, and the session id that came with it. Raises _Refused and UpstreamError."""
    exchange = await _post(connections, upstream, {"id": message_id, "method": method, "params": params}, headers)
    try:
        if exchange.status in (401, 403) or exchange.status >= 500:
            raise UpstreamError("unavailable", f"status {exchange.status}", exchange.status)
        message = await _response(exchange, message_id)
        if message is None or not isinstance(message.get("result"), dict):
            raise _Refused
        return message["result"], exchange.headers.get("Mcp-Session-Id", "")
    finally:
        exchange.close()


async def _notify(connections: Connections, upstream: Upstream, method: str, headers: dict[str, str]) -> None:
    exchange = await _post(connections, upstream, {"method": method}, headers)
    exchange.close()


async def _post(
    connections: Connections, upstream: Upstream, message: dict[str, Any], headers: dict[str, str]
) -> Exchange:
    return await connections.send(
        upstream, "POST",
        {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity",
         "Content-Type": "application/json", **headers},
        jsontext.encode({"jsonrpc": "2.0", **message}),
    )  # fmt: skip


async def _response(exchange: Exchange, message_id: int) -> dict[str, Any] | None:
    if exchange.content_type == "text/event-stream":
        async for event in exchange.events(MAX_LIST_BYTES):
            message = _parse(event.data or "")
            if message is not None and message.get("id") == message_id and "method" not in message:
                return message
        return None
    return _parse(await exchange.read(MAX_LIST_BYTES))


def _parse(data: bytes | str) -> dict[str, Any] | None:
    try:
        message = jsontext.decode(data)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def claim(server: Server, retry_at: Any) -> Upstream | None:
    """Takes the server for discovery and writes that down before anything is sent. None when somebody else has it."""
    with transaction.atomic(), with_project(server.project_id):
        taken = Server.objects.filter(pk=server.pk, discovery_due_at=server.discovery_due_at).update(
            discovery_due_at=retry_at
        )
        upstream = upstream_of(server) if taken else None
        if upstream is not None:
            _record("discovery.started", server)
        return upstream


def store(server: Server, seen: Seen) -> None:
    """The catalogue then holds what was found, and nothing else of this server."""
    era, found = seen
    with transaction.atomic(), with_project(server.project_id):
        observe(
            server=server, era=era, listed=[Listed(*entry) for entry in found], whole=[kind for kind, *_ in _LISTS]
        )
        _finish(server, "")
        _record("discovery.finished", server, found=len(found))


def store_failure(server: Server, error: UpstreamError) -> None:
    """The catalogue keeps what it had; the error is readable where the admin looks."""
    with transaction.atomic(), with_project(server.project_id):
        _finish(server, f"{error.kind}: {error.detail}"[:200], timezone.now() + _RETRY)
        _record("discovery.failed", server, error=f"{error.kind}: {error.detail}"[:200])


def _finish(server: Server, error: str, again_at: datetime | None = None) -> None:
    changes: dict[str, Any] = {"discovered_hash": server.config_hash, "discovery_error": error}
    if not error:
        changes["discovered_at"] = timezone.now()
    if again_at is not None:
        changes["discovery_due_at"] = again_at
    Server.objects.filter(pk=server.pk).update(**changes)


def _record(kind: str, server: Server, **detail: Any) -> None:
    record(
        kind, project_ref=server.project_id, project=server.project.slug, server_ref=server.pk, server=server.slug,
        subject=server.slug, detail=detail,
    )  # fmt: skip
