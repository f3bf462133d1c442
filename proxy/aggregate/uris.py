"""What resources of a server are called at the address of all servers: `mcp+<server>+<uri>`.

Only the scheme grows (RFC 3986 section 3.1), so that a URI stays one, and a template too (RFC 6570).
"""

from __future__ import annotations

import re

_SHOWN = re.compile(r"mcp\+([a-z0-9-]{1,63})\+(.*)", re.DOTALL)


def shown_uri(slug: str, uri: str) -> str:
    return f"mcp+{slug}+{uri}"


def real_uri(shown: str) -> tuple[str, str] | None:
    """The server and its own URI; None for one that names no server."""
    match = _SHOWN.fullmatch(shown)
    return (match[1], match[2]) if match is not None else None
