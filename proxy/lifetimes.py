"""How long an answer may be kept, and by whom: what servers say of it, and what clients are told (2026-07-28)."""

from __future__ import annotations

from typing import Any

from django.conf import settings

# What a server may say of, with the lists: rights and guardrails have their part in each.
CACHEABLE = frozenset(
    {"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}
)


def good_for(result: dict[str, Any]) -> float | None:
    """Seconds; None when the server does not say, or says that it is good for this once."""
    milliseconds = result.get("ttlMs")
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)) or not milliseconds > 0:
        return None
    return milliseconds / 1000


def keep_private(result: dict[str, Any]) -> None:
    """Whatever its server says of it, it is this key's alone, and not kept for longer than we keep it ourselves."""
    if "cacheScope" in result:
        result["cacheScope"] = "private"
    if "ttlMs" in result:
        ours = settings.CACHE_TOOLS_SECONDS * 1000
        said = good_for(result)
        result["ttlMs"] = 0 if said is None else int(min(said * 1000, ours))
