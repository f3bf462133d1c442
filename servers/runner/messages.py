"""Owns the shape of JSON-RPC messages: bounded parsing, rebuilding, error codes and their HTTP status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS

from gateway_site.lib import jsontext

Message = dict[str, Any]
"""One JSON-RPC message as parsed: never a typed model, so that unknown fields survive."""

MAX_DEPTH: Final = 64

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022
CANCELLED: Final = -32800

UNAVAILABLE: Final = -31001
INVALID_ANSWER: Final = -31003
TOO_LARGE: Final = -31004
OVERLOADED: Final = -31007

_TEXT: Final = {
    UNAVAILABLE: "Upstream unavailable",
    INVALID_ANSWER: "Upstream answer invalid",
    TOO_LARGE: "Upstream answer too large",
    OVERLOADED: "Overloaded",
}
OWN_STATUS: Final = {UNAVAILABLE: 502, INVALID_ANSWER: 502, TOO_LARGE: 502, OVERLOADED: 503}
MODERN_STATUS: Final[Mapping[int, int]] = {**ERROR_CODE_HTTP_STATUS, **OWN_STATUS}


class Trouble(Exception):
    """A call cannot be served now; `code` is one of this module's own codes and says why."""

    def __init__(self, code: int) -> None:
        super().__init__(_TEXT[code])
        self.code = code


def error(identity: Any, code: int, text: str = "", data: Any = None) -> Message:
    """A JSON-RPC error message; the text defaults to the code's own."""
    body: dict[str, Any] = {"code": code, "message": text or _TEXT[code]}
    if data is not None:
        body["data"] = data
    return {"jsonrpc": "2.0", "id": identity, "error": body}


def request(identity: int, method: str, params: Any) -> Message:
    """A request for the child, with no member besides the four of JSON-RPC."""
    if params is None:
        return {"jsonrpc": "2.0", "id": identity, "method": method}
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


def notification(method: str, params: Any) -> Message:
    """A notification with no member besides the three of JSON-RPC."""
    if params is None:
        return {"jsonrpc": "2.0", "method": method}
    return {"jsonrpc": "2.0", "method": method, "params": params}


def answer(identity: Any, message: Message) -> Message:
    """The answer in `message` under another id; an answer that is neither result nor error is an error."""
    failure = message.get("error")
    if failure is not None:
        if not isinstance(failure, dict):
            return error(identity, INVALID_ANSWER)
        return {"jsonrpc": "2.0", "id": identity, "error": failure}
    if "result" not in message:
        return error(identity, INVALID_ANSWER)
    return {"jsonrpc": "2.0", "id": identity, "result": message["result"]}


def error_code(message: Message) -> int | None:
    """The error code of an answer, 0 when the error names none, None when it is a result."""
    failure = message.get("error")
    if failure is None:
        return None
    code = failure.get("code")
    return code if isinstance(code, int) else 0


def params_of(message: Message) -> dict[str, Any]:
    """The params object, empty when absent or not an object."""
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def meta_of(params: Any) -> dict[str, Any]:
    """The `_meta` object of params or of a result, empty when absent or not an object."""
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}


def own_id(value: Any) -> int | None:
    """The number we gave out, also when a server echoes it as a string; None for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, str) and 0 < len(value) < 18 and value.isdecimal() and value.isascii():
        return int(value)
    return None


def is_id(value: Any) -> bool:
    """Whether the value is a JSON-RPC id: a string or an integer."""
    return type(value) is int or isinstance(value, str)


def too_deep(value: Any, raw: bytes) -> bool:
    """Whether `value`, parsed from `raw`, nests deeper than MAX_DEPTH."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            below
            for node in level
            for below in (node.values() if type(node) is dict else node)
            if type(below) is dict or type(below) is list
        ]
        if not level:
            return False
    return True


def parse_line(line: bytes) -> Message | None:
    """A message of a server from one line; None for what is not a JSON object (banners, traces).

    An answer that cannot be carried on (NaN, lone surrogates, nesting) comes back as an error under its
    id, so that the call it belongs to ends instead of waiting for ever.
    """
    try:
        message = jsontext.decode(line)
    except ValueError:
        return _salvage(line)
    if not isinstance(message, dict):
        return None
    if too_deep(message, line):
        return error(message.get("id"), INVALID_ANSWER) if "method" not in message else None
    return message


def _salvage(line: bytes) -> Message | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or "method" in message or "id" not in message:
        return None
    return error(message["id"], INVALID_ANSWER)
