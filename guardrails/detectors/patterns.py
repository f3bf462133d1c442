"""Finds what an administrator's regular expressions match, in time that grows with the text and never faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import re2

from guardrails.engine.detector import ConfigError, Parameter, Target, TextDetector, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.turns import give_way
from guardrails.engine.views import View
from guardrails.language.sentences import readable
from guardrails.language.settings import read_flag, read_strings
from guardrails.language.spans import MOST, find_once

MOST_PATTERNS = 100
LONGEST_PATTERN = 1_000
# Of one compiled pattern. Repetitions multiply: x{1000}{1000} is short to write.
_PATTERN_BYTES = 1 << 20


@detectors.add
class Patterns(TextDetector):
    """The syntax is that of RE2: no look-around and no back-references. Every reading of the text is searched."""

    name: ClassVar[str] = "patterns"
    label: ClassVar[str] = "Regular expressions"
    version: ClassVar[str] = "3"
    categories: ClassVar[tuple[str, ...]] = ("PATTERN",)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("patterns", "array", "Regular expressions in RE2 syntax.", required=True),
        Parameter("case_sensitive", "boolean", "Whether capitals matter.", default=True),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        patterns = read_strings(config, "patterns", most=MOST_PATTERNS, longest=LONGEST_PATTERN, required=True)
        options = re2.Options()
        options.max_mem = _PATTERN_BYTES
        options.log_errors = False
        options.case_sensitive = read_flag(config, "case_sensitive", True)
        self._patterns = [_compile(pattern, index, options) for index, pattern in enumerate(patterns)]

    def scan(self, target: Target) -> Sequence[Finding]:
        places: list[tuple[View, int, int]] = []
        for view in target.views:
            text = readable(view.text)
            for pattern in self._patterns:
                places += _search(pattern, text, view)
        return find_once(target, self.name, "PATTERN", places)


def _compile(pattern: str, index: int, options: Any) -> Any:
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        raise ConfigError(f"patterns: entry {index + 1} is not a pattern of RE2: {_reason(error)}") from error
    if compiled.search("") is not None:
        raise ConfigError(f"patterns: entry {index + 1} matches the empty text")
    return compiled


def _reason(error: Exception) -> str:
    message = error.args[0] if error.args else ""
    return message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)


def _search(pattern: Any, text: str, view: View) -> list[tuple[View, int, int]]:
    found: list[tuple[View, int, int]] = []
    for match in pattern.finditer(text):
        start, end = match.span()
        give_way()
        if start == end:
            continue
        if len(found) == MOST:
            # So many that the rest of the text is taken as one.
            found.append((view, start, len(text)))
            break
        found.append((view, start, end))
    return found
