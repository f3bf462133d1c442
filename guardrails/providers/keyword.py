"""Finds keywords as substrings, on this machine: the list that other gateways call a custom keyword provider."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from guardrails.detectors.keywords import LONGEST_WORD, MOST_WORDS, Keywords
from guardrails.engine.detector import Context, Outbound, Parameter, Provider, Target, providers
from guardrails.engine.findings import Finding
from guardrails.language.settings import read_flag, read_strings

# More than this is searched in a thread, so that no other call waits.
_INLINE_CHARACTERS = 2_000


@providers.add
class Keyword(Provider):
    """Searches every reading of every text and member name, in one pass. Asks nobody."""

    name: ClassVar[str] = "keyword"
    label: ClassVar[str] = "Keywords (substrings)"
    version: ClassVar[str] = f"1.{Keywords.version}"
    categories: ClassVar[tuple[str, ...]] = Keywords.categories
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("blocked_keywords", "array", "Keywords, found inside words too.", required=True),
        Parameter("case_sensitive", "boolean", "Whether capitals matter.", default=False),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        words = read_strings(config, "blocked_keywords", most=MOST_WORDS, longest=LONGEST_WORD, required=True)
        is_sensitive = read_flag(config, "case_sensitive", False)
        self._keywords = Keywords({"words": words, "case_sensitive": is_sensitive, "whole_words": False})

    async def ask(
        self, targets: Sequence[Target], context: Context, outbound: Outbound, seconds: float
    ) -> Sequence[Finding]:
        if sum(len(target.segment.text) for target in targets) <= _INLINE_CHARACTERS:
            return self._search(targets)
        return await asyncio.to_thread(self._search, targets)

    def _search(self, targets: Sequence[Target]) -> list[Finding]:
        return [
            replace(finding, detector=self.name) for target in targets for finding in self._keywords.scan(target)
        ]
