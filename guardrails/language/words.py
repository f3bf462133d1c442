"""Words of a text: how it is split, which words carry no content, and a stem that joins the forms of one word."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from guardrails.engine.arrays import between_words, points_of, text_of


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written as a text."""
    return frozenset(text.split())


# Function words of English, and the commonest of German, French, Spanish, Italian, Portuguese and Dutch.
STOPWORDS = word_set(
    """
    a about above after again all also am an and any are arent as at be because been before being below between both
    but by can cannot cant could couldnt did didnt do does doesnt doing dont down during each either else ever every
    few for from further get gets got had hadnt has hasnt have havent having he hed her here hers herself hes him
    himself his how however i id if ill im in into is isnt it its itself ive just let lets like many may me might more
    most much must my myself neither no nor not now of off on once one only or other our ours out over own per please
    quite rather same shall she shes should shouldnt since so some such than that thats the their theirs them then
    there theres these they theyre this those though through thus to too under until up upon us very was wasnt we were
    werent what whats when where whether which while who whom whose why will with within without wont would wouldnt
    yes yet you youll your youre yours yourself
    der die das den dem des ein eine einer eines einem und oder nicht ist sind war wird werden mit von zu zum zur im
    auf aus bei nach über für ich du er sie es wir ihr sich auch als wie dass
    le la les un une des du de et ou est sont pas que qui dans pour par sur avec ce cette ces il elle nous vous ils au
    aux ne se en je tu
    el los las una unos unas y o es son con por para como pero su sus lo al del
    gli uno di da che non sono per è nel della dei
    os as um uma e é não com em na do dos
    het een van zijn niet dat deze voor met aan op te
    """
)

_TO_SPACE = {point: 32 for point in range(128) if not chr(point).isalnum()} | {ord("'"): None}


@lru_cache(maxsize=1)
def _in_words() -> npt.NDArray[np.bool_]:
    """By code point of the Basic Multilingual Plane: whether it is a letter, digit or mark."""
    return np.array([unicodedata.category(chr(point))[0] in "LNM" for point in range(0x10000)])


def split_words(text: str) -> list[str]:
    """All words in lower case, in their order. "Don't" is "dont"; ideographs stay together up to the next space."""
    return [word for start, end in between_words(text) for word in _split(text[start:end])]


def _split(text: str) -> list[str]:
    text = text.lower()
    if text.isascii():
        return text.translate(_TO_SPACE).split()
    for apostrophe in "'\u2019\u02bc":
        text = text.replace(apostrophe, "")
    points = points_of(text, "replace")
    return text_of(np.where(is_letter(points), points, np.uint32(32)).astype(np.uint32)).split()


def is_letter(points: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """By code point: whether it is a letter, digit or mark."""
    # Beyond the plane there are letters and pictures; the pictures are in one range.
    beyond = (points >= 0x10000) & ((points < 0x1F000) | (points > 0x1FAFF))
    within: npt.NDArray[np.bool_] = _in_words()[points & 0xFFFF] & (points < 0x10000)
    return within | beyond


def stem(word: str) -> str:
    """The word without the common English endings; two forms of a word mostly share it. Not always a word itself."""
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    word = _without_plural(word)
    for ending in ("ingly", "edly", "ing", "ed", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and _has_vowel(word[: -len(ending)]):
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    if len(word) > 3 and word.endswith("y"):
        word = word[:-1] + "i"
    return word


def _without_plural(word: str) -> str:
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith("s") and word[-2] not in "suai":
        return word[:-1]
    return word


def _has_vowel(word: str) -> bool:
    return any(letter in "aeiouy" for letter in word)


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry content, in their order."""
    words = split_words(text)
    stems = {word: stem(word) for word in set(words) - STOPWORDS}
    return [stems[word] for word in words if word in stems]
