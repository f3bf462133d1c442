"""Personal data in the named values of a text: members of JSON, YAML lines, `key=value`, elements, headers, cards."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import unquote_plus

from guardrails.engine.hits import Hit
from guardrails.engine.turns import giving_way
from guardrails.pii.called import NAMES, OF_PERSONS, PLACES, bare, is_place, score_name
from guardrails.pii.fields import Field, card_fields, fields
from guardrails.pii.names import Likeness, likeness
from guardrails.pii.objects import Objects
from guardrails.pii.reading import Reading
from guardrails.pii.values import judge
from guardrails.pii.vocabulary import CREDITS, PERSON_OBJECTS, normalise

# Characters between a name and what tells that it is a person's.
_NEAR = 400


def named_values(reading: Reading, only: Collection[str], emails: Sequence[int]) -> Iterator[Hit]:
    """`emails` are the places of mail addresses; `only` limits national numbers to some countries."""
    text = reading.text
    found = list(fields(reading))
    sure: list[int] = list(emails)
    names: list[Field] = []
    places: list[Field] = []
    starts = [field.key for field in found]
    for index, field in enumerate(giving_way(found)):
        field = _bounded(text, field, starts[index + 1] if index + 1 < len(starts) else len(text))
        if field.start >= field.end:
            field = _below(reading, field)
        if field.category in NAMES:
            names.append(field)
            if field.category in ("FULL", "GIVEN"):
                sure.append(field.key)
        elif field.category in PLACES:
            places.append(field)
        else:
            word = normalise(text[field.key : field.start])
            hit = judge(field.category, reading, field.start, field.end, word=word, only=only)
            if hit is not None:
                yield hit
                if field.category in OF_PERSONS:
                    sure.append(field.key)
    sure.sort()
    objects = Objects(reading) if any(field.form == "quoted" for field in names) else None
    for field in giving_way(names):
        score = _score_field(text, field, sure, objects)
        if score:
            start, end = _name_in(text, field)
            yield Hit("PERSON", start, end, score)
    for field in giving_way(places):
        near = bisect_left(sure, field.key - _NEAR)
        if (
            near < len(sure)
            and sure[near] <= field.key + _NEAR
            and is_place(field.category, text[field.start : field.end])
        ):
            if field.form == "quoted" and field.end - field.start <= 60:
                yield Hit("ADDRESS", field.start, field.end, 0.55)


def card_values(reading: Reading, only: Collection[str]) -> Iterator[Hit]:
    """Of vCards and calendars, whose lines name what they hold."""
    for field in card_fields(reading):
        value = reading.text[field.start : field.end].replace(";", " ").strip()
        if field.category == "FULL":
            if likeness(value) is not Likeness.NO:
                yield Hit("PERSON", field.start, field.end, 0.9)
        elif field.category == "ADDRESS":
            if any(each.isalpha() for each in value):
                yield Hit("ADDRESS", field.start, field.end, 0.9)
        else:
            hit = judge(field.category, reading, field.start, field.end, only=only)
            if hit is not None:
                yield hit


def _bounded(text: str, field: Field, following: int) -> Field:
    """A line's value ends where the next named value begins, at a bar, and at a semicolon."""
    if field.form != "line":
        return field
    end = min(field.end, following) if following > field.start else field.end
    for mark in ("|", ";", "\t", "  ", "<"):
        place = text.find(mark, field.start, end)
        if place >= 0:
            end = place
    while end > field.start and text[end - 1] in " ,-\t(\"'":
        end -= 1
    return field._replace(end=end)


def _below(reading: Reading, field: Field) -> Field:
    """`Phone:` at the end of a line has its value on the next."""
    text = reading.text
    if field.form != "line":
        return field
    start = field.start
    while start < len(text) and start - field.start < 6 and text[start] in " \t\r\n":
        start += 1
    stop = text.find("\n", start, start + 200)
    stop = min(len(text), start + 200) if stop < 0 else stop
    if field.category == "ADDRESS":
        # Addresses take several lines.
        for _ in range(4):
            more = text.find("\n", stop + 1, stop + 80)
            line = text[stop + 1 : more if more >= 0 else min(len(text), stop + 80)]
            if not line.strip() or ":" in line:
                break
            stop = stop + 1 + len(line.rstrip())
    return field._replace(start=start, end=stop)


def _name_in(text: str, field: Field) -> tuple[int, int]:
    start, end = bare(text, field.start, field.end)
    if field.form == "line":
        for mark in (",", "(", " - ", "<", "["):
            place = text.find(mark, start, end)
            if place > start and likeness(text[start:place]) >= Likeness.LIKELY:
                end = place
        start, end = bare(text, start, end)
    while (
        end > start
        and text[end - 1] in ".,;"
        and not text[end - 2 : end - 1].isupper()
        and text[end - 4 : end] not in ("MBA.", "DDS.", " Jr.")
    ):
        end -= 1
    return start, end


def _score_field(text: str, field: Field, sure: list[int], objects: Objects | None) -> float:
    start, end = _name_in(text, field)
    value = text[start:end]
    if not 2 <= len(value) <= 240:
        return 0.0
    around = objects.around(field.key) if objects is not None and field.form == "quoted" else None
    if around is not None:
        parent, things, first, last = around
        if parent in CREDITS:
            return 0.0
        near = bisect_left(sure, first)
        in_person = parent in PERSON_OBJECTS or (near < len(sure) and sure[near] <= last)
    else:
        if field.qualifier in CREDITS:
            return 0.0
        first, last = field.key - _NEAR // 2, field.key + _NEAR // 2
        near = bisect_left(sure, first)
        in_person = (near < len(sure) and sure[near] <= last and sure[near] != field.key) or (
            near + 1 < len(sure) and sure[near] == field.key and sure[near + 1] <= last
        )  # fmt: skip
        things = False
        if field.form == "word":
            value = unquote_plus(value)
            if field.category in ("ROLE", "NAME") and not (in_person and " " in value):
                return 0.0
    return score_name(field.category, field.qualifier, value, in_person=in_person, among_things=things)
