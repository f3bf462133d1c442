"""JSON that keeps every integer: the fast codec, and the slower one for numbers that the fast one would change."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import re2

_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_LONG = 19
_LONG_NUMBER = re2.compile(rb"[0-9]{19}")
# Longer texts are gone through by arrays, which is faster and lets other threads go on meanwhile.
_SHORT = 4096
_QUOTE, _BACKSLASH, _COLON, _ZERO = b'"\\:0'


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
    # orjson makes a float of an integer beyond 64 bits.
    return json.loads(text) if holds_long_number(raw) else value


def holds_long_number(raw: bytes) -> bool:
    """Whether a text that is JSON has a number of 19 digits in a row, which the fast codec may change."""
    if _LONG_NUMBER.search(raw) is None:
        return False
    if len(raw) <= _SHORT:
        return _LONG_NUMBER.search(_STRINGS.sub(b"", raw)) is not None
    digits = np.frombuffer(raw, dtype=np.uint8) - np.uint8(_ZERO) < 10
    ends = np.concatenate(([-1], np.flatnonzero(~digits), [len(raw)]))
    starts = ends[:-1][np.diff(ends) > _LONG] + 1
    return bool(_are_outside(raw, starts).any())


def count_names(raw: bytes) -> int:
    """How many members a text that is JSON has, equal names counted each."""
    if len(raw) <= _SHORT:
        return _STRINGS.sub(b"", raw).count(b":")
    colons = np.flatnonzero(np.frombuffer(raw, dtype=np.uint8) == _COLON)
    return int(np.count_nonzero(_are_outside(raw, colons)))


def _are_outside(raw: bytes, places: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Which places are in no string: so many quotation marks as close are before them."""
    data = np.frombuffer(raw, dtype=np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    if b"\\" in raw:
        quotes = quotes[_backslashes_before(data, quotes) % 2 == 0]
    outside: npt.NDArray[np.bool_] = np.searchsorted(quotes, places) % 2 == 0
    return outside


def _backslashes_before(data: npt.NDArray[np.uint8], places: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """How many stand in a row right before each place."""
    others = np.flatnonzero(data != _BACKSLASH)
    # The last that is none before the place; a text that is JSON does not begin with one.
    found: npt.NDArray[np.intp] = places - 1 - others[np.searchsorted(others, places) - 1]
    return found


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
