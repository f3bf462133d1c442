"""Labelled data: JSON lines, plain or gzipped, one row each."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

SKIPPED = -1


class DataError(Exception):
    """The data cannot be read. The text names the file, the line and the fault, and repeats nothing of the row."""


@dataclass(frozen=True, slots=True)
class Row:
    """`label` is 1 for what is to be found and 0 for what is not, or a topic's name; None where spans say it.

    `spans` are [start, end) in characters with a type. `context` is a question or a source document.
    """

    text: str
    label: int | str | None
    source: str = ""
    kind: str = ""
    sub: str = ""
    context: str = ""
    spans: tuple[tuple[int, int, str], ...] | None = None


def read(paths: Iterable[str | Path]) -> Iterator[Row]:
    """All rows of all files but those whose label is -1. Raises DataError."""
    for path in map(Path, paths):
        number = 0
        try:
            with _open(path) as lines:
                for number, line in enumerate(lines, 1):
                    if line.strip():
                        row = _row(line, f"{path}, line {number}")
                        if row.label != SKIPPED:
                            yield row
        except (OSError, EOFError, UnicodeDecodeError) as error:
            place = f"{path}, after line {number}" if number else str(path)
            reason = getattr(error, "strerror", None) or "not UTF-8 text, or not whole"
            raise DataError(f"{place} cannot be read: {reason}") from error


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _row(line: str, place: str) -> Row:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is not JSON") from error
    if not isinstance(raw, dict):
        raise DataError(f"{place} is not an object")
    text, label = raw.get("text"), raw.get("label")
    if not isinstance(text, str):
        raise DataError(f"{place} has no text")
    if not (label is None or isinstance(label, (bool, str)) or label in (0, 1, SKIPPED)):
        raise DataError(f"{place}: label is 0, 1, -1 or the name of a topic")
    spans = _spans(raw["spans"], len(text), place) if "spans" in raw else None
    if label is None and spans is None:
        raise DataError(f"{place} has neither label nor spans")
    words = {name: raw.get(name) or "" for name in ("source", "kind", "sub", "context")}
    wrong = [name for name, value in words.items() if not isinstance(value, str)]
    if wrong:
        raise DataError(f"{place}: {wrong[0]} is not text")
    return Row(text=text, label=label if isinstance(label, str) or label is None else int(label), spans=spans, **words)


def _spans(raw: Any, length: int, place: str) -> tuple[tuple[int, int, str], ...]:
    found = []
    for span in raw if isinstance(raw, list) else [None]:
        match span:
            case [int(start), int(end), str(kind)] if 0 <= start <= end <= length:
                found.append((start, end, kind))
            case _:
                raise DataError(f"{place}: spans are [start, end, type] within the text")
    return tuple(found)
