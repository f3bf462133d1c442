"""What our own tools are called, and which keys have them.

No server's tool is ever called so: of a shown name the first "_" stands before another one or before a hash.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from django.conf import settings

from projects.permissions import CONFIG_WRITE, allows

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
    CACHE_STATUS = "cache_status"
    CLEAR_CACHE = "clear_cache"
    TIMEOUT_METRICS = "timeout_metrics"


# By these the tools are listed, so that whoever comes from the system that had them first finds them again.
LISTED = {
    Ours.LIST_SERVERS: "enkrypt_list_all_servers",
    Ours.SERVER_INFO: "enkrypt_get_server_info",
    Ours.DISCOVER_TOOLS: "enkrypt_discover_all_tools",
    Ours.CALL_TOOLS: "enkrypt_secure_call_tools",
    Ours.CACHE_STATUS: "enkrypt_get_cache_status",
    Ours.CLEAR_CACHE: "enkrypt_clear_cache",
    Ours.TIMEOUT_METRICS: "enkrypt_get_timeout_metrics",
}
_OURS: dict[str, Ours] = {**{each.value: each for each in Ours}, **{name: each for each, name in LISTED.items()}}
# What a role needs for it besides that it may call.
_ACTIONS: dict[Ours, str] = {Ours.CLEAR_CACHE: CONFIG_WRITE}


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
    key = call.principal.key
    if ours is Ours.TIMEOUT_METRICS and settings.AUDIT == "off":
        # What is not recorded is not counted either.
        return False
    # Of what is the whole project's nothing is for a key for some tools.
    return ours not in _ACTIONS or (key.unrestricted and allows(key.role, _ACTIONS[ours]))
