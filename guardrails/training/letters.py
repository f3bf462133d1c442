"""Makes weights/letters.npz: how much likelier two letters follow one another in writing than by chance.

    python -m guardrails.training.letters DATA

DATA is a directory with `topic`, `relevancy`, `hallucination` and `benign_tool_traffic`, each a `.dev.jsonl.gz`
(corpus.py says which fields); rows whose may_train is not true are not read. Our own phrases in twenty languages count
as much as all of them together, so that it is not English alone that reads like writing. Needs numpy alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from guardrails.engine.letters import FILE, LETTERS, SYMBOLS, code_of
from guardrails.training.corpus import read
from guardrails.training.synthetic import draw_attacks, draw_harmless

Doubles = npt.NDArray[np.float64]
DRAWN = 10_000
NAMES = ("topic", "relevancy", "hallucination", "benign_tool_traffic")
# What a pair counts that was hardly ever met, as a share of all pairs: no name or foreign word is impossible.
LEAST = 2e-4
MOST_TOLD = 2.5


def texts_of(data: Path) -> Iterator[str]:
    for name in NAMES:
        yield from (row.text for row in read(data / f"{name}.dev.jsonl.gz"))


def count(texts: Iterable[str]) -> Doubles:
    """The share of each pair of symbols among all that have a letter."""
    counts = np.zeros(SYMBOLS * SYMBOLS)
    for text in texts:
        codes = code_of(text.encode("ascii", "replace")).astype(np.intp)
        counts += np.bincount(codes[:-1] * SYMBOLS + codes[1:], minlength=len(counts))
    counts[-1] = 0
    shares: Doubles = counts.reshape(SYMBOLS, SYMBOLS) / counts.sum()
    return shares


def tell(shares: Doubles) -> Doubles:
    """Logarithms of shares over those of letters in any order and words of the usual length."""
    chance = np.full((SYMBOLS, SYMBOLS), shares[:LETTERS, :LETTERS].sum() / LETTERS**2)
    chance[LETTERS, :] = shares[LETTERS, :].sum() / LETTERS
    chance[:, LETTERS] = shares[:, LETTERS].sum() / LETTERS
    chance[LETTERS, LETTERS] = 1.0
    told: Doubles = np.log((shares + LEAST / SYMBOLS**2) / chance).clip(-MOST_TOLD, MOST_TOLD)
    told[LETTERS, LETTERS] = 0.0
    return told


def make(data: Path) -> Doubles:
    drawn = [*draw_attacks(DRAWN), *draw_harmless(DRAWN)]
    return tell((count(texts_of(data)) + count(drawn)) / 2)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path)
    given = arguments.parse_args()
    np.savez_compressed(FILE, table=make(given.data).astype(np.float16))


if __name__ == "__main__":
    main()
