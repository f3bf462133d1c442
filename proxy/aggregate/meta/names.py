"""What our own tools are called, and which keys have them.

No server's tool is ever called so: of a shown name the first "_" stands before another one or before a hash.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from projects.permissions import allows

if TYPE_CHECKING:
    from proxy.call import Call

META = "meta"


class Ours(StrEnum):
    """Each by its own name, which is answered wherever it is not the listed one."""

    LIST_SERVERS = "list_servers"
    SERVER_INFO = "server_info"
    DISCOVER_TOOLS = "discover_tools"
    CALL_TOOLS = "call_tools"
    SEARCH_TOOLS = "search_tools"
    DESCRIBE_TOOL = "describe_tool"


# By these the tools are listed, so that whoever comes from the system that had them first finds them again.
LISTED = {
    Ours.LIST_SERVERS: "enkrypt_list_all_servers",
    Ours.SERVER_INFO: "enkrypt_get_server_info",
    Ours.DISCOVER_TOOLS: "enkrypt_discover_all_tools",
    Ours.CALL_TOOLS: "enkrypt_secure_call_tools",
}
_OURS: dict[str, Ours] = {**{each.value: each for each in Ours}, **{name: each for each, name in LISTED.items()}}
# What a role needs for it besides that it may call.
_ACTIONS: dict[Ours, str] = {}


def has_ours(call: Call) -> bool:
    """Whether it is about what the key is shown in place of servers' tools."""
    return call.aggregate is not None and call.principal.key.surface == META


def find(call: Call) -> Ours | None:
    """The tool of ours that is called; None for every other call, and for those that our tools make themselves."""
    if call.method != "tools/call" or not call.is_whole or not call.is_request or not has_ours(call):
        return None
    if call.aggregate is not None and call.aggregate.is_inner:
        return None
    found = _OURS.get(call.subject[1])
    return found if found is not None and may_have(call, found) else None


def may_have(call: Call, ours: Ours) -> bool:
    return ours not in _ACTIONS or allows(call.principal.key.role, _ACTIONS[ours])
