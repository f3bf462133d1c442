"""Finds credentials: vendors' tokens, private keys, URLs with passwords, and values whose names call them secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from guardrails.engine.detector import Parameter, Target, TextDetector, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.hits import Hit, settle
from guardrails.engine.segments import Segment
from guardrails.engine.turning import KEYED, ORDERED
from guardrails.language.settings import read_flag, read_strings
from guardrails.pii.fields import value_at
from guardrails.pii.reading import Reading
from guardrails.secrets.named import NAMED, kind_of_name, score_value
from guardrails.secrets.places import (
    AWS_SECRET,
    COMMAND,
    HEADER,
    PEM,
    URL_WITH_PASSWORD,
    end_of_pem,
    is_aws_secret,
    score_header,
    score_url,
    secret_of_command,
)
from guardrails.secrets.vendors import FORMS, category_of, unescaped, vendors

# Readings in which other characters turn up than someone wrote: only forms that no chance makes count there.
_TURNED = KEYED | ORDERED | {"leet", "joined", "parted"}
_MOST = 2_000
_OF_NO_VENDOR = (
    "AWS_SECRET_KEY", "PRIVATE_KEY", "CONNECTION_STRING", "BASIC_AUTH_URL", "AUTHORIZATION", "PASSWORD",
    "API_KEY", "SECRET",
)  # fmt: skip


@detectors.add
class Secrets(TextDetector):
    """What stands for a secret is none: `<token>`, `${TOKEN}`, `your-api-key`, `xxxx`, calls and names of variables."""

    name: ClassVar[str] = "secrets"
    label: ClassVar[str] = "Passwords, tokens and keys"
    version: ClassVar[str] = "4"
    categories: ClassVar[tuple[str, ...]] = (*dict.fromkeys(form.category for form in FORMS), *_OF_NO_VENDOR)
    # As for the detector of repetition: every disguise is read.
    cached_from: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "named_values", "boolean",
            "Whether values count that only their name calls secret, as in `password: ...`. Vendors' forms"
            " always count.",
            default=True,
        ),
        Parameter("allow", "array", "Values that are no finding, such as a published test key."),
    )  # fmt: skip

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._named = read_flag(config, "named_values", True)
        self._allowed = frozenset(read_strings(config, "allow", most=1_000, longest=4_000))

    def scan(self, target: Target) -> Sequence[Finding]:
        segment = target.segment
        found: list[Finding] = []
        plain: list[tuple[int, int]] = []
        for view in target.views:
            is_turned = not _TURNED.isdisjoint(view.how.split("+"))
            for hit in self._look(view.text, segment, is_plain=not view.how, forms_only=is_turned):
                start, end = view.span(hit.start, hit.end)
                if view.how and any(first < end and start < last for first, last in plain):
                    # What another reading has shown already.
                    continue
                plain.append((start, end))
                found.append(
                    Finding(self.name, hit.category, hit.score, segment.pointer, start, end, segment.is_key, view.how)
                )
        return found

    def _look(self, text: str, segment: Segment, *, is_plain: bool, forms_only: bool) -> list[Hit]:
        hits: list[Hit] = []
        if len(text) >= 6 and self._named and is_plain and segment.key and not segment.is_key:
            hits += _whole(text, segment.key)
        if len(text) >= 16:
            reading = Reading(text)
            hits += _forms(reading)
            if not forms_only:
                hits += _places(reading)
                if self._named:
                    hits += _named(reading)
        kept = settle(hits)[:_MOST]
        return [hit for hit in kept if text[hit.start : hit.end] not in self._allowed] if self._allowed else kept


def _forms(reading: Reading) -> Iterator[Hit]:
    text = reading.text
    for start, end in reading.find(vendors()):
        start += unescaped(text[start : start + 6])
        after = text[end : end + 1]
        if after.isalnum() or after == "_":
            continue
        category = category_of(text[start:end])
        if category:
            yield Hit(category, start, end, 0.98)


def _places(reading: Reading) -> Iterator[Hit]:
    """Credentials that stand at a place made for them."""
    text = reading.text
    if "://" in text:
        for start, end in reading.find(URL_WITH_PASSWORD):
            category, first, last, score = score_url(text[start:end])
            if score:
                yield Hit(category, start + first, start + last, score)
    for start, end in reading.find(HEADER):
        score = score_header(text[start:end])
        if score:
            yield Hit("AUTHORIZATION", start + text[start:end].rindex(" ") + 1, end, score)
    for start, end in reading.find(COMMAND):
        password = secret_of_command(text[start:end])
        if password:
            yield Hit("PASSWORD", end - len(password), end, 0.8)
    if "PRIVATE KEY" in text or "PuTTY" in text:
        for start, end in reading.find(PEM):
            stop = end_of_pem(text, start, end)
            if stop > 0:
                yield Hit("PRIVATE_KEY", start, stop, 0.99)
    for _, end in reading.find(AWS_SECRET):
        after = text[end : end + 1]
        if not (after.isalnum() or after in ("/", "+")) and is_aws_secret(text[end - 40 : end]):
            yield Hit("AWS_SECRET_KEY", end - 40, end, 0.97)


def _named(reading: Reading) -> Iterator[Hit]:
    """Values whose names call them secret."""
    text = reading.text
    for begin, end in reading.find(NAMED):
        first = begin
        while first > 0 and begin - first < 40 and (text[first - 1].isalnum() or text[first - 1] in "_-."):
            first -= 1
        kind = kind_of_name(text[first:end].rstrip("=>: \t").rstrip("\\\"'`*_)]"))
        if not kind:
            continue
        mark = text[end - 1]
        if mark == ">" and text[end - 2] != "=":
            closing = text.find("</", end, end + 400)
            value = (end, closing, "element") if closing > end else None
        else:
            start = end
            while start < len(text) and text[start] in " \t":
                start += 1
            value = value_at(text, start, is_tight=mark == "=" and start == end) if start < len(text) else None
        if value is None:
            continue
        start, stop, form = value
        if form == "line":
            stop = _end_of_token(text, start, stop)
        score = score_value(text[start:stop], kind, quoted=form in ("quoted", "element"))
        if score:
            yield Hit(kind, start, stop, score)


def _end_of_token(text: str, start: int, stop: int) -> int:
    """A bare value on a line is one word; where more words follow, but for a remark, it is a sentence and no value."""
    place = start
    while place < stop and text[place] not in " \t,;":
        place += 1
    rest = text[place:stop].lstrip(" \t")
    return place if not rest or rest[0] in ",;#&|" or rest.startswith(("//", "--")) else start


def _whole(text: str, key: str) -> Iterator[Hit]:
    """A member's value, by the member's name."""
    kind = kind_of_name(key)
    if not kind:
        return
    value = text.strip()
    score = score_value(value, kind, quoted=True)
    if kind == "PASSWORD" and not score and 4 <= len(value) <= 128 and not any(each.isspace() for each in value):
        # Nothing but a password is sent as one.
        score = 0.6 if not _stands_for(value) else 0.0
    if score:
        start = text.find(value)
        yield Hit(kind, start, start + len(value), score)


def _stands_for(value: str) -> bool:
    lowered = value.lower()
    return lowered in _SHAM or value[0] in "$<{*%[" or len(set(value)) < 3


_SHAM = frozenset({
    "password", "passwd", "string", "null", "none", "true", "false", "redacted", "changeme", "required", "optional",
    "hidden", "secret", "text", "your_password", "your-password", "undefined", "unknown", "empty", "default",
})  # fmt: skip
