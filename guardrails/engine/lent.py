"""What the engine is lent by its caller: threads, a cache, a way out, and a vault that gives tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from guardrails.engine.apart import Slot
from guardrails.engine.detector import Outbound
from guardrails.engine.findings import Finding
from guardrails.engine.segments import Segment


class Cache(Protocol):
    """Findings by text, detector and configuration, apart for each project."""

    def name_of(self, project: int, segment: Segment) -> bytes: ...

    def get(
        self, project: int, detector_id: str, segment: Segment, name: bytes = b""
    ) -> tuple[Finding, ...] | None: ...

    def put(
        self, project: int, detector_id: str, segment: Segment, findings: Sequence[Finding], name: bytes = b""
    ) -> None: ...


class Tokens(Protocol):
    """Gives the token that stands for a value. Raises VaultUnavailable."""

    async def issue(self, values: Sequence[tuple[str, str]]) -> list[str]:
        """One token for each (category, value)."""


class VaultUnavailable(Exception):
    """No token can be given or resolved now."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the engine is lent by its caller. Without a pool everything is scanned at once."""

    pool: Executor | None = None
    # Held while a message is in the pool: the caller's way to give each project its share.
    slot: Slot | None = None
    outbound: Outbound | None = None
    cache: Cache | None = None
    tokens: Tokens | None = None
    # Whether a finding is a known false positive, told by the finding and its segment's text.
    is_exempt: Callable[[Finding, str], bool] | None = None
    # What a finding is recognised by, told by the same.
    digests_of: Callable[[Finding, str], tuple[str, str]] | None = None
    # What is put in place of a finding that has no token, told by its category.
    mark: Callable[[str], str] = "<{}>".format
