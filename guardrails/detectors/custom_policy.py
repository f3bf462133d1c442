"""Finds what a project's own rule forbids, told by examples of what it forbids and of what it allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from guardrails.detectors.keywords import Keywords
from guardrails.detectors.topic import LONGEST_EXAMPLE, MOST_EXAMPLES, find_like, find_words, is_said
from guardrails.engine.detector import ConfigError, Parameter, Target, TextDetector, detectors
from guardrails.engine.findings import Finding
from guardrails.language.examples import Examples, split_passages
from guardrails.language.settings import read_strings

_LONGEST_DESCRIPTION = 4_000


@detectors.add
class CustomPolicy(TextDetector):
    """A passage is a violation as far as it is like what is denied, and more so than like what is allowed."""

    name: ClassVar[str] = "custom_policy"
    label: ClassVar[str] = "A rule of your own"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = ("POLICY_VIOLATION",)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("description", "string", "The rule in words; its sentences count as examples of what is denied."),
        Parameter("deny", "array", "Examples of texts that break the rule; a dozen make it work well."),
        Parameter("allow", "array", "Examples of texts that are near to it and do not break it."),
        Parameter("deny_keywords", "array", "Words that break the rule wherever they stand."),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        description = config.get("description") or ""
        if not isinstance(description, str) or len(description) > _LONGEST_DESCRIPTION:
            raise ConfigError(f"description: must be a text of {_LONGEST_DESCRIPTION} characters at most")
        deny = read_strings(config, "deny", most=MOST_EXAMPLES, longest=LONGEST_EXAMPLE)
        allow = read_strings(config, "allow", most=MOST_EXAMPLES, longest=LONGEST_EXAMPLE)
        words = read_strings(config, "deny_keywords", most=MOST_EXAMPLES, longest=LONGEST_EXAMPLE)
        if not deny:
            deny = [description[start:end] for start, end in split_passages(description)]
        if not deny and not words:
            raise ConfigError("deny: examples are needed, or a description or deny_keywords instead")
        self._examples = Examples({"deny": deny}, against=allow)
        self._words = Keywords({"words": words}) if words else None

    def scan(self, target: Target) -> Sequence[Finding]:
        if not is_said(target.segment):
            return []
        found = find_like(target, self._examples, self.name, "POLICY_VIOLATION")
        return found + find_words(target, self._words, self.name, "POLICY_VIOLATION")
