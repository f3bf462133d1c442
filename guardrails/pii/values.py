"""What a named value has to look like to be what its name says, category by category."""

from __future__ import annotations

from collections.abc import Collection

from guardrails.engine.hits import Hit
from guardrails.language.words import word_set
from guardrails.pii import dates
from guardrails.pii.addresses import address_score
from guardrails.pii.national import is_proven
from guardrails.pii.numbers import (
    card_score,
    compact,
    is_iban,
    is_iban_number,
    is_phone_like,
    is_ssn,
)
from guardrails.pii.reading import Reading, pattern, unescaped

_RUN = pattern(r"[+(]{0,2}\d[\d ().\-/\x{2013}\x{2011}\x{a0}]{4,30}\d(?:[ ]?(?:x|ext\.?|#)[ ]?\d{1,6})?")
_CARD_RUN = pattern(r"\d(?:[ \-\x{a0}]?\d){11,18}")
_ID = pattern(
    r"(?:[A-Za-z]{1,6}[ .\-/]?)?\d[0-9A-Za-z]*(?:[ .\-/][0-9A-Z]*\d[0-9A-Z]*){0,6}(?:[ .\-/]?[A-Z0-9]{1,2}\b)?"
    r"|[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]"
)
_IBAN_RUN = pattern(r"(?i)[a-z]{2}\d{2}(?:[ \-]?[a-z0-9]){10,30}")
_DECIMALS = pattern(r"[\[(]?-?\d{1,3}\.\d{3,}\x{b0}?(?:[,;] ?-?\d{1,3}\.\d{3,})?")
_HANDLE = pattern(r"@?[<LET>0-9][<LET>0-9._\-]{2,39}")
# Names that also mean something else: their value must prove itself.
_DOUBTFUL = word_set(
    "run rut sin ein tin rg nie nif cif rfc spi nir cni vat cap card cc pan konto aba acct medicare"
    " personalnumber idcard"
    " insee nip cnp egn oib nie acctno spi dni medicarenumber utr"
)  # fmt: skip
_ROLE_ACCOUNTS = word_set(
    "admin administrator root user username guest test system anonymous nobody none null true false default string"
    " bot service postgres www-data ubuntu git demo example your_username yourusername your-username name"
)


def judge(
    category: str, reading: Reading, start: int, end: int, *, word: str = "", only: Collection[str] = ()
) -> Hit | None:
    """The part of [start, end) that is what its name says. `word` is the name, normalised; `only` limits countries."""
    judges = _JUDGES.get(category)
    if judges is None or start >= end:
        return None
    return judges(category, reading, start, end, word, only)


def _phone(category: str, reading: Reading, start: int, end: int, word: str, only: Collection[str]) -> Hit | None:
    stop = min(reading.follows(_RUN, start, 48), end)
    if stop <= start or reading.text[stop : stop + 1].isalpha() or not is_phone_like(reading.text[start:stop]):
        return None
    return Hit(category, start, stop, 0.9)


def _card(category: str, reading: Reading, start: int, end: int, word: str, only: Collection[str]) -> Hit | None:
    stop = min(reading.follows(_CARD_RUN, start, 48), end)
    if stop <= start or reading.text[stop : stop + 1].isalnum():
        return None
    score = card_score(compact(reading.text[start:stop]), in_context=True)
    return Hit(category, start, stop, score) if score else None


def _ssn(category: str, reading: Reading, start: int, end: int, word: str, only: Collection[str]) -> Hit | None:
    stop = min(reading.follows(_RUN, start, 32), end)
    digits = compact(reading.text[start:stop]) if stop > start else ""
    if len(digits) != 9 or not digits.isdigit() or reading.text[stop : stop + 1].isalnum():
        return (
            _identifier("NATIONAL_ID", reading, start, end, word, only)
            if "social" in word or "sozial" in word
            else None
        )
    return Hit(category, start, stop, 0.95) if is_ssn(digits) else None


def _identifier(category: str, reading: Reading, start: int, end: int, word: str, only: Collection[str]) -> Hit | None:
    stop = min(reading.follows(_ID, start, 48), end)
    while stop > start and not reading.text[stop - 1].isalnum():
        stop -= 1
    value = reading.text[start:stop] if stop > start else ""
    if (
        sum(each.isdigit() for each in value) < 5
        or not 5 <= len(value) <= 30
        or reading.text[stop : stop + 1] in _GOES_ON
    ):
        return None
    if category in ("NATIONAL_ID", "TAX_ID") and is_proven(value, category, only):
        return Hit(category, start, stop, 0.95)
    if word in _DOUBTFUL or _is_decimal(value) or (dates.is_birth_date(value) and len(value) == 10):
        return None
    return Hit(category, start, stop, 0.75)


_GOES_ON = frozenset("_@:")


def _is_decimal(value: str) -> bool:
    return value.count(".") == 1 and value.replace(".", "").isdigit()


def _iban(category: str, reading: Reading, start: int, end: int, word: str, only: Collection[str]) -> Hit | None:
    stop = min(reading.follows(_IBAN_RUN, start, 60), end)
    if stop <= start:
        return None
    plain = compact(reading.text[start:stop])
    if not (is_iban(plain) or is_iban_number(plain, any_length=True)):
        return None
    return Hit(category, start, stop, 0.98)


def _birth(category: str, reading: Reading, start: int, end: int, word: str, only: Collection[str]) -> Hit | None:
    stop = min(reading.follows(dates.DATE, start, 40), end)
    if stop <= start or not dates.is_birth_date(reading.text[start:stop]):
        return None
    return Hit(category, start, stop, 0.9)


def _address(category: str, reading: Reading, start: int, end: int, word: str, only: Collection[str]) -> Hit | None:
    score = address_score(unescaped(reading.text[start:end]), is_street=word in _STREETS)
    return Hit(category, start, end, score) if score else None


_STREETS = word_set(
    "street streetaddress streetname strasse straße rue calle via rua straat ulica logradouro addressline"
    " homeaddress gatuadress"
    " gateadresse katuosoite shippingaddress billingaddress deliveryaddress mailingaddress postaladdress"
)


def _username(category: str, reading: Reading, start: int, end: int, word: str, only: Collection[str]) -> Hit | None:
    stop = reading.follows(_HANDLE, start, 48)
    if stop != end or reading.text[start:end].lower() in _ROLE_ACCOUNTS or reading.text[start:end].isdigit():
        return None
    return Hit(category, start, end, 0.45)


def _coordinates(category: str, reading: Reading, start: int, end: int, word: str, only: Collection[str]) -> Hit | None:
    stop = min(reading.follows(_DECIMALS, start, 48), end)
    if stop <= start:
        return None
    is_pair = "," in reading.text[start:stop] or ";" in reading.text[start:stop]
    if not is_pair and word in ("geo", "location", "gps", "coordinates", "koordinaten"):
        return None
    return Hit(category, start, stop, 0.5)


_JUDGES = {
    "PHONE": _phone, "CREDIT_CARD": _card, "SSN": _ssn, "NATIONAL_ID": _identifier, "TAX_ID": _identifier,
    "PASSPORT": _identifier, "DRIVER_LICENCE": _identifier, "BANK_ACCOUNT": _identifier, "IBAN": _iban,
    "DATE_OF_BIRTH": _birth, "ADDRESS": _address, "USERNAME": _username, "COORDINATES": _coordinates,
}  # fmt: skip
