"""What makes two definitions the same: the digest over all that a server says of a tool, prompt or resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gateway_site.lib import jsontext
from gateway_site.lib.secrets import sha256_hex


def canonical(definition: Mapping[str, Any]) -> bytes:
    """Every member, sorted, in compact JSON."""
    try:
        return orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return jsontext.encode(definition)


def digest(definition: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical form, in hex."""
    return sha256_hex(canonical(definition))


def problems(kind: str, definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Why it cannot be offered at all, in words; empty when it can."""
    return ()
