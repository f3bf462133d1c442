"""A text without what only hides it: invisible characters gone, compatibility forms and look-alikes made plain.

Compatibility forms are those of NFKC (UAX 15). Look-alikes are the letters of other scripts that Unicode's list of
confusables (UTS 39) gives for Latin ones; they are folded only in words where they stand in for Latin letters.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import cumulative, pieces, points_of, text_of
from guardrails.engine.pieces import Reading, windows

Points = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

_WHOLE_TO = 4096
_MARGIN = 128
# Some compatibility forms stand for a sentence; this much tells what they are.
_MOST_OF_ONE = 3
# A word of this many look-alikes alone, in a Latin text, is no word of another script.
_LEAST_FOREIGN_WORD = 3
_LEAST_DIGITS = 7

# What a character is, as bits.
_INVISIBLE, _PLAINABLE, _SOFT, _ALIKE, _TWIN, _FOREIGN, _LATIN, _MARK, _SPACE, _DIGIT, _DASH = (
    1 << bit for bit in range(11)
)

_NOTABLE = _INVISIBLE | _PLAINABLE | _SOFT | _TWIN | _MARK

_INVISIBLES = (
    (0x00, 0x08), (0x0B, 0x0C), (0x0E, 0x1F), (0x7F, 0x84), (0x86, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C),
    (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_MARKS = ((0x300, 0x36F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
_FOREIGN_LETTERS = (
    (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x587), (0x13A0, 0x13FF), (0x1C80, 0x1C8F), (0x2C80, 0x2CFF),
    (0xA4D0, 0xA4FF), (0xAB70, 0xABBF),
)  # fmt: skip
_LATIN_LETTERS = ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF))
# Where NFKC changes single characters; elsewhere it need not be asked.
_COMPATIBILITY = (
    (0xA0, 0x2FFF), (0x3000, 0x33FF), (0xA640, 0xABFF), (0xF900, 0xFFEF), (0x1D400, 0x1D7FF), (0x1CCD6, 0x1CCF9),
    (0x1F100, 0x1F2FF), (0x1FBF0, 0x1FBF9),
)  # fmt: skip
# Usual in plain writing: made plain in passing, but no reason to read a text twice.
_USUAL = (
    "\u2122\u2120\u2116\u2103\u2109\u2026\u2025\xaa\xba\xb2\xb3\xb9\xbc\xbd\xbe\xb4\xa8\xaf\xb8\u2105\u2121\u213b"
    "\u0132\u0133\u01c4\u01c5\u01c6\u0149\u2018\u2019\u201a\u201c\u201d\u201e\u2013\u2014\u2212\u2010\u2011\u0131"
    + "".join(
        map(chr, (*range(0x2070, 0x207A), *range(0x2080, 0x208A), *range(0x2150, 0x2180), *range(0x2460, 0x249C)))
    )
    + "".join(map(chr, (*range(0x3200, 0x3400), *range(0x1F1E6, 0x1F200))))
)
_SHARP = frozenset("<>'\"%/\\.&;|$`{}[]=#-")
# Punctuation of Chinese and Japanese.
_WIDE_PUNCTUATION = frozenset("\uff01\uff08\uff09\uff0c\uff0d\uff0e\uff1a\uff1b\uff1f\uff3b\uff3d\uff5b\uff5d\uff5e")

# By Latin letter: those of other scripts that look the same, then those that pass for it between Latin letters.
# In escapes, as nobody could tell them apart here either.
_SAME = {
    "A": "\u0410\u0391\u13aa\ua4ee", "a": "\u0430\u03b1", "B": "\u0412\u0392\u13f4\ua4d0",
    "C": "\u0421\u03f9\u13df\ua4da\u2ca4", "c": "\u0441\u03f2\u2ca5", "D": "\u13a0\ua4d3", "d": "\u0501\ua4d2",
    "E": "\u0415\u0395\u13ac\ua4f0", "e": "\u0435", "F": "\ua4dd", "G": "\u13c0\ua4d6", "g": "\u0581",
    "H": "\u041d\u0397\u13bb\ua4e7\u2c8e", "h": "\u04bb\u0570", "I": "\u0406\u04c0\u0399\ua4f2\u2c92",
    "i": "\u0456\u03b9\u13a5", "J": "\u0408\u13ab\ua4d9", "j": "\u0458\u03f3\u0575",
    "K": "\u041a\u039a\u13e6\ua4d7\u2c94", "k": "\u03ba", "L": "\u053c\u13de\ua4e1", "l": "\u04cf",
    "M": "\u041c\u039c\u13b7\ua4df\u2c98", "N": "\u039d\ua4e0\u2c9a", "n": "\u0578",
    "O": "\u041e\u039f\u0555\ua4f3\u2c9e", "o": "\u043e\u03bf\u0585\u2c9f", "P": "\u0420\u03a1\u13e2\ua4d1\u2ca2",
    "p": "\u0440\u03c1\u0584\u2ca3", "Q": "\u051a", "q": "\u051b\u0566", "R": "\u13d2\ua4e3",
    "S": "\u0405\u054f\u13da\ua4e2", "s": "\u0455", "T": "\u0422\u03a4\u13a2\ua4d4", "U": "\u054d\ua4f4",
    "u": "\u03c5\u057d", "V": "\u0474\u13d9\ua4e6", "v": "\u0475\u03bd", "W": "\u051c\u13b3\ua4ea", "w": "\u051d",
    "X": "\u0425\u03a7\ua4eb", "x": "\u0445", "Y": "\u0423\u04ae\u03a5\ua4ec", "y": "\u0443\u04af",
    "Z": "\u0396\u13c3\ua4dc",
}  # fmt: skip
_SIMILAR = {
    "A": "\u039b", "a": "\u04d3", "b": "\u0432\u044c\u044a\u03b2", "d": "\u0434\u03b4", "e": "\u0451\u0454\u03b5",
    "h": "\u043d", "i": "\u0457", "k": "\u043a", "m": "\u043c", "N": "\u0418", "n": "\u043f\u03b7",
    "o": "\u04e7\u03c3", "R": "\u042f", "r": "\u0433", "t": "\u0442\u03c4", "u": "\u0438", "w": "\u03c9",
    "x": "\u03c7", "y": "\u04f1\u03b3",
}  # fmt: skip
# Latin in all but name: small capitals, phonetic forms, and signs that stand for one of ASCII.
_ALWAYS = {
    "!": "\u01c3", "\"": "\u201c\u201d\u201e", "'": "\u2018\u2019\u201a\u02bc", "-": "\u2010\u2011\u2013\u2014\u2212",
    ".": "\u2024", "/": "\u2044\u2215", ":": "\u2236", "<": "\u2039\u276e\u2329", ">": "\u203a\u276f\u232a",
    "a": "\u1d00\u0251", "b": "\u0299", "c": "\u1d04", "d": "\u1d05", "e": "\u1d07", "f": "\ua730",
    "g": "\u0262\u0261", "h": "\u029c", "i": "\u026a\u0269\u0131", "j": "\u1d0a\u0237", "k": "\u1d0b", "l": "\u029f",
    "m": "\u1d0d", "n": "\u0274", "o": "\u1d0f", "p": "\u1d18", "q": "\ua7af", "r": "\u0280", "s": "\ua731",
    "t": "\u1d1b", "u": "\u1d1c", "v": "\u1d20\u028b", "w": "\u1d21", "y": "\u028f", "z": "\u1d22", "|": "\u2223",
}  # fmt: skip
_ENCLOSED = ((0x1F150, 26), (0x1F170, 26), (0x1F1E6, 26))


def _by_twin(table: dict[str, str]) -> dict[str, str]:
    return {twin: plain for plain, twins in table.items() for twin in twins}


_ALWAYS_PLAIN = _by_twin(_ALWAYS) | {chr(first + i): chr(65 + i) for first, count in _ENCLOSED for i in range(count)}
_ALWAYS_PLAIN |= {"\u2028": "\n", "\u2029": "\n", "\x85": "\n", "\u2800": " "}
_SAMES = _by_twin(_SAME)
_TWINS = _by_twin(_SIMILAR) | _SAMES


def fold(text: str) -> Reading | None:
    """The plain reading of a text, or of what surrounds the hidden parts of a long one; None when nothing is hidden."""
    points = points_of(text)
    flags = _flags()[points]
    if not (flags & _NOTABLE).any():
        return None
    gone = (flags & _INVISIBLE) != 0
    marks = _marks_on_latin(flags)
    twins = _standing_in(flags, gone)
    hot = (gone & ~_usual_invisibles(points, gone)) | marks | twins | ((flags & _PLAINABLE) != 0)
    hot |= _tight_spaces(flags) | _in_numbers(points, flags)
    if not hot.any():
        return None
    changed = ((flags & (_PLAINABLE | _SOFT)) != 0) | twins
    stretches = (
        [(0, len(text))] if len(text) <= _WHOLE_TO else windows(np.flatnonzero(hot), len(text), _MARGIN)
    )  # fmt: skip
    folded = _rewrite(points, stretches, ~(gone | marks), changed, twins)
    return None if folded.text == text else folded


def is_plain(raw: bytes) -> bool:
    """Whether a text in ASCII holds no control characters but tabs and ends of lines."""
    return len(raw.translate(None, _CONTROLS)) == len(raw)


_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])


def hidden_places(text: str) -> list[int]:
    """Where characters stand that show nothing, or turn the line around, and that plain writing does not need."""
    if text.isascii() and is_plain(text.encode()):
        return []
    points = points_of(text)
    gone = (_flags()[points] & _INVISIBLE) != 0
    return [int(place) for place in np.flatnonzero(gone & ~_usual_invisibles(points, gone))]


def is_invisible(letter: str) -> bool:
    """Whether a character shows nothing by itself, needed or not."""
    return bool(_flags()[ord(letter)] & _INVISIBLE)


def without_look_alikes(name: str) -> str:
    """Every letter as the Latin one that it looks like, also in words of other scripts: for names, never for prose."""
    return "".join(_TWINS.get(letter) or _plain(letter) for letter in name if not is_invisible(letter))


def _rewrite(points: Points, stretches: list[tuple[int, int]], keep: Mask, changed: Mask, twins: Mask) -> Reading:
    texts: list[str] = []
    starts: list[npt.NDArray[np.intp]] = []
    ends: list[npt.NDArray[np.intp]] = []
    for first, last in stretches:
        if texts:
            texts.append("\n")
            starts.append(ends[-1][-1:] if len(ends[-1]) else np.array([first]))
            ends.append(np.array([first]))
        for start, end in pieces(last - first):
            kept = np.flatnonzero(keep[first + start : first + end]) + first + start
            text, lengths = _rewrite_piece(points, kept, changed, twins)
            texts.append(text)
            starts.append(np.repeat(kept, lengths))
            ends.append(np.repeat(kept + 1, lengths))
    return Reading(
        "".join(texts), "folded", np.concatenate(starts).astype(np.int32), np.concatenate(ends).astype(np.int32)
    )


def _rewrite_piece(
    points: Points, kept: npt.NDArray[np.intp], changed: Mask, twins: Mask
) -> tuple[str, npt.NDArray[np.intp]]:
    """What some characters are made into, and how many characters each of them."""
    letters = list(text_of(points[kept], "replace"))
    lengths = np.ones(len(kept), dtype=np.intp)
    for index in np.flatnonzero(changed[kept]).tolist():
        letter = letters[index]
        plain = _TWINS.get(letter, letter) if twins[kept[index]] else _plain(letter)
        letters[index] = plain
        lengths[index] = len(plain)
    return "".join(letters), lengths


@lru_cache(maxsize=65_536)
def _plain(letter: str) -> str:
    known = _ALWAYS_PLAIN.get(letter)
    if known is not None:
        return known
    digit = unicodedata.decimal(letter, None)
    return unicodedata.normalize("NFKC", letter)[:_MOST_OF_ONE] if digit is None else str(digit)


# What each character is


@lru_cache(maxsize=1)
def _flags() -> npt.NDArray[np.uint16]:
    """By code point."""
    table = np.zeros(0x110000, dtype=np.uint16)
    for ranges, flag in (
        (_INVISIBLES, _INVISIBLE),
        (_MARKS, _MARK),
        (_FOREIGN_LETTERS, _FOREIGN),
        (_LATIN_LETTERS, _LATIN),
    ):
        for first, last in ranges:
            table[first : last + 1] |= flag
    for first, last in _COMPATIBILITY:
        for code in range(first, last + 1):
            letter = chr(code)
            if unicodedata.category(letter) == "Nd":
                table[code] |= _SOFT | _DIGIT
            plain = unicodedata.normalize("NFKC", letter)
            if plain != letter and not table[code] & (_INVISIBLE | _MARK | _FOREIGN):
                table[code] |= _kind_of_form(plain)
    for letter in _ALWAYS_PLAIN:
        table[ord(letter)] = _PLAINABLE | _LATIN
    for letter in _USUAL:
        table[ord(letter)] = int(table[ord(letter)]) & ~_PLAINABLE | _SOFT
    for letter in _WIDE_PUNCTUATION:
        table[ord(letter)] = _SOFT
    for letter in _TWINS:
        table[ord(letter)] |= _TWIN | _FOREIGN
    for letter in _SAMES:
        table[ord(letter)] |= _ALIKE
    # A no-break space is usual between words, and no other space is worth a second reading.
    for code in (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000):
        table[code] = _SOFT | _SPACE
    for letter in _ALWAYS["-"]:
        table[ord(letter)] |= _DASH
    return table


def _kind_of_form(plain: str) -> int:
    if any("a" <= letter.lower() <= "z" for letter in plain):
        return _PLAINABLE | _LATIN
    if any("0" <= letter <= "9" or letter in _SHARP for letter in plain):
        return _PLAINABLE
    return _SOFT


def _usual_invisibles(points: Points, gone: Mask) -> Mask:
    """Invisible characters where plain writing needs them: in emoji, in joined scripts, at the very beginning."""
    if not gone.any():
        return gone
    before = np.concatenate((np.zeros(1, dtype=np.uint32), points[:-1]))
    after = np.concatenate((points[1:], np.zeros(1, dtype=np.uint32)))
    hidden_before = np.concatenate((np.zeros(1, dtype=np.bool_), gone[:-1]))
    selectors = ((points == 0xFE0F) | (points == 0xFE0E)) & ~hidden_before
    selectors &= (before >= 0x2000) | (before < 0x3A) | (before == 0xA9) | (before == 0xAE)
    joined = (before >= 0x590) & (before < 0x1D00) & (after >= 0x590) & (after < 0x1D00)
    between = (before >= 0x2190) & (after >= 0x2190) & (after < 0xE0000)
    joiners = ((points == 0x200D) & (joined | between)) | ((points == 0x200C) & joined)
    right_to_left = ((before >= 0x590) & (before < 0x900)) | ((after >= 0x590) & (after < 0x900))
    directions = ((points == 0x200E) | (points == 0x200F) | (points == 0x61C)) & right_to_left
    tags = (points >= 0xE0061) & (points <= 0xE007F)
    if tags.any():
        # The flag of a part of a country: a black flag, its code in tags, and the end of tags.
        places = np.arange(len(points))
        base = np.maximum.accumulate(np.where(tags, 0, places))
        tags &= (points[base] == 0x1F3F4) & (places - base <= 7)
    usual: Mask = selectors | joiners | directions | tags
    usual[0] |= bool(points[0] == 0xFEFF)
    return usual


def _marks_on_latin(flags: npt.NDArray[np.uint16]) -> Mask:
    marks: Mask = (flags & _MARK) != 0
    if marks.any():
        base = np.maximum.accumulate(np.where(marks, 0, np.arange(len(flags))))
        marks &= (flags[base] & _LATIN) != 0
    return marks


def _tight_spaces(flags: npt.NDArray[np.uint16]) -> Mask:
    """Unusual spaces in rows, as between the letters of a word."""
    spaces: Mask = (flags & _SPACE) != 0
    if np.count_nonzero(spaces) < 6:
        return np.zeros(len(flags), dtype=np.bool_)
    tight = spaces.copy()
    tight[:-2] &= spaces[2:]
    tight[-2:] = False
    return tight


def _in_numbers(points: Points, flags: npt.NDArray[np.uint16]) -> Mask:
    """Digits of other scripts, where there are enough for a number that matters, and unusual signs between digits."""
    digits: Mask = (flags & _DIGIT) != 0
    if np.count_nonzero(digits) < _LEAST_DIGITS:
        digits = np.zeros(len(flags), dtype=np.bool_)
    signs = (flags[1:-1] & (_SPACE | _DASH)) != 0
    if signs.any():
        plain = (points >= 0x30) & (points <= 0x39)
        digits[1:-1] |= signs & plain[:-2] & plain[2:]
    return digits


def _standing_in(flags: npt.NDArray[np.uint16], gone: Mask) -> Mask:
    """Look-alikes that stand in for Latin letters: beside Latin ones in a word, or as a whole word in a Latin text."""
    twins: Mask = (flags & _TWIN) != 0
    if not twins.any():
        return twins
    latin, foreign = (flags & _LATIN) != 0, (flags & _FOREIGN) != 0
    letters = latin | foreign
    # What is invisible does not end a word.
    inside = letters | gone
    begins = inside & ~np.concatenate((np.zeros(1, dtype=np.bool_), inside[:-1]))
    word = cumulative(begins, np.intp)[1:] * inside
    counts = int(word.max()) + 1
    of_latin, of_foreign, of_same = (
        np.bincount(word, weights=mask & inside, minlength=counts)
        for mask in (latin & ~foreign, foreign, (flags & _ALIKE) != 0)
    )  # fmt: skip
    is_latin_text = np.count_nonzero(latin & ~foreign) >= np.count_nonzero(foreign)
    stands_in = of_latin > 0
    if is_latin_text:
        stands_in |= (of_foreign == of_same) & (of_foreign >= _LEAST_FOREIGN_WORD)
    stands_in[0] = False
    twins &= stands_in[word]
    return twins
