"""What was seen in one reading of a text, and which of several that overlap is kept."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from guardrails.engine.turns import give_way, in_order


class Hit(NamedTuple):
    """Characters [start, end) of the text that was read. `score` is how sure that is, 0 to 1."""

    category: str
    start: int
    end: int
    score: float


def settle(hits: Iterable[Hit]) -> list[Hit]:
    """In the order of the text, none overlapping another: the surer one stays, of equals the longer.

    Of two that say the same, one inside the other, the outer one stays with the score of the surer.
    """
    ranked = in_order(_outer(hits), lambda hit: (-hit.score, hit.start - hit.end, hit.start))
    if len(ranked) < 2:
        return ranked
    kept: list[Hit] = []
    taken: list[tuple[int, ...]] = []
    for hit in ranked:
        give_way()
        place = bisect_left(taken, (hit.start,))
        if place > 0 and taken[place - 1][1] > hit.start:
            continue
        if place < len(taken) and taken[place][0] < hit.end:
            continue
        taken.insert(place, (hit.start, hit.end))
        kept.append(hit)
    return in_order(kept, lambda hit: hit.start)


def _outer(hits: Iterable[Hit]) -> list[Hit]:
    kept: list[Hit] = []
    last: dict[str, int] = {}
    for hit in in_order(hits, lambda hit: (hit.start, -hit.end)):
        give_way()
        index = last.get(hit.category, -1)
        if index >= 0 and hit.end <= kept[index].end:
            if hit.score > kept[index].score:
                kept[index] = kept[index]._replace(score=hit.score)
            continue
        last[hit.category] = len(kept)
        kept.append(hit)
    return kept
