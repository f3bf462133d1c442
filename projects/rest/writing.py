"""JSON as it is sent: also with the numbers that the fast codec cannot write."""

from __future__ import annotations

import json
from typing import Any

import orjson


def write(data: Any) -> bytes:
    """UTF-8, with moments in RFC 3339."""
    try:
        return orjson.dumps(data)
    except TypeError:
        # An integer beyond 64 bits, which somebody's schema or arguments may hold.
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=_moment).encode()


def _moment(value: Any) -> str:
    return str(value.isoformat())
