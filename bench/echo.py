"""The echo upstream: the cheapest MCP server that speaks both eras, and counts what reaches it."""

import argparse
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import uvicorn

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
VERSION_META = "io.modelcontextprotocol/protocolVersion"

SERVER_INFO = {"name": "bench-echo", "version": "1"}
CAPABILITIES = {"tools": {"listChanged": False}}
TOOLS = [
    {
        "name": "echo",
        "description": "Answers with the text it was given.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    }
]
CACHEABLE = {"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public"}

JSON = (b"content-type", b"application/json")
EMPTY = [(b"content-length", b"0")]

counts: Counter[str] = Counter()
sessions: set[bytes] = set()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    method = scope["method"]
    if scope["path"] == "/count":
        await answer(send, 200, counts)
    elif method == "POST":
        await post(scope, receive, send)
    elif method == "GET":
        await idle_stream(receive, send)
    else:
        await end_session(scope, send)


async def post(scope: Scope, receive: Receive, send: Send) -> None:
    message = orjson.loads(await read_body(receive))
    method = message["method"]
    counts[method] += 1
    params = message.get("params") or {}
    modern = VERSION_META in params.get("_meta", ())
    if not modern and method != "initialize" and session_of(scope) not in sessions:
        await answer(send, 404, failure(message.get("id"), -32600, "Session not found"))
    elif "id" not in message:
        await start(send, 202, EMPTY)
        await send({"type": "http.response.body", "body": b""})
    elif method == "tools/call":
        await answer(send, 200, success(message["id"], called(params, modern)))
    elif method == "initialize":
        await initialize(send, message["id"])
    else:
        await other(send, message["id"], method, modern)


def called(params: dict[str, Any], modern: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"content": [{"type": "text", "text": params["arguments"]["text"]}]}
    if modern:
        result["resultType"] = "complete"
    return result


async def initialize(send: Send, request_id: Any) -> None:
    session = secrets.token_hex(16).encode()
    sessions.add(session)
    result = {"protocolVersion": LEGACY, "capabilities": CAPABILITIES, "serverInfo": SERVER_INFO}
    await answer(send, 200, success(request_id, result), (b"mcp-session-id", session))


async def other(send: Send, request_id: Any, method: str, modern: bool) -> None:
    if method == "tools/list":
        result: dict[str, Any] = {"tools": TOOLS, **(CACHEABLE if modern else {})}
    elif method == "server/discover" and modern:
        result = {"supportedVersions": [MODERN], "capabilities": CAPABILITIES, **CACHEABLE}
        result["_meta"] = {"io.modelcontextprotocol/serverInfo": SERVER_INFO}
    elif method == "ping" and not modern:
        result = {}
    else:
        await answer(send, 404 if modern else 200, failure(request_id, -32601, "Method not found"))
        return
    await answer(send, 200, success(request_id, result))


async def idle_stream(receive: Receive, send: Send) -> None:
    counts["GET"] += 1
    await start(send, 200, [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")])
    await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def end_session(scope: Scope, send: Send) -> None:
    counts[scope["method"]] += 1
    sessions.discard(session_of(scope))
    await start(send, 200, EMPTY)
    await send({"type": "http.response.body", "body": b""})


def session_of(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"mcp-session-id":
            return bytes(value)
    return b""


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


def success(request_id: Any, result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def failure(request_id: Any, code: int, text: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": text}}


async def answer(send: Send, status: int, value: Any, *headers: tuple[bytes, bytes]) -> None:
    body = orjson.dumps(value)
    await start(send, status, [JSON, (b"content-length", b"%d" % len(body)), *headers])
    await send({"type": "http.response.body", "body": body})


async def start(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    # A gateway keeps its pooled connections longer than uvicorn's five seconds; closing them under it
    # would measure reconnects.
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        date_header=False,
        server_header=False,
        timeout_keep_alive=900,
        backlog=4096,
    )


if __name__ == "__main__":
    main()
