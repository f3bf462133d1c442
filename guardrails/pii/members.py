"""Personal data in a text that is one value, as the name of the member says that holds it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from guardrails.engine.hits import Hit
from guardrails.pii.called import NAMES, OF_PERSONS, PLACES, bare, is_place, score_name
from guardrails.pii.fields import field_of
from guardrails.pii.reading import Reading
from guardrails.pii.values import judge
from guardrails.pii.vocabulary import CREDITS, PERSON_OBJECTS, normalise


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: the member that holds it, the members above, and its siblings' names and categories."""

    key: str = ""
    above: tuple[str, ...] = ()
    siblings: frozenset[str] = frozenset()
    things: bool = False


def judge_member(reading: Reading, place: Place, only: Collection[str]) -> Iterator[Hit]:
    """What the whole text is; `only` limits national numbers to some countries."""
    named = field_of(place.key)
    if named is None:
        return
    category, qualifier = named
    text = reading.text
    start, end = bare(text, 0, len(text))
    if category in NAMES:
        parent = normalise(place.above[-1]) if place.above else ""
        if not place.above or not any(normalise(each) in CREDITS for each in place.above[-2:]):
            score = score_name(
                category, qualifier, text[start:end],
                in_person=parent in PERSON_OBJECTS or bool(place.siblings & OF_PERSONS), among_things=place.things,
            )  # fmt: skip
            if score:
                yield Hit("PERSON", start, end, score)
    elif category in PLACES:
        if (
            place.siblings & {"ADDRESS", "FULL", "GIVEN"}
            and 2 <= end - start <= 60
            and is_place(category, text[start:end])
        ):
            yield Hit("ADDRESS", start, end, 0.6)
    else:
        hit = judge(category, reading, start, end, word=normalise(place.key), only=only)
        if hit is not None:
            yield hit
