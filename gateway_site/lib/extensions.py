"""ASGI extensions that a server class of ours offers and an application may use when they are there."""

from __future__ import annotations

# Takes a function to call once when the client leaves before the answer's end, or None to forget it. Without this
# a task has to wait in `receive` for as long as the answer is under way.
ON_LEAVING = "mcpgw.on_leaving"
