"""The SDK's client session over our own connections: its messages go out by the one door, and what comes back is kept.

The session sees of a result only what it acts on. Its models would drop members that they do not know and fail on
entries that do not conform, while the digest of a definition must cover what the server really said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import ClientSession
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_PROTOCOL_VERSION,
    ErrorData,
    Implementation,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from gateway_site.lib import jsontext
from servers.steps import Step, Watch, watch_nothing
from servers.upstream import Connections, Exchange, Upstream, UpstreamError

CLIENT = Implementation(name="secure-mcp-gateway", version="1")
# Method, and the member of its result that lists.
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
_VERSION = MCP_PROTOCOL_VERSION_HEADER
_SESSION = "Mcp-Session-Id"
_COMPLETE = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
# Our credentials were refused, or something before the server answers for it: no word on what the server speaks.
_NOT_ITS_ANSWER = frozenset({401, 403, 407, 429, 502, 503, 504})
_GOODBYE_SECONDS = 2.0
_Incoming = MemoryObjectSendStream[SessionMessage | Exception]
_Outgoing = MemoryObjectReceiveStream[SessionMessage]


@asynccontextmanager
async def open_session(
    connections: Connections, upstream: Upstream, *, seconds: float, limit: int, watch: Watch = watch_nothing
) -> AsyncIterator[tuple[ClientSession, Wire]]:
    """A session that has not introduced itself. `seconds` bound each answer, `limit` its bytes.

    What is raised inside comes out in an ExceptionGroup, as from every task group.
    """
    wire = Wire(connections, upstream, limit, watch)
    incoming, session_reads = anyio.create_memory_object_stream[SessionMessage | Exception](16)
    session_writes, outgoing = anyio.create_memory_object_stream[SessionMessage](16)
    carrying = asyncio.create_task(wire.carry(outgoing, incoming))
    try:
        async with ClientSession(
            session_reads, session_writes, read_timeout_seconds=seconds, client_info=CLIENT,
            # Some tools are listed only to clients that can be asked back, so it says that it can, and then does not.
            sampling_callback=_decline, elicitation_callback=_decline, list_roots_callback=_decline,
        ) as session:  # fmt: skip
            yield session, wire
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        for stream in (incoming, session_reads, session_writes, outgoing):
            stream.close()
        await wire.say_goodbye()


async def _decline(context: Any, params: Any = None) -> ErrorData:
    return ErrorData(code=INVALID_REQUEST, message="Nobody is here to be asked")


class Wire:
    """Carries the messages of one session.

    `failure` says why the server could not be asked at all, `status` what the newest answer came with.
    """

    def __init__(
        self, connections: Connections, upstream: Upstream, limit: int, watch: Watch = watch_nothing
    ) -> None:
        self.failure: UpstreamError | None = None
        self.status = 0
        self._connections = connections
        self._upstream = upstream
        self._limit = limit
        self._watch = watch
        self._headers: dict[str, str] = {}
        self._results: dict[str, dict[str, Any]] = {}

    def take(self, method: str) -> dict[str, Any]:
        """The newest result of this method as the server gave it. Raises KeyError."""
        return self._results.pop(method)

    async def carry(self, outgoing: _Outgoing, incoming: _Incoming) -> None:
        """Until it is cancelled, or the session has nothing more to say."""
        async with asyncio.TaskGroup() as requests:
            async for item in outgoing:
                message = item.message
                self._note_version(item)
                if isinstance(message, JSONRPCRequest):
                    requests.create_task(self._ask(message, self._headers_of(item), incoming))
                elif not (isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled"):
                    # One that is given up ends with its connection or its session.
                    await self._tell(message, self._headers_of(item))

    async def say_goodbye(self) -> None:
        """Ends the server's session, when there is one; whether it hears that is its own affair."""
        if _SESSION in self._headers:
            with suppress(UpstreamError, TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    (await self._connections.send(self._upstream, "DELETE", self._headers, None)).close()

    def _note_version(self, item: SessionMessage) -> None:
        stamped = self._headers_of(item).get(_VERSION)
        if stamped is not None:
            self._headers[_VERSION] = stamped

    def _headers_of(self, item: SessionMessage) -> dict[str, str]:
        own = item.metadata.headers if isinstance(item.metadata, ClientMessageMetadata) else None
        return {**self._headers, **(own or {})}

    async def _tell(self, message: Any, headers: dict[str, str]) -> None:
        """What gets no answer. That it did not arrive shows with the next request."""
        began, status, trouble = perf_counter(), 0, ""
        try:
            exchange = await self._post(message, headers)
            status = exchange.status
            exchange.close()
        except UpstreamError as error:
            trouble = error.kind
        self._watch(Step(getattr(message, "method", ""), _since(began), status, trouble))

    async def _ask(self, request: JSONRPCRequest, headers: dict[str, str], incoming: _Incoming) -> None:
        began, trouble = perf_counter(), ""
        try:
            answer = await self._answer(request, headers, incoming)
            trouble = "refused" if isinstance(answer, JSONRPCError) else ""
        except UpstreamError as error:
            self.failure, trouble, self.status = error, error.kind, error.status or 0
            answer = _refusal(request.id, INTERNAL_ERROR)
        self._watch(Step(request.method, _since(began), self.status, trouble))
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await incoming.send(SessionMessage(answer))

    async def _answer(
        self, request: JSONRPCRequest, headers: dict[str, str], incoming: _Incoming
    ) -> JSONRPCResponse | JSONRPCError:
        exchange = await self._post(request, headers)
        try:
            if exchange.status in _NOT_ITS_ANSWER:
                raise UpstreamError("unavailable", f"status {exchange.status}", exchange.status)
            self.status, session = exchange.status, exchange.headers.get(_SESSION, "")
            found = await self._read(exchange, request.id, incoming)
            if request.method == "initialize" and session:
                self._headers[_SESSION] = session
            return self._settle(request, found)
        finally:
            exchange.close()

    async def _post(self, message: Any, headers: dict[str, str]) -> Exchange:
        body = jsontext.encode(message.model_dump(by_alias=True, mode="json", exclude_unset=True))
        return await self._connections.send(
            self._upstream, "POST",
            {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity",
             "Content-Type": "application/json", **headers}, body,
        )  # fmt: skip

    async def _read(self, exchange: Exchange, request_id: RequestId, incoming: _Incoming) -> dict[str, Any] | None:
        """The answer; what a stream brings before it goes to the session. Raises UpstreamError."""
        if exchange.content_type != "text/event-stream":
            return _parse(await exchange.read(self._limit))
        async for event in exchange.events(self._limit):
            message = _parse(event.data or "")
            if message is None:
                continue
            if "method" in message:
                await _pass_on(message, incoming)
            elif message.get("id") == request_id or (message.get("id") is None and "error" in message):
                return message
        raise UpstreamError("unavailable", "ended in the middle of an answer")

    def _settle(self, request: JSONRPCRequest, found: dict[str, Any] | None) -> JSONRPCResponse | JSONRPCError:
        result = (found or {}).get("result")
        if self.status < 300 and isinstance(result, dict):
            self._results[request.method] = result
            return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=outline(request.method, result))
        error = (found or {}).get("error")
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(error, dict) and isinstance(code, int):
            # Which versions there are instead is all that the session asks of an error.
            return _refusal(request.id, code, error.get("data") if code == UNSUPPORTED_PROTOCOL_VERSION else None)
        return _refusal(request.id, METHOD_NOT_FOUND if self.status == 404 else INVALID_REQUEST)


def outline(method: str, result: dict[str, Any]) -> dict[str, Any]:
    """What the session acts on: versions and cursors, and no entries."""
    if method == "initialize":
        return {
            "protocolVersion": result.get("protocolVersion"), "capabilities": {},
            "serverInfo": {"name": "", "version": ""},
        }  # fmt: skip
    if method == "server/discover":
        versions = result.get("supportedVersions")
        known = [version for version in versions if isinstance(version, str)] if isinstance(versions, list) else []
        return {"supportedVersions": known, "capabilities": {}, **_COMPLETE}
    if method in LISTS:
        cursor = result.get("nextCursor")
        return {LISTS[method]: [], **({"nextCursor": cursor} if isinstance(cursor, str) else {}), **_COMPLETE}
    return result


def _since(began: float) -> float:
    """Milliseconds."""
    return round((perf_counter() - began) * 1000, 1)


def _refusal(request_id: RequestId, code: int, data: Any = None) -> JSONRPCError:
    """Without the server's words, which nobody may take for ours."""
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message="refused", data=data))


async def _pass_on(message: dict[str, Any], incoming: _Incoming) -> None:
    with suppress(ValidationError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await incoming.send(SessionMessage(jsonrpc_message_adapter.validate_python(message, by_name=False)))


def _parse(data: bytes | str) -> dict[str, Any] | None:
    try:
        message = jsontext.decode(data)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
