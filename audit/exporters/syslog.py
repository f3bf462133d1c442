"""RFC 5424: what people search for as structured data, and the whole event as JSON behind it.

The structured data's id is under 32473, the number for documentation (RFC 5612), because the project has no enterprise
number of its own. JSON is written in ASCII: a message in UTF-8 would have to begin with a byte order mark.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from audit.canonical import canonical_record
from audit.exporters import registry
from audit.exporters.one_line import on_one_line

SD_ID = "mcpgw@32473"
_APP = "mcp-gateway"
# RFC 5424 section 6.2.1: facility 13 is that of audit logs.
_FACILITY = 13
_ERROR, _WARNING, _NOTICE, _INFORMATIONAL = 3, 4, 5, 6
_SEVERITIES = {
    "refused": _WARNING, "failed": _ERROR, "interrupted": _ERROR, "error": _NOTICE, "tool_error": _NOTICE,
    "cancelled": _NOTICE,
}  # fmt: skip
_SHOWN = ("id", "project", "actor", "actor_id", "server", "method", "subject", "decision", "reason", "call_id",
          "request_id", "trace_id")  # fmt: skip
_UTF8_MARK = b"\xef\xbb\xbf"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")


@registry.add
class Syslog:
    """One message for each event."""

    name = "syslog"
    label = "Syslog (RFC 5424)"
    suffix = ".log"
    media_type = "text/plain; charset=utf-8"

    def header(self) -> bytes:
        return b""

    def line(self, record: Mapping[str, Any], seq: int) -> bytes:
        """`<PRI>1 … [mcpgw@32473 seq="…" …] {…}` and the line's end."""
        return message(record, _structured(record, seq), _json(record)) + b"\n"


def message(record: Mapping[str, Any], structured: str, text: bytes) -> bytes:
    """A message with a header of the event's: `structured` is - or an element, `text` one line.

    Text that is not ASCII gets the mark that section 6.4 asks for.
    """
    severity = _SEVERITIES.get(str(record.get("decision", "")), _INFORMATIONAL)
    at = str(record.get("at", ""))
    moment = at if _MOMENT.fullmatch(at) else "-"
    kind = _header_field(str(record.get("kind", "")), 32)
    header = f"<{_FACILITY * 8 + severity}>1 {moment} {_host()} {_APP} - {kind} {structured} ".encode()
    return header + (b"" if text.isascii() else _UTF8_MARK) + text


def _structured(record: Mapping[str, Any], seq: int) -> str:
    shown = {"seq": seq, "log": record.get("project_ref", 0), **{name: record.get(name) for name in _SHOWN}}
    return f"[{SD_ID}{''.join(_parameter(name, value) for name, value in shown.items() if value not in (None, ''))}]"


def _parameter(name: str, value: Any) -> str:
    text = on_one_line(str(value)).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
    return f' {name}="{text}"'


def _json(record: Mapping[str, Any]) -> bytes:
    """The event as its leaf has it (RFC 8785), with what is not ASCII as escapes."""
    rest = {name: value for name, value in record.items() if name != "detail"}
    text = canonical_record(rest, orjson.dumps(record.get("detail", {})).decode()).decode()
    return _BEYOND_ASCII.sub(_escape, text).encode()


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[index] << 8 | units[index + 1]:04x}" for index in range(0, len(units), 2))


def _header_field(text: str, most: int) -> str:
    return _UNPRINTABLE.sub("_", text)[:most] or "-"


@lru_cache(maxsize=1)
def _host() -> str:
    return _header_field(socket.gethostname(), 255)
