"""Commands by noun and verb, `manage.py NOUN VERB`: ids or slugs, --json everywhere, exit codes (docs/cli.md).

A noun is a subclass of NounCommand in the app that owns it; its verbs are methods under `@verb`. What a verb returns is
shown: a list as a table, an object line by line, a text as it is; with --json each as one JSON document.
Verbs of different nouns look alike and are written out all the same: each has its own words for people and its own
arguments, and what it does is one call of a service.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model, ProtectedError, QuerySet, RestrictedError

from gateway_site.lib.actor import Actor, acting_as
from gateway_site.lib.references import resolve
from projects.models import Project
from projects.scoping import unscoped

REFUSED, USAGE, NOT_FOUND, DECLINED = 1, 2, 3, 4
M = TypeVar("M", bound=Model)
F = TypeVar("F", bound=Callable[..., Any])


class NotFound(CommandError):
    def __init__(self, text: str) -> None:
        super().__init__(text, returncode=NOT_FOUND)


class Declined(CommandError):
    """The person said no, or nobody was there to say yes."""

    def __init__(self, text: str) -> None:
        super().__init__(text, returncode=DECLINED)


@dataclass(frozen=True)
class Argument:
    """As argparse's add_argument takes it."""

    names: tuple[str, ...]
    options: Mapping[str, Any]


def argument(*names: str, **options: Any) -> Argument:
    return Argument(names, options)


PROJECT = argument("--project", "-p", metavar="SLUG", help="Its slug or id; not needed where there is only one.")
YES = argument("--yes", "-y", action="store_true", help="Do not ask.")


def verb(text: str, *arguments: Argument) -> Callable[[F], F]:
    """Makes a method a verb. Its parameters are the destinations of the arguments."""

    def mark(function: F) -> F:
        function.verb = (text, arguments)  # type: ignore[attr-defined]  # read by NounCommand
        return function

    return mark


class NounCommand(BaseCommand):
    """`noun` is how the command is called."""

    noun = ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, function in self.verbs():
            text, arguments = function.verb
            under = verbs.add_parser(name, help=text, description=text)
            for each in arguments:
                under.add_argument(*each.names, **each.options)
            under.add_argument("--json", action="store_true", help="Print one JSON document.")

    @classmethod
    def verbs(cls) -> Iterator[tuple[str, Any]]:
        """In the order in which they are written."""
        for name, function in cls.__dict__.items():
            if hasattr(function, "verb"):
                yield name.strip("_").replace("_", "-"), function

    def handle(self, *args: Any, **options: Any) -> None:
        function = dict(self.verbs())[options["verb"]]
        given = {name: options[name] for name in _destinations(function.verb[1])}
        with acting_as(Actor("command", self.noun, f"manage.py {self.noun} {options['verb']}")), plain_errors():
            answer = function(self, **given)
        if options["json"]:
            self.stdout.write(json.dumps(answer, default=_as_json))
        elif answer is not None:
            self.stdout.write(self.as_text(options["verb"], answer))

    def as_text(self, verb_name: str, answer: Any) -> str:
        """For people; a noun may say it better."""
        return as_text(answer)

    def confirm(self, question: str, yes: bool) -> None:
        """Raises Declined. Where nobody can be asked, only --yes goes on."""
        if not yes and not ask(question):
            raise Declined("Nothing was done; --yes goes on without asking.")


@contextmanager
def plain_errors() -> Iterator[None]:
    """What services refuse becomes a message and an exit code."""
    try:
        yield
    except ValidationError as error:
        raise CommandError("; ".join(_messages(error)), returncode=REFUSED) from None
    except (ProtectedError, RestrictedError):
        raise CommandError("Something else still uses it.", returncode=REFUSED) from None


def ask(question: str) -> bool:
    """False where nobody is there to answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def find_project(text: str | None) -> Project:
    """By slug, else by id; without either the only one. Raises NotFound."""
    if text is None:
        found = list(Project.objects.all()[:2])
        if len(found) == 1:
            return found[0]
        raise NotFound("Name the project: --project SLUG." if found else "There is no project yet.")
    return find(Project.objects.all(), text, "project")


def find(rows: QuerySet[M], text: str, what: str, field: str = "slug") -> M:
    """By the field, else by the id. Raises NotFound. Runs under the scope that the rows need."""
    row = rows.filter(**{field: text}).first()
    return row if row is not None else find_by_id(rows, text, what)


def find_by_id(rows: QuerySet[M], text: str, what: str) -> M:
    """Raises NotFound. Runs under the scope that the rows need."""
    is_number = text.isascii() and text.isdigit() and len(text) < 19
    row = rows.filter(pk=int(text)).first() if is_number else None
    if row is None:
        raise NotFound(f"There is no {what} {text}.")
    return row


def secret(name: str, value: str) -> str:
    """Its text. Raises CommandError for one that stands in the command, where everybody on the machine can read it."""
    if not value.startswith(("env:", "file:")):
        raise CommandError(f"{name} is a secret: give env:VARIABLE or file:PATH.", returncode=USAGE)
    return resolve(value)


@contextmanager
def as_operator() -> Iterator[None]:
    """Who has the command line has the whole installation."""
    with unscoped("commands are the operator's"):
        yield


def changes(**given: Any) -> dict[str, Any]:
    """Those that were given. Raises CommandError for none."""
    found = {name: value for name, value in given.items() if value is not None}
    if not found:
        raise CommandError("Say what to change.", returncode=USAGE)
    return found


def as_text(answer: Any) -> str:
    if isinstance(answer, Mapping):
        width = max(map(len, answer), default=0)
        return "\n".join(f"{name:{width}}  {_cell(value)}" for name, value in answer.items())
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        return _table(answer) if answer else "There is none."
    return str(answer)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(rows[0])
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(names))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in cells)  # fmt: skip


def _cell(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else json.dumps(value, default=_as_json, ensure_ascii=False)
    return printable(text)


def printable(text: str) -> str:
    """On one line, with nothing that a terminal would obey."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _destinations(arguments: Sequence[Argument]) -> Iterator[str]:
    for each in arguments:
        longest = next((name for name in each.names if name.startswith("--")), each.names[0])
        yield each.options.get("dest") or longest.strip("-").replace("-", "_")


def _messages(error: ValidationError) -> list[str]:
    if not hasattr(error, "error_dict"):
        return error.messages
    return [f"{name}: {text}" if name != "__all__" else text
            for name, texts in error.message_dict.items() for text in texts]  # fmt: skip
