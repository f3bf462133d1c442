"""OCSF 1.7.0, API Activity (class 6003): one JSON object a line, for every kind of event.

What the class has no place for stands in `unmapped`, under the names that the CoSAI profile for MCP uses where it has
one (`mcp_method`, `mcp_name`, `correlation_id`), and else under the event's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from audit.canonical import canonical
from audit.exporters import registry

_CATEGORY, _CLASS = 6, 6003
_CREATE, _READ, _UPDATE, _DELETE, _OTHER = 1, 2, 3, 4, 99
_ACTIVITIES = {_CREATE: "Create", _READ: "Read", _UPDATE: "Update", _DELETE: "Delete"}
# The last word of an event's kind, as in server.changed.
_ENDINGS = {
    "created": _CREATE, "issued": _CREATE, "added": _CREATE, "made": _CREATE,
    "changed": _UPDATE, "set": _UPDATE, "rotated": _UPDATE, "enabled": _UPDATE, "disabled": _UPDATE,
    "rolled_back": _UPDATE, "approved": _UPDATE, "rejected": _UPDATE, "password_set": _UPDATE,
    "deleted": _DELETE, "removed": _DELETE, "revoked": _DELETE, "erased": _DELETE, "expired": _DELETE,
    "read": _READ, "exported": _READ, "export_downloaded": _READ, "viewed": _READ, "verified": _READ,
}  # fmt: skip
_READING = ("list", "read", "get", "discover", "ping")
_FAILURES = {"refused", "failed", "error", "tool_error", "cancelled", "interrupted"}
# 1 informational, 2 low, 3 medium.
_SEVERITIES = {"refused": (3, "Medium"), "interrupted": (3, "Medium"), "failed": (2, "Low"), "error": (2, "Low")}
_PRODUCT = {"name": "Secure MCP Gateway", "vendor_name": "Secure MCP Gateway", "uid": "mcpgw"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MAPPED = {
    "at", "id", "kind", "project", "project_ref", "actor", "actor_id", "actor_kind", "request_id", "trace_id",
    "session", "server", "server_ref", "subject", "method", "decision", "reason", "http_status", "rpc_code",
    "duration_us", "detail", "call_id",
}  # fmt: skip


@registry.add
class Ocsf:
    """API Activity: `api.operation` is the MCP method or the event's kind, and `activity_id` what that does."""

    name = "ocsf"
    label = "OCSF 1.7.0 API Activity"
    suffix = ".ocsf.jsonl"
    media_type = "application/x-ndjson"

    def header(self) -> bytes:
        return b""

    def line(self, record: Mapping[str, Any], seq: int) -> bytes:
        kind, method = str(record.get("kind", "")), str(record.get("method", ""))
        activity = _activity(kind, method)
        decision, at = str(record.get("decision", "")), str(record.get("at", ""))
        severity_id, severity = _SEVERITIES.get(decision, (1, "Informational"))
        status_id, status = (2, "Failure") if decision in _FAILURES else (1, "Success") if decision else (0, "Unknown")
        event = {
            "category_uid": _CATEGORY, "category_name": "Application Activity",
            "class_uid": _CLASS, "class_name": "API Activity",
            "activity_id": activity, "activity_name": _ACTIVITIES.get(activity, method or kind or "Other"),
            "type_uid": _CLASS * 100 + activity,
            "type_name": f"API Activity: {_ACTIVITIES.get(activity, 'Other')}",
            "severity_id": severity_id, "severity": severity, "status_id": status_id, "status": status,
            "time": _milliseconds(at),
            "metadata": _metadata(record, seq, kind, at),
            "actor": _actor(record),
            "api": _api(record, method or kind),
            "src_endpoint": _source(record),
            "unmapped": _unmapped(record),
        }  # fmt: skip
        event |= _optional(record)
        try:
            return orjson.dumps(event, option=orjson.OPT_STRICT_INTEGER) + b"\n"
        except orjson.JSONEncodeError:  # a number that not every reader takes
            return canonical(event) + b"\n"


def _activity(kind: str, method: str) -> int:
    if method:
        return _READ if method.rpartition("/")[2] in _READING else _OTHER
    return _ENDINGS.get(kind.rpartition(".")[2], _OTHER)


def _milliseconds(at: str) -> int:
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(at)
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    return 0


def _metadata(record: Mapping[str, Any], seq: int, kind: str, at: str) -> dict[str, Any]:
    found = {
        "version": "1.7.0", "product": _PRODUCT, "uid": str(record.get("id", "")), "event_code": kind,
        "log_name": "audit", "sequence": seq, "original_time": at,
    }  # fmt: skip
    if "call_id" in record:
        found["correlation_uid"] = str(record["call_id"])
    if record.get("project_ref"):
        found["tenant_uid"] = str(record["project_ref"])
    return found


def _actor(record: Mapping[str, Any]) -> dict[str, Any]:
    kind, name, number = (str(record.get(each, "")) for each in ("actor_kind", "actor", "actor_id"))
    if kind == "key":
        user: dict[str, Any] = {"credential_uid": number} if number else {}
    else:
        user = {"uid": number} if number else {}
    if "@" in name:
        user["email_addr"] = name
    user |= {"name": name or number or kind or "unknown", "type_id": 3 if kind in ("system", "worker") else 1}
    user["type"] = "System" if user["type_id"] == 3 else "User"
    found: dict[str, Any] = {"user": user, "invoked_by": kind or "unknown"}
    if record.get("session"):
        found["session"] = {"uid": str(record["session"])}
    return found


def _api(record: Mapping[str, Any], operation: str) -> dict[str, Any]:
    found: dict[str, Any] = {"operation": operation or "unknown"}
    if record.get("server"):
        found["service"] = {"name": str(record["server"])}
        if "server_ref" in record:
            found["service"]["uid"] = str(record["server_ref"])
    if record.get("request_id"):
        found["request"] = {"uid": str(record["request_id"])}
    response: dict[str, Any] = {}
    code = record.get("http_status", record.get("rpc_code"))
    if isinstance(code, int):
        response["code"] = code
    if record.get("reason"):
        response["error"] = str(record["reason"])
    return {**found, "response": response} if response else found


def _source(record: Mapping[str, Any]) -> dict[str, Any]:
    """The log holds no network address, so that who is named by the credential is named here by its kind."""
    found = {"svc_name": str(record.get("actor_kind", "")) or "unknown"}
    return {**found, "uid": str(record["session"])} if record.get("session") else found


def _optional(record: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "duration_us" in record:
        found["duration"] = record["duration_us"] // 1000
    if record.get("reason"):
        found["status_code"] = str(record["reason"])
    if record.get("server"):
        found["dst_endpoint"] = {"svc_name": str(record["server"])}
    if record.get("subject"):
        found["resources"] = [{"name": str(record["subject"]), "type": _resource_type(record)}]
        if record.get("project"):
            found["resources"][0]["namespace"] = str(record["project"])
    return found


def _resource_type(record: Mapping[str, Any]) -> str:
    method = str(record.get("method", ""))
    if method:
        return {"tools": "tool", "prompts": "prompt", "resources": "resource"}.get(method.partition("/")[0], "method")
    return str(record.get("kind", "")).partition(".")[0] or "unknown"


def _unmapped(record: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value if type(value) is int else str(value) for name, value in record.items() if name not in _MAPPED}
    for name, shown in (
        ("method", "mcp_method"), ("subject", "mcp_name"), ("call_id", "correlation_id"), ("decision", "decision"),
        ("trace_id", "trace_id"), ("project", "project"), ("rpc_code", "rpc_code"), ("duration_us", "duration_us"),
    ):  # fmt: skip
        if name in record and (record.get("method") or shown not in ("mcp_method", "mcp_name")):
            found[shown] = record[name] if type(record[name]) is int else str(record[name])
    if record.get("detail"):
        found["detail"] = record["detail"]
    return found
