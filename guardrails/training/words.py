"""Makes weights/words.npz: how rare each word is in writing, by which words that were run together are parted.

    python -m guardrails.training.words DATA

DATA is a directory as for guardrails.training.letters, with `prompt_injection` beside; rows whose may_train is not true
are not read. Our own phrases count as well. Needs numpy alone.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from guardrails.engine.parting import FILE, LONGEST
from guardrails.training.corpus import read
from guardrails.training.letters import texts_of
from guardrails.training.synthetic import draw_attacks, draw_harmless

DRAWN = 10_000
MOST = 12_000
# A word that was met less often may be a slip.
LEAST = 3
# Two words that cost less than this more than both as one are two.
ADDED = 3.0
_WORD = re.compile(r"(?<![A-Za-z0-9_'])[A-Za-z]+(?:'[a-z]{1,2})?(?![A-Za-z0-9_'])")
# Of one letter, these are words; of two, those that are met this often.
_OF_ONE = frozenset("ai")
_LEAST_SHARE_OF_TWO = 1e-4


def count(texts: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word.lower() for word in _WORD.findall(text) if len(word) <= LONGEST)
    return counts


def rarities(counts: Counter[str]) -> dict[str, float]:
    """The negative logarithm of each word's share, for the words that are met most, in alphabetical order."""
    total = sum(counts.values())
    kept = {word: number for word, number in counts.most_common() if _is_kept(word, number, total)}
    costs = {word: math.log(total / number) for word, number in kept.items()}
    return {word: costs[word] for word in sorted(list(costs)[:MOST]) if not _is_run_together(word, costs)}


def _is_run_together(word: str, costs: Mapping[str, float]) -> bool:
    """Whether it is a slip or a name of two words that are hardly rarer together."""
    bound = costs[word] + ADDED
    return any(costs.get(word[:at], bound) + costs.get(word[at:], bound) < bound for at in range(3, len(word) - 2))


def _is_kept(word: str, number: int, total: int) -> bool:
    if len(set(word)) == 1:
        return word in _OF_ONE
    return number >= LEAST and (len(word) > 2 or number >= _LEAST_SHARE_OF_TWO * total)


def make(data: Path) -> dict[str, float]:
    counts = count(texts_of(data))
    counts += count(row.text for row in read(data / "prompt_injection.dev.jsonl.gz"))
    counts += count([*draw_attacks(DRAWN), *draw_harmless(DRAWN)])
    return rarities(counts)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path)
    made = make(arguments.parse_args().data)
    words = np.frombuffer("\n".join(made).encode(), dtype=np.uint8)
    np.savez_compressed(FILE, words=words, costs=np.array([*made.values()], dtype=np.float16))


if __name__ == "__main__":
    main()
