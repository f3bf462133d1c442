"""Finds messages and arguments that are larger than anyone needs: characters, texts, lines, numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from guardrails.engine.arrays import pieces
from guardrails.engine.detector import Context, MessageDetector, Parameter, Target, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.segments import Segment
from guardrails.engine.turns import giving_way
from guardrails.language.settings import read_count, read_limits

# By member name, as `words_of_name` gives it: what no honest call asks for at a time.
NUMBERS: Mapping[str, float] = {
    "size_gb": 10, "size_mb": 1_000, "size_kb": 1_000_000, "size_bytes": 1_000_000_000,
    "iterations": 10_000_000, "rounds": 10_000_000, "repeat": 100_000, "repetitions": 100_000, "times": 100_000,
    "count": 1_000_000, "item_count": 1_000_000,
    "max_items": 1_000_000, "copies": 10_000, "batch_size": 100_000, "workers": 1_000, "threads": 1_000,
    "processes": 1_000, "concurrency": 1_000, "depth": 10_000, "max_depth": 10_000, "recursion_depth": 10_000,
    "limit": 10_000_000, "max_results": 1_000_000, "page_size": 100_000, "width": 100_000, "height": 100_000,
    "sleep": 86_400, "delay": 86_400, "retries": 10_000,
}  # fmt: skip
_LONGEST_NUMBER = 400


@detectors.add
class Size(MessageDetector):
    """Scores 1.0 for each limit that is passed."""

    name: ClassVar[str] = "size"
    label: ClassVar[str] = "Size of a message, its texts and its numbers"
    version: ClassVar[str] = "1"
    categories: ClassVar[tuple[str, ...]] = ("SPONGE",)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "max_characters",
            "integer",
            "Characters of all texts of a message together.",
            default=1_000_000,
            minimum=1,
        ),
        Parameter("max_leaves", "integer", "Texts and member names of a message.", default=100_000, minimum=1),
        Parameter("max_line", "integer", "Characters of one line.", default=500_000, minimum=1),
        Parameter(
            "numbers",
            "object",
            "By argument name, such as size_mb: the largest number that may be asked for.",
            default=dict(NUMBERS),
            values="number",
            minimum=0,
        ),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._characters = read_count(config, "max_characters", 1_000_000)
        self._leaves = read_count(config, "max_leaves", 100_000)
        self._line = read_count(config, "max_line", 500_000)
        limits = read_limits(config, "numbers", NUMBERS)
        self._numbers = {_plain(name): limit for name, limit in limits.items()}

    def judge(self, targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        found: list[Finding] = []
        characters = sum(len(target.segment.text) for target in giving_way(targets))
        if len(targets) > self._leaves or characters > self._characters:
            found.append(Finding(self.name, "SPONGE", 1.0, "", 0, 0))
        for target in giving_way(targets):
            segment = target.segment
            found += self._lines(segment)
            if segment.key and not segment.is_key and len(segment.text) <= _LONGEST_NUMBER:
                found += self._over(segment)
        found += [
            Finding(self.name, "SPONGE", 1.0, number.pointer, 0, 0)
            for number in giving_way(context.numbers)
            if abs(number.value) > self._numbers.get(_plain(number.key), math.inf)
        ]
        return found

    def _lines(self, segment: Segment) -> Iterator[Finding]:
        if len(segment.text) <= self._line:
            return
        for start, end in _each_line(segment.text):
            if end - start > self._line:
                yield Finding(self.name, "SPONGE", 1.0, segment.pointer, start, end, segment.is_key)

    def _over(self, segment: Segment) -> Iterator[Finding]:
        """A number that was sent as a text."""
        limit = self._numbers.get(_plain(segment.key))
        if limit is not None and abs(_number(segment.text)) > limit:
            yield Finding(self.name, "SPONGE", 1.0, segment.pointer, 0, len(segment.text))


def _each_line(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each line with what ends it, as `str.splitlines` has them."""
    start = 0
    for begin, stop in pieces(len(text)):
        place = begin
        for line in text[begin:stop].splitlines(keepends=True):
            place += len(line)
            if place < stop or (len(line.splitlines()[0]) < len(line) and text[stop - 1 : stop + 1] != "\r\n"):
                yield start, place
                start = place
    if start < len(text):
        yield start, len(text)


def _plain(name: str) -> str:
    """One spelling for sizeMb, size-mb and SIZE_MB."""
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


def _number(text: str) -> float:
    """What a text says as a number, infinity included; 0 for anything else."""
    try:
        found = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return 0.0 if math.isnan(found) else found
