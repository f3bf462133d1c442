"""What a text says whose letters were turned: moved along the alphabet, mirrored, written backwards, or out of order.

Turned letters are looked for in two ways: by words that are common, and telling, once they are turned back, which
works for a few words; and by which letters follow which (letters.py), which works for any language and any key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import re2

from guardrails.engine import letters
from guardrails.engine.arrays import pieces
from guardrails.engine.pieces import Pieces, Reading, windows
from guardrails.engine.turns import each, give_way, giving_way

Spans = list[tuple[int, int]]
# The ways by name; a text is turned back by one of each group once.
KEYED = frozenset({"rot13", "caesar", "atbash", "rot47"})
ORDERED = frozenset({"reversed", "mirrored", "reordered", "overturned"})
_AROUND = 256
_WHOLE_TO = 2048
_MOST_HITS = 2048

# None of them is a word of another language when turned.
_COMMON = (
    "the", "and", "you", "this", "that", "with", "your", "from", "must", "which", "have", "please", "all", "for",
    "will", "what", "tell", "send", "user", "then", "when", "instead", "everything", "above", "before", "answer",
    "write", "message", "about", "following", "would", "should", "there", "other", "their", "these", "tool", "file",
    "rules", "without", "email", "only", "into", "never", "always", "now", "not", "are", "can", "how", "explain",
    "respond",
)
_TELLING = (
    "ignore", "previous", "instructions", "instruction", "system", "prompt", "password", "secret", "reveal", "forget",
    "disregard", "override", "execute", "command", "credentials", "assistant",
)  # fmt: skip
_ROT13 = next(turn.table for turn in letters.TURNS if turn.how == "rot13")
_ROT47 = bytes((code - 33 + 47) % 94 + 33 if 33 <= code <= 126 else code for code in range(256))


def _rotated(word: str) -> str:
    return word.encode().translate(_ROT13).decode()


def _backwards(word: str) -> str:
    return word[::-1]


def _any_of(turn: Callable[[str], str]) -> str:
    return rf"(?i)\b(?:{'|'.join(map(turn, _COMMON + _TELLING))})\b"


_ROTATED_WORDS = re2.compile(_any_of(_rotated).encode())
_REVERSED_WORDS = re2.compile(_any_of(_backwards).encode())
_TELLING_ROTATED = frozenset(_rotated(word).encode() for word in _TELLING)
_TELLING_REVERSED = frozenset(_backwards(word).encode() for word in _TELLING)
# Words in an order that English has the other way round; the first group tells by itself.
_REORDERED = (
    r"(?i)\b(?:((?:instructions|instruction|rules|guidelines) (?:previous|prior|earlier)|prompt system|"
    r"(?:previous|prior|earlier|all|above) (?:ignore|disregard|forget|override))|"
    r"the (?:of|in|to|for|on|with|from|by|at|is|are|into|about|ignore|as)|a (?:of|with|for|as|give)|"
    r"(?:your|my) (?:of|in|to|for|on|with|from|all|is)|be (?:to|must|should|will|can|would|may)|"
    r"this (?:of|with|from|ignore)|(?:it|them|me) (?:give|tell|send|show)|have (?:i|you|we|they)|are (?:you|they|we))\b"
)
_REORDERED_WORDS = re2.compile(_REORDERED.encode())
_PROMISING = re2.compile("|".join((_any_of(_rotated), _any_of(_backwards), _REORDERED)).encode())
_WORD = re2.compile(rb"[^ \n\r\t]+")
# Letters that look like those of ASCII when they stand on their head, then ASCII that does.
_HEADS = str.maketrans(
    "\u0250\u0254\u01dd\u025f\u0183\u0253\u0265\u1d09\u0131\u027e\u017f\u029e\u026f\u0279\u0287\u028c\u028d\u028e"
    "nupdbq\u203e\u02d9\u00a1\u00bf",
    "acefggh" "iijjkmrtvwy" "undpqb_.!?",
)
_ON_THEIR_HEAD = frozenset("\u0250\u0254\u01dd\u025f\u0183\u0265\u1d09\u029e\u026f\u0279\u0287\u028c\u028d\u028e")
_LEAST_HEADS = 5


def turnings(text: str, raw: bytes, ways: Collection[str]) -> Iterator[Reading]:
    """Readings of a text of which `raw` has a byte for each character; `ways` led to it. Linear in the text."""
    if not text.isascii() and ORDERED.isdisjoint(ways):
        yield from _overturned(text)
    hits: dict[str, Spans] = {}
    tables: dict[str, bytes] = {"rot13": _ROT13, "rot47": _ROT47}
    for index, stretches in letters.turned(raw, _ROT47).items():
        turn = letters.TURNS[index] if index >= 0 else letters.Turn("rot47", _ROT47, False)
        if len(stretches) > len(hits.get(turn.how, [])):
            hits[turn.how], tables[turn.how] = stretches, turn.table
    if _PROMISING.search(raw) is not None:
        for how, words, telling in (
            ("rot13", _ROTATED_WORDS, _TELLING_ROTATED),
            ("reversed", _REVERSED_WORDS, _TELLING_REVERSED),
        ):
            hits[how] = sorted(hits.get(how, []) + _evidence(words, raw, telling))
        hits["reordered"] = _out_of_order(raw)
    if KEYED.isdisjoint(ways):
        for how in ("rot13", "caesar", "atbash", "rot47"):
            if hits.get(how):
                yield _turned(text, hits[how], tables[how], how)
    if ORDERED.isdisjoint(ways):
        if hits.get("reversed"):
            yield from _from_the_end(text, raw, hits["reversed"])
        if hits.get("reordered"):
            yield _in_order(text, raw, hits["reordered"])


def _evidence(words: Any, raw: bytes, telling: frozenset[bytes]) -> Spans:
    """Where the words stand, if there is a telling one among them, or enough different common ones."""
    hits: Spans = []
    met: set[bytes] = set()
    for match in each(words, raw):
        hits.append(match.span())
        met.add(match.group().lower())
        if len(hits) >= _MOST_HITS:
            # It is everywhere; to look for all of it would take longer than to turn all that is left.
            hits.append((len(raw) - 1, len(raw)))
            break
    enough = 2 if len(raw) <= _WHOLE_TO else 3
    return hits if len(met) >= enough or met & telling else []


def _out_of_order(raw: bytes) -> Spans:
    hits: Spans = []
    met: set[bytes] = set()
    telling = False
    for match in each(_REORDERED_WORDS, raw):
        hits.append(match.span())
        met.add(match.group().lower())
        telling = telling or match.group(1) is not None
        if len(hits) >= _MOST_HITS:
            break
    return hits if telling or len(met) >= 3 else []


def _turned(text: str, hits: Spans, table: bytes, how: str) -> Reading:
    """One character for one, around what was found."""
    margin = len(text) if len(text) <= _WHOLE_TO or len(hits) > _MOST_HITS else _AROUND
    turn = {code: plain for code, plain in enumerate(table[:128]) if code != plain}
    found = Pieces()
    for start, end in windows(letters.places(hits), len(text), margin):
        found.separate(start, start)
        found.put(text[start:end].translate(turn), start, end, 1)
    return found.read(how)


def _around(hits: Spans, length: int) -> tuple[int, int]:
    margin = length if length <= _WHOLE_TO else _AROUND
    return max(0, hits[0][0] - margin), min(length, max(end for _, end in hits) + margin)


def _from_the_end(text: str, raw: bytes, hits: Spans) -> Iterator[Reading]:
    """All of it from the end, and each word from its end, for the letters do not tell which it was."""
    start, end = _around(hits, len(text))
    found = Pieces()
    found.put(text[start:end][::-1], start, end, -1)
    yield found.read("reversed")
    found, reached = Pieces(), start
    for word in each(_WORD, raw, start, end):
        found.put(text[reached : word.start()], reached, word.start(), 1)
        found.put(text[word.start() : word.end()][::-1], word.start(), word.end(), -1)
        reached = word.end()
    if len(found) > 2:
        yield found.read("mirrored")


def _in_order(text: str, raw: bytes, hits: Spans) -> Reading:
    """The words from the last to the first."""
    start, end = _around(hits, len(text))
    found = Pieces()
    words = [word.span() for word in each(_WORD, raw, start, end)]
    while words:
        begin, after = words.pop()
        found.put(text[begin:after], begin, after, 1)
        found.put(" ", after - 1, after)
        give_way()
    return found.read("reordered")


def _overturned(text: str) -> Iterator[Reading]:
    """Written with letters that stand on their head, to be read from the other side."""
    if sum(text.count(letter) for letter in giving_way(_ON_THEIR_HEAD)) >= _LEAST_HEADS:
        found = Pieces()
        turned = [text[start:end].translate(_HEADS)[::-1] for start, end in pieces(len(text))]
        found.put("".join(reversed(turned)), 0, len(text), -1)
        yield found.read("overturned")
