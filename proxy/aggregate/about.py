"""What the gateway says of all servers together: versions, capabilities, instructions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guardrails.engine.findings import Blocked
from proxy.aggregate.meta.names import has_ours
from proxy.aggregate.table import visible
from proxy.definitions import Entry
from proxy.inspection import inspection_of
from servers.offers import LEGACY, MODERN, era_of

if TYPE_CHECKING:
    from proxy.call import Call

SERVER_INFO = {"name": "secure-mcp-gateway", "title": "Secure MCP Gateway", "version": "1"}
_MAX_INSTRUCTIONS = 16_000
_NAMES = (
    "Several servers behind one address. A tool or prompt is called <server>__<name>, a resource mcp+<server>+<uri>. "
    "Servers: {servers}."
)
_FOUND = (
    "Several servers behind one address. Their tools are not listed: find them with search_tools or "
    "enkrypt_list_all_servers, look up what one takes with describe_tool, call them with enkrypt_secure_call_tools. "
    "A prompt is called <server>__<name>, a resource mcp+<server>+<uri>. Servers: {servers}."
)
# What any server may be able to do, and how it is said of all of them.
_ALL = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}
# What a server may know of its client: members of these names and no other, and no text of the client's own.
_CAPABILITIES = frozenset({"roots", "listChanged", "sampling", "tools", "context", "elicitation", "form", "url"})
_PLAIN = re.compile(r"[A-Za-z0-9 ._()/@+-]{1,64}")


async def describe(call: Call) -> dict[str, Any]:
    """Capabilities, server info and instructions, as both eras have them."""
    slugs = visible(call)
    return {
        "capabilities": _capabilities(call, slugs),
        "serverInfo": SERVER_INFO,
        "instructions": await _instructions(call, slugs),
    }


def client_capabilities(declared: Any) -> dict[str, Any]:
    """Of what a client declares that which sessions with servers are begun with."""
    if not isinstance(declared, dict):
        return {}
    return {
        name: client_capabilities(value) if isinstance(value, dict) else value is True
        for name, value in declared.items() if name in _CAPABILITIES
    }  # fmt: skip


def plain_info(declared: Any) -> dict[str, str]:
    """Name and version of a client or server, where they are plain words: nobody has a say beyond that."""
    if not isinstance(declared, dict):
        return {}
    found = {name: declared.get(name) for name in ("name", "version")}
    if not all(isinstance(value, str) and _PLAIN.fullmatch(value) for value in found.values()):
        return {}
    return {name: str(value) for name, value in found.items()}


def _capabilities(call: Call, slugs: list[str]) -> dict[str, Any]:
    """Those of any server; all of them when it is not known of one what it can do."""
    said = [said_by(call, slug).get("capabilities") for slug in slugs]
    if not said or not all(isinstance(each, dict) for each in said):
        return dict(_ALL)
    known = [each for each in said if isinstance(each, dict)]
    return {name: value for name, value in _ALL.items() if name == "tools" or any(name in each for each in known)}


def said_by(call: Call, slug: str) -> dict[str, Any]:
    """What the server says of itself, in the client's era where it has said so there."""
    about = call.snapshot.rights.offers[slug].about
    said = about.get(era_of(call.modern)) or about.get(MODERN) or about.get(LEGACY)
    return said if isinstance(said, dict) else {}


async def _instructions(call: Call, slugs: list[str]) -> str:
    """How names are made, then what the servers say, each judged by its own policy."""
    parts = [(_FOUND if has_ours(call) else _NAMES).format(servers=", ".join(slugs) or "none")]
    for slug in slugs:
        text = await instructions_of(call, slug)
        if text:
            parts.append(f"## {slug}\n{text}")
    return "\n\n".join(parts)[:_MAX_INSTRUCTIONS]


async def instructions_of(call: Call, slug: str) -> str:
    """What one server says, as its output policy lets it through; "" when it says nothing that may be shown."""
    text = said_by(call, slug).get("instructions")
    if not isinstance(text, str) or not text:
        return ""
    inspection = inspection_of(replace(call, upstream=call.snapshot.upstreams[slug]))
    judged = text if inspection.is_off else await inspection.judge(Entry("instructions", text))
    return "" if isinstance(judged, Blocked) else str(judged)
