"""The texts of a message as they go out: joined, cut and packed; and the way back from a place in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from guardrails.engine.detector import ProviderError, Target
from guardrails.engine.findings import Finding
from guardrails.engine.segments import Segment, Surface

MOST_CHARACTERS = 200_000
MOST_TEXTS = 10_000
_OVERLAP = 200
_BETWEEN = "\n"
_DEFINITIONS = frozenset({Surface.DEFINITION, Surface.INSTRUCTIONS})


@dataclass(frozen=True, slots=True)
class Part:
    """A run of characters of a segment: where it begins in the piece, and where in the segment."""

    segment: Segment
    at: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One text that goes out, and what it is made of."""

    text: str
    parts: tuple[Part, ...]

    def places(self, start: int, end: int) -> Iterator[tuple[Segment, int, int]]:
        """The places in the segments behind [start, end) of the text."""
        for part in self.parts:
            first, last = max(start, part.at), min(end, part.at + part.length)
            if first < last:
                yield part.segment, first - part.at + part.start, last - part.at + part.start

    def wholes(self) -> Iterator[tuple[Segment, int, int]]:
        """All of it, for a verdict that says no more than that it is somewhere here.

        Member names only where there is nothing else: they are in a piece to give its texts their sense.
        """
        values = [part for part in self.parts if not part.segment.is_key]
        for part in values or self.parts:
            yield part.segment, part.start, part.start + part.length


def check_amount(targets: Sequence[Target], most: int = MOST_CHARACTERS) -> None:
    """Raises ProviderError when there is more than can be asked about: a part of it would be no answer."""
    if len(targets) > MOST_TEXTS or sum(len(target.segment.text) for target in targets) > most:
        raise ProviderError("more text than may be asked about")


def split_definitions(targets: Iterable[Target]) -> tuple[list[Target], list[Target]]:
    """What is said or asked in a call, and what a server says of itself."""
    called: list[Target] = []
    defined: list[Target] = []
    for target in targets:
        (defined if target.segment.surface in _DEFINITIONS else called).append(target)
    return called, defined


def join(targets: Iterable[Target], longest: int) -> list[Piece]:
    """As few pieces as hold everything, with a line break between texts."""
    pieces: list[Piece] = []
    parts: list[Part] = []
    size = 0
    for part in _cut(targets, longest):
        if parts and size + len(_BETWEEN) + part.length > longest:
            pieces.append(_made(parts))
            parts, size = [], 0
        at = size + len(_BETWEEN) if parts else 0
        parts.append(Part(part.segment, at, part.start, part.length))
        size = at + part.length
    return [*pieces, _made(parts)] if parts else pieces


def apart(targets: Iterable[Target], longest: int) -> list[Piece]:
    """A piece for each text, or several for one that is too long, and those of the member names joined at the end."""
    targets = list(targets)
    values = [target for target in targets if not target.segment.is_key]
    names = [target for target in targets if target.segment.is_key]
    return [_made([part]) for part in _cut(values, longest)] + join(names, longest)


def pack(pieces: Sequence[Piece], most: int, characters: int) -> list[list[Piece]]:
    """Lists for one request each: at most so many pieces and, unless one is longer, so many characters."""
    lists: list[list[Piece]] = []
    size = 0
    for piece in pieces:
        if not lists or len(lists[-1]) >= most or size + len(piece.text) > characters:
            lists.append([])
            size = 0
        lists[-1].append(piece)
        size += len(piece.text)
    return lists


def once(findings: Iterable[Finding]) -> list[Finding]:
    """Each finding once, with its highest score: pieces of a long text overlap."""
    best: dict[tuple[str, str, bool, int, int], Finding] = {}
    for finding in findings:
        key = finding.category, finding.pointer, finding.is_key, finding.start, finding.end
        if key not in best or best[key].score < finding.score:
            best[key] = finding
    return list(best.values())


def _cut(targets: Iterable[Target], longest: int) -> Iterator[Part]:
    """What is cut overlaps, so that nothing short is lost at a cut."""
    step = longest - min(_OVERLAP, longest // 4)
    for target in targets:
        text = target.segment.text
        if not text:
            continue
        start = 0
        while True:
            yield Part(target.segment, 0, start, min(longest, len(text) - start))
            if start + longest >= len(text):
                break
            start += step


def _made(parts: list[Part]) -> Piece:
    texts = (part.segment.text[part.start : part.start + part.length] for part in parts)
    return Piece(_BETWEEN.join(texts), tuple(parts))
