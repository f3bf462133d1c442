"""The forms that an export can have, by name: how a part of the file is made, and how the parts become the file."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from audit.export_output import Digested, copy
from audit.exporters import LineFormat, registry

Record = tuple[Mapping[str, Any], int]
# Proves itself: what is left out of it is there as leaves (audit.exporters.proof).
PROOF = "jsonl"
PARQUET = "parquet"


class NoSuchForm(LookupError):
    """The form is not known, or something that it needs is not installed. The text says which, for people."""


class Form(Protocol):
    """How events become a file, in parts that are made one after the other, maybe by different processes."""

    name: str
    label: str
    suffix: str

    def write_part(self, records: Iterable[Record], file: IO[bytes]) -> None:
        """Each of `records` is an event as it is sealed, with its detail as an object, and its number."""

    def join(self, parts: Iterable[Path], file: Digested) -> None:
        """The same parts give the same bytes."""


class Lines:
    """A file of a form whose lines stand alone."""

    def __init__(self, lines: LineFormat) -> None:
        self._lines = lines
        self.name, self.label, self.suffix = lines.name, lines.label, lines.suffix

    def write_part(self, records: Iterable[Record], file: IO[bytes]) -> None:
        for record, seq in records:
            file.write(self._lines.line(record, seq))

    def join(self, parts: Iterable[Path], file: Digested) -> None:
        file.write(self._lines.header())
        for part in parts:
            with part.open("rb") as source:
                copy(source, file)


def names() -> dict[str, str]:
    """All that can be asked for here, with their labels for people."""
    found = {each.name: each.label for each in registry}
    return found if importlib.util.find_spec("pyarrow") is None else {**found, PARQUET: "Parquet"}


def form_of(name: str) -> Form:
    """Raises NoSuchForm."""
    if name == PARQUET:
        return _parquet()
    try:
        return Lines(registry.get(name)())
    except KeyError:
        raise NoSuchForm(f"There is no form {name!r}. There are {', '.join([*registry.names(), PARQUET])}.") from None


def _parquet() -> Form:
    try:
        from audit.parquet import Parquet
    except ImportError as error:
        hint = "Parquet needs pyarrow: pip install --require-hashes -r requirements/parquet.txt"
        raise NoSuchForm(hint) from error
    return Parquet()
