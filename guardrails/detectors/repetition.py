"""Finds sponge inputs: texts that say the same over and over, orders to do so, and small texts that grow when read.

The attack is that of Shumailov et al., "Sponge Examples: Energy-Latency Attacks on Neural Networks" (2021), and its
plain relatives: repeat-forever prompts, entity expansion (CWE-776), fork bombs, giant ranges.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import re2

from guardrails.engine.arrays import overlapping
from guardrails.engine.detector import Parameter, Target, TextDetector, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.turns import each, give_way
from guardrails.engine.views import View
from guardrails.language.sentences import readable
from guardrails.language.settings import read_count
from guardrails.language.spans import find_once

# Compressed piece by piece, so that a repeated passage in a long text stands out.
_PIECE = 4_000
# Prose compresses to a half, tables and generated code to a tenth; nothing honest to less than a fortieth.
_RATIO = 40

_TIMES = r"(?:\d{4,}|\d{1,3}(?:[,. ]\d{3})+|thousands? of|(?:a |one |ten )?(?:thousand|million|billion|trillion))"
_WITHOUT_END = (
    r"(?:for ?ever(?: and ever)?|endlessly|infinitely|indefinitely|non-?stop|without (?:ever )?(?:stopping|end|pause)"
    r"|and (?:never|don'?t|do not) (?:ever )?stop|until (?:you|i|we|the) [a-z ]{0,30}"
    r"(?:run out|crash|limit|stop you|die)"
    rf"|{_TIMES} (?:times|copies|lines|repetitions)"
    r"|as many times as (?:you can|possible)|over and over(?: again)?)"
)
_ORDERS = re2.compile(
    # To say something again and again.
    r"(?i)(?:^|[.!?:;,\"'(\n>-]\s*|\b(?:please|must|should|shall|you|to|and|now|then|just)\s+)"
    r"(?:repeat|say|print|write|output|echo|generate|type|recite|spell|count|list)\b"
    rf"[^.!?\n]{{1,120}}?\b{_WITHOUT_END}"
    rf"|\b(?:keep|continue|go on) (?:repeating|saying|printing|writing|counting|generating|listing)\b"
    rf"[^.!?\n]{{0,80}}\b{_WITHOUT_END}"
    r"|\bnever stop (?:repeating|saying|printing|writing|counting|generating|talking)\b"
    # Entities of entities: a few lines of XML that become gigabytes.
    r"|<!ENTITY\s+%?\s*[\w.-]+\s+[\"'](?:\s*[&%][\w.-]+;){5}"
    # Anchors of anchors in YAML.
    r"|&\w+\s*\[\s*(?:\*\w+\s*,\s*){5}"
    # The fork bomb.
    r"|:\s*\(\s*\)\s*\{\s*:\s*\|\s*:\s*&\s*\}\s*;\s*:"
    # A literal times millions, a range of billions, a tower of powers, a field of a million characters.
    r"|[\"'\])]\s*\*\s*(?:\d{7,}|10\s*\*\*\s*(?:[7-9]|\d{2,})|1e(?:[7-9]|\d{2,}))"
    r"|\brange\s*\(\s*(?:\d+\s*,\s*)?(?:\d{9,}|10\s*\*\*\s*(?:9|\d{2,}))"
    r"|\b9\s*\*\*\s*9\s*\*\*\s*9"
    r"|\{[\w:]{0,20}[<>^]\d{7,}[a-z]?\}|%0?\d{7,}[dsx]"
)
# One of these is in everything that the orders match.
_SIGNS = (
    "repeat", "say", "print", "write", "output", "echo", "generate", "type", "recite", "spell", "count", "list",
    "writing", "<!entity", "*", "|:", "range", "0", "keep", "continu", "go on", "never stop",
)  # fmt: skip
_LONGEST_SIGN = max(map(len, _SIGNS))


@detectors.add
class Repetition(TextDetector):
    """A repeated passage scores by how much of its piece is repetition, an order to repeat 0.9."""

    name: ClassVar[str] = "repetition"
    label: ClassVar[str] = "Repetition and texts made to exhaust"
    version: ClassVar[str] = "3"
    categories: ClassVar[tuple[str, ...]] = ("SPONGE",)
    # It reads every disguise of a text, which costs more than to remember what was found.
    cached_from: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("min_characters", "integer", "Shorter texts may repeat themselves.", default=2_000, minimum=100),
        Parameter(
            "max_ratio",
            "integer",
            "How many times smaller a text may become when compressed.",
            default=_RATIO,
            minimum=5,
        ),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._least = read_count(config, "min_characters", 2_000, least=100)
        self._ratio = read_count(config, "max_ratio", _RATIO, least=5)

    def scan(self, target: Target) -> Sequence[Finding]:
        found: list[Finding] = []
        segment = target.segment
        for start, end, score in self._repeated(segment.text):
            found.append(Finding(self.name, "SPONGE", score, segment.pointer, start, end, segment.is_key))
        orders = [(view, start, end) for view in target.views for start, end in _orders(view)]
        return found + find_once(target, self.name, "SPONGE", orders, 0.9)

    def _repeated(self, text: str) -> Iterator[tuple[int, int, float]]:
        """Start, end and score of each run of pieces that are hardly more than one thing again and again."""
        if len(text) < self._least:
            return
        begin, top = None, 0.0
        for start in range(0, len(text), _PIECE):
            give_way()
            piece = text[start : start + _PIECE]
            ratio = _ratio_of(piece) if len(piece) >= min(self._least, _PIECE) else 0.0
            if ratio > self._ratio:
                begin = start if begin is None else begin
                top = max(top, ratio)
            elif begin is not None:
                yield begin, start, _score(top, self._ratio)
                begin, top = None, 0.0
        if begin is not None:
            yield begin, len(text), _score(top, self._ratio)


def _ratio_of(piece: str) -> float:
    data = piece.encode("utf-8", "replace")
    return len(data) / len(zlib.compress(data, 1))


def _score(ratio: float, limit: int) -> float:
    """0.5 at the limit, towards 1 beyond."""
    return round(1 - 0.5 * limit / ratio, 4)


def _may_hold_orders(piece: str) -> bool:
    lowered = piece.lower()
    return any(sign in lowered for sign in _SIGNS)


def _orders(view: View) -> Iterator[tuple[int, int]]:
    if len(view.text) < 8:
        return
    if not any(_may_hold_orders(view.text[start:end]) for start, end in overlapping(len(view.text), _LONGEST_SIGN)):
        return
    for match in each(_ORDERS, readable(view.text)):
        yield match.span()
