"""JSON that keeps every integer: the fast codec, and the slower one for numbers that the fast one would change."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
LONG_NUMBER = re.compile(rb"\d{19,}")


# The fast codec writes no deeper; what cannot be written again must not be taken in.
MAX_DEPTH = 200


def decode(text: bytes | str) -> Any:
    """Raises ValueError for what is not JSON (RFC 8259), or nests more deeply than MAX_DEPTH."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError("not JSON") from error
    raw = text.encode() if isinstance(text, str) else text
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and depth(value, MAX_DEPTH) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if LONG_NUMBER.search(raw) and LONG_NUMBER.search(STRINGS.sub(b"", raw)):
        # orjson makes a float of an integer beyond 64 bits.
        return json.loads(text)
    return value


def encode(value: Any) -> bytes:
    """Compact UTF-8. Raises ValueError for what JSON cannot hold."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def depth(value: Any, limit: int) -> int:
    """How deep objects and arrays nest, counted to just over `limit`; without recursion."""
    found, level = 0, [value]
    while level and found <= limit:
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [child for child in item.values() if isinstance(child, (dict, list))]
            elif isinstance(item, list):
                below += [child for child in item if isinstance(child, (dict, list))]
        found += 1
        level = below
    return found
