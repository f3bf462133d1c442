"""Texts of a server before a person's eyes: nothing in them stays hidden."""

from __future__ import annotations

from guardrails.engine.folding import is_invisible

# A letter of Braille without a dot: printable, and never seen.
_BLANKS = frozenset("\u2800")
_MAX_QUOTED = 200


def visible(text: str) -> str:
    """With every character that shows nothing, or turns the line around, written as a \\u escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if _is_seen(letter) else escaped(letter) for letter in text)


def quoted(text: str) -> str:
    """The beginning of a text, in one line."""
    return visible(text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…").replace("\n", "\\n")


def escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\u{{{code:x}}}"


def _is_seen(letter: str) -> bool:
    return letter == "\n" or (letter.isprintable() and not is_invisible(letter) and letter not in _BLANKS)
