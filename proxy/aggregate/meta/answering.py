"""Lists our own tools, and answers calls of them: one text of JSON and the same as structured content."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson

from gateway_site.lib.jsontext import encode
from proxy.aggregate.about import SERVER_INFO
from proxy.aggregate.lists import digest_of
from proxy.aggregate.meta.batch import Unreadable, call_tools
from proxy.aggregate.meta.cache import Declined, cache_status, clear_cache
from proxy.aggregate.meta.definitions import DEFINITIONS, listed_name
from proxy.aggregate.meta.listing import Unknown, discover_tools, list_servers, server_info
from proxy.aggregate.meta.names import Ours, may_have
from proxy.aggregate.meta.search import describe_tool, search_tools
from proxy.aggregate.meta.timeouts import timeout_metrics
from proxy.call import Answer
from proxy.errors import Refusal
from proxy.protocol import SERVER_KEY

if TYPE_CHECKING:
    from proxy.call import Call

_TTL_MS = 60_000
Payload = dict[str, Any]
_TOOLS: dict[Ours, Callable[[Call, Payload], Awaitable[Payload]]] = {
    Ours.LIST_SERVERS: list_servers,
    Ours.SERVER_INFO: server_info,
    Ours.DISCOVER_TOOLS: discover_tools,
    Ours.CALL_TOOLS: call_tools,
    Ours.SEARCH_TOOLS: search_tools,
    Ours.DESCRIBE_TOOL: describe_tool,
    Ours.CACHE_STATUS: cache_status,
    Ours.CLEAR_CACHE: clear_cache,
    Ours.TIMEOUT_METRICS: timeout_metrics,
}


def list_ours(call: Call) -> Answer:
    """All on one page. Raises Refusal for any cursor, since none was given."""
    if call.params.get("cursor") is not None:
        raise Refusal("invalid_params", "Invalid cursor", reason="invalid_cursor")
    result: Payload = {
        "tools": [each.listed(listed_name(ours)) for ours, each in DEFINITIONS.items() if may_have(call, ours)]
    }
    if call.modern:
        result |= {"ttlMs": _TTL_MS, "cacheScope": "private"}
    # As bytes, which nobody looks through for what the key may not use: servers have no part in it.
    encoded = encode(_complete(call, result))
    body = b'{"jsonrpc":"2.0","id":' + encode(call.message_id) + b',"result":' + encoded + b"}"
    return Answer(200, body=body, digest=digest_of(call, encoded))


async def answer_ours(call: Call, ours: Ours) -> Answer:
    """What cannot be done is a tool error, which a model can act on. Raises Refusal."""
    definition, arguments = DEFINITIONS[ours], call.params.get("arguments") or {}
    violation = await call.state.guards.apart(
        call.principal.project_id, call.bytes_in, definition.check.violation, arguments
    )
    if violation is not None:
        text = f"Invalid arguments: {violation.pointer} does not satisfy {violation.keyword!r}"
        return _refuse(call, "invalid_arguments", text)
    try:
        payload = await _TOOLS[ours](call, arguments)
    except Unknown as error:
        kind, name = error.args
        return _refuse(call, f"unknown_{kind}", f"Unknown {kind}: {name[:256]}")
    except Unreadable as error:
        return _refuse(call, "invalid_arguments", str(error))
    except Declined as error:
        return _refuse(call, "declined", str(error))
    return _answer(call, _result(payload))


def _refuse(call: Call, code: str, text: str) -> Answer:
    payload = {"status": "error", "message": text,
               "error": {"code": code, "message": text, "request_id": call.request_id}}  # fmt: skip
    answer = _answer(call, _result(payload))
    answer.headers["X-Refused"] = code
    return answer


def _result(payload: Payload) -> Payload:
    """The text has no whole results in it; what of them no text can say comes after it as it is."""
    items = payload.get("results", ())
    bare = {**payload, "results": [_without_result(item) for item in items]} if items else payload
    others = [block for item in items for block in _content(item) if block.get("type") != "text"]
    return {
        "content": [{"type": "text", "text": _pretty(bare)}, *others],
        "structuredContent": payload,
        "isError": payload["status"] == "error",
    }


def _without_result(item: Payload) -> Payload:
    return {name: value for name, value in item.items() if name != "result"}


def _content(item: Payload) -> list[Payload]:
    blocks = item.get("result", {}).get("content")
    return [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []


def _pretty(value: Any) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        # Integers beyond 64 bits.
        return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)


def _answer(call: Call, result: Payload) -> Answer:
    return Answer(200, {"jsonrpc": "2.0", "id": call.message_id, "result": _complete(call, result)})


def _complete(call: Call, result: Payload) -> Payload:
    return {**result, "resultType": "complete", "_meta": {SERVER_KEY: SERVER_INFO}} if call.modern else result
