"""Detectors of the tests' own: a word, a word with a secret, and one that always finds the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from guardrails.engine.detector import ConfigError, Parameter, Target, TextDetector, detectors
from guardrails.engine.findings import Finding


class Word(TextDetector):
    """Finds one word, by default "wolf", with the score that its configuration says."""

    name: ClassVar[str] = "probe"
    label: ClassVar[str] = "A word"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = ("WORD", "OTHER")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("word", "string", "What to look for.", default="wolf"),
        Parameter("score", "number", "How sure to be.", default=1.0),
        Parameter("loud", "boolean", "Nothing.", default=False),
        Parameter("mode", "string", "Nothing.", choices=("a", "b")),
        Parameter("some", "array", "Nothing.", choices=("a", "b")),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._word = config.get("word", "wolf")
        self._score = float(config.get("score", 1.0))
        if not self._word:
            raise ConfigError("word: give at least one letter")

    def scan(self, target: Target) -> Sequence[Finding]:
        text, segment, found, at = target.segment.text, target.segment, [], 0
        while (at := text.find(self._word, at)) >= 0:
            end = at + len(self._word)
            found.append(Finding(self.name, "WORD", self._score, segment.pointer, at, end, segment.is_key))
            at = end
        return found


class Secretive(Word):
    """Needs a secret, and looks at what is sent only."""

    name: ClassVar[str] = "probe_secret"
    label: ClassVar[str] = "A word, with a key"
    directions: ClassVar[tuple[str, ...]] = ("input",)
    categories: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("key", "string", "The key.", required=True, secret=True),
        Parameter("url", "string", "Where.", default=""),
    )


class Broken(Word):
    """Cannot be made."""

    name: ClassVar[str] = "probe_broken"

    def __init__(self, config: Mapping[str, Any]) -> None:
        raise RuntimeError("canary")


@contextmanager
def installed() -> Iterator[None]:
    """The probes among the detectors, for a while."""
    detectors.names()
    probes: tuple[type[TextDetector], ...] = (Word, Secretive, Broken)
    detectors._classes.update({probe.name: probe for probe in probes})
    try:
        yield
    finally:
        for probe in probes:
            del detectors._classes[probe.name]
