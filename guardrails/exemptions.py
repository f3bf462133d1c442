"""Findings that are known to be none: how one is recognised again without keeping its text."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from guardrails.engine.findings import Finding

FLOOR = "floor."


@dataclass(frozen=True, slots=True)
class Exemption:
    """Empty `tool`, `category` and a `server_id` of None mean any. One of the two digests is set."""

    detector: str
    expires_at: datetime
    server_id: int | None = None
    tool: str = ""
    category: str = ""
    text_digest: str = ""
    place_digest: str = ""

    def speaks_of(self, server_id: int, tool: str, now: datetime) -> bool:
        return self.expires_at > now and self.server_id in (None, server_id) and self.tool in ("", tool)


def digest_text(key: bytes, text: str) -> str:
    """Of the matched characters; `key` is the project's, so that equal values differ between tenants. 64 hex digits."""
    return hmac.digest(key, b"text\0" + text.encode("utf-8", "surrogatepass"), "sha256").hex()


def digest_place(key: bytes, tool: str, pointer: str) -> str:
    """Of a place in a tool's messages. Items of a list are one place. 64 hex digits."""
    names = ["*" if name.isascii() and name.isdigit() else name for name in pointer.split("/")]
    place = f"place\0{tool}\0{'/'.join(names)}"
    return hmac.digest(key, place.encode("utf-8", "surrogatepass"), "sha256").hex()


def matched(finding: Finding, text: str) -> str:
    """The characters of a segment's text that a finding is about."""
    return text[finding.start : finding.end]


def exempter(
    exemptions: Iterable[Exemption], key: bytes, server_id: int, tool: str, now: datetime | None = None
) -> Callable[[Finding, str], bool] | None:
    """Whether a finding in a segment's text is exempt, for one call; None when nothing can be.

    The operator's floor knows no exceptions.
    """
    scoped = [each for each in exemptions if each.speaks_of(server_id, tool, now or datetime.now(UTC))]
    if not scoped:
        return None

    def is_exempt(finding: Finding, text: str) -> bool:
        if finding.rule.startswith(FLOOR):
            return False
        of_it = [each for each in scoped if each.detector == finding.detector]
        of_it = [each for each in of_it if each.category in ("", finding.category)]
        if not of_it:
            return False
        digests = {digest_text(key, matched(finding, text)), digest_place(key, tool, finding.pointer)}
        return any(each.text_digest in digests or each.place_digest in digests for each in of_it)

    return is_exempt
