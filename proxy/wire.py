"""JSON-RPC on the wire: bytes to exactly one checked message, and back; what is ambiguous is refused.

RFC 8259 section 4 (duplicate names), I-JSON (RFC 7493: surrogates, integers), JSON-RPC 2.0.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from gateway_site.lib.jsontext import count_names, holds_long_number
from proxy.errors import Refusal
from proxy.protocol import is_request, known_parameters

MAX_DEPTH = 64
MAX_ID_TEXT = 256
MAX_SAFE_INTEGER = 2**53 - 1
MAX_METHOD = 128
MAX_URI = 4096
# Resources whose changes one call listens to.
MAX_LISTENED = 1_000

Message = dict[str, Any]
_ENVELOPE = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})


def parse_request(body: bytes) -> Message:
    """One request, notification or response, rebuilt from its known members. Raises Refusal."""
    value = _decode_strictly(body)
    if not isinstance(value, dict):
        raise Refusal("not_one_message")
    unknown = value.keys() - _ENVELOPE
    if unknown:
        raise Refusal("invalid_request", f"Unexpected member {_quoted(sorted(unknown)[0])}")
    if value.get("jsonrpc") != "2.0":
        raise Refusal("invalid_request", 'The member "jsonrpc" must be "2.0"', )
    if "id" in value:
        _check_id(value["id"])
    if "method" not in value:
        return _rebuild_response(value)
    try:
        return _rebuild_call(value)
    except Refusal as refusal:
        refusal.message_id = value.get("id")
        raise


def _rebuild_call(value: Message) -> Message:
    method = value["method"]
    if not isinstance(method, str) or not 0 < len(method) <= MAX_METHOD or not method.isprintable():
        raise Refusal("invalid_request", "The method must be a text of at most 128 characters")
    if "result" in value or "error" in value:
        raise Refusal("not_one_message")
    if "id" not in value and is_request(method):
        # What asks for an answer and waits for none would pass by what is checked of requests.
        raise Refusal("invalid_request", f"{method} needs an id")
    message: Message = {"jsonrpc": "2.0"}
    if "id" in value:
        message["id"] = value["id"]
    message["method"] = method
    if "params" in value:
        message["params"] = value["params"]
        _check_params(method, value["params"])
    return message


def _rebuild_response(value: Message) -> Message:
    if "id" not in value or ("result" in value) == ("error" in value) or "params" in value:
        raise Refusal("not_one_message")
    outcome = "result" if "result" in value else "error"
    return {"jsonrpc": "2.0", "id": value["id"], outcome: value[outcome]}


def _check_id(message_id: Any) -> None:
    if isinstance(message_id, str):
        if len(message_id) > MAX_ID_TEXT:
            raise Refusal("invalid_request", "id too large")
    elif isinstance(message_id, bool) or not isinstance(message_id, int):
        raise Refusal("invalid_request", "The id must be a string or an integer")
    elif abs(message_id) > MAX_SAFE_INTEGER:
        raise Refusal("invalid_request", "id too large")


def _check_params(method: str, params: Any) -> None:
    if not isinstance(params, dict):
        raise Refusal("invalid_request", "params must be an object")
    known = known_parameters(method)
    if known is not None and not params.keys() <= known:
        raise Refusal("invalid_params", f"Unexpected member {_quoted(sorted(params.keys() - known)[0])}")
    if not isinstance(params.get("_meta", {}), dict):
        raise Refusal("invalid_params", "params._meta must be an object")
    if method in ("tools/call", "prompts/get"):
        if not isinstance(params.get("name"), str):
            raise Refusal("invalid_params", "params.name must be a text")
        if not isinstance(params.get("arguments", {}), dict) and params["arguments"] is not None:
            raise Refusal("invalid_params", "params.arguments must be an object")
        if method == "tools/call" and "arguments" in params and params["arguments"] is None:
            raise Refusal("invalid_params", "params.arguments must be an object")
    elif method == "resources/read" and not isinstance(params.get("uri"), str):
        raise Refusal("invalid_params", "params.uri must be a text")
    _check_uris(params)


def _check_uris(params: Message) -> None:
    """Rules and templates are held against each of them."""
    wanted, reference = params.get("notifications"), params.get("ref")
    listened = wanted.get("resourceSubscriptions") if isinstance(wanted, dict) else None
    listened = listened if isinstance(listened, list) else []
    if len(listened) > MAX_LISTENED:
        raise Refusal("invalid_params", f"At most {MAX_LISTENED:,} resources can be listened to at once")
    for uri in [params.get("uri"), reference.get("uri") if isinstance(reference, dict) else None, *listened]:
        if isinstance(uri, str) and len(uri) > MAX_URI:
            raise Refusal("invalid_params", f"A URI has at most {MAX_URI:,} characters")


def _quoted(name: str) -> str:
    return f"'{name[:64]}'" if name.isprintable() else "with an unprintable name"


def _decode_strictly(body: bytes) -> Any:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _why_undecodable(body) from None
    if not isinstance(value, (dict, list)):
        return value
    names, depth = _measure(value)
    if depth > MAX_DEPTH:
        raise Refusal("parse_error", reason="nesting")
    if count_names(body) != names:
        raise _name_duplicate(body)
    # orjson turns integers beyond 64 bits into floats; what is forwarded must be what was sent.
    return json.loads(body) if holds_long_number(body) else value


def _measure(value: Any) -> tuple[int, int]:
    """How many member names there are in all, and how deep the value nests; without recursion."""
    names, depth, level = 0, 0, [value]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            return names, depth
        below: list[Any] = []
        for item in level:
            children = item
            if isinstance(item, dict):
                names += len(item)
                children = item.values()
            # A comprehension for each of many small objects is dearer.
            for child in children:
                if isinstance(child, (dict, list)):
                    below.append(child)
        level = below
    return names, depth


class _Duplicate(Exception):
    pass


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Duplicate(name)
            seen.add(name)
    return found


def _name_duplicate(body: bytes) -> Refusal:
    try:
        json.loads(body, object_pairs_hook=_refuse_duplicates)
    except _Duplicate as duplicate:
        return Refusal("invalid_request", f"Duplicate JSON member {_quoted(str(duplicate))}")
    except (ValueError, RecursionError):
        pass
    return Refusal("parse_error")


_SURROGATE = re.compile("[\ud800-\udfff]")


def _why_undecodable(body: bytes) -> Refusal:
    """Unpaired surrogates are valid JSON that no text can hold; everything else is no JSON at all."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return Refusal("parse_error")
    if _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        return Refusal("invalid_params", "Unpaired surrogate")
    return Refusal("parse_error")


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def is_response(message: Any) -> bool:
    return isinstance(message, dict) and "method" not in message and ("result" in message or "error" in message)
