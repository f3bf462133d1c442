"""Names that pass for one another: the same but for case, marks between words, look-alikes, or one slip."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from guardrails.engine.folding import without_look_alikes

# Shorter names differ in one letter by chance.
_LEAST_FOR_A_SLIP = 6
_SEPARATORS = str.maketrans("", "", "-_. \t\n")
# What looks alike within ASCII.
_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "$": "s", "@": "a"})
_ALIKE_TOGETHER = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def same_name(name: str, others: Iterable[str]) -> Iterator[str]:
    return (other for other in others if other == name)


def confusable_names(name: str, others: Iterable[str]) -> Iterator[str]:
    """Those of the others that are not this name, and pass for it."""
    plain = _plain(name)
    for other in others:
        if other != name and (_plain(other) == plain or _is_a_slip(plain, _plain(other))):
            yield other


@lru_cache(maxsize=65_536)
def _plain(name: str) -> str:
    if not name.isascii():
        decomposed = unicodedata.normalize("NFD", without_look_alikes(name))
        name = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    plain = name.casefold().translate(_SEPARATORS).translate(_ALIKE)
    for pair, letter in _ALIKE_TOGETHER:
        plain = plain.replace(pair, letter)
    return plain


def _is_a_slip(one: str, other: str) -> bool:
    """One letter too many, too few, another, or two in the other order."""
    if len(one) > len(other):
        one, other = other, one
    if len(one) < _LEAST_FOR_A_SLIP or len(other) - len(one) > 1:
        return False
    start = next((place for place, letter in enumerate(one) if letter != other[place]), len(one))
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    swapped = one[start + 1 : start + 2] + one[start : start + 1]
    return one[start + 1 :] == other[start + 1 :] or swapped + one[start + 2 :] == other[start:]
