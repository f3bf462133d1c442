"""One text in, the personal data in it out: by structure, by the names of fields, by the words of sentences."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import unquote_plus

from guardrails.language.words import word_set
from guardrails.pii import prose
from guardrails.pii.addresses import addresses
from guardrails.pii.fields import Field, card_fields, field_of, fields
from guardrails.pii.hits import Hit, settle
from guardrails.pii.names import Likeness, likeness
from guardrails.pii.objects import Objects
from guardrails.pii.reading import Reading, pattern, unescaped
from guardrails.pii.structures import find_emails, find_ipv6, find_lettered, find_national, find_numbers
from guardrails.pii.tables import Column, tables
from guardrails.pii.values import judge
from guardrails.pii.vocabulary import (
    CREDITS,
    FIELDS,
    PERSON_OBJECTS,
    PERSONAL,
    expression,
    normalise,
    phrases,
)

# Fields that tell that the object beside them is a person.
_OF_PERSONS = frozenset({
    "EMAIL", "PHONE", "CREDIT_CARD", "IBAN", "SSN", "NATIONAL_ID", "PASSPORT", "DRIVER_LICENCE", "DATE_OF_BIRTH",
    "ADDRESS", "GIVEN", "FULL",
})  # fmt: skip
_NAMES = frozenset({"GIVEN", "FULL", "NAME", "ROLE"})
_PLACES = frozenset({"POSTCODE", "CITY"})
_MOST_REPEATED = 40
_HEAD = 500
_ALL_DIGITS = b"0123456789"
# No number of a person, not even the shortest address of a machine, has fewer digits.
_LEAST_DIGITS = 4
_NEAR = 400

# Words that say what a number after them is, with little between. Those that mean other things too need a colon.
_BY_WORD = (
    "PHONE",
    "CREDIT_CARD",
    "SSN",
    "NATIONAL_ID",
    "TAX_ID",
    "PASSPORT",
    "DRIVER_LICENCE",
    "BANK_ACCOUNT",
    "DATE_OF_BIRTH",
)
_NOT_IN_SENTENCES = word_set(
    "phones mobile cell fax portable movil celular mobil mobiel gsm pan run ein tin rg rfc spi nir"
    " cni vat cap aba acct medicare tel handy telefon born geboren geb geburtstag birthday"
    " ur konto"
    " rachunek insee personalid idcard identitycard birthday birthday"
)
_CALLS = (
    "call (?:me|us|him|her|them|you)?(?: back)?(?: on| at)?",
    "reach (?:me|us|him|her|them)(?: on| at| by phone at)?", "text (?:me|us|him|her|them)?(?: on| at)?",
    "ring (?:me|us)?(?: on| at)?", "messages? to", "my registered", "dial", "someone call me on",
    "contact (?:me|us|him|her|them)(?: on| at)",
    "appeler au", "appelez(?:-moi)? au", "joignable au", "llámame al", "llamar al", "llame al", "chiamami al",
    "chiamare il", "ligue para", "bel (?:me|mij) op",
    "erreichbar unter", "anrufen unter", "zadzwoń pod", "dzwonić pod",
)  # fmt: skip
_SPOKEN = (
    "born", "geboren", "geb\\.",
    *(
        phrase for category in _BY_WORD for phrase in FIELDS[category]
        if normalise(phrase.replace("?", "")) not in _NOT_IN_SENTENCES
    ),
)  # fmt: skip
_SAID = (
    r"(?:\b(?:"
    + "|".join((expression(tuple(phrase for phrase in _SPOKEN if phrase[0].isascii())), *_CALLS)) + r")\b"
    # Scripts that have no such boundaries between words.
    r"|" + expression(tuple(phrase for phrase in _SPOKEN if not phrase[0].isascii())) + ")"
)  # fmt: skip
_WORDS = pattern("(?i)" + _SAID)
_CONTEXT = pattern("(?i)" + _SAID + r"[^\d\n.;+(]{0,28}(?:[A-Z]{1,3})?[+(]{0,2}\d")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: the member that holds it, the members above, and its siblings' names and categories."""

    key: str = ""
    above: tuple[str, ...] = ()
    siblings: frozenset[str] = frozenset()
    things: bool = False


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
        yield from _whole(reading, place, habits)
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
            yield from _spoken(reading, habits)
    persons: list[tuple[int, int, float]] = []
    # A mail address near the beginning counts as a field: CVs and cards begin like that.
    beside = sum(hit.start < _HEAD for hit in emails)
    if ":" in text or "=" in text or ">" in text or "\uff1a" in text:
        for hit in chain(_named(reading, habits, [hit.start for hit in emails]), _carded(reading, habits)):
            yield hit
            if hit.category == "PERSON":
                persons.append((hit.start, hit.end, hit.score))
            elif hit.category in _OF_PERSONS and hit.start < _HEAD:
                beside += 1
        heading = prose.heading_name(text) if beside >= 2 and "\n" in text else None
        if heading is not None:
            persons.append((*heading, 0.65))
            yield Hit("PERSON", *heading, 0.65)
    for columns in tables(reading):
        yield from _columns(reading, columns, habits)
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


# --- a text that is one value ---------------------------------------------------------------------------


def _whole(reading: Reading, place: Place, habits: Habits) -> Iterator[Hit]:
    """What the whole text is, as its member's name says."""
    named = field_of(place.key)
    if named is None:
        return
    category, qualifier = named
    text = reading.text
    start, end = _bare(text, 0, len(text))
    if category in _NAMES:
        parent = normalise(place.above[-1]) if place.above else ""
        if not place.above or not any(normalise(each) in CREDITS for each in place.above[-2:]):
            score = _score_name(
                category, qualifier, text[start:end],
                in_person=parent in PERSON_OBJECTS or bool(place.siblings & _OF_PERSONS), among_things=place.things,
            )  # fmt: skip
            if score:
                yield Hit("PERSON", start, end, score)
    elif category in _PLACES:
        if (
            place.siblings & {"ADDRESS", "FULL", "GIVEN"}
            and 2 <= end - start <= 60
            and _is_place(category, text[start:end])
        ):
            yield Hit("ADDRESS", start, end, 0.6)
    else:
        hit = judge(category, reading, start, end, word=normalise(place.key), only=habits.regions)
        if hit is not None:
            yield hit


def _is_place(category: str, value: str) -> bool:
    if category == "CITY":
        return value[:1].isalpha() and not value.islower() and not any(each.isdigit() for each in value)
    return sum(each.isdigit() for each in value) >= 3 and len(value) <= 12


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _score_name(category: str, qualifier: str, value: str, *, in_person: bool, among_things: bool) -> float:
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


# --- values with names in a text ------------------------------------------------------------------------


def _named(reading: Reading, habits: Habits, emails: Sequence[int]) -> Iterator[Hit]:
    text = reading.text
    found = list(fields(reading))
    sure: list[int] = list(emails)
    names: list[Field] = []
    places: list[Field] = []
    starts = [field.key for field in found]
    for index, field in enumerate(found):
        field = _bounded(text, field, starts[index + 1] if index + 1 < len(starts) else len(text))
        if field.start >= field.end:
            field = _below(reading, field)
        if field.category in _NAMES:
            names.append(field)
            if field.category in ("FULL", "GIVEN"):
                sure.append(field.key)
        elif field.category in _PLACES:
            places.append(field)
        else:
            word = normalise(text[field.key : field.start])
            hit = judge(field.category, reading, field.start, field.end, word=word, only=habits.regions)
            if hit is not None:
                yield hit
                if field.category in _OF_PERSONS:
                    sure.append(field.key)
    sure.sort()
    objects = Objects(reading) if any(field.form == "quoted" for field in names) else None
    for field in names:
        score = _score_field(text, field, sure, objects)
        if score:
            start, end = _name_in(text, field)
            yield Hit("PERSON", start, end, score)
    for field in places:
        near = bisect_left(sure, field.key - _NEAR)
        if (
            near < len(sure)
            and sure[near] <= field.key + _NEAR
            and _is_place(field.category, text[field.start : field.end])
        ):
            if field.form == "quoted" and field.end - field.start <= 60:
                yield Hit("ADDRESS", field.start, field.end, 0.55)


def _carded(reading: Reading, habits: Habits) -> Iterator[Hit]:
    for field in card_fields(reading):
        value = reading.text[field.start : field.end].replace(";", " ").strip()
        if field.category == "FULL":
            if likeness(value) is not Likeness.NO:
                yield Hit("PERSON", field.start, field.end, 0.9)
        elif field.category == "ADDRESS":
            if any(each.isalpha() for each in value):
                yield Hit("ADDRESS", field.start, field.end, 0.9)
        else:
            hit = judge(field.category, reading, field.start, field.end, only=habits.regions)
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
    start, end = _bare(text, field.start, field.end)
    if field.form == "line":
        for mark in (",", "(", " - ", "<", "["):
            place = text.find(mark, start, end)
            if place > start and likeness(text[start:place]) >= Likeness.LIKELY:
                end = place
        start, end = _bare(text, start, end)
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
    return _score_name(field.category, field.qualifier, value, in_person=in_person, among_things=things)


# --- tables ---------------------------------------------------------------------------------------------


def _columns(reading: Reading, columns: list[Column], habits: Habits) -> Iterator[Hit]:
    text = reading.text
    among = {column.category for column in columns}
    for column in columns:
        others = among - {column.category} if column.category in ("NAME", "ROLE") else among
        if column.category in _NAMES:
            yield from _names_in(text, column, in_person=bool(others & _BESIDE_NAMES))
        elif column.category in _PLACES:
            if "ADDRESS" in among:
                for start, end in column.cells:
                    if _is_place(column.category, text[start:end]):
                        yield Hit("ADDRESS", start, end, 0.6)
        else:
            word = normalise(column.word)
            for start, end in column.cells:
                hit = judge(column.category, reading, start, end, word=word, only=habits.regions)
                if hit is not None:
                    yield hit


_BESIDE_NAMES = _OF_PERSONS | {"IP_ADDRESS", "GIVEN", "FULL"}


def _names_in(text: str, column: Column, *, in_person: bool) -> Iterator[Hit]:
    """Where most of a column are names, the others are too, however they look."""
    scores = [
        _score_name(column.category, column.qualifier, text[start:end], in_person=in_person, among_things=False)
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


# --- words before numbers -------------------------------------------------------------------------------


def _spoken(reading: Reading, habits: Habits) -> Iterator[Hit]:
    text = reading.text
    known = phrases()
    for begin, end in reading.find(_CONTEXT):
        start = end - 1
        while start > begin and (text[start - 1] in "+(" or (text[start - 1].isupper() and text[start - 1].isascii())):
            start -= 1
        if start > begin and text[start - 1].isalnum() and text[start - 1].isascii():
            continue
        said = Reading(text[begin:start])
        # The nearest word counts: "card of my late father, born 1950-01-01".
        words = [said.text[first:last] for first, last in said.find(_WORDS)]
        category, word = _category_spoken(words[-1], known) if words else ("", "")
        hit = judge(category, reading, start, min(len(text), start + 64), word=word, only=habits.regions)
        if hit is None:
            continue
        if category != "PHONE":
            yield hit
        elif sum(each.isdigit() for each in text[hit.start : hit.end]) >= 7:
            yield hit._replace(score=min(hit.score, 0.85))


def _category_spoken(phrase: str, known: dict[str, str]) -> tuple[str, str]:
    """What the phrase says of the number; a call is for a telephone."""
    word = normalise(phrase)
    return known.get(word, "PHONE"), word


# --- the same again -------------------------------------------------------------------------------------


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
            place = text.find(name, after)
