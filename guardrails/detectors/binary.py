"""Judges content that is not text by what it says it is and by its size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from guardrails.engine.detector import Context, MessageDetector, Parameter, Target, detectors
from guardrails.engine.findings import Finding
from guardrails.language.settings import read_count, read_strings

_TYPES = ("image/*", "audio/*", "video/*", "text/*", "application/json", "application/pdf", "application/xml")
_MOST_BYTES = 10 * 1024 * 1024


@detectors.add
class Binary(MessageDetector):
    """Content that does not say its type is allowed only where all types are."""

    name: ClassVar[str] = "binary"
    label: ClassVar[str] = "Type and size of binary content"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = ("BINARY_TYPE", "BINARY_SIZE")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "media_types",
            "array",
            "Allowed types, such as image/png or image/*; */* allows all.",
            default=list(_TYPES),
        ),
        Parameter("max_bytes", "integer", "Bytes of one piece of content, decoded.", default=_MOST_BYTES, minimum=0),
        Parameter(
            "max_total_bytes", "integer", "Bytes of all of a message together.", default=4 * _MOST_BYTES, minimum=0
        ),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        types = read_strings(config, "media_types", most=200, longest=127)
        self._types = tuple(each.strip().lower() for each in types) if "media_types" in config else _TYPES
        self._each = read_count(config, "max_bytes", _MOST_BYTES, least=0)
        self._total = read_count(config, "max_total_bytes", 4 * _MOST_BYTES, least=0)

    def judge(self, targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        found = []
        for binary in context.binaries:
            if not self._is_allowed(binary.media_type):
                found.append(Finding(self.name, "BINARY_TYPE", 1.0, binary.pointer, 0, 0))
            if binary.size_bytes > self._each:
                found.append(Finding(self.name, "BINARY_SIZE", 1.0, binary.pointer, 0, 0))
        if not found and sum(binary.size_bytes for binary in context.binaries) > self._total:
            found.append(Finding(self.name, "BINARY_SIZE", 1.0, "", 0, 0))
        return found

    def _is_allowed(self, media_type: str) -> bool:
        """Parameters such as a charset do not matter (RFC 9110 section 8.3.1)."""
        plain = media_type.partition(";")[0].strip().lower()
        return any(each == "*/*" or fnmatchcase(plain, each) for each in self._types)
