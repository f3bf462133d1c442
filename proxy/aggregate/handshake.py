"""Begins and ends legacy sessions with servers, and finds out which era a server speaks."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway_site.lib.jsontext import encode
from proxy.protocol import LATEST_MODERN, envelope, is_legacy_version, modern_headers
from proxy.stages.forward import BOTH, OURSELVES, find_response, refuse_encoded
from servers.upstream import Exchange, Upstream, UpstreamError

if TYPE_CHECKING:
    from proxy.state import State

_MAX_ANSWER = 1024 * 1024


@dataclass(slots=True)
class Kept:
    """A session with a server. `id` is "" where the server keeps none. `logs` says whether it takes a log level."""

    id: str
    version: str
    logs: bool = False
    used_at: float = field(default_factory=time.monotonic)


class WrongEra(Exception):
    """The server does not speak this one."""


async def begin(
    state: State, upstream: Upstream, version: str, capabilities: Mapping[str, Any], client: Mapping[str, str]
) -> Kept:
    """Raises WrongEra and UpstreamError."""
    offer = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": client or OURSELVES}
    result, session = await _ask(state, upstream, _message("initialize", offer), {})
    agreed = result.get("protocolVersion")
    if not isinstance(agreed, str) or not is_legacy_version(agreed):
        raise WrongEra
    declared = result.get("capabilities")
    kept = Kept(session, agreed, isinstance(declared, dict) and "logging" in declared)
    await tell(state, upstream, kept, {"method": "notifications/initialized"})
    return kept


async def speaks_modern(state: State, upstream: Upstream) -> bool:
    """Raises UpstreamError when it does not say."""
    message = _message("server/discover", {"_meta": envelope(OURSELVES)})
    try:
        await _ask(state, upstream, message, modern_headers(message, LATEST_MODERN))
    except WrongEra:
        return False
    return True


async def tell(state: State, upstream: Upstream, kept: Kept, message: Mapping[str, Any]) -> None:
    """Sends what needs no answer, or whose answer says nothing. Raises UpstreamError."""
    exchange = await _send(state, upstream, "POST", session_headers(kept), {"jsonrpc": "2.0", **message})
    exchange.close()


async def set_level(state: State, upstream: Upstream, kept: Kept, level: str) -> None:
    """A server that does not take it goes on as it is."""
    if not kept.logs:
        return
    with contextlib.suppress(UpstreamError, WrongEra):
        await _ask(state, upstream, _message("logging/setLevel", {"level": level}), session_headers(kept))


async def end(state: State, upstream: Upstream, kept: Kept) -> None:
    """Nobody waits for a server that does not answer."""
    if kept.id:
        with contextlib.suppress(UpstreamError):
            exchange = await _send(state, upstream, "DELETE", session_headers(kept), None)
            exchange.close()


def session_headers(kept: Kept) -> dict[str, str]:
    headers = {"MCP-Protocol-Version": kept.version}
    return {**headers, "Mcp-Session-Id": kept.id} if kept.id else headers


def _message(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": secrets.randbelow(2**31), "method": method, "params": params}


async def _ask(
    state: State, upstream: Upstream, message: dict[str, Any], headers: Mapping[str, str]
) -> tuple[dict[str, Any], str]:
    """The result, and the id of the session that it begins. Raises WrongEra for any no that may be one to the era."""
    exchange = await _send(state, upstream, "POST", headers, message)
    session = exchange.headers.get("Mcp-Session-Id", "")
    try:
        answer, _ = await find_response(exchange, message["id"], _MAX_ANSWER)
    except UpstreamError as error:
        if exchange.status in (401, 403) or exchange.status >= 500 or error.kind not in ("invalid", "unavailable"):
            raise
        if exchange.status < 400:
            raise
        raise WrongEra from error
    finally:
        exchange.close()
    result = answer.get("result")
    if isinstance(result, dict):
        return result, session
    if exchange.status in (401, 403) or exchange.status >= 500:
        raise UpstreamError("unavailable", f"status {exchange.status}", exchange.status)
    raise WrongEra


async def _send(
    state: State, upstream: Upstream, method: str, headers: Mapping[str, str], message: Mapping[str, Any] | None
) -> Exchange:
    usual = {"Accept": BOTH, "Accept-Encoding": "identity"}
    if message is not None:
        usual["Content-Type"] = "application/json"
    body = encode(message) if message is not None else None
    return refuse_encoded(await state.connections.send(upstream, method, {**usual, **headers}, body))
