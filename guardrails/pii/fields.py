"""Named values in a text: members of JSON, YAML lines, `key=value`, elements, headers, whatever says what follows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from guardrails.pii.reading import Reading, pattern
from guardrails.pii.vocabulary import FIELDS, expression, normalise, phrases

# A text with more named values than this is a table; the rest is searched by structure and checksum alone.
MOST_FIELDS = 5_000
_LONGEST_VALUE = 400
_SUFFIX = r"(?:[ _\-]?(?:number|num|no|nr|value|text|line|primary|main|s|[0-9]{1,2})\.?){0,2}"
_KEYED = pattern(
    r"(?i)"
    + expression(tuple(phrase for all_of in FIELDS.values() for phrase in all_of))
    + _SUFFIX
    + r"""(?:(?:[ ]\([^()\n]{1,20}\))?[\\"'`*_.)\]]{0,6}(?:</(?:b|strong|em|i|label)>)?[ \t]{0,12}"""
    r"""(?:=>|[:=\x{ff1a}])|>"""
    # A cell beside its heading, and an object with a name and a value.
    r"""|</(?:t[hd]|dt|label|b|strong|span)>\s{0,40}<(?:td|dd|span|p|div)[^<>\n]{0,80}>"""
    r"""|\\{0,3}"\s{0,12},\s{0,40}\\{0,3}"(?:value|val|answer|text|content|data)\\{0,3}"\s{0,4}:)"""
)
_MOST_ELEMENTS = 200
_QUOTES = frozenset("\"'`\u201c\u201d\u00ab")
_CLOSING = {"\u201c": "\u201d", "\u00ab": "\u00bb"}


class Field(NamedTuple):
    """A key's place and its value's. `category` is a name of FIELDS, `qualifier` the word before it, folded.

    `form` is "quoted", "line" (to the end of the line), "word" (`key=value`) or "element".
    """

    category: str
    qualifier: str
    key: int
    start: int
    end: int
    form: str


def fields(reading: Reading) -> Iterator[Field]:
    """From left to right; each text of a list is one. A value may be empty where the line goes on below."""
    text = reading.text
    for count, (begin, end) in enumerate(reading.find(_KEYED)):
        if count == MOST_FIELDS:
            return
        named = _name(text, begin, end)
        if named is None:
            continue
        category, qualifier = named
        for value in _values(text, begin, end):
            yield Field(category, qualifier, begin, *value)


# RFC 6350 sections 6.2 to 6.4, and the participants of RFC 5545.
_CARD_LINE = pattern(r"(?im)^(?:FN|N|TEL|ADR|BDAY)(?:;[^:\r\n]{0,120})?:[^\r\n]{2,300}|;CN=\"?[^\":;\r\n]{2,80}")
_OF_CARDS = {"FN": "FULL", "N": "FULL", "TEL": "PHONE", "ADR": "ADDRESS", "BDAY": "DATE_OF_BIRTH"}


def card_fields(reading: Reading) -> Iterator[Field]:
    """The lines of visiting cards and the participants of calendars."""
    text = reading.text
    if "BEGIN:V" not in text:
        return
    for start, end in reading.find(_CARD_LINE):
        if text[start] == ";":
            place = start + 4 + (text[start + 4] == '"')
            yield Field("FULL", "", start, place, end, "quoted")
            continue
        name = text[start:end].partition(":")[0].partition(";")[0].upper()
        place = text.index(":", start) + 1
        place += 4 if text[place : place + 4].lower() == "tel:" else 0
        while place < end and text[place] == ";":
            place += 1
        yield Field(_OF_CARDS[name], "", start, place, end, "card")


def field_of(key: str) -> tuple[str, str] | None:
    """Category and qualifier of a member's name; None for one that says nothing of a person."""
    return _field_of(key) if len(key) <= 60 else None


@lru_cache(maxsize=4_096)
def _field_of(key: str) -> tuple[str, str] | None:
    known = phrases()
    category = known.get(normalise(key))
    if category is not None:
        return category, ""
    if key[-1:] == "s" and len(key) > 3:
        category = known.get(normalise(key[:-1]))
        if category is not None:
            return category, ""
    words = split_words(key)
    if words and words[-1].isdigit():
        words.pop()
    if len(words) > 1 and words[-1] in _TAILS:
        words.pop()
    for first in range(max(0, len(words) - 5), len(words)):
        category = known.get("".join(words[first:]))
        if category is not None:
            return category, words[first - 1] if first else ""
    return None


_TAILS = frozenset({"number", "num", "no", "nr", "value", "text", "line", "primary", "main"})


def split_words(key: str) -> list[str]:
    """The words of a name in camel case, snake case or with any marks, folded."""
    words: list[str] = []
    start = 0
    for place in range(1, len(key) + 1):
        ended = place == len(key) or not key[place].isalnum()
        if (
            ended
            or (key[place].isupper() and key[place - 1].islower())
            or (key[place].isdigit() != key[place - 1].isdigit())
        ):
            word = key[start:place]
            if word.strip("_-. /$@#:"):
                words.append(normalise(word))
            start = place
    return words


def _name(text: str, begin: int, end: int) -> tuple[str, str] | None:
    phrase = _phrase(text[begin:end]).lower()
    known = phrases()
    category = known.get(normalise(phrase))
    if category is None:
        shorter = split_words(phrase)
        while len(shorter) > 1 and category is None:
            shorter.pop()
            category = known.get("".join(shorter))
        if category is None and phrase[-1:] == "s":
            category = known.get(normalise(phrase[:-1]))
        if category is None:
            return None
    before = text[begin - 1] if begin else ""
    if before.isalnum():
        # A capital after a small letter begins a word; otherwise this is the end of a longer one.
        if not (text[begin].isupper() and before.islower()):
            return (category, _word_before(text, begin)) if category == "NAME" and before.isascii() else None
        return category, _word_before(text, begin)
    if before in ("_", "-", ".", " ", "/"):
        return category, _word_before(text, begin - 1)
    return category, ""


def _phrase(found: str) -> str:
    """The name alone, without what closes it and leads to its value."""
    for mark in ("</", " (", '"', "\\"):
        found = found.partition(mark)[0]
    return found.rstrip("=>:\uff1a \t'`*_.)]")


def _word_before(text: str, end: int) -> str:
    start = end
    while start > 0 and end - start < 20 and text[start - 1].isalpha():
        start -= 1
        if text[start].isupper() and text[start + 1 : start + 2].islower():
            break
    return normalise(text[start:end])


def _values(text: str, begin: int, end: int) -> Iterator[tuple[int, int, str]]:
    mark = text[end - 1]
    if mark == ">" and text[end - 2] != "=":
        is_cell = "</" in text[begin:end]
        value = _to_tag(text, end) if is_cell else _element(text, begin, end)
        if value is not None:
            yield value
        return
    start = _skip(text, end)
    if text.startswith("</", start):
        start = _skip(text, text.find(">", start) + 1)
    if start >= len(text):
        return
    value = value_at(text, start, is_tight=mark == "=" and start == end)
    if value is None:
        return
    yield value
    if text[start] == "[" and value[2] == "quoted":
        for _ in range(_MOST_ELEMENTS):
            place = _skip(text, value[1] + _marks_after(text, value[1]), "\r\n")
            if text[place : place + 1] != ",":
                return
            place = _skip(text, place + 1, "\r\n")
            value = value_at(text, place, is_tight=False) if place < len(text) and text[place] in "\"'\\" else None
            if value is None:
                return
            yield value


def _marks_after(text: str, place: int) -> int:
    """Characters of a closing quote with the backslashes before it."""
    start = place
    while text[place : place + 1] == "\\":
        place += 1
    return place - start + 1


def value_at(text: str, start: int, *, is_tight: bool) -> tuple[int, int, str] | None:
    """Start, end and form of the value that begins there, without its quotes. None for an object."""
    first = text[start]
    if first == "[":
        start = _skip(text, start + 1, "\r\n")
        if start >= len(text) or text[start] in "[{":
            return None
        first = text[start]
    if first == "{":
        return None
    slashes = start
    while slashes < len(text) and text[slashes] == "\\" and slashes - start < 8:
        slashes += 1
    if slashes < len(text) and text[slashes] in _QUOTES:
        return _quoted(text, slashes, slashes - start)
    if is_tight:
        return start, _end_of_word(text, start), "word"
    stop = text.find("\n", start, start + _LONGEST_VALUE)
    stop = min(len(text), start + _LONGEST_VALUE) if stop < 0 else stop
    return start, start + len(text[start:stop].rstrip(" \t\r,;\"'*")), "line"


def _skip(text: str, place: int, more: str = "") -> int:
    while place < len(text) and (text[place] in " \t*_" or text[place] in more):
        place += 1
    return place


def _quoted(text: str, quote: int, slashes: int) -> tuple[int, int, str] | None:
    """To the closing quote that has as many backslashes before it as the opening one."""
    mark = _CLOSING.get(text[quote], text[quote])
    start = place = quote + 1
    limit = min(len(text), start + _LONGEST_VALUE)
    while True:
        place = text.find(mark, place, limit)
        if place < 0:
            return None
        before = place
        while before > start and text[before - 1] == "\\":
            before -= 1
        if place - before == slashes or (slashes == 0 and (place - before) % 2 == 0):
            return start, place - slashes if slashes else place, "quoted"
        place += 1


def _end_of_word(text: str, start: int) -> int:
    return start + len(text[start : start + _LONGEST_VALUE].translate(_ENDS).partition(" ")[0])


_ENDS = str.maketrans(dict.fromkeys("\t\r\n&;,\"'|<>", " "))


def _element(text: str, begin: int, end: int) -> tuple[int, int, str] | None:
    """`<name>value</name>`."""
    opening = text.rfind("<", max(0, begin - 24), begin)
    prefix = text[opening + 1 : begin].replace("_", "").replace(":", "")
    if opening < 0 or (prefix and not prefix.isalnum()):
        return None
    return _to_tag(text, end)


def _to_tag(text: str, start: int) -> tuple[int, int, str] | None:
    closing = text.find("<", start, start + _LONGEST_VALUE)
    return (start, closing, "element") if closing > start and text[closing + 1 : closing + 2] == "/" else None
