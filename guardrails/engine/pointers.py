"""Pointers that may be shown: neither what was found nor a message of the server's comes out by a place's name."""

from __future__ import annotations

from collections.abc import Iterable

from guardrails.engine.findings import Finding

# A longer or wordier name says more than where something is, in a voice that is ours.
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.$-")
_LONGEST = 40
_DEEPEST = 12


class Masking:
    """The names that findings of one message are about."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._hidden = {finding.pointer.rpartition("/")[2] for finding in findings if finding.is_key}

    def mask(self, pointer: str) -> str:
        """The pointer with `*` for names that were found or are no plain names, cut after twelve."""
        names = pointer.split("/")
        shown = [name if name not in self._hidden and _is_plain(name) else "*" for name in names[:_DEEPEST]]
        return "/".join(shown if len(names) <= _DEEPEST else [*shown, "*"])


def _is_plain(name: str) -> bool:
    return len(name) <= _LONGEST and _PLAIN.issuperset(name)
