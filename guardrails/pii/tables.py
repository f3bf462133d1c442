"""Tables in a text: comma, semicolon, tab or pipe between columns, with a line of names above them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from guardrails.pii.fields import field_of
from guardrails.pii.reading import Reading, pattern

_MOST_TABLES = 20
_HEADER = pattern(r'(?m)^[ \t>|#"]*[<LET>_][<LET>\w .\-/()#]*"?(?:[,;|\t][ ]?"?[<LET>_][<LET>\w .\-/()#]*"?)+[ |]*\r?$')


class Column(NamedTuple):
    """`category` and `qualifier` are those of the column's name, as `field_of` reads it; `word` is the name."""

    category: str
    qualifier: str
    word: str
    cells: list[tuple[int, int]]


def tables(reading: Reading) -> Iterator[list[Column]]:
    """The columns that say something of a person, table by table, with the places of their cells."""
    yield from _statements(reading)
    yield from _records(reading)
    text = reading.text
    if "\n" not in text:
        return
    done = count = 0
    for start, end in reading.find(_HEADER):
        if start < done:
            continue
        line = text[start:end]
        delimiter = max(",;|\t", key=line.count)
        names = [text[first:last] for first, last in _cells(text, start, end, delimiter)]
        columns = [(place, field_of(name), name) for place, name in enumerate(names)]
        known = [(place, found, name) for place, found, name in columns if found is not None]
        if not known:
            continue
        found = [Column(category, qualifier, name, []) for _, (category, qualifier), name in known]
        done = _read_rows(text, end, delimiter, len(names), [place for place, _, _ in known], found)
        if found[0].cells:
            yield found
            count += 1
            if count == _MOST_TABLES:
                return


def _read_rows(text: str, place: int, delimiter: str, width: int, wanted: list[int], columns: list[Column]) -> int:
    """Fills the columns from the lines below; says where the table ends."""
    while place < len(text):
        start = place + 1
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        line = text[start:stop]
        if delimiter == "|" and line.strip(" |-:+\r") == "" and line.strip():
            place = stop
            continue
        cells = _cells(text, start, stop, delimiter)
        if len(cells) != width or width < 2:
            break
        for column, index in zip(columns, wanted, strict=True):
            if cells[index][0] < cells[index][1]:
                column.cells.append(cells[index])
        place = stop
    return place


def _cells(text: str, start: int, end: int, delimiter: str) -> list[tuple[int, int]]:
    """Places of a line's cells, without quotes and space around them (RFC 4180)."""
    while end > start and text[end - 1] in "\r ":
        end -= 1
    if delimiter == "|":
        while start < end and text[start] in " >":
            start += 1
        start += text[start : start + 1] == "|"
        end -= text[end - 1 : end] == "|"
    cells = []
    place = start
    while True:
        first = _past_space(text, place, end, delimiter)
        if text[first : first + 1] == '"' and first < end:
            closing = _closing_quote(text, first + 1, end)
            cells.append((first + 1, closing))
            stop = text.find(delimiter, closing, end)
        else:
            stop = text.find(delimiter, place, end)
            last = end if stop < 0 else stop
            while last > first and text[last - 1] in " \t'":
                last -= 1
            cells.append((min(first, last), last))
        if stop < 0:
            return cells
        place = stop + 1


def _past_space(text: str, place: int, end: int, delimiter: str) -> int:
    while place < end and text[place] in " '>#" and text[place] != delimiter:
        place += 1
    return place


def _closing_quote(text: str, place: int, end: int) -> int:
    while True:
        closing = text.find('"', place, end)
        if closing < 0:
            return end
        if text[closing + 1 : closing + 2] != '"':
            return closing
        place = closing + 2


# --- rows that are written as lists ---------------------------------------------------------------------

_INSERT = pattern(r"(?i)\binsert\s+(?:ignore\s+)?into\s+[^\s(]{1,80}\s{0,4}\([^()]{1,1000}\)\s{0,8}values\s{0,8}")
_COLUMNS = pattern(
    r"(?i)\\{0,3}\"(?:columns|headers?|fields"
    r"|column_?names)\\{0,3}\"\s{0,4}:\s{0,4}\[(?:\s{0,40}\\{0,3}\"[^\"\\\[\]]{1,60}\\{0,3}\",?){1,}\s{0,40}\]"
)
_ROWS = pattern(r"(?i)\\{0,3}\"(?:rows|data|values|records|results?)\\{0,3}\"\s{0,4}:\s{0,4}\[")
_ITEM = pattern(r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[\[\](){};]|[^\s,'\"\[\](){};]+")
_MOST_ITEMS = 20_000


def _statements(reading: Reading) -> Iterator[list[Column]]:
    """`INSERT INTO people (name, ...) VALUES ('...', ...), (...)`."""
    text, done = reading.text, 0
    for start, end in reading.find(_INSERT):
        if start >= done:
            opening = text.index("(", start)
            names = [name.strip(' \t\r\n`"[]') for name in text[opening + 1 : text.index(")", opening)].split(",")]
            columns, done = _listed(reading, names, end, "(", ")", ";")
            if columns:
                yield columns


def _records(reading: Reading) -> Iterator[list[Column]]:
    """`{"columns": ["name", ...], "rows": [["...", ...], ...]}`, as databases' servers answer."""
    text, done = reading.text, 0
    if "[" not in text:
        return
    for start, end in reading.find(_COLUMNS):
        if start < done:
            continue
        names = [name.strip(' \t\r\n\\"') for name in text[text.index("[", start) + 1 : end - 1].split(",")]
        near = Reading(text[end : end + 2_000])
        rows = next(near.find(_ROWS), None)
        if rows is not None:
            columns, done = _listed(reading, names, end + rows[1], "[", "]", "}")
            if columns:
                yield columns


def _listed(
    reading: Reading, names: list[str], place: int, opening: str, closing: str, stop: str
) -> tuple[list[Column], int]:
    """The columns with their cells, and where the list ends."""
    named = {index: field_of(name) for index, name in enumerate(names)}
    columns = {index: Column(*found, names[index], []) for index, found in named.items() if found is not None}
    if not columns:
        return [], place
    index, depth, last = -1, 0, place
    for count, (first, last) in enumerate(reading.find(_ITEM, place)):
        item = reading.text[first:last]
        if count == _MOST_ITEMS or (depth == 0 and item in (stop, "]")):
            break
        if item == opening:
            depth, index = depth + 1, 0
        elif item == closing:
            depth -= 1
        elif depth == 1 and item not in "[](){}":
            if index in columns and item[0] in "'\"" and len(item) > 2:
                columns[index].cells.append((first + 1, last - 1))
            index += 1
        elif depth == 0 and item != ",":
            break
    return [column for column in columns.values() if column.cells], last
