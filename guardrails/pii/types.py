"""Our categories, and what labelled data calls the same things."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CATEGORIES: tuple[str, ...] = (
    "EMAIL", "PHONE", "CREDIT_CARD", "IBAN", "BANK_ACCOUNT", "SSN", "NATIONAL_ID", "TAX_ID", "PASSPORT",
    "DRIVER_LICENCE", "IP_ADDRESS", "MAC_ADDRESS", "CRYPTO_WALLET", "DATE_OF_BIRTH", "PERSON", "ADDRESS",
    "COORDINATES", "USERNAME",
)  # fmt: skip

# By category: the names under which labelled data counts it, the usual one first.
TYPES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "EMAIL": ("EMAIL_ADDRESS", "EMAIL"),
    "PHONE": ("PHONE_NUMBER", "PHONE"),
    "CREDIT_CARD": ("CREDIT_CARD",),
    "IBAN": ("IBAN_CODE", "IBAN"),
    "BANK_ACCOUNT": ("US_BANK_NUMBER", "BANK_ACCOUNT"),
    "SSN": ("US_SSN", "SSN"),
    "NATIONAL_ID": ("NATIONAL_ID", "US_ITIN"),
    "TAX_ID": ("TAX_ID", "US_ITIN"),
    "PASSPORT": ("US_PASSPORT", "PASSPORT"),
    "DRIVER_LICENCE": ("US_DRIVER_LICENSE", "DRIVER_LICENSE"),
    "IP_ADDRESS": ("IP_ADDRESS",),
    "MAC_ADDRESS": ("MAC_ADDRESS",),
    "CRYPTO_WALLET": ("CRYPTO",),
    "DATE_OF_BIRTH": ("DATE_OF_BIRTH", "DATE_TIME"),
    "PERSON": ("PERSON", "TITLE"),
    "ADDRESS": ("STREET_ADDRESS", "ADDRESS", "ZIP_CODE", "GPE", "LOCATION"),
    "COORDINATES": ("COORDINATES", "LOCATION"),
    "USERNAME": ("USERNAME",),
})  # fmt: skip
# What the `secrets` detector finds has one name there, whatever its category.
SECRET = "SECRET"  # noqa: S105 - the name of a kind, no secret


def types_of(detector: str, category: str) -> tuple[str, ...]:
    """The labels that a finding of `pii` or `secrets` may answer to, the usual one first."""
    return (SECRET,) if detector == "secrets" else TYPES.get(category, (category,))
