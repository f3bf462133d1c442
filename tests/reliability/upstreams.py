"""MCP servers for fault tests: one over HTTP that remembers calls, and a stdio child with a mind of its own."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
from typing import Any

import uvicorn

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "pid", "hang", "die")]


class RecordingUpstream:
    """A modern server over HTTP in a thread. It answers in another order than it is asked."""

    def __init__(self, jitter: float = 0.0) -> None:
        self.nonces: list[str] = []
        self._jitter = jitter
        config = uvicorn.Config(
            self._app, port=0, log_level="error", access_log=False, lifespan="off", interface="asgi3"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> RecordingUpstream:
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
        self.port = int(self._server.servers[0].sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        message = json.loads(body)
        if message["method"] == "tools/call":
            nonce = message["params"]["arguments"]["nonce"]
            self.nonces.append(nonce)
            if self._jitter:
                await asyncio.sleep(random.random() * self._jitter)
        answer = json.dumps(reply(message)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def reply(message: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"resultType": "complete"}
    if message["method"] == "tools/list":
        result |= {"tools": TOOLS, "ttlMs": 0, "cacheScope": "public"}
    elif message["method"] == "server/discover":
        result |= {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        result |= {"ttlMs": 0, "cacheScope": "public"}
    elif message["method"] == "tools/call":
        arguments = message["params"].get("arguments", {})
        text = str(os.getpid()) if message["params"]["name"] == "pid" else arguments.get("nonce", "")
        result |= {"content": [{"type": "text", "text": text}]}
    else:
        error = {"code": -32601, "message": "Method not found"}
        return {"jsonrpc": "2.0", "id": message["id"], "error": error}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


def child() -> None:
    """A modern stdio server: `hang` never answers, `die` ends the process in the middle of the call."""
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        name = message.get("params", {}).get("name")
        if name == "hang":
            continue
        if name == "die":
            os._exit(3)
        print(json.dumps(reply(message)), flush=True)


if __name__ == "__main__":
    child()
