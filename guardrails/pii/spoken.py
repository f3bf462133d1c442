"""Numbers in sentences, after words that say what they are: "my card is", "call me at", "born on"."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from guardrails.engine.hits import Hit
from guardrails.language.words import word_set
from guardrails.pii.reading import Reading, pattern
from guardrails.pii.values import judge
from guardrails.pii.vocabulary import FIELDS, expression, normalise, phrases

# Words that say what a number after them is, with little between. Those that mean other things too need a colon.
_BY_WORD = (
    "PHONE",
    "CREDIT_CARD",
    "SSN",
    "NATIONAL_ID",
    "TAX_ID",
    "PASSPORT",
    "DRIVER_LICENCE",
    "BANK_ACCOUNT",
    "DATE_OF_BIRTH",
)
_NOT_IN_SENTENCES = word_set(
    "phones mobile cell fax portable movil celular mobil mobiel gsm pan run ein tin rg rfc spi nir"
    " cni vat cap aba acct medicare tel handy telefon born geboren geb geburtstag birthday"
    " ur konto"
    " rachunek insee personalid idcard identitycard birthday birthday"
)
_CALLS = (
    "call (?:me|us|him|her|them|you)?(?: back)?(?: on| at)?",
    "reach (?:me|us|him|her|them)(?: on| at| by phone at)?", "text (?:me|us|him|her|them)?(?: on| at)?",
    "ring (?:me|us)?(?: on| at)?", "messages? to", "my registered", "dial", "someone call me on",
    "contact (?:me|us|him|her|them)(?: on| at)",
    "appeler au", "appelez(?:-moi)? au", "joignable au", "llámame al", "llamar al", "llame al", "chiamami al",
    "chiamare il", "ligue para", "bel (?:me|mij) op",
    "erreichbar unter", "anrufen unter", "zadzwoń pod", "dzwonić pod",
)  # fmt: skip
_SPOKEN = (
    "born", "geboren", "geb\\.",
    *(
        phrase for category in _BY_WORD for phrase in FIELDS[category]
        if normalise(phrase.replace("?", "")) not in _NOT_IN_SENTENCES
    ),
)  # fmt: skip
_SAID = (
    r"(?:\b(?:"
    + "|".join((expression(tuple(phrase for phrase in _SPOKEN if phrase[0].isascii())), *_CALLS)) + r")\b"
    # Shortened, and with the stop that says so.
    r"|\b(?:tel|tél|mob|ph)\."
    # Scripts that have no such boundaries between words.
    r"|" + expression(tuple(phrase for phrase in _SPOKEN if not phrase[0].isascii())) + ")"
)  # fmt: skip
_WORDS = pattern("(?i)" + _SAID)
_CONTEXT = pattern("(?i)" + _SAID + r"[^\d\n.;+(]{0,28}(?:[A-Z]{1,3})?[+(]{0,2}\d")


def spoken_numbers(reading: Reading, only: Collection[str]) -> Iterator[Hit]:
    """`only` limits national numbers to some countries."""
    text = reading.text
    known = phrases()
    for begin, end in reading.find(_CONTEXT):
        start = end - 1
        while start > begin and (text[start - 1] in "+(" or (text[start - 1].isupper() and text[start - 1].isascii())):
            start -= 1
        if start > begin and text[start - 1].isalnum() and text[start - 1].isascii():
            continue
        said = Reading(text[begin:start])
        # The nearest word counts: "card of my late father, born 1950-01-01".
        words = [said.text[first:last] for first, last in said.find(_WORDS)]
        category, word = _category_spoken(words[-1], known) if words else ("", "")
        hit = judge(category, reading, start, min(len(text), start + 64), word=word, only=only)
        if hit is None:
            continue
        if category != "PHONE":
            yield hit
        elif sum(each.isdigit() for each in text[hit.start : hit.end]) >= 7:
            yield hit._replace(score=min(hit.score, 0.85))


def _category_spoken(phrase: str, known: dict[str, str]) -> tuple[str, str]:
    """What the phrase says of the number; a call is for a telephone."""
    word = normalise(phrase)
    return known.get(word, "PHONE"), word
