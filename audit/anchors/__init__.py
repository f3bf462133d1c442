"""Where checkpoints go besides the database: who holds one can tell when the log's end was cut off since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway_site.lib.registry import Registry


class AnchorFailed(Exception):
    """The checkpoints did not arrive; they are tried again. The text holds no secret."""


class Anchor(Protocol):
    """One place. A class with a `name`, made anew for each use."""

    name: str

    def publish(self, lines: Sequence[bytes]) -> None:
        """Keeps the checkpoints, each one line of canonical JSON. Raises AnchorFailed and OSError."""


registry: Registry[Anchor] = Registry(__name__, entry_points="mcp_gateway.audit_anchors")
