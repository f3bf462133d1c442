"""Numbers that states give to people, by country: what they look like, and the check digits that prove them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from guardrails.pii.reading import pattern


class Plan(NamedTuple):
    """`shape` is what stands in a text without any word beside it; "" when such a number needs the word."""

    country: str
    category: str
    module: str
    lengths: tuple[int, ...]
    shape: str = ""
    score: float = 0.9


# Modules of python-stdnum. A shape without letters or marks of its own is left out: other numbers look the same.
PLANS: tuple[Plan, ...] = (
    Plan("AR", "TAX_ID", "ar.cuit", (11,), r"(?:2[03-7]|3[034])-\d{8}-\d", 0.8),
    Plan("AR", "NATIONAL_ID", "ar.dni", (7, 8)),
    Plan("AT", "NATIONAL_ID", "at.vnr", (10,)),
    Plan("AU", "TAX_ID", "au.tfn", (8, 9)),
    Plan("BE", "NATIONAL_ID", "be.nn", (11,), r"\d{2}\.\d{2}\.\d{2}-\d{3}[.\-]\d{2}"),
    Plan("BG", "NATIONAL_ID", "bg.egn", (10,)),
    Plan("BR", "NATIONAL_ID", "br.cpf", (11,), r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
    Plan("BR", "TAX_ID", "br.cnpj", (14,), r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", 0.8),
    Plan("CA", "NATIONAL_ID", "ca.sin", (9,)),
    Plan("CH", "NATIONAL_ID", "ch.ssn", (13,), r"756\.\d{4}\.\d{4}\.\d{2}"),
    Plan("CL", "NATIONAL_ID", "cl.rut", (8, 9), r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]"),
    Plan("CN", "NATIONAL_ID", "cn.ric", (18,), r"[1-8]\d{5}(?:19|20)\d{9}[\dXx]"),
    Plan("CO", "TAX_ID", "co.nit", (9, 10)),
    Plan("CU", "NATIONAL_ID", "cu.ni", (11,)),
    Plan("CZ", "NATIONAL_ID", "cz.rc", (9, 10), r"\d{6}/\d{4}", 0.6),
    Plan("DE", "TAX_ID", "de.idnr", (11,)),
    Plan("DE", "TAX_ID", "de.stnr", (10, 11, 13)),
    Plan("DK", "NATIONAL_ID", "dk.cpr", (10,)),
    Plan("DO", "NATIONAL_ID", "do.cedula", (11,)),
    Plan("EC", "NATIONAL_ID", "ec.ci", (10,)),
    Plan("EE", "NATIONAL_ID", "ee.ik", (11,)),
    Plan("ES", "NATIONAL_ID", "es.dni", (9,), r"\d{8}-?[A-HJ-NP-TV-Z]", 0.6),
    Plan("ES", "NATIONAL_ID", "es.nie", (9,), r"[XYZ]-?\d{7}-?[A-Z]", 0.7),
    Plan("ES", "TAX_ID", "es.cif", (9,)),
    Plan("FI", "NATIONAL_ID", "fi.hetu", (11,), r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", 0.8),
    Plan("FR", "NATIONAL_ID", "fr.nir", (13, 15), r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3}"
    r" ?\d{3} ?\d{2}"),
    Plan("FR", "TAX_ID", "fr.nif", (13,)),
    Plan("GB", "NATIONAL_ID", "gb.nhs", (10,)),
    Plan("GB", "TAX_ID", "gb.utr", (10,)),
    Plan("GR", "NATIONAL_ID", "gr.amka", (11,)),
    Plan("HR", "NATIONAL_ID", "hr.oib", (11,)),
    Plan("ID", "NATIONAL_ID", "id.nik", (16,)),
    Plan("IE", "NATIONAL_ID", "ie.pps", (8, 9)),
    Plan("IL", "NATIONAL_ID", "il.idnr", (9,)),
    Plan("IN", "NATIONAL_ID", "in_.aadhaar", (12,), r"[2-9]\d{3}[ -]\d{4}[ -]\d{4}", 0.6),
    Plan("IN", "TAX_ID", "in_.pan", (10,), r"[A-Z]{3}[PCHFATBLJG][A-Z]\d{4}[A-Z]", 0.6),
    Plan("IS", "NATIONAL_ID", "is_.kennitala", (10,)),
    Plan("IT", "NATIONAL_ID", "it.codicefiscale", (16,),
         r"[A-Z]{6}[\dLMNP-V]{2}[A-EHLMPRST][\dLMNP-V]{2}[A-Z][\dLMNP-V]{3}[A-Z]"),
    Plan("JP", "NATIONAL_ID", "jp.in_", (12,)),
    Plan("KR", "NATIONAL_ID", "kr.rrn", (13,), r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6}", 0.8),
    Plan("LT", "NATIONAL_ID", "lt.asmens", (11,)),
    Plan("MX", "NATIONAL_ID", "mx.curp", (18,), r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z\d]\d"),
    Plan("MX", "TAX_ID", "mx.rfc", (12, 13)),
    Plan("MY", "NATIONAL_ID", "my.nric", (12,)),
    Plan("NL", "NATIONAL_ID", "nl.bsn", (9,)),
    Plan("NO", "NATIONAL_ID", "no.fodselsnummer", (11,)),
    Plan("NZ", "TAX_ID", "nz.ird", (8, 9)),
    Plan("PE", "NATIONAL_ID", "pe.cui", (8, 9)),
    Plan("PK", "NATIONAL_ID", "pk.cnic", (13,), r"\d{5}-\d{7}-\d", 0.8),
    Plan("PL", "NATIONAL_ID", "pl.pesel", (11,)),
    Plan("PL", "TAX_ID", "pl.nip", (10,)),
    Plan("PT", "TAX_ID", "pt.nif", (9,)),
    Plan("PT", "NATIONAL_ID", "pt.cc", (12,)),
    Plan("RO", "NATIONAL_ID", "ro.cnp", (13,)),
    Plan("RU", "TAX_ID", "ru.inn", (10, 12)),
    Plan("SE", "NATIONAL_ID", "se.personnummer", (10, 12)),
    Plan("SI", "NATIONAL_ID", "si.emso", (13,)),
    Plan("SK", "NATIONAL_ID", "sk.rc", (9, 10)),
    Plan("TH", "NATIONAL_ID", "th.pin", (13,), r"[1-8]-\d{4}-\d{5}-\d{2}-\d"),
    Plan("TR", "NATIONAL_ID", "tr.tckimlik", (11,)),
    Plan("UA", "TAX_ID", "ua.rntrc", (10,)),
    Plan("US", "TAX_ID", "us.itin", (9,), r"9\d{2}-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}"),
    Plan("US", "TAX_ID", "us.ein", (9,)),
    Plan("UY", "TAX_ID", "uy.rut", (12,)),
    Plan("ZA", "NATIONAL_ID", "za.idnr", (13,)),
)  # fmt: skip

# Countries whose numbers are proven without a module.
_NINO = r"(?:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]) ?\d{2} ?\d{2} ?\d{2} ?[A-D]"
_NRIC = r"[STFGM]\d{7}[A-Z]"
_TW = r"[A-Z][1289]\d{8}"
_HK = r"[A-Z]{1,2}\d{6}\([0-9A]\)"


def countries() -> frozenset[str]:
    """ISO 3166 codes of all countries whose numbers are known."""
    return frozenset(plan.country for plan in PLANS) | {"GB", "SG", "TW", "HK"}


@lru_cache(maxsize=64)
def shapes(only: frozenset[str] = frozenset()) -> Any:
    """One expression for everything that is found without a word beside it, of some countries or of all."""
    written = [plan.shape for plan in PLANS if plan.shape and (not only or plan.country in only)]
    for country, shape in (("GB", _NINO), ("SG", _NRIC), ("TW", _TW), ("HK", _HK)):
        if not only or country in only:
            written.append(shape)
    # An expression that matches nothing, where no country is left.
    return pattern(r"\b(?:" + "|".join(written) + r")" if written else r"\b\B")


def score_shape(text: str, only: Collection[str] = ()) -> tuple[str, float]:
    """Category and score of what `shapes` found; ("", 0.0) when the check digits are wrong."""
    for plan, shape in _shaped():
        if (not only or plan.country in only) and shape.fullmatch(text.encode()) and _is_valid(plan.module, text):
            return plan.category, plan.score
    plain = text.replace(" ", "")
    if pattern(_NINO).fullmatch(text.encode()) and plain[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"):
        return "NATIONAL_ID", 0.9 if " " in text else 0.6
    if _is_nric(plain) or _is_taiwanese(plain) or _is_hong_kong(plain):
        return "NATIONAL_ID", 0.8
    return "", 0.0


@lru_cache(maxsize=1)
def _shaped() -> tuple[tuple[Plan, Any], ...]:
    return tuple((plan, pattern(plan.shape)) for plan in PLANS if plan.shape)


def is_proven(text: str, category: str, only: Collection[str] = ()) -> bool:
    """Whether a number that a word calls a national or tax id has the check digits of some country."""
    plain = "".join(each for each in text if each.isalnum()).upper()
    for plan in _by_length().get(len(plain), ()):
        if plan.category == category and (not only or plan.country in only) and _is_valid(plan.module, plain):
            return True
    return category == "NATIONAL_ID" and score_shape(plain, only)[1] > 0


@lru_cache(maxsize=1)
def _by_length() -> dict[int, tuple[Plan, ...]]:
    lengths = {length for plan in PLANS for length in plan.lengths}
    return {length: tuple(plan for plan in PLANS if length in plan.lengths) for length in lengths}


def _is_valid(module: str, text: str) -> bool:
    return _validator(module)(text)


@lru_cache(maxsize=128)
def _validator(module: str) -> Callable[[str], bool]:
    validate: Callable[[str], bool] = import_module(f"stdnum.{module}").is_valid
    return validate


def _is_nric(text: str) -> bool:
    """Singapore, 1968 and later."""
    if len(text) != 9 or text[0] not in "STFGM" or not text[1:8].isdigit():
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True))
    total += {"T": 4, "G": 4, "M": 3}.get(text[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "KLJNPQRTUWX"}
    place = 10 - total % 11 if text[0] == "M" else total % 11
    return letters[text[0]][place] == text[8]


def _is_taiwanese(text: str) -> bool:
    if len(text) != 10 or not text[0].isalpha() or not text[0].isascii() or not text[1:].isdigit():
        return False
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".find(text[0].upper()) + 10
    digits = [code // 10, code % 10, *(int(each) for each in text[1:])]
    return (
        sum(digit * weight for digit, weight in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0
    )


def _is_hong_kong(text: str) -> bool:
    head, bracket, check = text.partition("(")
    if not bracket or len(check) != 2 or not head[-6:].isdigit() or not head[:-6].isalpha():
        return False
    letters = [ord(each) - 55 for each in head[:-6].upper()]
    values = ([36] if len(letters) == 1 else []) + letters + [int(each) for each in head[-6:]]
    values.append(10 if check[0] == "A" else int(check[0]) if check[0].isdigit() else -1)
    return (
        values[-1] >= 0 and sum(value * weight for value, weight in zip(values, range(9, 0, -1), strict=True)) % 11 == 0
    )
