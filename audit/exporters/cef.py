"""CEF:0, the common event format that ArcSight, Sentinel and most others read.

Columns with a standard key of the CEF dictionary have it; of texts and numbers that have none, those that people look
for stand in cs1 to cs6 and cn1 to cn3 with their labels, and all others under `mcpgw` and their name. What is empty is
left out. `mcpgwAt` has the microseconds that `rt` cannot have, `mcpgwDetail` is JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from audit.canonical import canonical
from audit.exporters import registry
from audit.exporters.one_line import on_one_line

_HEADER = "CEF:0|Secure MCP Gateway|audit|1"
_SEVERITIES = {"refused": 6, "failed": 5, "interrupted": 7, "error": 4, "tool_error": 4, "cancelled": 4}
_OTHERWISE = 3
_STANDARD = {
    "id": "externalId", "actor": "suser", "actor_id": "suid", "decision": "act", "reason": "reason",
    "method": "requestMethod", "bytes_in": "in", "bytes_out": "out",
}  # fmt: skip
_LABELLED = {
    "project": "cs1", "server": "cs2", "subject": "cs3", "call_id": "cs4", "trace_id": "cs5", "session": "cs6",
    "seq": "cn1", "http_status": "cn2", "duration_us": "cn3",
}  # fmt: skip
_ENDS = {"\n": "\\n", "\r": "\\r"}


@registry.add
class Cef:
    """One line of CEF for each event, without a syslog header; the syslog transport puts one before it."""

    name = "cef"
    label = "CEF:0"
    suffix = ".cef"
    media_type = "text/plain; charset=utf-8"

    def header(self) -> bytes:
        return b""

    def line(self, record: Mapping[str, Any], seq: int) -> bytes:
        """`CEF:0|Secure MCP Gateway|audit|1|<kind>|<kind>|<0 to 10>|<key>=<value> …` in UTF-8, and the line's end."""
        kind = _head(str(record.get("kind", "")))
        severity = _SEVERITIES.get(str(record.get("decision", "")), _OTHERWISE)
        fields = " ".join(f"{key}={_value(value)}" for key, value in _extension(record, seq))
        return f"{_HEADER}|{kind}|{kind}|{severity}|{fields}\n".encode()


def _extension(record: Mapping[str, Any], seq: int) -> Iterator[tuple[str, Any]]:
    moment = _milliseconds(str(record.get("at", "")))
    if moment is not None:
        yield "rt", moment
    for name, value in {**record, "seq": seq}.items():
        if name in ("kind", "") or value in ("", None, {}):
            continue
        if name in _LABELLED:
            yield _LABELLED[name], value
            yield f"{_LABELLED[name]}Label", name
        else:
            yield _STANDARD.get(name) or "mcpgw" + "".join(map(str.capitalize, name.split("_"))), value


def _milliseconds(at: str) -> int | None:
    """None for what is no time, which a damaged log may hold."""
    try:
        moment = datetime.fromisoformat(at)
        return round(moment.timestamp() * 1000) if moment.tzinfo else None
    except (OverflowError, ValueError):
        return None


def _head(text: str) -> str:
    return on_one_line(text).replace("\\", "\\\\").replace("|", "\\|")


def _value(value: Any) -> str:
    text = canonical(value).decode() if isinstance(value, (bool, dict, list, float)) else str(value)
    # Line ends have their own escape; nothing else that is unsafe has one.
    return "".join(_ENDS.get(part) or _plain(part) for part in re.split(r"([\r\n])", text))


def _plain(text: str) -> str:
    return on_one_line(text).replace("\\", "\\\\").replace("=", "\\=")
