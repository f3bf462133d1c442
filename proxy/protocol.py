"""What the proxy needs of the protocol library, under our names: version tables, header ladder, parameter tables.

The only module of this app that imports `mcp`; tests/proxy/test_protocol.py pins what is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    NAME_BEARING_METHODS,
    InboundLadderRejection,
    classify_inbound_request,
    encode_header_value,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
)
from mcp.shared.subscriptions import LISTEN_STREAM_METHODS
from mcp_types.jsonrpc import HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR
from mcp_types.methods import CLIENT_NOTIFICATIONS, CLIENT_REQUESTS
from mcp_types.version import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    LATEST_HANDSHAKE_VERSION,
    LATEST_MODERN_VERSION,
    MODERN_PROTOCOL_VERSIONS,
)
from pydantic import BaseModel

__all__ = [
    "CAPABILITIES_KEY",
    "CLIENT_KEY",
    "ENVELOPE_PREFIX",
    "HEADER_MISMATCH",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "LATEST_HANDSHAKE",
    "LATEST_MODERN",
    "LIST_CHANGED",
    "LOG_LEVEL_KEY",
    "METHOD_NOT_FOUND",
    "MODERN",
    "PARSE_ERROR",
    "PROTOCOL_VERSION_KEY",
    "REMOVED",
    "SERVER_KEY",
    "SUBSCRIPTION_KEY",
    "Rejection",
    "agreed_version",
    "envelope",
    "is_legacy_version",
    "is_request",
    "known_parameters",
    "modern_headers",
    "modern_rejection",
    "status_of",
    "version_rejection",
]

ENVELOPE_PREFIX = "io.modelcontextprotocol/"
PROTOCOL_VERSION_KEY = f"{ENVELOPE_PREFIX}protocolVersion"
CAPABILITIES_KEY = f"{ENVELOPE_PREFIX}clientCapabilities"
CLIENT_KEY = f"{ENVELOPE_PREFIX}clientInfo"
SERVER_KEY = f"{ENVELOPE_PREFIX}serverInfo"
LOG_LEVEL_KEY = f"{ENVELOPE_PREFIX}logLevel"
SUBSCRIPTION_KEY = f"{ENVELOPE_PREFIX}subscriptionId"
LATEST_HANDSHAKE = LATEST_HANDSHAKE_VERSION
LATEST_MODERN = LATEST_MODERN_VERSION
MODERN = MODERN_PROTOCOL_VERSIONS
# What 2026-07-28 has no more.
REMOVED = frozenset({"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
# By which a server says that a list of its own is another one now.
LIST_CHANGED = frozenset(method for method in LISTEN_STREAM_METHODS if method.endswith("/list_changed"))
_LEGACY = frozenset(HANDSHAKE_PROTOCOL_VERSIONS)


@dataclass(frozen=True, slots=True)
class Rejection:
    """The first rung of the ladder that failed, as JSON-RPC error fields and HTTP status."""

    status: int
    code: int
    message: str
    data: dict[str, Any] | None = None


def is_legacy_version(version: str | None) -> bool:
    """No version header at all means 2025-03-26 or an `initialize`, both legacy."""
    return version is None or version in _LEGACY


def agreed_version(asked: Any) -> str:
    """What a legacy client that asks for this version is answered with."""
    return asked if isinstance(asked, str) and asked in _LEGACY else LATEST_HANDSHAKE


def envelope(client: Mapping[str, Any]) -> dict[str, Any]:
    """The `_meta` of a modern request of our own; it offers nothing."""
    return {PROTOCOL_VERSION_KEY: LATEST_MODERN, CLIENT_KEY: dict(client), CAPABILITIES_KEY: {}}


def status_of(code: int) -> int:
    """The HTTP status of a JSON-RPC error code; 200 for those to which the specification gives none."""
    return ERROR_CODE_HTTP_STATUS.get(code, 200)


def modern_rejection(
    message: Mapping[str, Any], headers: Mapping[str, str], pairs: Iterable[tuple[str, str]]
) -> Rejection | None:
    """Why a 2026-07-28 request is not well-formed, or None: `_meta`, header and body agreement, version."""
    pairs = list(pairs)
    duplicate = find_duplicated_routing_header(pairs) or _duplicated_parameter(pairs)
    if duplicate is not None:
        return Rejection(400, HEADER_MISMATCH, f"{duplicate} header appears more than once")
    found = classify_inbound_request(message, headers=headers)
    if not isinstance(found, InboundLadderRejection):
        return None
    return Rejection(status_of(found.code), found.code, found.message, found.data)


def version_rejection(version: str) -> Rejection | None:
    """Why a 2026-07-28 message other than a request is not served, or None."""
    found = unsupported_protocol_version_rejection(version)
    return None if found is None else Rejection(status_of(found.code), found.code, found.message, found.data)


def _duplicated_parameter(pairs: Iterable[tuple[str, str]]) -> str | None:
    """Two readers could take one value each."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name.startswith("mcp-param-"):
            if name in seen:
                return name
            seen.add(name)
    return None


def modern_headers(message: Mapping[str, Any], version: str) -> dict[str, str]:
    """The routing headers of a request, made from the body that is sent with them."""
    method = message["method"]
    headers = {"MCP-Protocol-Version": version, "Mcp-Method": method}
    name_key = NAME_BEARING_METHODS.get(method)
    if name_key is not None:
        name = message["params"].get(name_key)
        if isinstance(name, str):
            headers["Mcp-Name"] = encode_header_value(name)
    elif method.startswith("tasks/"):
        name = message["params"].get("taskId")
        if isinstance(name, str):
            headers["Mcp-Name"] = encode_header_value(name)
    return headers


def _parameter_names(model: type[BaseModel]) -> frozenset[str]:
    field = model.model_fields.get("params")
    names: set[str] = {"_meta"}
    if field is None:
        return frozenset(names)
    for part in [field.annotation, *getattr(field.annotation, "__args__", ())]:
        for name, inner in getattr(part, "model_fields", {}).items():
            names.add(inner.alias or name)
    return frozenset(names)


def _table() -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for surface in (CLIENT_REQUESTS, CLIENT_NOTIFICATIONS):
        for (method, _), model in surface.items():
            table[method] = table.get(method, frozenset()) | _parameter_names(model)
    return table


_PARAMETERS = _table()


def known_parameters(method: str) -> frozenset[str] | None:
    """Every parameter that any revision gives the method; None for a method of no revision, which stays open."""
    return _PARAMETERS.get(method)


_REQUESTS = frozenset(method for method, _ in CLIENT_REQUESTS)


def is_request(method: str) -> bool:
    """Whether some revision has it as a request of clients, which has an id."""
    return method in _REQUESTS
