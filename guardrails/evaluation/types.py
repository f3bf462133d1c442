"""Names of kinds of personal data: what detectors call them, by the name that labelled data has for them."""

from __future__ import annotations

from guardrails.pii.types import types_of

_SAME = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE TELEPHONE",
    "CREDIT_CARD": "CREDIT_CARD_NUMBER PAYMENT_CARD",
    "IBAN_CODE": "IBAN",
    "US_SSN": "SSN",
    "IP_ADDRESS": "IP IPV4 IPV6",
    "MAC_ADDRESS": "MAC",
    "DATE_OF_BIRTH": "BIRTH_DATE DOB BIRTHDAY",
    "PERSON": "NAME PERSON_NAME FULL_NAME",
    "STREET_ADDRESS": "ADDRESS POSTAL_ADDRESS",
    "SECRET": "API_KEY PASSWORD TOKEN CREDENTIAL",
}
_USUAL = {name: usual for usual, names in _SAME.items() for name in (usual, *names.split())}
# Those with a form of their own, which a checksum or a grammar can prove.
STRUCTURED = (
    "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "MAC_ADDRESS", "NATIONAL_ID",
)  # fmt: skip


def label_of(kind: str) -> str:
    """The usual name of a label; an unknown one is its own."""
    upper = kind.upper()
    return _USUAL.get(upper, upper)


def label_of_finding(detector: str, category: str) -> str:
    """The label that a finding of `pii` or `secrets` answers to first."""
    return label_of(types_of(detector, category)[0])
