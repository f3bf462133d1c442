"""Which letters follow which: whether a text reads like writing as it stands, or once its letters are turned.

A table says for every two symbols, of the letters of ASCII and one more for anything else, how much likelier they
follow one another in writing than by chance. Whatever the language, writing has a high sum and an alphabet that was
moved, mirrored or written backwards a low one, until it is turned back. The table comes from
guardrails/training/letters.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import PIECE, distinct, pieces
from guardrails.engine.ngrams import WEIGHTS

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Pairs = npt.NDArray[np.int16]
Places = npt.NDArray[np.intp]
LETTERS = 26
SYMBOLS = LETTERS + 1
FILE = WEIGHTS / "letters.npz"
# Two blocks of characters are judged together, then the second with the one after it.
BLOCK = 48
# So many letters there are in two blocks, at the least, for them to tell anything.
_LEAST_LETTERS = 24
# What writing has of the table at least, per pair with a letter; what no writing has; and how much turning must gain.
LIKE_WRITING, UNLIKE, GAIN = 0.35, 0.9, 0.35
# Blocks that are turned at once, so that memory stays small.
_AT_ONCE = 512
_NOTHING = SYMBOLS * SYMBOLS - 1


@dataclass(frozen=True, slots=True)
class Turn:
    """A way to turn letters back: 256 bytes as for bytes.translate, and whether the text runs backwards."""

    how: str
    table: bytes
    backwards: bool


def code_of(raw: bytes) -> Codes:
    """The symbol of each character."""
    symbols = np.frombuffer(raw, dtype=np.uint8)
    codes = np.empty(len(symbols), dtype=np.uint8)
    for start, end in pieces(len(symbols)):
        codes[start:end] = _CODES[symbols[start:end]]
    return codes


def gains(codes: Codes) -> Floats:
    """How much each character and the next tell, by the table; one fewer than there are characters."""
    pairs, table = _pairs(codes), _table().ravel()
    found = np.empty(len(pairs), dtype=np.float32)
    for start, end in pieces(len(pairs)):
        found[start:end] = table[pairs[start:end]]
    return found


def told(first: Codes, second: Codes) -> Floats:
    """What the table says of symbols and those that follow them."""
    found: Floats = _table()[first, second]
    return found


def reads_like_writing(raw: bytes) -> bool:
    """Whether a text does so as a whole."""
    codes = code_of(raw)
    count = int(np.count_nonzero(codes < LETTERS))
    return count >= _LEAST_LETTERS and float(gains(codes).sum()) >= LIKE_WRITING * count


def places(stretches: list[tuple[int, int]]) -> Places:
    """Where stretches begin, and the last character of the last one, in their order."""
    return np.array(sorted({*(start for start, _ in stretches), stretches[-1][1] - 1}), dtype=np.intp)


def turned(raw: bytes, also: bytes) -> dict[int, list[tuple[int, int]]]:
    """By index into TURNS: the stretches of the text that read like writing only when they are turned that way.

    Under the index -1 are those that do so when they are translated by `also`, a table as for bytes.translate.
    """
    if len(raw) < _LEAST_LETTERS:
        return {}
    codes = code_of(raw)
    blocks, letters = _in_blocks(codes)
    told = _joined(_sums(blocks, _table().ravel()))
    found = _find_turns(blocks, letters, told)
    # Moved among all of ASCII, half of the letters are none.
    odd = told < UNLIKE * np.maximum(letters, _LEAST_LETTERS)
    if odd.any():
        other, of_other = _in_blocks(code_of(raw.translate(also)))
        now = _joined(_sums(other, _table().ravel()))
        enough = odd & (of_other >= _LEAST_LETTERS) & (of_other > letters) & (now >= LIKE_WRITING * of_other)
        hits = np.flatnonzero(enough & (now / np.maximum(1, of_other) - told / np.maximum(1, letters) >= GAIN))
        if len(hits):
            found[-1] = _stretches(hits)
    return {
        index: [(start, min(end, len(raw))) for start, end in stretches] for index, stretches in found.items()
    }  # fmt: skip


def _find_turns(blocks: Pairs, letters: Doubles, told: Doubles) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    odd = np.flatnonzero((letters >= _LEAST_LETTERS) & (told < UNLIKE * letters))
    for at in range(0, len(odd), _AT_ONCE):
        some = odd[at : at + _AT_ONCE]
        scores = _turned_tables()[blocks[some]].sum(axis=1) + _turned_tables()[blocks[some + 1]].sum(axis=1)
        best = scores.argmax(axis=1)
        per_letter = scores[np.arange(len(some)), best] / letters[some]
        sure = (per_letter >= LIKE_WRITING) & (per_letter - told[some] / letters[some] >= GAIN)
        for index in distinct(best[sure]).tolist():
            found.setdefault(index, []).extend(_stretches(some[sure & (best == index)]))
    return found


def _stretches(windows: Places) -> list[tuple[int, int]]:
    return [(window * BLOCK, (window + 2) * BLOCK) for window in windows.tolist()]


def _in_blocks(codes: Codes) -> tuple[Pairs, Doubles]:
    """Pairs of symbols in rows of a block each, at least two; and the letters of each two rows in turn."""
    count = max(2, -(-len(codes) // BLOCK))
    blocks = np.full(count * BLOCK, _NOTHING, dtype=np.int16)
    blocks[: len(codes) - 1] = _pairs(codes)
    rows = blocks.reshape(count, BLOCK)
    return rows, _joined(_sums(rows, _BEGINS_WITH_A_LETTER))


def _sums(rows: Pairs, table: npt.NDArray[Any]) -> Doubles:
    """What a table by pairs has for each row together."""
    sums = np.empty(len(rows), dtype=np.float64)
    for start, end in pieces(len(rows), PIECE // BLOCK):
        sums[start:end] = table[rows[start:end]].sum(axis=1, dtype=np.float64)
    return sums


def _joined(of_blocks: Doubles) -> Doubles:
    joined: Doubles = of_blocks[:-1] + of_blocks[1:]
    return joined


def _pairs(codes: Codes) -> Pairs:
    pairs = np.empty(max(0, len(codes) - 1), dtype=np.int16)
    for start, end in pieces(len(pairs)):
        pairs[start:end] = codes[start:end].astype(np.int16) * SYMBOLS + codes[start + 1 : end + 1]
    return pairs


def _make_turns() -> tuple[Turn, ...]:
    identity = list(range(LETTERS))
    keys = {"caesar": [[(letter - by) % LETTERS for letter in identity] for by in range(1, LETTERS)]}
    keys["atbash"] = [[LETTERS - 1 - letter for letter in identity]]
    turns = [Turn("reversed", bytes(range(256)), True)]
    for how, tables in keys.items():
        for by, key in enumerate(tables, 1):
            name = "rot13" if how == "caesar" and by == LETTERS // 2 else how
            turns += [Turn(name, _as_bytes(key), backwards) for backwards in (False, True)]
    return tuple(turns)


def _as_bytes(key: list[int]) -> bytes:
    table = list(range(256))
    for letter, plain in enumerate(key):
        table[97 + letter], table[65 + letter] = 97 + plain, 65 + plain
    return bytes(table)


TURNS = _make_turns()
_CODES = np.full(256, LETTERS, dtype=np.uint8)
_CODES[65:91] = _CODES[97:123] = np.arange(LETTERS)
_BEGINS_WITH_A_LETTER = np.arange(SYMBOLS * SYMBOLS) < LETTERS * SYMBOLS


@lru_cache(maxsize=1)
def _table() -> Floats:
    with np.load(FILE, allow_pickle=False) as stored:
        table: Floats = stored["table"].astype(np.float32)
    return table


@lru_cache(maxsize=1)
def _turned_tables() -> Floats:
    """A column for each turn: what the table says of each pair of symbols, once they are turned."""
    columns = []
    for turn in TURNS:
        letters = np.frombuffer(turn.table, dtype=np.uint8)[97 : 97 + LETTERS].astype(np.intp) - 97
        plain = np.append(letters, LETTERS)
        column = _table()[np.ix_(plain, plain)]
        columns.append((column.T if turn.backwards else column).ravel())
    return np.stack(columns, axis=1)
