"""Messages of both protocol eras with every member that a revision gives them, as (direction, method, message)."""

from __future__ import annotations

import base64
from typing import Any

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
TEXT_BLOB = base64.b64encode(b"Name,Town\nAnna,Bern\n").decode()

_META: dict[str, Any] = {
    "progressToken": "p-1",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "cli", "version": "1.0", "title": "A client"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
    "com.example/note": {"text": "a note"},
}
_ICONS = [{"src": "https://example.com/i.png", "mimeType": "image/png", "sizes": ["48x48"], "theme": "dark"}]
_ANNOTATIONS = {"audience": ["user"], "priority": 0.5, "lastModified": "2025-01-12T15:00:58Z"}
_LINK: dict[str, Any] = {
    "uri": "file:///a.txt", "name": "a.txt", "title": "A", "description": "A file", "mimeType": "text/plain",
    "size": 12, "annotations": _ANNOTATIONS, "icons": _ICONS, "_meta": {"k": "v"},
}  # fmt: skip
_CONTENT: list[dict[str, Any]] = [
    {"type": "text", "text": "some text", "annotations": _ANNOTATIONS, "_meta": {"k": "v"}},
    {"type": "image", "data": PNG, "mimeType": "image/png"},
    {"type": "audio", "data": PNG, "mimeType": "audio/wav"},
    {"type": "resource_link", **_LINK},
    {"type": "resource", "resource": {"uri": "file:///b", "mimeType": "text/plain", "text": "embedded text"}},
    {"type": "resource", "resource": {"uri": "file:///c", "mimeType": "text/csv", "blob": TEXT_BLOB}},
    {"type": "hologram", "rays": ["of an unknown type"]},
]
_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "title": "Input",
    "properties": {
        "city": {"type": "string", "description": "the city", "enum": ["Bern", "Oslo"], "default": "Bern"},
        "nested": {"anyOf": [{"const": "x y"}, {"items": {"description": "an item", "examples": ["one two"]}}]},
    },
    "required": ["city"], "additionalProperties": False,
}  # fmt: skip
_TOOL: dict[str, Any] = {
    "name": "weather", "title": "Weather", "description": "Tells the weather", "inputSchema": _SCHEMA,
    "outputSchema": _SCHEMA, "annotations": {"title": "W", "readOnlyHint": True}, "icons": _ICONS,
    "execution": {"taskSupport": "optional"}, "_meta": {"k": "v"},
}  # fmt: skip
_SAMPLING: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": {"type": "text", "text": "sample this"}},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "u1", "name": "weather", "input": {"city": "Bern town"}},
            {"type": "tool_result", "toolUseId": "u1", "content": _CONTENT, "structuredContent": {"a": "b c"}},
        ]},
    ],
    "systemPrompt": "You are", "includeContext": "none", "stopSequences": ["stop here"], "temperature": 0.1,
    "maxTokens": 100, "modelPreferences": {"hints": [{"name": "some model"}]}, "metadata": {"k": "v w"},
    "tools": [_TOOL], "toolChoice": {"mode": "auto"},
}  # fmt: skip
_ELICITATION: dict[str, Any] = {
    "mode": "form", "message": "Who are you?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string", "title": "Your name"}}},
}  # fmt: skip
_URL_ELICITATION = {"mode": "url", "message": "Log in", "url": "https://example.com/login", "elicitationId": "e-1"}
_TASK = {
    "taskId": "t-1", "status": "working", "statusMessage": "half done", "createdAt": "2025-01-12T15:00:58Z",
    "lastUpdatedAt": "2025-01-12T15:00:58Z", "ttl": 60000, "pollInterval": 500,
}  # fmt: skip
_INTRODUCTION = {
    "instructions": "Use it well", "capabilities": {"experimental": {"x": {"y": "z z"}}},
    "serverInfo": {"name": "srv", "title": "A server", "version": "1", "websiteUrl": "https://example.com",
                   "description": "what it is", "icons": _ICONS},
}  # fmt: skip


def _request(method: str, params: Any, message_id: Any = 7) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message_id, "method": method, "params": params}


def _notification(method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def _result(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "result": result}


def _input_required() -> dict[str, Any]:
    return {
        "resultType": "input_required",
        "inputRequests": {
            "who are you": {"method": "elicitation/create", "params": _ELICITATION},
            "s1": {"method": "sampling/createMessage", "params": _SAMPLING},
            "r1": {"method": "roots/list"},
        },
        "requestState": "b3BhcXVl",
    }


_ANSWERS = {
    "who are you": {"action": "accept", "content": {"name": "Anna Smith", "tags": ["a b"]}},
    "s1": {"role": "assistant", "model": "some model", "stopReason": "endTurn",
           "content": {"type": "text", "text": "sampled"}},
    "r1": {"roots": [{"uri": "file:///home/anna", "name": "home", "_meta": {"k": "v"}}]},
}  # fmt: skip

Sample = tuple[str, str, dict[str, Any]]


def samples() -> list[Sample]:
    return [
        ("input", "initialize", _request("initialize", {
            "protocolVersion": "2025-11-25", "capabilities": {"roots": {"listChanged": True}},
            "clientInfo": {"name": "cli", "version": "1.0", "title": "A client", "icons": _ICONS}})),
        ("output", "initialize", _result({"protocolVersion": "2025-11-25", **_INTRODUCTION})),
        ("input", "server/discover", _request("server/discover", {"_meta": _META})),
        ("output", "server/discover", _result({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": 1000, "cacheScope": "public",
            **_INTRODUCTION, "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s", "title": "t u"}}})),
        ("input", "tools/call", _request("tools/call", {
            "name": "weather", "arguments": {"city": "Bern town", "deep": [{"a b": "c d"}]}, "_meta": _META})),
        ("input", "tools/call", _request("tools/call", {
            "name": "weather", "arguments": {"city": "Bern"}, "inputResponses": _ANSWERS, "requestState": "b3BhcXVl",
            "task": {"ttl": 60000}, "_meta": _META})),
        ("output", "tools/call", _result({
            "content": _CONTENT, "structuredContent": {"rows": [{"name": "Anna Smith"}]}, "isError": False,
            "resultType": "complete", "_meta": {"com.example/x": "y z"}})),
        ("output", "tools/call", _result({"content": [{"type": "text", "text": "it failed"}], "isError": True})),
        ("output", "tools/call", _result(_input_required())),
        ("output", "tools/call", _result({"task": _TASK, "resultType": "task"})),
        ("output", "tools/call", {"jsonrpc": "2.0", "id": 7, "error": {
            "code": -32042, "message": "log in first", "data": {"elicitations": [_URL_ELICITATION]}}}),
        ("output", "tools/list", _result({"tools": [_TOOL], "nextCursor": "n1", "ttlMs": 1, "cacheScope": "private"})),
        ("output", "prompts/list", _result({"prompts": [
            {"name": "p", "title": "P", "description": "a prompt", "icons": _ICONS, "_meta": {"k": "v"},
             "arguments": [{"name": "x", "title": "X", "description": "an argument", "required": True}]}]})),
        ("output", "resources/list", _result({"resources": [_LINK]})),
        ("output", "resources/templates/list", _result({"resourceTemplates": [
            {"uriTemplate": "file:///{path}", "name": "f", "title": "F", "description": "any", "icons": _ICONS}]})),
        ("input", "tools/list", _request("tools/list", {"cursor": "n1"})),
        ("input", "prompts/get", _request("prompts/get", {"name": "p", "arguments": {"x": "y z"}})),
        ("output", "prompts/get", _result({
            "description": "a prompt", "messages": [{"role": "user", "content": block} for block in _CONTENT]})),
        ("input", "resources/read", _request("resources/read", {"uri": "file:///a"})),
        ("output", "resources/read", _result({"contents": [
            {"uri": "file:///a", "mimeType": "text/plain", "text": "contents", "_meta": {"k": "v"}},
            {"uri": "file:///b", "mimeType": "image/png", "blob": PNG},
            {"uri": "file:///c", "mimeType": "text/csv", "blob": TEXT_BLOB}]})),
        ("input", "completion/complete", _request("completion/complete", {
            "ref": {"type": "ref/prompt", "name": "p", "title": "P"}, "argument": {"name": "x", "value": "be"},
            "context": {"arguments": {"y": "z z"}}})),
        ("output", "completion/complete", _result({"completion": {"values": ["bern", "be quick"], "total": 2}})),
        ("input", "tasks/update", _request("tasks/update", {"taskId": "t-1", "inputResponses": _ANSWERS})),
        ("output", "tasks/get", _result({
            **_TASK, "result": {"content": _CONTENT, "structuredContent": {"a": "b c"}},
            "error": {"code": 1, "message": "no luck"}, "inputRequests": _input_required()["inputRequests"]})),
        ("output", "tasks/result", _result({"content": _CONTENT, "structuredContent": {"a": "b c"}})),
        ("output", "sampling/createMessage", _request("sampling/createMessage", _SAMPLING, "server-id-1")),
        ("output", "elicitation/create", _request("elicitation/create", _ELICITATION)),
        ("output", "elicitation/create", _request("elicitation/create", _URL_ELICITATION)),
        ("output", "roots/list", _request("roots/list", {"_meta": {"k": "v"}})),
        *(("input", "response", _result(answer)) for answer in _ANSWERS.values()),
        ("input", "response", {"jsonrpc": "2.0", "id": 7, "error": {"code": -1, "message": "user said no"}}),
        ("output", "notifications/progress", _notification("notifications/progress", {
            "progressToken": "p-1", "progress": 1, "total": 2, "message": "half way"})),
        ("output", "notifications/message", _notification("notifications/message", {
            "level": "info", "logger": "main", "data": {"what": ["was logged"]}})),
        ("output", "notifications/message", _notification("notifications/message", {"level": "info", "data": "line"})),
        ("output", "notifications/resources/updated", _notification("notifications/resources/updated", {
            "uri": "file:///a", "title": "A"})),
        ("output", "notifications/tasks/status", _notification("notifications/tasks/status", _TASK)),
        ("input", "notifications/cancelled", _notification("notifications/cancelled", {
            "requestId": "r-1", "reason": "had enough"})),
        ("input", "vendor/method", _request("vendor/method", {"anything": ["goes here"]})),
        ("output", "vendor/method", _result({"anything": ["goes here"], "content": "not a list"})),
        ("output", "vendor/method", _result(["bare", {"a": "list"}])),
    ]  # fmt: skip
