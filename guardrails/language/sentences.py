"""Where the sentences of a text begin and end."""

from __future__ import annotations

import re2

from guardrails.engine.arrays import pieces
from guardrails.engine.turns import give_way
from guardrails.language.words import word_set

# An end is a mark with what closes around it and a space behind it, an empty line, or the beginning of a list item.
_END = re2.compile(
    r"[.!?\x{2026}]+[\"'\x{2019}\x{201d})\]]*\s+|[\x{3002}\x{ff01}\x{ff1f}]+"
    r"|\s*\n\s*\n\s*|\n\s*(?:[-*\x{2022}]|\d{1,3}[.)])\s+"
)
_ABBREVIATIONS = word_set(
    "mr mrs ms dr prof sr jr st vs etc e.g i.e cf al fig no nos vol pp p inc ltd co corp dept approx est jan feb mar"
    " apr jun jul aug sep sept oct nov dec gen col sgt lt capt rev hon u.s u.k u.n a.m p.m z.b bzw ca nr"
)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, in characters, without the space around it. Covers all that is not space."""
    found: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(readable(text)):
        give_way()
        begin, end = match.span()
        mark = text[begin]
        if mark == "." and _is_abbreviation(text, start, begin, end):
            continue
        stop = end if mark in ".!?\u2026\u3002\uff01\uff1f" else begin
        _append(found, text, start, stop)
        start = stop
    _append(found, text, start, len(text))
    return found


def readable(text: str) -> str:
    """The text for re2, which takes UTF-8: a lone surrogate becomes a question mark, so that positions stay."""
    if text.isascii():
        return text
    return "".join([text[start:end].encode("utf-8", "replace").decode("utf-8") for start, end in pieces(len(text))])


def _is_abbreviation(text: str, start: int, dot: int, end: int) -> bool:
    if end < len(text) and text[end].islower():
        return True
    word = text[max(start, dot - 12) : dot].rsplit(None, 1)[-1:] or [""]
    plain = word[0].lstrip("(\"'[").lower()
    return plain in _ABBREVIATIONS or (len(plain) == 1 and plain.isalpha() and plain != "i")


def _append(found: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    begin = start + len(piece) - len(piece.lstrip())
    stop = begin + len(piece.strip())
    if stop > begin:
        found.append((begin, stop))
