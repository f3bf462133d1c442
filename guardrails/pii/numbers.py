"""Numbers that say themselves what they are: cards, accounts, addresses of machines, telephones, wallets."""

from __future__ import annotations

import binascii
import hashlib
import ipaddress

import phonenumbers
from stdnum import bitcoin, iban
from stdnum.exceptions import ValidationError

# ISO 3166 codes of all countries that have telephones, which takes in those of guardrails.pii.national.
NUMBERED = frozenset(phonenumbers.SUPPORTED_REGIONS)
_TO_NOTHING = str.maketrans("", "", " -./\u00a0\u2011\u2013()\t")


def compact(text: str) -> str:
    """Without the marks that people put between digits."""
    return text.translate(_TO_NOTHING)


def is_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        if index % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def card_score(digits: str, in_context: bool) -> float:
    """How sure a card is: issuer range, length and check digit; 0.0 for none.

    Lengths and ranges that other numbers often have need a word beside them that says card.
    """
    if not 12 <= len(digits) <= 19 or len(set(digits)) < 2 or not is_luhn(digits):
        return 0.0
    if _is_common_card(digits):
        return 0.98
    return 0.95 if in_context else 0.0


def _is_common_card(digits: str) -> bool:
    length, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if length == 16:
        return (
            digits[0] == "4" or 51 <= two <= 55 or 2221 <= four <= 2720 or four == 6011 or two == 65
            or 644 <= four // 10 <= 649 or 3528 <= four <= 3589 or two == 62 or 5018 <= four <= 5038
            or four in (6304, 6759, 6761, 6763, 5893, 6521, 6062) or 2200 <= four <= 2204
        )  # fmt: skip
    return length == 15 and two in (34, 37)


def is_iban(compacted: str) -> bool:
    """ISO 13616: the country's length and structure, and the check digits."""
    try:
        iban.validate(compacted.upper(), check_country=False)
    except ValidationError:
        return False
    return True


def iban_length(country: str) -> int:
    """Characters of a country's accounts; 0 for one that has none."""
    return _IBAN_LENGTHS.get(country.upper(), 0)


_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20,
    "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27,
    "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip


def is_iban_number(compacted: str, *, any_length: bool = False) -> bool:
    """As `is_iban`, by length and check digits alone: countries change their structures, and people their lengths."""
    upper = compacted.upper()
    length = iban_length(upper[:2])
    if not length or not upper.isalnum() or not upper.isascii() or not upper[2:4].isdigit():
        return False
    if len(upper) != length and not (any_length and 15 <= len(upper) <= 34):
        return False
    return int("".join(str(int(each, 36)) for each in upper[4:] + upper[:4])) % 97 == 1


def is_ssn(digits: str) -> bool:
    """Areas, groups and serials that the Social Security Administration gives out, or could (20 CFR 422.103)."""
    return (
        len(digits) == 9 and digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00"
        and digits[5:] != "0000" and digits not in ("123456789", "078051120", "219099999") and len(set(digits)) > 2
    )  # fmt: skip


def ipv4_score(text: str, before: str, after: str) -> float:
    """`before` and `after` are what stands around it in the text, some characters each; 0.0 for none of a person."""
    octets = text.split(".")
    if any((len(octet) > 1 and octet[0] == "0") or int(octet) > 255 for octet in octets):
        return 0.0
    numbers = [int(octet) for octet in octets]
    first = numbers[0]
    if first in (0, 127, 255) or first >= 224 or text in _PUBLIC_RESOLVERS or numbers[:2] == [169, 254]:
        return 0.0
    if after[:1] == "/" and after[1:3].rstrip(" ,;\n)\"'").isdigit() and numbers[3] == 0:
        return 0.0
    hint = before[-24:].lower()
    if _says_version(hint) or after[:1] in ("-", "+", "_") or (after[:1].isalpha() and after[:1] != "x"):
        return 0.0
    if max(numbers) <= 30 and not any(word in hint for word in _ADDRESS_WORDS) and after[:1] != ":":
        return 0.0
    is_private = first == 10 or numbers[:2] == [192, 168] or (first == 172 and 16 <= numbers[1] <= 31)
    return 0.6 if is_private else 0.95


_PUBLIC_RESOLVERS = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "4.4.4.4", "4.2.2.2"})
_ADDRESS_WORDS = ("ip", "addr", "host", "client", "remote", "from", "peer", "server", "source", "src", "dst", "visitor")
_VERSION_WORDS = ("version", "release", "ver", "build", "upgrade", "update", "section", "rfc", "chapter", "oid")


def _says_version(hint: str) -> bool:
    stripped = hint.rstrip(" \t\"'`:=~^<>([")
    if hint[-1:] in ("v", "V", "-", "_", "~", "^", "@") or hint.endswith(("==", ">=", "<=", "~=", "> ", "< ")):
        return True
    return stripped.endswith(_VERSION_WORDS)


def ipv6_score(text: str) -> float:
    """Addresses that belong to someone: global and local unicast. 0.0 for all others."""
    if text.count(":") < 2 or len(text) < 8:
        return 0.0
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return 0.0
    groups = [group for group in text.split(":") if group]
    if len(groups) < 3 or address.is_loopback or address.is_multicast or address.is_unspecified:
        return 0.0
    if not any(any(each.isdigit() for each in group) for group in groups):
        return 0.0
    first = int(address) >> 112
    if 0x2000 <= first <= 0x3FFF:
        return 0.95
    return 0.6 if first in range(0xFC00, 0xFE00) or 0xFE80 <= first <= 0xFEBF else 0.0


def is_mac(text: str) -> bool:
    """An address of a device: not all zeros, not the broadcast, not a counting example."""
    digits = text.replace(":", "").replace("-", "").replace(".", "").lower()
    return len(digits) == 12 and len(set(digits)) > 2 and digits not in _EXAMPLE_MACS


_EXAMPLE_MACS = frozenset({"000000000000", "ffffffffffff"})


def international_phone_score(text: str) -> float:
    """Of a number that begins with a plus sign or two zeros: 0.0 when no country has such numbers."""
    digits = compact(text.partition("x")[0].partition("e")[0]).lstrip("+")
    if digits.startswith("00"):
        digits = digits[2:]
    if not 8 <= len(digits) <= 15 or len(set(digits)) < 3:
        return 0.0
    for length in (1, 2, 3):
        if int(digits[:length]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            break
    else:
        return 0.0
    try:
        number = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return 0.0
    if phonenumbers.is_valid_number(number):
        return 0.95
    # People write a national zero behind the country code, and new ranges come before the tables know them.
    is_written = any(each in " -.()/" for each in text.strip())
    return 0.8 if is_written and (phonenumbers.is_possible_number(number) or "(0)" in text) else 0.0


def is_north_american(digits: str) -> bool:
    """Ten digits of the North American Numbering Plan, with or without the leading one."""
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    return len(digits) == 10 and digits[0] in "23456789" and digits[1:3] != "11" and len(set(digits)) > 2


def is_national_phone(text: str, region: str) -> bool:
    """Whether the numbering plan of a region (ISO 3166) has this number."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number_for_region(number, region)


def is_phone_like(text: str) -> bool:
    """Whether what a key or a word calls a telephone number can be one: 6 to 15 digits, no date, no decimal."""
    body = text.lower()
    for mark in ("ext", "x", "#"):
        body = body.partition(mark)[0]
    digits = compact(body).lstrip("+")
    if not digits.isdigit() or not 6 <= len(digits) <= 17 or len(set(digits)) < 2:
        return False
    return not _is_date(body.strip())


def _is_date(text: str) -> bool:
    for mark in "-/.":
        parts = text.split(mark)
        if len(parts) == 3 and all(part.isdigit() for part in parts):
            lengths = [len(part) for part in parts]
            if lengths[0] == 4 and lengths[1] <= 2 and lengths[2] <= 2 and 1900 <= int(parts[0]) <= 2100:
                return True
            if lengths[2] == 4 and lengths[0] <= 2 and lengths[1] <= 2 and 1900 <= int(parts[2]) <= 2100:
                return True
    return False


def wallet_score(text: str) -> float:
    """Addresses of Bitcoin by checksum, of Ethereum by form."""
    if text.startswith("0x"):
        body = text[2:]
        return 0.9 if len(body) == 40 and len(set(body.lower())) > 6 else 0.0
    lowered = text.lower()
    if lowered.startswith(("bc1", "tb1", "ltc1")):
        return 0.98 if _is_bech32(lowered) else 0.0
    try:
        bitcoin.validate(text)
    except ValidationError:
        return 0.7 if _is_base58_checked(text) else 0.0
    return 0.98


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _is_bech32(text: str) -> bool:
    """BIP 173 and BIP 350."""
    prefix, _, data = text.rpartition("1")
    if not prefix or any(each not in _BECH32 for each in data):
        return False
    values = [ord(each) >> 5 for each in prefix] + [0] + [ord(each) & 31 for each in prefix]
    checksum = 1
    for value in values + [_BECH32.index(each) for each in data]:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                checksum ^= generator
    return checksum in (1, 0x2BC830A3)


def _is_base58_checked(text: str) -> bool:
    number = 0
    for each in text:
        value = _BASE58.find(each)
        if value < 0:
            return False
        number = number * 58 + value
    try:
        data = binascii.unhexlify(f"{number:050x}")
    except binascii.Error:
        return False
    return hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()[:4] == data[-4:]
