"""Text that a person does not see: characters without shape, reordered text, terminal codes, invisible markup."""

from __future__ import annotations

from itertools import islice

import numpy as np
import numpy.typing as npt
import re2

from guardrails.engine.arrays import points_of
from guardrails.engine.hits import Hit

CATEGORY = "HIDDEN_TEXT"
_Points = npt.NDArray[np.uint32]

_ZERO_WIDTH = np.array(
    [0x200B, 0x200C, 0x200D, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0xFEFF, 0x180E, 0x00AD, 0x034F, 0x115F, 0x1160,
     0x3164, 0xFFA0], dtype=np.uint32,
)  # fmt: skip
_BLACK_FLAG = 0x1F3F4
_MOST_PARTS = 20
_LEAST_PART = 8
_FEWEST_WORDS = 4
_LONGEST_PART = 2000
_LONGEST_TAG = 400
# Styles that are looked at in one text.
_MOST_STYLES = 200

# What hides text, what moves over it, and what merely colours it.
_TERMINAL = (
    (0.9, re2.compile(r"\x1b\[(?:\d+;)*8(?:;\d+)*m")),
    (0.55, re2.compile(r"\x1b\[\d*(?:;\d+)*[ABCDEFGHJKSTsu]|\x1b\]\d|\x1b[7-9cM]|\x9b")),
    (0.15, re2.compile(r"\x1b\[[\d;]*m")),
)
# An element of which the style says that nobody sees what follows; tags are short, so that this stays cheap.
_UNSEEN = re2.compile(
    r"(?i)display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[01](?:px|pt|em|%)?\s*[;\"'>]|"
    r"opacity\s*:\s*0(?:\.0\d*)?\s*[;\"'>]|[;\"'\s]color\s*:\s*(?:white|transparent|#fff(?:fff)?)\b|"
    r"text-indent\s*:\s*-\d{3}|\b(?:left|top)\s*:\s*-\d{3}|clip\s*:\s*rect\(0|\shidden(?:\s|>|=)|"
    r"aria-hidden\s*=\s*[\"']?true"
)
_LINK_COMMENT = re2.compile(r"(?m)^\[(?://|comment|_)\]:\s*(?:#|<>)\s*[\"'(](.{8,900}?)[\"')]\s*$")


def find_characters(text: str) -> list[Hit]:
    """Invisible characters in such number, or at such places, that they are no typography."""
    found = _terminal_codes(text) if "\x1b" in text or "\x9b" in text else []
    if text.isascii():
        return found
    points = points_of(text, "replace")
    if int(points.max()) < 0xAD:
        return found
    found += _tags(points)
    found += _selectors(points)
    found += _reordered(points)
    found += _between_letters(points)
    return found


def find_parts(text: str) -> list[tuple[int, int]]:
    """Where there is text that a browser or renderer does not show: comments, and elements styled away."""
    parts: list[tuple[int, int]] = []
    if "<!--" in text:
        parts += _between(text, "<!--", "-->")
    if "<" in text and len(parts) < _MOST_PARTS:
        parts += _unseen_elements(text)
    if "]: #" in text or "]: <>" in text or "]:#" in text:
        parts += [match.span(1) for match in islice(_LINK_COMMENT.finditer(text), _MOST_PARTS)]
    return [(start, end) for start, end in parts[:_MOST_PARTS] if _is_sentence(text[start:end])]


def _is_sentence(part: str) -> bool:
    """Editors and generators leave marks of a few words in comments; nobody is told anything in so few."""
    return not part.isascii() or len(part.split(None, _FEWEST_WORDS)) >= _FEWEST_WORDS


def _between(text: str, opening: str, closing: str) -> list[tuple[int, int]]:
    parts: list[tuple[int, int]] = []
    start = text.find(opening)
    while start >= 0 and len(parts) < _MOST_PARTS:
        start += len(opening)
        end = text.find(closing, start)
        stop = len(text) if end < 0 else end
        if stop - start >= _LEAST_PART:
            parts.append((start, min(stop, start + _LONGEST_PART)))
        start = text.find(opening, stop)
    return parts


def _unseen_elements(text: str) -> list[tuple[int, int]]:
    """The text behind each tag that hides it, up to the next tag."""
    parts: list[tuple[int, int]] = []
    for match in islice(_UNSEEN.finditer(text), _MOST_STYLES):
        opened = text.rfind("<", max(0, match.start() - _LONGEST_TAG), match.start())
        shut = text.find(">", match.end() - 1, match.end() + _LONGEST_TAG)
        if opened < 0 or shut < 0 or shut - opened > _LONGEST_TAG or text[opened + 1 : opened + 2] in "/!":
            continue
        longest = min(len(text), shut + 1 + _LONGEST_PART)
        end = text.find("<", shut, longest)
        stop = longest if end < 0 else end
        if stop - shut > _LEAST_PART:
            parts.append((shut + 1, stop))
        if len(parts) == _MOST_PARTS:
            break
    return parts


def _terminal_codes(text: str) -> list[Hit]:
    """The first of each kind, as places in a long text are dear."""
    found = []
    for score, pattern in _TERMINAL:
        match = pattern.search(text)
        if match is not None:
            found.append(Hit(CATEGORY, match.start(), match.end(), score))
    return found


def _hit(score: float, places: npt.NDArray[np.intp]) -> list[Hit]:
    return [Hit(CATEGORY, int(places[0]), int(places[-1]) + 1, score)] if len(places) else []


def _tags(points: _Points) -> list[Hit]:
    """ASCII in the Tags block (U+E0000 to U+E007F), which only flags of regions use."""
    tags = (points >= 0xE0000) & (points <= 0xE007F)
    places = np.flatnonzero(tags)
    flags = int((points == _BLACK_FLAG).sum())
    return _hit(0.95, places) if len(places) > 7 * flags and len(places) >= 2 else []


def _selectors(points: _Points) -> list[Hit]:
    """Runs of variation selectors, which can carry any bytes behind one visible character."""
    selectors = ((points >= 0xE0100) & (points <= 0xE01EF)) | ((points >= 0xFE00) & (points <= 0xFE0F))
    places = np.flatnonzero(selectors[1:] & selectors[:-1])
    return _hit(0.9, places) if len(places) >= 3 else []


def _reordered(points: _Points) -> list[Hit]:
    """Overrides of direction: what is shown is not what is read (Boucher and Anderson, "Trojan Source", 2021)."""
    return _hit(0.75, np.flatnonzero((points == 0x202D) | (points == 0x202E)))


def _between_letters(points: _Points) -> list[Hit]:
    """Zero-width characters inside words of scripts that do not join their letters, or many in a row."""
    hidden = np.isin(points, _ZERO_WIDTH)
    places = np.flatnonzero(hidden)
    if len(places) < 3:
        return []
    in_a_row = np.flatnonzero(hidden[1:] & hidden[:-1])
    if len(in_a_row) >= 6:
        return _hit(0.9, in_a_row)
    # Soft hyphens are typography unless they stand between most letters.
    shown = places[points[places] != 0xAD] if len(places) * 6 < len(points) else places
    inner = shown[(shown > 0) & (shown < len(points) - 1)]
    inner = inner[_is_plain_letter(points[inner - 1]) & _is_plain_letter(points[inner + 1])]
    return _hit(0.6 if len(inner) < 8 else 0.8, inner) if len(inner) >= 3 else []


def _is_plain_letter(points: _Points) -> npt.NDArray[np.bool_]:
    lower = points | 32
    latin = (lower >= 97) & (lower <= 122)
    # Latin letters with marks, Greek, Cyrillic, and the space between words.
    plain: npt.NDArray[np.bool_] = latin | ((points >= 0xC0) & (points <= 0x52F)) | (points == 32)
    return plain
