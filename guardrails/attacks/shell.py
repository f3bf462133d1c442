"""Values that begin where a shell begins another command, whatever that command is called."""

from __future__ import annotations

import re2

from guardrails.attacks.command import COMMAND
from guardrails.engine.hits import Hit

LONGEST = 256
# What a shell alone would make of it; what a sentence, a query or a program may begin with as well; and less.
_SURE, _LIKELY, _UNSURE = 0.75, 0.55, 0.3
# What a value is got out of, and what ends one command and begins the next.
_LED = re2.compile(r"^[\s'\"`\x{2018}\x{2019}\x{201c}\x{201d})}\]]{0,8}((?:[;|&][ \t]*){1,4})")
_CLOSED = re2.compile(r"^\s*['\"`)}\]]")
_SUBSTITUTED = re2.compile(r"^[\s\"';|&=)]*(?:\$\((.*)\)|`([^`]*)`)[\s\"';|&]*$")
# What may stand before a program: what opens a group, and what is set for it.
_BEFORE = re2.compile(r"^(?:[({!]\s*|[A-Za-z_]\w*=\S*\s+){1,4}")
# A program, with what may be put between its letters for shells to take out again.
_NAME = re2.compile(r"^['\"\\]?[./]{0,3}\d{0,2}[A-Za-z][\w.+/?*'\"\\-]*$")
# Options, places, what is read from or written to, and what is expanded. Numbers and names are told to others too.
_TOLD = re2.compile(
    r"(?i)^(?:-{1,2}[a-z][\w-]*(?:[=:].*)?|/[a-z?](?::\S*)?|/[\w.*?-]+(?:/\S*)?|(?:~|\.{1,2})/\S*|[a-z]:\\\S*|"
    r"[a-z]{2,8}://\S+|\d?(?:>{1,2}|<)[&/.~\w]\S*|\$[({]?[a-z_]\S*|%[a-z_]+%)$"
)
_EXPANDED = re2.compile(r"^\$(?:\(|\{?[A-Za-z_])")
_ASSIGNED = re2.compile(r"^(?:\W{0,4})([A-Za-z_]\w{0,31})=[^;\s]*;")
_MOST_TOLD = 12
_MOST_SAID = 3
# A character reference, or a parameter of an address.
_NO_COMMAND = re2.compile(r"^(?:#?\w{1,31};\s*[^A-Za-z]|#?\w{1,31};?$|[\w.\[\]-]{1,64}=)")
# A member of something, as conditions of programs ask for, and what files of programs end with.
_MEMBER = re2.compile(r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$")
_RUN = re2.compile(r"(?i)\.(?:sh|bash|exe|bat|cmd|com|ps1|py|pl|rb|php|vbs|js|jar|bin|run|elf|msc|cpl)$")
# Words that follow such a mark in the languages of programs.
_OF_PROGRAMS = frozenset(
    ("string", "number", "boolean", "null", "undefined", "true", "false", "any", "never", "unknown", "object", "void",
     "symbol", "bigint", "none", "not", "this", "await", "typeof", "new", "return", "else", "or", "and", "str", "int",
     "float", "bool", "break", "continue", "default")
)  # fmt: skip


def judge(text: str) -> Hit | None:
    """A short text, of which the first line counts. What stands before a mark is not looked at: sentences have such
    marks too.
    """
    line = text.strip().partition("\n")[0].rstrip()
    if not line or len(line) > LONGEST:
        return None
    score = max(_judge_led(line), _judge_substituted(line), _judge_assembled(line))
    return Hit(COMMAND, 0, len(text), score) if score else None


def _judge_led(line: str) -> float:
    found = _LED.match(line)
    if found is None:
        return 0.0
    mark, rest = found.group(1).strip(), line[found.end() :].strip()
    is_closed = rest.endswith("&") or _CLOSED.match(line) is not None
    command = rest.rstrip("&;| \t'\"#")
    if not command or (mark == "&" and _NO_COMMAND.match(line[found.end() :])):
        return 0.0
    if _EXPANDED.match(command):
        return _SURE if command.startswith("$(") else _LIKELY
    score = _judge_command(command, is_marked=mark != "&" or is_closed, is_closed=is_closed)
    if score < _SURE and (rest.endswith(mark) or (mark in ("&&", "||") and _is_member(command))):
        # A row of a table, what is hidden until it is clicked, or a condition.
        return 0.0
    return score


def _judge_substituted(line: str) -> float:
    """What is put in the place of its output. One word in it is a variable of builds, or a button of a page."""
    found = _SUBSTITUTED.match(line)
    if found is None:
        return 0.0
    inner, ticked = (found.group(1) or "").strip(), (found.group(2) or "").strip()
    score = _judge_command(inner or ticked, is_marked=False, is_closed=False)
    # Between such marks stands code in a message as well.
    return min(score, _LIKELY) if ticked else score


def _judge_assembled(line: str) -> float:
    """A command that is put together of variables that were set for it."""
    names: list[str] = []
    rest = line
    while (found := _ASSIGNED.match(rest)) is not None and len(names) < 8:
        names.append(found.group(1))
        rest = rest[found.end() :]
    return _SURE if any(rest.startswith((f"${name}", f"${{{name}")) for name in names) else 0.0


def _is_member(command: str) -> bool:
    return _MEMBER.match(command) is not None and _RUN.search(command) is None


def _judge_command(command: str, *, is_marked: bool, is_closed: bool) -> float:
    """`is_marked` says that a program's name alone is likely one, `is_closed` that the value was got out of before."""
    before = _BEFORE.match(command)
    command = command[before.end() :] if before is not None else command
    name, *given = command.split() or [""]
    if not _NAME.match(name) or name.lower() in _OF_PROGRAMS or len(given) > _MOST_TOLD:
        return 0.0
    told = sum(1 for each in given if _TOLD.match(each.rstrip(";|&")))
    if told and 2 * told >= min(len(given), 4):
        return _SURE
    if not is_marked or len(given) > _MOST_SAID or name[0].isupper() or len(name) < 2:
        return _LIKELY if told else _UNSURE
    return _SURE if is_closed else _LIKELY
