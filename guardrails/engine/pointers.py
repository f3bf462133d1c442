"""Pointers that may be shown: neither what was found nor a message of the server's comes out by a place's name."""

from __future__ import annotations

from collections.abc import Iterable

import re2

from guardrails.engine.findings import Finding

# A longer or wordier name says more than where something is, in a voice that is ours.
_PLAIN = re2.compile(r"[A-Za-z0-9_.$-]{0,40}")
_DEEPEST = 12


class Masking:
    """The names that findings of one message are about."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._hidden = {finding.pointer.rpartition("/")[2] for finding in findings if finding.is_key}

    def mask(self, pointer: str) -> str:
        """The pointer with `*` for names that were found or are no plain names, cut after twelve."""
        names = pointer.split("/")
        shown = [name if name not in self._hidden and _PLAIN.fullmatch(name) else "*" for name in names[:_DEEPEST]]
        return "/".join(shown if len(names) <= _DEEPEST else [*shown, "*"])
