"""What the log is searched by: the words of an event's names, and the codes of its findings. No database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from audit.naming import is_digest

FINDING = "finding"
# What these have had is known; what the second have had is found by its words too.
NAMED = ("kind", "decision", "method", "server", "reason", "subject", "actor", "project")
SEARCHED = ("subject", "server", "method", "actor", "reason", FINDING)
WORD_LENGTH = 64
_MAX_WORDS = 8
_MAX_FINDINGS = 200
_BETWEEN = re.compile(r"[\W_]+")


def words_of(value: str) -> list[str]:
    """The value itself and its parts, in small letters, without repetition."""
    whole = value.lower()[:WORD_LENGTH]
    parts = [part[:WORD_LENGTH] for part in _BETWEEN.split(value.lower()) if len(part) > 1]
    return list(dict.fromkeys([whole, *parts]))[:_MAX_WORDS]


def rows_of(column: str, value: str) -> Iterator[tuple[str, str, str]]:
    """`(column, word, value)` for all that a value is to be found by."""
    yield column, "", value
    # A digest says nothing by its parts; it is looked for by the name that it stands for.
    if column in SEARCHED and not is_digest(value):
        for word in words_of(value):
            yield column, word, value


def codes_of(detail: Any) -> list[str]:
    """`pii` and `pii/email` for a finding of the detector pii in the category email; the same for its failures."""
    codes: dict[str, None] = {}
    for found in _findings(detail):
        detector, category = str(found[0])[:40], str(found[1])[:80]
        codes[detector] = codes[f"{detector}/{category}"] = None
    return list(codes)[:_MAX_FINDINGS]


def _findings(detail: Any) -> Iterator[list[Any]]:
    reports = detail.get("guardrails") if isinstance(detail, Mapping) else None
    for report in reports if isinstance(reports, list) else ():
        if isinstance(report, Mapping):
            for name in ("findings", "failures"):
                listed = report.get(name)
                yield from (each for each in listed if isinstance(each, list) and len(each) > 1) if isinstance(
                    listed, list
                ) else ()
