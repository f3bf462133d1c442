"""Personal data in the columns of a table."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from guardrails.engine.hits import Hit
from guardrails.pii.called import NAMES, OF_PERSONS, PLACES, is_place, score_name
from guardrails.pii.reading import Reading
from guardrails.pii.tables import Column
from guardrails.pii.values import judge
from guardrails.pii.vocabulary import normalise

_BESIDENAMES = OF_PERSONS | {"IP_ADDRESS", "GIVEN", "FULL"}


def column_values(reading: Reading, columns: list[Column], only: Collection[str]) -> Iterator[Hit]:
    """Of one table; `only` limits national numbers to some countries."""
    text = reading.text
    among = {column.category for column in columns}
    for column in columns:
        others = among - {column.category} if column.category in ("NAME", "ROLE") else among
        if column.category in NAMES:
            yield from _names_in(text, column, in_person=bool(others & _BESIDENAMES))
        elif column.category in PLACES:
            if "ADDRESS" in among:
                for start, end in column.cells:
                    if is_place(column.category, text[start:end]):
                        yield Hit("ADDRESS", start, end, 0.6)
        else:
            word = normalise(column.word)
            for start, end in column.cells:
                hit = judge(column.category, reading, start, end, word=word, only=only)
                if hit is not None:
                    yield hit


def _names_in(text: str, column: Column, *, in_person: bool) -> Iterator[Hit]:
    """Where most of a column are names, the others are too, however they look."""
    scores = [
        score_name(column.category, column.qualifier, text[start:end], in_person=in_person, among_things=False)
        for start, end in column.cells
    ]
    is_of_names = sum(score > 0 for score in scores) * 3 >= len(scores) * 2 and in_person
    for (start, end), score in zip(column.cells, scores, strict=True):
        if not score and is_of_names and _may_be_name(text[start:end]):
            score = 0.6
        if score:
            yield Hit("PERSON", start, end, score)


def _may_be_name(value: str) -> bool:
    return len(value) <= 60 and value[:1].isupper() and not any(each.isdigit() or each in "@/_<>=" for each in value)
