"""One message of a client as the bridge sees it: what it is, which era it is of, and the headers that go with it.

The bytes of a message are passed on as they came; only what decides about its way is read here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

PARSE_ERROR, INVALID_REQUEST = -32700, -32600
_VERSION = "io.modelcontextprotocol/protocolVersion"
# 2026-07-28, "Standard request headers": what Mcp-Name repeats.
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri",
          "tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}  # fmt: skip
_PLAIN = re.compile(r"[\x20-\x7E]*")
_WRAPPED = re.compile(r"=\?base64\?.*\?=")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Of these a second try does what the first did.
_REPEATABLE = frozenset({
    "initialize", "ping", "server/discover", "tools/list", "prompts/list", "resources/list",
    "resources/templates/list", "resources/read", "prompts/get", "completion/complete", "logging/setLevel",
    "resources/subscribe", "resources/unsubscribe", "subscriptions/listen", "tasks/get",
})  # fmt: skip


class NoMessage(Exception):
    """The line is no message; `code` is a JSON-RPC error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Message:
    """What a client sent: a request, a notification, or its answer to a request of the server."""

    raw: bytes
    content: Mapping[str, Any]

    @property
    def id(self) -> Any:
        return self.content.get("id")

    @property
    def method(self) -> str:
        """Empty for an answer."""
        method = self.content.get("method")
        return method if isinstance(method, str) else ""

    @property
    def is_request(self) -> bool:
        return "method" in self.content and "id" in self.content

    @property
    def is_repeatable(self) -> bool:
        return self.method in _REPEATABLE

    @cached_property
    def params(self) -> Mapping[str, Any]:
        params = self.content.get("params")
        return params if isinstance(params, dict) else {}

    @cached_property
    def version(self) -> str | None:
        """The protocol version that the message itself names; only those since 2026-07-28 do."""
        meta = self.params.get("_meta")
        version = meta.get(_VERSION) if isinstance(meta, dict) else None
        return version if isinstance(version, str) and _PLAIN.fullmatch(version) else None


def read(line: bytes) -> Message:
    """Raises NoMessage."""
    try:
        content = orjson.loads(line)
    except ValueError:
        raise NoMessage(PARSE_ERROR, "Parse error") from None
    if not isinstance(content, dict):
        raise NoMessage(INVALID_REQUEST, "Send one JSON-RPC message on each line")
    return Message(line, content)


def make(content: Mapping[str, Any]) -> Message:
    """One of our own."""
    return Message(orjson.dumps(content), content)


def error(message_id: Any, code: int, text: str) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": text}})


def routing_headers(message: Message, parameters: Parameters) -> dict[str, str]:
    """What a request of 2026-07-28 repeats in headers."""
    headers = {"MCP-Protocol-Version": message.version or "", "Mcp-Method": encode(message.method)}
    name = message.params.get(_NAMED.get(message.method, ""))
    if isinstance(name, str):
        headers["Mcp-Name"] = encode(name)
    return {**headers, **parameters.headers(message)}


def encode(value: str) -> str:
    """A header's value, as 2026-07-28 has it: wrapped in Base64 when it is not plain."""
    if _PLAIN.fullmatch(value) and value == value.strip() and not _WRAPPED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'replace')).decode('ascii')}?="


class Parameters:
    """Which arguments of which tools are repeated in `Mcp-Param-*` headers, learnt from the lists that pass by."""

    def __init__(self) -> None:
        self._by_tool: dict[str, dict[tuple[str, ...], str]] = {}

    def learn(self, result: Any) -> None:
        """From the result of a tools/list."""
        tools = result.get("tools") if isinstance(result, dict) else None
        for tool in tools if isinstance(tools, list) else []:
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                self._by_tool[tool["name"]] = dict(_marked(tool.get("inputSchema")))

    def headers(self, message: Message) -> dict[str, str]:
        if message.method != "tools/call":
            return {}
        marked = self._by_tool.get(str(message.params.get("name")), {})
        values = {token: _value_at(message.params.get("arguments"), path) for path, token in marked.items()}
        return {f"Mcp-Param-{token}": encode(text) for token, value in values.items()
                if (text := _as_text(value)) is not None}  # fmt: skip


def _marked(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The marks stand on properties that are reached through properties only."""
    properties = schema.get("properties") if isinstance(schema, dict) and len(path) < 64 else None
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        token = inner.get("x-mcp-header") if isinstance(inner, dict) else None
        if isinstance(token, str) and _TOKEN.fullmatch(token):
            yield (*path, name), token
        yield from _marked(inner, (*path, name))


def _value_at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
