"""One text in, the personal data in it out: by structure, by the names of fields, by the words of sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain

from guardrails.engine.hits import Hit, settle
from guardrails.engine.turns import give_way
from guardrails.pii import prose
from guardrails.pii.addresses import addresses
from guardrails.pii.called import OF_PERSONS
from guardrails.pii.columns import column_values
from guardrails.pii.members import Place, judge_member
from guardrails.pii.named import card_values, named_values
from guardrails.pii.reading import Reading
from guardrails.pii.spoken import spoken_numbers
from guardrails.pii.structures import find_emails, find_ipv6, find_lettered, find_national, find_numbers
from guardrails.pii.tables import tables

_MOST_REPEATED = 40
_HEAD = 500
_ALL_DIGITS = b"0123456789"
# No number of a person, not even the shortest address of a machine, has fewer digits.
_LEAST_DIGITS = 4

NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Habits:
    """`regions` limits national numbers to some countries; empty is all. Their telephones need no word beside them.

    `known_names` finds known given names with a family name in all sentences, and with them authors and editors.
    """

    regions: frozenset[str] = frozenset()
    known_names: bool = False


def recognise(text: str, place: Place = NOWHERE, habits: Habits = Habits()) -> list[Hit]:
    """In the order of the text, none overlapping another."""
    return settle(_look(Reading(text), place, habits))


def _look(reading: Reading, place: Place, habits: Habits) -> Iterator[Hit]:
    text = reading.text
    if place.key:
        yield from judge_member(reading, place, habits.regions)
    length = len(text)
    if length < 5 or (text.isidentifier() and text.replace("_", "").isalpha()):
        return
    emails = list(find_emails(reading))
    yield from emails
    digits = len(reading.data) - len(reading.data.translate(None, _ALL_DIGITS))
    has_digits = digits >= _LEAST_DIGITS
    if has_digits:
        yield from find_numbers(reading, habits.regions)
        yield from find_lettered(reading)
        yield from find_ipv6(reading)
        yield from find_national(reading, habits.regions)
        if " " in text or not text.isascii():
            yield from spoken_numbers(reading, habits.regions)
    persons: list[tuple[int, int, float]] = []
    # A mail address near the beginning counts as a field: CVs and cards begin like that.
    beside = sum(hit.start < _HEAD for hit in emails)
    if ":" in text or "=" in text or ">" in text or "\uff1a" in text:
        for hit in chain(
            named_values(reading, habits.regions, [hit.start for hit in emails]), card_values(reading, habits.regions)
        ):
            yield hit
            if hit.category == "PERSON":
                persons.append((hit.start, hit.end, hit.score))
            elif hit.category in OF_PERSONS and hit.start < _HEAD:
                beside += 1
        heading = prose.heading_name(text) if beside >= 2 and "\n" in text else None
        if heading is not None:
            persons.append((*heading, 0.65))
            yield Hit("PERSON", *heading, 0.65)
    for columns in tables(reading):
        yield from column_values(reading, columns, habits.regions)
    if length > 10 and " " in text:
        told = chain(
            prose.names(reading), prose.told_names(reading), prose.known_names(reading, everywhere=habits.known_names)
        )
        for start, end, score in told:
            persons.append((start, end, score))
            yield Hit("PERSON", start, end, score)
        for start, end in prose.signed_phones(reading):
            yield Hit("PHONE", start, end, 0.7)
        if digits:
            for start, end, score in addresses(reading):
                yield Hit("ADDRESS", start, end, score)
                block = prose.name_above(text, start)
                if block is not None:
                    persons.append((*block, 0.65))
                    yield Hit("PERSON", *block, 0.65)
    yield from _repeated(text, persons)


def _repeated(text: str, persons: Collection[tuple[int, int, float]]) -> Iterator[Hit]:
    """A whole name that was found once is a name wherever else it stands."""
    seen: set[str] = set()
    for start, end, score in persons:
        name = text[start:end]
        if " " not in name or len(name) < 5 or score < 0.6 or name in seen:
            continue
        seen.add(name)
        if len(seen) > _MOST_REPEATED:
            return
        place = text.find(name)
        while place >= 0:
            after = place + len(name)
            if place != start and not text[place - 1 : place].isalnum() and not text[after : after + 1].isalnum():
                yield Hit("PERSON", place, after, round(score * 0.95, 3))
            give_way()
            place = text.find(name, after)
