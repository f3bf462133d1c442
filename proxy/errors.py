"""Every no that the gateway says: one table from a code to HTTP status, JSON-RPC code, text and audit outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from servers.upstream import UpstreamError


@dataclass(frozen=True, slots=True)
class Kind:
    """How a refusal looks to the client. `fault` says whose fault it is, for metrics."""

    status: int
    code: int
    message: str
    fault: str = "client"


# Our own codes lie outside -32768..-32000, which JSON-RPC 2.0 and MCP reserve.
KINDS: dict[str, Kind] = {
    "parse_error": Kind(400, -32700, "Parse error"),
    "not_one_message": Kind(
        400, -32600, "Body must be a single JSON-RPC request or notification object"
    ),
    "invalid_request": Kind(400, -32600, "Invalid request"),
    "invalid_params": Kind(400, -32602, "Invalid params"),
    "header_mismatch": Kind(400, -32020, "Header mismatch"),
    "protocol": Kind(400, -32600, "Invalid request"),
    "body_too_large": Kind(413, 0, ""),
    "body_too_slow": Kind(408, -32600, "The request body did not arrive in time"),
    "unsupported_media_type": Kind(415, -32600, "Content-Type must be application/json"),
    "not_acceptable": Kind(406, -32600, "Accept must list application/json and text/event-stream"),
    "method_not_allowed": Kind(405, -32600, "Method not allowed"),
    "session_not_found": Kind(404, -32600, "Session not found"),
    "session_missing": Kind(400, -32600, "Missing session ID"),
    "invalid_path": Kind(400, -32600, "Invalid path"),
    "invalid_header": Kind(400, -32600, "Invalid header name"),
    "bad_host": Kind(400, -32600, "Exactly one valid Host header is required"),
    "wrong_host": Kind(421, -32600, "This gateway does not serve that host"),
    "origin_not_allowed": Kind(403, -32600, "Origin not allowed"),
    "authentication_required": Kind(401, -31401, "Authentication required"),
    "invalid_token": Kind(401, -31401, "Authentication required"),
    "ambiguous_credential": Kind(400, -31400, "Send exactly one credential, in a header"),
    "credential_in_url": Kind(400, -31400, "Credentials may not be sent in a URL or cookie; revoke this key"),
    "insufficient_scope": Kind(403, -31403, "The role of this key may not call tools"),
    "address_not_allowed": Kind(403, -31403, "Not allowed from this address"),
    "not_found": Kind(404, -31404, "Not found"),
    "unknown_method": Kind(404, -32601, "Method not found"),
    "unknown_tool": Kind(400, -32602, "Unknown tool"),
    "unknown_prompt": Kind(400, -32602, "Unknown prompt"),
    "unknown_resource": Kind(400, -32602, "Unknown resource"),
    "blocked": Kind(403, -31008, "Blocked by policy"),
    "guard_unavailable": Kind(503, -31011, "A check of this call cannot be made; try again", "gateway"),
    "rate_limited": Kind(429, -31005, "Too many calls; slow down"),
    "overloaded": Kind(503, -31007, "The gateway is busy; try again", "gateway"),
    "draining": Kind(503, -31007, "The gateway is shutting down; try again", "gateway"),
    "configuration_stale": Kind(503, -31009, "The gateway cannot confirm its configuration; try again", "gateway"),
    "audit_unavailable": Kind(503, -31006, "The call cannot be recorded, so it was not made; try again", "gateway"),
    # Nothing advises to try again what may have been done.
    "audit_withheld": Kind(503, -31006, "The end of the call cannot be recorded, so its answer is withheld", "gateway"),
    "internal": Kind(500, -32603, "Internal error", "gateway"),
    "upstream_unavailable": Kind(502, -31001, "Upstream unavailable", "upstream"),
    "upstream_timeout": Kind(504, -31002, "The upstream server did not answer in time", "upstream"),
    "upstream_invalid": Kind(502, -31003, "The upstream server sent an invalid answer", "upstream"),
    "response_too_large": Kind(502, -31004, "The upstream server's answer is too large", "upstream"),
    # Nothing bounds what it would unfold to.
    "upstream_encoded": Kind(502, -31004, "The upstream server sent a compressed answer", "upstream"),
    "upstream_overloaded": Kind(503, -31007, "The upstream server is busy; try again", "upstream"),
    "cancelled": Kind(499, -31010, "Cancelled", "client"),
    "revoked": Kind(401, -31401, "Authentication required"),
}

UPSTREAM_KINDS = {
    "unavailable": "upstream_unavailable",
    "timeout": "upstream_timeout",
    "invalid": "upstream_invalid",
    "too_large": "response_too_large",
    "encoded": "upstream_encoded",
    "overloaded": "upstream_overloaded",
}

_ADVICE: dict[str, dict[str, str]] = {
    "authentication_required": {"WWW-Authenticate": 'Bearer realm="mcp"'},
    "invalid_token": {"WWW-Authenticate": 'Bearer realm="mcp", error="invalid_token"'},
    "revoked": {"WWW-Authenticate": 'Bearer realm="mcp", error="invalid_token"'},
    "ambiguous_credential": {"WWW-Authenticate": 'Bearer realm="mcp", error="invalid_request"'},
    "credential_in_url": {"WWW-Authenticate": 'Bearer realm="mcp", error="invalid_request"'},
    "insufficient_scope": {
        "WWW-Authenticate": 'Bearer realm="mcp", error="insufficient_scope", scope="mcp:tools:call"'
    },
    "method_not_allowed": {"Allow": "POST"},
    "body_too_large": {"Connection": "close"},
    "body_too_slow": {"Connection": "close"},
    "overloaded": {"Retry-After": "1"},
    "upstream_overloaded": {"Retry-After": "1"},
    "draining": {"Retry-After": "2", "Connection": "close"},
    "configuration_stale": {"Retry-After": "5"},
    "audit_unavailable": {"Retry-After": "2"},
    "guard_unavailable": {"Retry-After": "2"},
}


class Refusal(Exception):
    """A no with a code of KINDS. `message` and `data` go to the client, `reason` only to the audit log."""

    def __init__(
        self,
        kind: str,
        message: str | None = None,
        *,
        data: dict[str, Any] | None = None,
        reason: str = "",
        headers: dict[str, str] | None = None,
        status: int | None = None,
        code: int | None = None,
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(kind)
        known = KINDS[kind]
        self.kind = kind
        self.status = known.status if status is None else status
        self.code = known.code if code is None else code
        self.message = known.message if message is None else message
        self.data = data
        self.reason = reason or kind
        self.headers = {**_ADVICE.get(kind, {}), **(headers or {})}
        self.upstream_status = upstream_status
        # The id of the message that is refused, where it was found before anything was wrong.
        self.message_id: str | int | None = None

    def body(self, request_id: str, message_id: str | int | None) -> dict[str, Any]:
        """The JSON-RPC error response."""
        return {
            "jsonrpc": "2.0",
            "id": message_id,
            "error": {
                "code": self.code,
                "message": self.message,
                "data": {**(self.data or {}), "request_id": request_id},
            },
        }


def of_upstream(error: UpstreamError) -> Refusal:
    """What the client is told of an upstream's failure; the detail stays in the audit log."""
    kind = UPSTREAM_KINDS.get(error.kind, "upstream_invalid")
    return Refusal(kind, reason=f"{error.kind}: {error.detail}"[:64], upstream_status=error.status)
