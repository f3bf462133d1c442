"""How surely a value is a person's name, or a place of theirs, by what it is called and what stands beside it."""

from __future__ import annotations

from guardrails.pii.names import Likeness, likeness
from guardrails.pii.reading import unescaped
from guardrails.pii.vocabulary import PERSONAL

# Fields that tell that the object beside them is a person.
OF_PERSONS = frozenset({
    "EMAIL", "PHONE", "CREDIT_CARD", "IBAN", "SSN", "NATIONAL_ID", "PASSPORT", "DRIVER_LICENCE", "DATE_OF_BIRTH",
    "ADDRESS", "GIVEN", "FULL",
})  # fmt: skip
NAMES = frozenset({"GIVEN", "FULL", "NAME", "ROLE"})
PLACES = frozenset({"POSTCODE", "CITY"})


def score_name(category: str, qualifier: str, value: str, *, in_person: bool, among_things: bool) -> float:
    how = likeness(unescaped(value))
    if how is Likeness.NO:
        return 0.0
    if category == "NAME" and qualifier:
        if qualifier not in PERSONAL:
            return 0.0
        category = "FULL"
    if category in ("FULL", "GIVEN"):
        # A display name or a signature can be anything; what is written like a name is one.
        if how is Likeness.POSSIBLE and category == "FULL" and not in_person:
            return 0.0 if value.islower() else 0.55
        return 0.9 if not value.islower() else 0.6
    if in_person:
        return 0.85 if how >= Likeness.LIKELY else 0.6 if category == "NAME" and value[:1].isupper() else 0.0
    if among_things:
        return 0.0
    return 0.65 if how is Likeness.SURE else 0.0


def is_place(category: str, value: str) -> bool:
    if category == "CITY":
        return value[:1].isalpha() and not value.islower() and not any(each.isdigit() for each in value)
    return sum(each.isdigit() for each in value) >= 3 and len(value) <= 12


def bare(text: str, start: int, end: int) -> tuple[int, int]:
    """The place without the space around it."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
