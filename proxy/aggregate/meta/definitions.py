"""Our own tools as they are listed: descriptions, and schemas of what they take and give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from proxy.aggregate.meta.cache import KINDS
from proxy.aggregate.meta.names import LISTED, Ours
from servers.schemas import Check

MAX_CALLS = 20
MAX_FOUND = 50
MAX_QUERY = 500
FOUND = 10
_READS = {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False}
_CALLS = {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True}
_CLEARS = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False}
_TEXT = {"type": "string"}
_NAMES = {"type": "array", "items": _TEXT}
_SERVER = {"type": "string", "maxLength": 200, "description": "The name of a server, as the list of servers gives it."}
_ANY_SERVER = {**_SERVER, "type": ["string", "null"], "default": None}
_CALL = {
    "type": "object",
    "description": "One call. For name also tool_name, tool, function, function_name or function_id; for args also "
    "arguments, tool_arguments, tool_input_arguments, tool_args, tool_input_args, parameters, input or params.",
    "properties": {
        "name": {"type": "string", "description": "The tool, by its name at the server."},
        "args": {"type": "object", "description": "What the tool takes, by its input schema."},
    },
}
_RESULT = {
    "type": "object",
    "properties": {
        "status": {"enum": ["success", "error", "blocked_input", "blocked_output", "denied"]},
        "message": _TEXT,
        "response": {**_TEXT, "description": "The texts of the result."},
        "result": {"type": "object", "description": "The whole result, as the tool gave it."},
        "error": {"type": "object", "description": "Why there is no result."},
        "event": {**_TEXT, "description": "By which the log knows the call."},
        "enkrypt_mcp_data": {"type": "object"},
        "enkrypt_policy_detections": {"type": "object"},
    },
    "required": ["status", "message", "response", "enkrypt_mcp_data", "enkrypt_policy_detections"],
}


@dataclass(frozen=True)
class Definition:
    """`takes` and `gives` are the properties of the schemas; every result has a status too."""

    title: str
    description: str
    takes: Mapping[str, Any]
    gives: Mapping[str, Any]
    required: tuple[str, ...] = ()
    annotations: Mapping[str, Any] = field(default_factory=lambda: _READS)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        schema = {"type": "object", "properties": dict(self.takes)}
        return {**schema, "required": list(self.required)} if self.required else schema

    @cached_property
    def check(self) -> Check:
        return Check(self.input_schema)

    def listed(self, name: str) -> dict[str, Any]:
        status = {"enum": ["success", "partial", "error"]}
        gives = {"status": status, "message": _TEXT, "error": {"type": "object"}, **self.gives}
        return {
            "name": name, "title": self.title, "description": self.description, "inputSchema": self.input_schema,
            "outputSchema": {"type": "object", "properties": gives, "required": ["status"]},
            "annotations": {"title": self.title, **self.annotations},
        }  # fmt: skip


DEFINITIONS: dict[Ours, Definition] = {
    Ours.LIST_SERVERS: Definition(
        "List servers",
        "Lists the servers that you may use, each with the names and descriptions of its tools.",
        {"discover_tools": {"type": "boolean", "default": True, "description": "Whether to say what tools there are."}},
        {"available_servers": {"type": "object"}, "discovery_failed_servers": _NAMES,
         "discovery_success_servers": _NAMES, "servers_needing_discovery": _NAMES},
    ),
    Ours.SERVER_INFO: Definition(
        "Describe a server",
        "Says what one server is: how it is reached, its state, its version, what it says of itself, and its tools.",
        {"server_name": _SERVER}, {"server_name": _TEXT, "server_info": {"type": "object"}}, ("server_name",),
    ),
    Ours.DISCOVER_TOOLS: Definition(
        "Discover tools",
        "Gives the whole definitions of the tools of one server, with their input schemas; without a server the names "
        "and descriptions of the tools of all servers.",
        {"server_name": {**_ANY_SERVER, "description": "One server; null or none for all."}},
        {"tools": {"type": "object"}, "source": _TEXT, "available_servers": {"type": "object"},
         "discovery_failed_servers": _NAMES, "discovery_success_servers": _NAMES},
    ),
    Ours.CALL_TOOLS: Definition(
        "Call tools",
        f"Calls up to {MAX_CALLS} tools of one server, one after the other, and ends with the first that fails or is "
        "not permitted. Look up what a tool takes before you call it. Without calls it gives the server's tools.",
        {"server_name": _SERVER,
         "tool_calls": {"type": "array", "items": _CALL, "maxItems": MAX_CALLS, "default": []}},
        {"server_name": _TEXT, "summary": {"type": "object"}, "guardrails_applied": {"type": "object"},
         "results": {"type": "array", "items": _RESULT}, "tools": {"type": "object"}, "source": _TEXT},
        ("server_name",), _CALLS,
    ),
    Ours.SEARCH_TOOLS: Definition(
        "Search tools",
        "Finds tools of all servers by words of their names, titles, descriptions and arguments, the best first.",
        {"query": {"type": "string", "minLength": 1, "maxLength": MAX_QUERY, "description": "What the tool should do."},
         "server_name": {**_ANY_SERVER, "description": "Only tools of this server."},
         "limit": {"type": "integer", "minimum": 1, "maximum": MAX_FOUND, "default": FOUND}},
        {"tools": {"type": "array", "items": {"type": "object"}}}, ("query",),
    ),
    Ours.DESCRIBE_TOOL: Definition(
        "Describe a tool",
        "Gives the whole definition of one tool, with its input schema.",
        {"name": {"type": "string", "maxLength": 200, "description": "The tool, by its name at the server, or by the "
                  "one that a search has given."},
         "server_name": {**_ANY_SERVER, "description": "Its server, where the name alone does not say it."}},
        {"server_name": _TEXT, "tool_name": _TEXT, "tool": {"type": "object"}}, ("name",),
    ),
    Ours.CACHE_STATUS: Definition(
        "Show the caches",
        "Says of each server when its tools were last read, when that is too old, and whether it is to be read again.",
        {}, {"cache_status": {"type": "object"}},
    ),
    Ours.CLEAR_CACHE: Definition(
        "Clear the caches",
        "Has the gateway forget what it keeps of one server or of all, so that it is read again.",
        {"server_name": {**_ANY_SERVER, "description": "Only what is kept of this server's tools."},
         "cache_type": {"enum": [*KINDS, None], "default": "all", "description": "What of it: all, gateway_config or "
                        "config, server_config or tools, verdicts."},
         "id": {"type": ["string", "null"], "description": "Has no meaning here: it is always the key's own project."}},
        {}, annotations=_CLEARS,
    ),
    Ours.TIMEOUT_METRICS: Definition(
        "Show timeouts",
        "Counts the calls of this project that were answered, timed out or were cancelled in the worker that answers, "
        "and says how many seconds each server may stay silent.",
        {}, {"timeout_metrics": {"type": "object"}, "active_operations": {"type": "integer"},
             "timeout_config": {"type": "object"}},
    ),
}  # fmt: skip


def listed_name(ours: Ours) -> str:
    return LISTED.get(ours, ours.value)
