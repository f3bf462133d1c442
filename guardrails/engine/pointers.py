"""Pointers that may be shown: a member name that is itself a finding, or is long, must not come out by its place."""

from __future__ import annotations

from collections.abc import Iterable

from guardrails.engine.findings import Finding

_MAX_NAME = 64


class Masking:
    """The names that findings of one message are about."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._hidden = {finding.pointer.rpartition("/")[2] for finding in findings if finding.is_key}

    def mask(self, pointer: str) -> str:
        """The pointer with `*` for names that were found, and for long ones."""
        if not self._hidden and len(pointer) <= _MAX_NAME:
            return pointer
        names = pointer.split("/")
        return "/".join("*" if name in self._hidden or len(name) > _MAX_NAME else name for name in names)
