"""A contract with the protocol library: what we import of it, and that it still means what we rely on.

When an upgrade of `mcp` makes a test here fail, the code that uses the name has to be read again.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

from proxy import protocol

pytestmark = pytest.mark.claim("protocol.contract")
ROOT = Path(__file__).resolve().parents[2]
VALUES: dict[str, dict[str, Any]] = {
    "mcp_types": {
        "CLIENT_CAPABILITIES_META_KEY": "io.modelcontextprotocol/clientCapabilities",
        "CLIENT_INFO_META_KEY": "io.modelcontextprotocol/clientInfo",
        "LOG_LEVEL_META_KEY": "io.modelcontextprotocol/logLevel",
        "PROTOCOL_VERSION_META_KEY": "io.modelcontextprotocol/protocolVersion",
        "SERVER_INFO_META_KEY": "io.modelcontextprotocol/serverInfo",
        "INTERNAL_ERROR": -32603,
        "INVALID_REQUEST": -32600,
        "METHOD_NOT_FOUND": -32601,
        "REQUEST_TIMEOUT": -32001,
        "UNSUPPORTED_PROTOCOL_VERSION": -32022,
    },
    "mcp_types.version": {
        "HANDSHAKE_PROTOCOL_VERSIONS": ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"),
        "LATEST_HANDSHAKE_VERSION": "2025-11-25",
        "LATEST_MODERN_VERSION": "2026-07-28",
        "MODERN_PROTOCOL_VERSIONS": ("2026-07-28",),
    },
    "mcp_types.jsonrpc": {
        "HEADER_MISMATCH": -32020,
        "INVALID_PARAMS": -32602,
        "INVALID_REQUEST": -32600,
        "METHOD_NOT_FOUND": -32601,
        "PARSE_ERROR": -32700,
    },
    "mcp.shared.subscriptions": {"SUBSCRIPTION_ID_META_KEY": "io.modelcontextprotocol/subscriptionId"},
    "mcp.shared.inbound": {
        "ERROR_CODE_HTTP_STATUS": {
            -32700: 400, -32600: 400, -32602: 400, -32020: 400, -32021: 400, -32022: 400, -32601: 404,
        },
        "MCP_PROTOCOL_VERSION_HEADER": "mcp-protocol-version",
        "NAME_BEARING_METHODS": {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"},
    },
}  # fmt: skip
SIGNATURES: dict[str, dict[str, list[str]]] = {
    "mcp.shared.inbound": {
        "InboundLadderRejection": ["code", "message", "data"],
        "classify_inbound_request": ["body", "headers", "supported_modern_versions"],
        "encode_header_value": ["value"],
        "find_duplicated_routing_header": ["headers"],
        "find_invalid_x_mcp_header": ["input_schema"],
        "mcp_param_headers": ["header_map", "arguments"],
        "unsupported_protocol_version_rejection": ["requested", "supported_modern_versions"],
        "validate_mcp_param_headers": ["input_schema", "arguments", "headers"],
        "x_mcp_header_map": ["input_schema"],
    },
}
# Used as a whole: tables that names are read from, models of definitions, the session that reads servers and what it
# sends, and the demo server's framework.
OTHERS = {
    "mcp": {"ClientSession", "MCPError"},
    "mcp.shared.message": {"ClientMessageMetadata", "SessionMessage"},
    "mcp.shared.subscriptions": {"LISTEN_STREAM_METHODS"},
    "mcp_types": {
        "ErrorData", "Implementation", "JSONRPCError", "JSONRPCNotification", "JSONRPCRequest", "JSONRPCResponse",
        "PaginatedRequestParams", "Prompt", "RequestId", "Resource", "ResourceTemplate", "Tool",
        "jsonrpc_message_adapter",
    },
    "mcp_types.methods": {"CLIENT_NOTIFICATIONS", "CLIENT_REQUESTS"},
    "mcp.server.mcpserver": {"Context", "MCPServer"},
}
PARAMETERS = {
    "tools/call": {"_meta", "name", "arguments", "task", "inputResponses", "requestState"},
    "prompts/get": {"_meta", "name", "arguments", "inputResponses", "requestState"},
    "resources/read": {"_meta", "uri", "inputResponses", "requestState"},
    "resources/subscribe": {"_meta", "uri"},
    "resources/unsubscribe": {"_meta", "uri"},
    "completion/complete": {"_meta", "ref", "argument", "context"},
    "initialize": {"_meta", "protocolVersion", "capabilities", "clientInfo"},
    "logging/setLevel": {"_meta", "level"},
    "subscriptions/listen": {"_meta", "notifications"},
    "server/discover": {"_meta"},
    "ping": {"_meta"},
    "notifications/initialized": {"_meta"},
    "notifications/cancelled": {"_meta", "requestId", "reason"},
    "notifications/progress": {"_meta", "progressToken", "progress", "total", "message"},
    "notifications/roots/list_changed": {"_meta"},
    **{f"{kind}/list": {"_meta", "cursor"} for kind in ("tools", "prompts", "resources", "resources/templates")},
}


def imported() -> dict[str, set[str]]:
    """Every name that our code takes from the library."""
    found: dict[str, set[str]] = {}
    for package in ("proxy", "servers"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("mcp", "mcp_types"):
                    found.setdefault(node.module or "", set()).update(alias.name for alias in node.names)
                elif isinstance(node, ast.Import):
                    assert not any(alias.name.split(".")[0] in ("mcp", "mcp_types") for alias in node.names), path
    return found


def test_every_imported_name_is_pinned_here_and_nothing_else() -> None:
    pinned: dict[str, set[str]] = {}
    for table in (VALUES, SIGNATURES, OTHERS):
        for module, names in table.items():
            pinned.setdefault(module, set()).update(names)
    assert imported() == pinned


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in VALUES.items() for name in names])
def test_a_constant_has_its_value(module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) == VALUES[module][name]


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in SIGNATURES.items() for name in names]
)
def test_a_function_takes_what_we_give_it(module: str, name: str) -> None:
    function = getattr(importlib.import_module(module), name)
    assert list(inspect.signature(function).parameters) == SIGNATURES[module][name]


@pytest.mark.parametrize("method", PARAMETERS)
def test_the_derived_table_knows_a_methods_parameters_over_all_revisions(method: str) -> None:
    assert set(protocol.known_parameters(method) or ()) == PARAMETERS[method]


def test_no_method_of_the_library_is_missing_from_the_pinned_table() -> None:
    assert set(protocol._PARAMETERS) == set(PARAMETERS)


def test_a_method_of_no_revision_stays_open() -> None:
    assert protocol.known_parameters("vendor/own") is None


@pytest.mark.parametrize(
    ("version", "legacy"),
    [(None, True), ("2025-11-25", True), ("2024-11-05", True), ("2026-07-28", False), ("1999-01-01", False),
     ("", False)],
)  # fmt: skip
def test_the_era_follows_from_the_version_header(version: str | None, legacy: bool) -> None:
    assert protocol.is_legacy_version(version) is legacy


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "echo"}


def message(**changes: Any) -> dict[str, Any]:
    params = {"name": "echo", "arguments": {}, "_meta": META, **changes}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def test_a_request_whose_headers_agree_with_its_body_passes() -> None:
    assert protocol.modern_rejection(message(), HEADERS, list(HEADERS.items())) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"mcp-name": "other"}, -32020),
        ({"mcp-method": "tools/list"}, -32020),
        ({"mcp-protocol-version": "2027-01-01"}, -32020),
        ({"mcp-name": None}, -32020),
        ({"mcp-method": None}, -32020),
    ],
    ids=str,
)
def test_a_header_that_disagrees_with_the_body_is_refused(changes: dict[str, str | None], code: int) -> None:
    headers = {name: value for name, value in {**HEADERS, **changes}.items() if value is not None}
    rejection = protocol.modern_rejection(message(), headers, list(headers.items()))
    assert rejection is not None
    assert (rejection.status, rejection.code) == (400, code)


def test_a_routing_header_that_comes_twice_is_refused() -> None:
    rejection = protocol.modern_rejection(message(), HEADERS, [*HEADERS.items(), ("mcp-name", "echo")])
    assert rejection is not None
    assert (rejection.status, rejection.code) == (400, -32020)


@pytest.mark.parametrize("name", ["echo", "é", "a b", "=?base64?x?=", "x" * 300])
def test_the_headers_that_we_make_are_ones_that_the_ladder_accepts(name: str) -> None:
    body = message(name=name)
    headers = {key.lower(): value for key, value in protocol.modern_headers(body, "2026-07-28").items()}
    assert headers["mcp-name"].isascii()
    assert protocol.modern_rejection(body, headers, list(headers.items())) is None
