"""What a text says that only looks odd: signs for letters, letters apart, words that marks of Markdown cut."""

from __future__ import annotations

import numpy as np
import re2

from guardrails.engine import letters
from guardrails.engine.arrays import cumulative, points_of, text_of
from guardrails.engine.pieces import Change, Pieces, Reading, excerpt, windows
from guardrails.engine.turns import each

_AROUND = 256
_WHOLE_TO = 2048
_MOST_HITS = 2048

# Signs for letters: 1, ! and | may be i or l, for which i stands here until its neighbours tell.
_LEET = bytes.maketrans(b"013456789@$!|+", b"oieasgtbgasiit")
_LEET_SIGNS = re2.compile(rb"[A-Za-z][0134576@$!|+][A-Za-z]|\b[0134576@$!][A-Za-z]{2}")
_IS_SIGN = np.array([_LEET[code] != code for code in range(256)])
_IS_EITHER = np.array([code in b"1!|" for code in range(256)])
_I, _L = letters.code_of(b"i"), letters.code_of(b"l")
_LEET_WORDS = re2.compile(
    rb"(?i)[il]gnor|prev[il]ous|[il]nstruct|syst[e]m|prompt|passw|d[il]sregard|overr[il]de|revea[il]|forget|bypass|"
    rb"ja[il]break|adm[il]n|secret|execute|"
    rb"\b(th[il]s|with|the|and|you|your|that|from|must|have|please|a[il]{2}|for|w[il]{3}|what|te[il]{2}|send|user|then|"
    rb"when|everyth[il]ng|above|answer|wr[il]te|message|about|rules|ema[il]{2}|not|are|exp[il]a[il]n|respond|to|s[ae]y|"
    rb"how)\b"
)
_LEAST_LIKE_WRITING = 0.3
_LONGEST_WORD = 32
# Three words so close are written so on purpose.
_NEAR = 80
# Marks that begin prices, names and additions.
_OPENING = np.frombuffer(b"$@!|+", dtype=np.uint8)
# Words among which there must be different ones.
_LOOKED_AT = 200
_MARKED = re2.compile(rb"(?:[A-Za-z0-9][A-Za-z0-9 ,.:']{0,4}(?:\*{1,3}|~~|__?|`|\|\||\\) ?){5,}[A-Za-z]")
_MARKS = re2.compile(rb"\*{1,3}|~~|__?|`|\|\||<!---->|\\")
_MARKED_RUN = re2.compile(rb"[A-Za-z0-9'][A-Za-z']*(?:[_+.\-]{1,4}[\"'(\[]?[A-Za-z'][A-Za-z'!?]*[\"')\]]?[,;:.]?){5,}")
_MARK = re2.compile(rb"[_+.\-]+")
_CAPITALS = re2.compile(rb"(?:[A-Z][a-z']+[,.!?]?){6,}")
_SEAM = re2.compile(rb"[a-z'!?,.][A-Z]")
# Single characters with room between them; and letters with one mark between them.
_SPACED = re2.compile(rb"(?:[!-~][ \t]{1,4}(?:\r?\n)?){6,}[!-~]")
_JOINED = re2.compile(rb"\b[A-Za-z0-9](?:[._*\-|~+/][A-Za-z0-9@$!])+\b")
_LEAST_JOINED = 7
_NO_LETTERS = bytes(code for code in range(256) if not chr(code).isalpha() or code > 127)


def leet(text: str, raw: bytes) -> Reading | None:
    if _LEET_SIGNS.search(raw) is None:
        return None
    folded = raw.translate(_LEET)
    tokens = _Tokens(raw, folded)
    hits = tokens.like_words() or _known_words(raw, folded)
    if not hits:
        return None
    margin = len(text) if len(text) <= _WHOLE_TO or len(hits) > _MOST_HITS else _AROUND
    plain = tokens.made_plain(text)
    found = Pieces()
    for start, end in windows(letters.places(hits), len(text), margin):
        found.separate(start, start)
        found.put(plain[start:end], start, end, 1)
    return found.read("leet")


class _Tokens:
    """The words of a text in which signs and letters stand together."""

    def __init__(self, raw: bytes, folded: bytes) -> None:
        self._raw = np.frombuffer(raw, dtype=np.uint8)
        self._folded = np.frombuffer(folded, dtype=np.uint8)
        self._codes = letters.code_of(folded)
        is_letter = letters.code_of(raw) < letters.LETTERS
        inside = np.concatenate(([False], is_letter | _IS_SIGN[self._raw], [False]))
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        begins, ends = edges[0::2], edges[1::2]
        letters_before = cumulative(is_letter, np.intp)
        count = letters_before[ends] - letters_before[begins]
        mixed = (count > 0) & (count < ends - begins)
        self._begins, self._ends, self._count = begins[mixed], ends[mixed], count[mixed]
        # What ends a word may be a mark or a number as well.
        self._last = self._ends - 1
        self._last -= ~is_letter[self._last] & (self._last > self._begins)
        within = letters_before[self._last + 1] - letters_before[self._begins] < self._last + 1 - self._begins
        self._within = within & ~np.isin(self._raw[self._begins], _OPENING)

    def like_words(self) -> list[tuple[int, int]]:
        """Those of any language: their letters follow one another as in writing, once signs are letters."""
        sums = cumulative(letters.gains(self._codes))
        lengths = self._ends - self._begins
        likely = sums[self._ends - 1] - sums[self._begins] >= _LEAST_LIKE_WRITING * (lengths - 1)
        likely &= (lengths >= 3) & (lengths <= _LONGEST_WORD) & (self._count * 3 >= lengths) & self._within
        spans = _close_together(self._begins[likely], self._ends[likely])
        return spans if len({self._folded[start:end].tobytes() for start, end in spans[:_LOOKED_AT]}) >= 3 else []

    def made_plain(self, text: str) -> str:
        """Signs beside a letter as letters; figures that stand alone are figures."""
        if not len(self._begins):
            return text
        steps = np.zeros(len(self._raw) + 1, dtype=np.int8)
        steps[self._begins] += 1
        steps[self._ends] -= 1
        changed = (cumulative(steps[:-1], steps.dtype)[1:] > 0) & (self._raw != self._folded)
        changed[self._ends - 1] &= self._raw[self._ends - 1] != ord("!")
        places = np.flatnonzero(changed)
        points = points_of(text).copy()
        points[places] = self._folded[places]
        either = places[_IS_EITHER[self._raw[places]]]
        around = letters.code_of(b" " + self._folded.tobytes() + b" ")
        before, after = around[either], around[either + 2]
        likely_i, likely_l = (letters.told(before, each) + letters.told(each, after) for each in (_I, _L))
        points[either[likely_l > likely_i]] = ord("l")
        return text_of(points)


def _close_together(begins: letters.Places, ends: letters.Places) -> list[tuple[int, int]]:
    """Names of releases and products have figures too, but a sentence has them in every other word."""
    near = begins[2:] - begins[:-2] <= _NEAR
    kept = np.zeros(len(begins), dtype=np.bool_)
    for shift in range(3):
        kept[shift : len(near) + shift] |= near
    return list(zip(begins[kept].tolist(), ends[kept].tolist(), strict=True))


def _known_words(raw: bytes, folded: bytes) -> list[tuple[int, int]]:
    hits: list[tuple[int, int]] = []
    telling = False
    for match in each(_LEET_WORDS, folded):
        start, end = match.span()
        if raw[start:end].lower() != folded[start:end].lower():
            hits.append((start, end))
            telling = telling or match.lastindex is None
            if len(hits) >= _MOST_HITS:
                hits.append((len(raw) - 1, len(raw)))
                break
    enough = 2 if len(raw) <= _WHOLE_TO else 3
    return hits if telling or len({folded[start:end].lower() for start, end in hits}) >= enough else []


def marked(text: str, raw: bytes) -> Reading | None:
    """Words that marks of Markdown cut in pieces. Names in code have such marks too, but not so close together."""
    found: list[Change] = []
    for run in each(_MARKED, raw):
        found += [(*mark.span(), "", 0) for mark in each(_MARKS, raw, run.start(), run.end())]
        if len(found) >= _MOST_HITS:
            break
    return excerpt(text, found, "marked")


def joined(text: str, raw: bytes) -> Reading | None:
    """Words with a mark or a capital instead of a space; names in code are seldom as long as sentences."""
    found: list[Change] = []
    for run in each(_MARKED_RUN, raw):
        found += [(*mark.span(), " ", 0) for mark in each(_MARK, raw, run.start(), run.end())]
        if len(found) >= _MOST_HITS:
            break
    if not found:
        for run in each(_CAPITALS, raw):
            if not letters.reads_like_writing(run.group()):
                continue
            seams = (seam.start() + 1 for seam in each(_SEAM, raw, run.start(), run.end()))
            found += [(seam, seam, " ", 0) for seam in seams]
            if len(found) >= _MOST_HITS:
                break
    return excerpt(text, found, "joined")


def spaced(text: str, raw: bytes) -> Reading | None:
    """Letters apart from each other; where the gap is wider, a word ends."""
    found: list[Change] = []
    for match in each(_SPACED, raw):
        found += _closed_up(raw, *match.span())
    return excerpt(text, found, "spaced") or excerpt(text, _without_marks(raw), "spaced")


def _closed_up(raw: bytes, start: int, end: int) -> list[Change]:
    if start and raw[start - 1 : start].strip():
        # The end of a word.
        start += 1
    if raw[end : end + 1].strip():
        end -= 1
    run = raw[start:end]
    signs = run.translate(None, b" \t\r\n")
    if sum(map(bytes.isalpha, (signs[i : i + 1] for i in range(len(signs))))) * 2 < len(signs):
        return []
    gaps: list[tuple[int, int]] = []
    last = None
    for index in range(start, end):
        if raw[index] > 32:
            if last is not None:
                gaps.append((last + 1, index))
            last = index
    least = min((after - before for before, after in gaps), default=0)
    return [(before, after, " " if after - before > least else "", 0) for before, after in gaps]


def _without_marks(raw: bytes) -> list[Change]:
    """Words whose letters have a mark between them, if there are many such."""
    found: list[Change] = []
    count = 0
    for word in each(_JOINED, raw):
        start, end = word.span()
        apart = len(raw[start:end:2].translate(None, _NO_LETTERS))
        if apart * 4 >= end - start:
            # Versions and numbers of chapters are mostly figures.
            count += apart if apart > 2 else 0
            found += [(index, index + 1, "", 0) for index in range(start + 1, end, 2)]
    return found if count >= _LEAST_JOINED else []
