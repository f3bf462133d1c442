"""How rare each word is, and a vector for it that lies near those of words that occur with it.

The vectors are those of latent semantic analysis (Deerwester et al., 1990) over texts that may be trained on; they
are made by guardrails/training/topic.py. Words stand in the file by the hashes of their beginnings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from guardrails.engine.ngrams import WEIGHTS
from guardrails.language.tokens import Hashes, Places

Doubles = npt.NDArray[np.float64]
GRAM_BITS = 15


@dataclass(frozen=True, eq=False)
class Lexicon:
    """`hashes` are sorted; `rarities` (inverse document frequencies) and `vectors` go with them row by row.

    `gram_rarities` has one entry for each bucket of character n-grams. `relevancy` is a bias and one weight for each
    feature of guardrails.language.similarity.
    """

    hashes: Hashes
    rarities: Doubles
    vectors: npt.NDArray[np.float32]
    unseen: float
    gram_rarities: Doubles
    relevancy: Doubles

    def find(self, stems: Hashes) -> tuple[Places, npt.NDArray[np.bool_]]:
        """The row of each stem, and whether it is there at all."""
        rows = np.minimum(np.searchsorted(self.hashes, stems), len(self.hashes) - 1)
        return rows, self.hashes[rows] == stems

    def rarity(self, stems: Hashes) -> Doubles:
        """A word that was never met is as rare as can be."""
        rows, known = self.find(stems)
        return np.where(known, self.rarities[rows], self.unseen)

    def vector(self, stems: Hashes, counts: npt.NDArray[np.intp]) -> Doubles:
        """The direction of words together, of length 1; of length 0 where none is known."""
        rows, known = self.find(stems)
        rows = rows[known]
        weights = (1 + np.log(counts[known])) * self.rarities[rows]
        found: Doubles = weights @ self.vectors[rows].astype(np.float64)
        length = float(np.linalg.norm(found))
        return found / length if length else found

    def save(self, path: Path) -> None:
        """Bytes and half-precision, compressed, without pickles."""
        scale = np.abs(self.vectors).max(axis=0) / 127
        np.savez_compressed(
            path, hashes=self.hashes, rarities=self.rarities.astype(np.float16),
            vectors=np.round(self.vectors / scale).astype(np.int8), scale=scale.astype(np.float32),
            unseen=np.array([self.unseen]), gram_rarities=self.gram_rarities.astype(np.float16),
            relevancy=self.relevancy.astype(np.float32),
        )  # fmt: skip


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """The file weights/language.npz. Raises FileNotFoundError."""
    with np.load(WEIGHTS / "language.npz", allow_pickle=False) as stored:
        return Lexicon(
            hashes=stored["hashes"],
            rarities=stored["rarities"].astype(np.float64),
            vectors=stored["vectors"].astype(np.float32) * stored["scale"],
            unseen=float(stored["unseen"][0]),
            gram_rarities=stored["gram_rarities"].astype(np.float64),
            relevancy=stored["relevancy"].astype(np.float64),
        )
