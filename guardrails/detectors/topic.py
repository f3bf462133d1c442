"""Keeps messages to the topics that a project allows, and off those that it denies, told by examples and keywords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from guardrails.detectors.keywords import Keywords
from guardrails.engine.detector import ConfigError, Context, MessageDetector, Parameter, Target, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.ngrams import Features
from guardrails.engine.segments import Kind, Segment
from guardrails.language.examples import Examples
from guardrails.language.settings import read_choice, read_groups, read_strings
from guardrails.language.words import split_words

MOST_EXAMPLES = 300
LONGEST_EXAMPLE = 500
# A name or a number by itself has no topic.
_LEAST_WORDS = 3
_LEAST_SCORE = 0.05
_NOT_SAID = frozenset({Kind.ID, Kind.PATH, Kind.URL})
# What a keyword says by itself.
KEYWORD_SCORE = 0.95


@detectors.add
class Topic(MessageDetector):
    """Denied topics are looked for in each text; the allowed ones must be what the message as a whole is about."""

    name: ClassVar[str] = "topic"
    label: ClassVar[str] = "Allowed and denied topics"
    version: ClassVar[str] = "3"
    categories: ClassVar[tuple[str, ...]] = ("OFF_TOPIC", "DENIED_TOPIC")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "allowed",
            "object",
            "Topics that messages may be about: by name, a list of example texts each.",
            values="array",
        ),
        Parameter(
            "denied",
            "object",
            "Topics that messages must not be about: by name, a list of example texts each.",
            values="array",
        ),
        Parameter("allowed_keywords", "array", "Words that show a message to be on an allowed topic."),
        Parameter("denied_keywords", "array", "Words that show a text to be on a denied topic."),
        Parameter("mode", "string", "Which lists count.", default="both", choices=("both", "allow", "deny")),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        mode = read_choice(config, "mode", ("both", "allow", "deny"))
        allowed = read_groups(config, "allowed", most=MOST_EXAMPLES, longest=LONGEST_EXAMPLE)
        denied = read_groups(config, "denied", most=MOST_EXAMPLES, longest=LONGEST_EXAMPLE)
        self._allowed = Examples(allowed if mode != "deny" else {})
        self._denied = Examples(denied if mode != "allow" else {})
        self._allowed_words = _keywords(config, "allowed_keywords") if mode != "deny" else None
        self._denied_words = _keywords(config, "denied_keywords") if mode != "allow" else None
        if not (self._allowed or self._denied or self._allowed_words or self._denied_words):
            raise ConfigError("allowed: a topic with examples or keywords is needed, here or in denied")

    def judge(self, targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        targets = [target for target in targets if is_said(target.segment)]
        found = [finding for target in targets for finding in self._deny(target)]
        if (self._allowed or self._allowed_words) and targets:
            found += self._leave(targets)
        return found

    def _deny(self, target: Target) -> Sequence[Finding]:
        found = find_like(target, self._denied, self.name, "DENIED_TOPIC")
        return found + find_words(target, self._denied_words, self.name, "DENIED_TOPIC")

    def _leave(self, targets: Sequence[Target]) -> Sequence[Finding]:
        longest = max(targets, key=lambda target: len(target.segment.text)).segment
        text = "\n".join(target.segment.text for target in targets)
        if len(split_words(text[:2000])) < _LEAST_WORDS:
            return []
        if self._allowed_words and any(self._allowed_words.scan(target) for target in targets):
            return []
        scores = sorted(near.score for near in self._allowed.nearest(text, Features(text), evenly=True)) \
            if self._allowed else []  # fmt: skip
        # A message may greet and thank; half of it must be about what is allowed.
        upper = scores[len(scores) // 2 :]
        score = round(1 - (sum(upper) / len(upper) if upper else 0.0), 4)
        return [Finding(self.name, "OFF_TOPIC", score, longest.pointer, 0, len(longest.text), longest.is_key)]


def is_said(segment: Segment) -> bool:
    """Whether a text may be language. Code may hold some, and prose may look like code."""
    return not segment.is_key and segment.kind not in _NOT_SAID


def find_like(target: Target, examples: Examples, detector: str, category: str) -> list[Finding]:
    """The passage of a text that is nearest to some group, and all others that are more likely of one than not."""
    found: list[Finding] = []
    # A word by itself is a matter for keywords.
    if not examples or len(target.segment.text.split(None, 1)) < 2:
        return found
    for view, features in zip(target.views, target.features, strict=True):
        near = examples.nearest(view.text, features)
        best = max(near, key=lambda each: each.score, default=None)
        for each in near:
            if each.score >= 0.5 or (each is best and each.score >= _LEAST_SCORE):
                start, end = view.span(each.start, each.end)
                score = round(each.score, 4)
                found.append(Finding(detector, category, score, target.segment.pointer, start, end, False, view.how))
    return found


def find_words(target: Target, keywords: Keywords | None, detector: str, category: str) -> list[Finding]:
    """The places of keywords, under the name of another detector."""
    if keywords is None:
        return []
    return [
        Finding(detector, category, KEYWORD_SCORE, found.pointer, found.start, found.end, found.is_key, found.how)
        for found in keywords.scan(target)
    ]


def _keywords(config: Mapping[str, Any], name: str) -> Keywords | None:
    words = read_strings(config, name, most=MOST_EXAMPLES, longest=LONGEST_EXAMPLE)
    return Keywords({"words": words}) if words else None
