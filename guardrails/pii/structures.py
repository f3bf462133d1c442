"""Values that need no word beside them: mail addresses, cards, accounts, telephones, machines, national ids."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from guardrails.engine.hits import Hit
from guardrails.language.words import word_set
from guardrails.pii import national
from guardrails.pii.numbers import (
    card_score,
    compact,
    iban_length,
    international_phone_score,
    ipv4_score,
    ipv6_score,
    is_iban,
    is_iban_number,
    is_mac,
    is_national_phone,
    is_north_american,
    is_ssn,
    wallet_score,
)
from guardrails.pii.reading import Reading, pattern

# Candidates of one kind in one text: a dump of numbers costs no more than this many checks by telephone tables.
_MOST_PHONES = 2_000

_EMAIL = pattern(r"[<LET>0-9_%+'&!#$*/=?^{|}~\-][<LET>0-9._%+'&\-]*@(?:[<LET>0-9][<LET>0-9\-]*\.)+[<LET>]{2,24}")
# Ends that are files, attributes and methods, and no domains of anyone.
_NO_DOMAINS = word_set(
    "png jpg jpeg gif svg webp css js mjs ts tsx jsx json html htm xml yml yaml txt md toml ini cfg conf lock"
    " log csv tsv"
    " exe dll jar war zip gz tar tgz whl egg service socket target timer mount slice scope local localdomain"
    " localhost"
    " internal invalid lan arpa onmessage self this prototype append copy sum dot mean reshape weight bias get set"
)
_DIGITS = pattern(
    r"[+]\d[\d ().\-/\x{a0}]{5,22}\d(?:[ ]?(?:x|ext\.?)[ ]?\d{1,6})?"
    r"|\b00[1-9]\d[\d ().\-/\x{a0}]{5,20}\d(?:x\d{1,6})?"
    r"|\(\d{2,4}\)[ ]?\d{3,4}[\- .]?\d{3,4}(?:[ ]?(?:x|ext\.?)[ ]?\d{1,6})?\b"
    r"|\b(?:001[\-. ]|1[\-. ])?\d{3}([\-. ])\d{3}[\-. ]\d{4}(?:[ ]?(?:x|ext\.?)[ ]?\d{1,6})?\b"
    r"|\b\d{3}-\d{2}-\d{4}\b"
    r"|\b\d{4}[ \-]\d{4}[ \-]\d{4}[ \-]\d{4}(?:[ \-]\d{1,3})?\b|\b3\d{3}[ \-]\d{6}[ \-]\d{4,5}\b|\b\d{15,19}\b"
    r"|\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b"
)
_LETTERED = pattern(
    r"\b[A-Z]{2}\d{2}(?:[ \-]?[A-Z0-9]{4}){2,7}(?:[ \-]?[A-Z0-9]{1,3})?\b|\b[a-z]{2}\d{2}[a-z]{0,4}\d[a-z0-9]{8,26}\b"
    r"|\b(?:[0-9A-Fa-f]{2}[:\-]){5}[0-9A-Fa-f]{2}\b|\b(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}\b"
    r"|\b0x[0-9a-fA-F]{40}\b|\b(?:bc1|tb1|ltc1)[02-9ac-hj-np-z]{25,87}\b|\b[13LM][1-9A-HJ-NP-Za-km-z]{25,34}\b"
)
_IPV6 = pattern(r"(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6}|:)")


def find_emails(reading: Reading) -> Iterator[Hit]:
    text = reading.text
    if "@" not in text:
        return
    for start, end in reading.find(_EMAIL):
        while text[start] in "'/=?&|{}*!#$%^~-`+" and start < end:
            start += 1
        start = _after_query(text, start, end)
        local, _, domain = text[start:end].rpartition("@")
        ending = domain.rpartition(".")[2].lower()
        if (
            not local
            or local.endswith(".")
            or ending in _NO_DOMAINS
            or (local in ("git", "hg") and text[end : end + 1] in (":", "/"))
        ):
            continue
        if (
            text[end : end + 1] in ("(", "[")
            or _is_in_authority(text, start)
            or (domain[0] == "2" and local.endswith("x"))
        ):
            continue
        yield Hit("EMAIL", start, end, 0.98)


def _after_query(text: str, start: int, end: int) -> int:
    """Past `name=` and `path/` that the local part could hold and hardly ever does."""
    at = text.find("@", start, end)
    for mark in "=/?&":
        place = text.rfind(mark, start, at)
        if place >= 0:
            start = place + 1
    return start


def _is_in_authority(text: str, start: int) -> bool:
    """Whether it is `password@host` of a URL: between `://` and the next slash."""
    scheme = text.rfind("://", max(0, start - 200), start)
    if scheme < 0:
        return False
    between = text[scheme + 3 : start]
    return not any(each in " \t\n/?#<>\"'," for each in between)


def find_numbers(reading: Reading, regions: Collection[str]) -> Iterator[Hit]:
    """Cards, SSNs, telephones and addresses of machines. `regions` are those whose national telephones are known."""
    text = reading.text
    phones = 0
    for start, end in reading.find(_DIGITS):
        before, after = text[max(0, start - 24) : start], text[end : end + 4]
        if (before[-1:] in _JOINERS and not (before[-1:] == "=" or before[-1:] == ":")) or _goes_on(after):
            continue
        candidate = text[start:end]
        first = candidate[0]
        if candidate.count(".") == 3 and candidate.replace(".", "").isdigit():
            score = 0.0 if before[-1:] == "-" else ipv4_score(candidate, before, after)
            if score:
                yield Hit("IP_ADDRESS", start, end, score)
            elif " " not in candidate:
                continue
        elif first in "+(" or candidate.startswith("00") or (not candidate.isdigit() and len(compact(candidate)) < 12):
            if candidate[3:4] == candidate[6:7] == "-" and len(candidate) == 11:
                if is_ssn(candidate.replace("-", "")):
                    yield Hit("SSN", start, end, 0.95)
                continue
            phones += 1
            score = _phone_score(candidate, regions, before) if phones < _MOST_PHONES else 0.0
            if score:
                if first == "(" and before[-1:] == "(":
                    start += 1
                yield Hit("PHONE", start, end, score)
        else:
            score = card_score(compact(candidate), in_context=False)
            if score and before[-1:] not in (".", "/"):
                yield Hit("CREDIT_CARD", start, end, score if candidate.isdigit() else 0.98)


_JOINERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-/$%#&=:\\")


def _goes_on(after: str) -> bool:
    """Whether the number is only the beginning of something longer."""
    first, second = after[:1], after[1:2]
    if first in (".", "-", ",", ":", "/") and second.isdigit():
        return first != ":" and first != "/" and not (first == "," and len(after) > 1)
    return first.isalnum() or first in ("_", "%", "$")


def _phone_score(candidate: str, regions: Collection[str], before: str) -> float:
    if candidate[0] == "+" or (candidate.startswith("00") and not candidate.startswith("001")):
        if before[-1:].isalnum() or before.endswith(("UTC", "GMT", "Z")):
            return 0.0
        return international_phone_score(candidate)
    digits = compact(candidate.partition("x")[0].partition("e")[0])
    if digits.startswith("001"):
        digits = digits[2:]
    if is_north_american(digits):
        # Three groups with points between are as often a version or a part of a table.
        return 0.9 if "-" in candidate or "(" in candidate else 0.0 if "." not in candidate else 0.6
    return 0.8 if any(is_national_phone(candidate, region) for region in regions) else 0.0


def find_lettered(reading: Reading) -> Iterator[Hit]:
    """Accounts, hardware addresses and wallets."""
    text = reading.text
    for start, end in reading.find(_LETTERED):
        candidate = text[start:end]
        before, after = text[start - 1 : start], text[end : end + 2]
        if candidate[:2].isalpha() and candidate[2:4].isdigit():
            length = _iban_end(candidate)
            if length:
                yield Hit("IBAN", start, start + length, 0.99)
                continue
            if is_iban_number(compact(candidate), any_length=True) and _is_of_payment(text[max(0, start - 60) : start]):
                yield Hit("IBAN", start, end, 0.8)
                continue
        if candidate[2:3] in (":", "-") or candidate[4:5] == ".":
            if before not in (":", "-", ".") and after[:1] not in (":", "-") and is_mac(candidate):
                yield Hit("MAC_ADDRESS", start, end, 0.9)
        elif candidate[:2] == "0x" or candidate[0] in "13LM" or candidate[:3] in ("bc1", "tb1", "ltc"):
            if before not in ("/", "=", "+") or candidate[:3] in ("bc1", "0x"):
                score = wallet_score(candidate)
                if score:
                    yield Hit("CRYPTO_WALLET", start, end, score)


def _is_of_payment(before: str) -> bool:
    lowered = before.lower()
    return any(word in lowered for word in _PAYMENTS)


_PAYMENTS = (
    "iban", "transfer", "account", "bank", "payment", "pay ", "wire", "remit", "deposit", "konto", "überweis", "compte",
    "virement", "cuenta", "transferencia", "conto", "bonifico", "conta", "rekening", "przelew", "rachun",
)  # fmt: skip


def _iban_end(candidate: str) -> int:
    """Characters of the candidate that are an account: all, or fewer where a word of capitals follows; 0 for none."""
    wanted = iban_length(candidate[:2])
    if not wanted:
        return 0
    seen = 0
    for place, each in enumerate(candidate):
        seen += each.isalnum()
        if seen == wanted:
            plain = compact(candidate[: place + 1])
            is_account = is_iban(plain) or is_iban_number(plain)
            whole = place + 1 == len(candidate) or not candidate[place + 1].isalnum()
            return place + 1 if is_account and whole else 0
    return 0


def find_ipv6(reading: Reading) -> Iterator[Hit]:
    text = reading.text
    if text.count(":") < 2:
        return
    for start, end in reading.find(_IPV6):
        if (
            text[start - 1 : start].isalnum()
            or text[start - 1 : start] in (":", "_", ".")
            or _goes_on(text[end : end + 2])
        ):
            continue
        if text[end : end + 1] in (":", "."):
            continue
        score = ipv6_score(text[start:end])
        if score:
            yield Hit("IP_ADDRESS", start, end, score)


def find_national(reading: Reading, only: frozenset[str]) -> Iterator[Hit]:
    text = reading.text
    for start, end in reading.find(national.shapes(only)):
        if (
            text[start - 1 : start] in ("-", ".", "/", "_", "$")
            or _goes_on(text[end : end + 2])
            or text[end : end + 1] == "-"
        ):
            continue
        category, score = national.score_shape(text[start:end], only)
        if score:
            yield Hit(category, start, end, score)
