"""The steps of a conversation with a server, for who looks on. Knows nothing of the protocol's library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One message to the server and what came of it.

    `status` is that of HTTP, 0 when there was none; `trouble` a kind of UpstreamError or "refused", "" when it was
    answered.
    """

    method: str
    milliseconds: float
    status: int
    trouble: str


Watch = Callable[[Step], None]


def watch_nothing(step: Step) -> None:
    """For who does not look on."""
