"""Values that begin where a shell begins another command, whatever that command is called."""

from __future__ import annotations

import re2

from guardrails.attacks.command import COMMAND
from guardrails.engine.hits import Hit

LONGEST = 256
_SURE = 0.7
_UNSURE = 0.3
# Brackets and quotation marks that a value is got out of, and what ends one command and begins the next.
_LED = re2.compile(r"^[\s'\")}\]]{0,8}(;|\|\|?|&&?)[ \t]*")
_SUBSTITUTED = re2.compile(r"^[\s\"';|&]*(?:\$\(([^()]*)\)|`([^`]*)`)[\s\"';|&]*$")
# A program, with what may be put between its letters for shells to take out again.
_NAME = re2.compile(r"^[./]{0,3}\d{0,2}[A-Za-z][\w.+/?*'\"\\-]*$")
# What only a program is told: options, files, addresses, numbers, places, and what is put in quotation marks.
_TOLD = re2.compile(
    r"^(?:-{1,2}\w[\w-]*(?:[=:].*)?|/\w{1,16}(?::\S*)?|[~./\\]\S*|\w:(?:\\.*)?|\S*[\w*]\.\w{1,8}|[a-z]+://\S+|\d[\d.,:]*|"
    r"['\"].*|\S*['\"]|\w+=\S+|[$%]\S+|\*|[<>|&;{}]+\S*)$"
)
_EXPANDED = re2.compile(r"^\$(?:[A-Za-z_(]|\{[A-Za-z_])")
# A command that is put together of variables.
_ASSEMBLED = re2.compile(r"^\W*(?:\w{1,32}=[^;\s]*;)+\$\{?\w")
_MOST_TOLD = 12
_MOST_SAID = 3
# What is run to see whether anything is.
_TRIED = frozenset({"echo", "printf", "whoami"})
# A character reference, or a parameter of an address.
_NO_COMMAND = re2.compile(r"^(?:#?\w{1,31};|[\w.\[\]-]{1,64}=)")
# Words that follow such a mark in the languages of programs.
_OF_PROGRAMS = frozenset(
    ("string", "number", "boolean", "null", "undefined", "true", "false", "any", "never", "unknown", "object", "void",
     "symbol", "bigint", "none", "not", "this", "await", "typeof", "new", "return", "else", "or", "and")
)  # fmt: skip
# A member of something, as conditions of programs ask for.
_MEMBER = re2.compile(r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$")
# What a page's library is asked for.
_OF_PAGES = frozenset(("document", "window", "this", "self", "body", "el", "element", "node", "e", "event"))


def judge(text: str) -> Hit | None:
    """A text of one line. What stands before a mark is not looked at: sentences have such marks too."""
    if "\n" in text.strip() or len(text) > LONGEST:
        return None
    score = max(_judge_led(text), _judge_substituted(text))
    return Hit(COMMAND, 0, len(text), score) if score else None


def _judge_led(text: str) -> float:
    found = _LED.match(text)
    if found is None:
        return _SURE if _ASSEMBLED.match(text) else 0.0
    mark, rest = found.group(1), text[found.end() :].strip()
    if mark == "|" and rest.endswith("|"):
        # A row of a table.
        return 0.0
    is_closed = rest.endswith("&")
    rest = rest.rstrip("&;| \t'\"#")
    if not rest or (mark == "&" and _NO_COMMAND.match(text[found.end() :])):
        return 0.0
    if mark in ("&&", "||") and _MEMBER.match(rest):
        return 0.0
    if _EXPANDED.match(rest) or _ASSEMBLED.match(text):
        return _SURE
    return _judge_command(rest, is_marked=mark != "&" or is_closed)


def _judge_substituted(text: str) -> float:
    found = _SUBSTITUTED.match(text)
    if found is None:
        return 0.0
    inner, ticked = (found.group(1) or "").strip(), (found.group(2) or "").strip()
    if ticked:
        # So is a piece of code in a message; what runs something says how.
        return _SURE if len(ticked.split()) > 1 and _judge_command(ticked, is_marked=False) >= _SURE else 0.0
    if not inner or inner.lower() in _OF_PAGES or inner.isupper():
        return 0.0
    return _judge_command(inner, is_marked=True)


def _judge_command(command: str, *, is_marked: bool) -> float:
    """`is_marked` says that a program's name alone is enough."""
    name, *given = command.split()
    if not _NAME.match(name) or name.lower() in _OF_PROGRAMS or len(given) > _MOST_TOLD:
        return 0.0
    if name.lower() in _TRIED and len(given) <= _MOST_SAID:
        return _SURE
    told = sum(1 for each in given if _TOLD.match(each))
    if told and (2 * told >= min(len(given), 4) or (is_marked and name.islower())):
        return _SURE
    if is_marked and len(given) <= _MOST_SAID:
        return _SURE if name[0].islower() or name[0] in "./" else _UNSURE
    return _UNSURE
