"""JSON as it is sent: also with the numbers that the fast codec cannot write."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import orjson


def write(data: Any) -> bytes:
    """UTF-8, with moments in RFC 3339."""
    try:
        return orjson.dumps(data)
    except TypeError:
        # An integer beyond 64 bits, which somebody's schema or arguments may hold.
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=_text).encode()


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
