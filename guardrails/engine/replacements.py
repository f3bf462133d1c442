"""What can stand in place of a text that must go: the placeholder, or a neutral value of the form that is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
import re2

from guardrails.engine.schemas import Places
from guardrails.engine.turns import each
from guardrails.engine.walk import encode_blob

Span = tuple[int, int]

_NEUTRAL = {
    "email": ("redacted@redacted.invalid", "redacted-{}@redacted.invalid"),
    "idn-email": ("redacted@redacted.invalid", "redacted-{}@redacted.invalid"),
    "uri": ("https://redacted.invalid/", "https://redacted.invalid/{}"),
    "uri-reference": ("https://redacted.invalid/", "https://redacted.invalid/{}"),
    "uri-template": ("https://redacted.invalid/", "https://redacted.invalid/{}"),
    "iri": ("https://redacted.invalid/", "https://redacted.invalid/{}"),
    "iri-reference": ("https://redacted.invalid/", "https://redacted.invalid/{}"),
    "date": ("1970-01-01",),
    "date-time": ("1970-01-01T00:00:00Z",),
    "time": ("00:00:00Z",),
    "duration": ("PT0S",),
    "hostname": ("redacted.invalid", "redacted-{}.invalid"),
    "idn-hostname": ("redacted.invalid", "redacted-{}.invalid"),
    # RFC 5737 and RFC 3849: addresses for documentation.
    "ipv4": ("192.0.2.0", "192.0.2.{}"),
    "ipv6": ("2001:db8::", "2001:db8::{}"),
    "uuid": ("00000000-0000-0000-0000-000000000000",),
    "json-pointer": ("/redacted",),
    "relative-json-pointer": ("0",),
    "regex": ("redacted",),
}
_URLS = frozenset({"uri", "uri-reference", "uri-template", "iri", "iri-reference"})
# Of an enumeration only these say nothing; any other member would be a false statement.
_NEUTRAL_WORDS = ("", "redacted", "REDACTED", "unknown", "UNKNOWN", "other", "OTHER", "none", "NONE", "n/a", "N/A")
_MASKS = (("0", "x", "X"), ("1", "a", "A"), ("9", "a", "A"))

_JSON_STRING = re2.compile(rb'"(?:[^"\\]|\\.)*"')
_NUMBER_CHARACTERS = frozenset("0123456789+-.eE")


@dataclass(frozen=True, slots=True)
class Cut:
    start: int
    end: int
    placeholder: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """What stands at a place, the text of it that detectors saw, and for base64 the encoding below."""

    value: Any
    text: str
    encoding: str = ""
    is_binary: bool = False


def replacements(leaf: Leaf, cuts: Sequence[Cut], places: Places, number: int) -> Iterator[Any]:
    """Values for the leaf, the best first. `places` are the subschemas that speak of it; `number` tells it from others.

    What would say again what is to be hidden, such as a default that is the very value, is left out.
    """
    candidates = _candidates(leaf, cuts, places, number)
    yield next(candidates)
    hidden = {leaf.text[cut.start : cut.end] for cut in cuts if cut.end - cut.start > 2}
    for candidate in candidates:
        spelled = str(candidate)
        if not any(each in spelled for each in hidden):
            yield candidate


def _candidates(leaf: Leaf, cuts: Sequence[Cut], places: Places, number: int) -> Iterator[Any]:
    if leaf.encoding:
        yield encode_blob(_join(leaf.text, cuts, _placeholder), leaf.encoding)
    elif leaf.is_binary:
        yield encode_blob(_join(leaf.text, cuts, _placeholder), "utf-8")
    elif isinstance(leaf.value, str):
        yield from _texts(leaf.text, cuts, places, number)
    else:
        yield from _numbers(leaf.value, places)
        if _allows(places, "string"):
            yield from _texts(leaf.text, cuts, places, number)
    if _allows(places, "null"):
        yield None


def _placeholder(cut: Cut) -> str:
    return cut.placeholder


def _texts(text: str, cuts: Sequence[Cut], places: Places, number: int) -> Iterator[str]:
    in_place = _join(text, cuts, _placeholder)
    if text.lstrip()[:1] in ("{", "["):
        yield from _in_json(text, cuts)
    yield in_place
    yield _join(text, cuts, lambda cut: quote(cut.placeholder, safe=""))
    formats = [place["format"] for place in places if isinstance(place.get("format"), str)]
    for stated in formats or (["uri"] if "://" in text else ()):
        yield from (each.format(number) for each in _NEUTRAL.get(stated, ()))
    yield _join(text, cuts, lambda cut: numbered(cut.placeholder, number))
    for shape in _MASKS:
        yield _masked(text, cuts, shape)
    for shape in _MASKS:
        yield _mask(text, shape)
    for place in places:
        yield from _suggested(place, in_place)
    # Neither names nor times: for members that no schema was given for, such as those of the protocol.
    yield from ("application/octet-stream", "1970-01-01T00:00:00Z", "redacted", "0", "")


def _in_json(text: str, cuts: Sequence[Cut]) -> Iterator[str]:
    """A text that is itself JSON stays JSON: escaped inside a string, a string of its own elsewhere."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    strings = [match.span() for match in each(_JSON_STRING, text.encode("ascii", "replace"))]
    changed = _join(text, *_fitted(text, cuts, strings))
    try:
        orjson.loads(changed)
    except orjson.JSONDecodeError:
        return
    yield changed


def _fitted(text: str, cuts: Sequence[Cut], strings: list[Span]) -> tuple[list[Cut], Callable[[Cut], str]]:
    fitted: list[Cut] = []
    waiting = iter([*strings, (len(text) + 1, len(text) + 1)])
    start, end = next(waiting)
    for cut in cuts:
        while end <= cut.start:
            start, end = next(waiting)
        if start < cut.start and cut.end < end:
            fitted.append(Cut(cut.start, cut.end, json.dumps(cut.placeholder, ensure_ascii=False)[1:-1]))
        else:
            first, last = _whole_number(text, cut)
            if not fitted or fitted[-1].end <= first:
                fitted.append(Cut(first, last, json.dumps(cut.placeholder, ensure_ascii=False)))
    return fitted, _placeholder


def _whole_number(text: str, cut: Cut) -> Span:
    first, last = cut.start, cut.end
    while first > 0 and text[first - 1] in _NUMBER_CHARACTERS:
        first -= 1
    while last < len(text) and text[last] in _NUMBER_CHARACTERS:
        last += 1
    return first, last


def numbered(placeholder: str, number: int) -> str:
    return f"{placeholder[:-1]}_{number}>" if placeholder.endswith(">") else f"{placeholder}_{number}"


def _masked(text: str, cuts: Sequence[Cut], shape: tuple[str, str, str]) -> str:
    return _join(text, cuts, lambda cut: _mask(text[cut.start : cut.end], shape))


def _mask(text: str, shape: tuple[str, str, str]) -> str:
    """Its shape without what it says."""
    digit, small, capital = shape
    return "".join(
        digit if each.isdigit() else capital if each.isupper() else small if each.isalpha() else each for each in text
    )


def _suggested(place: Mapping[str, Any], in_place: str) -> Iterator[str]:
    """What a schema itself allows."""
    allowed = place.get("enum")
    if isinstance(allowed, list):
        yield from (word for word in _NEUTRAL_WORDS if word in allowed)
    longest, shortest = place.get("maxLength"), place.get("minLength")
    if isinstance(longest, int):
        yield in_place[:longest] if not in_place[longest:] else "x" * longest
    if isinstance(shortest, int) and shortest < 65_536:
        yield in_place.ljust(shortest, "x")
    default = place.get("default")
    if isinstance(default, str):
        yield default


def _numbers(value: int | float, places: Places) -> Iterator[int | float]:
    kind = type(value)
    yield kind(0)
    yield kind(1)
    for place in places:
        for name, more in (("minimum", 0), ("exclusiveMinimum", 1), ("maximum", 0), ("exclusiveMaximum", -1),
                           ("multipleOf", 0), ("default", 0)):  # fmt: skip
            bound = place.get(name)
            if isinstance(bound, (int, float)) and not isinstance(bound, bool):
                yield bound + more
        step, least = place.get("multipleOf"), place.get("minimum", place.get("exclusiveMinimum"))
        if isinstance(step, int) and isinstance(least, int) and step > 0:
            yield (least // step + 1) * step


def _allows(places: Places, kind: str) -> bool:
    for place in places:
        stated = place.get("type")
        if stated == kind or (isinstance(stated, list) and kind in stated):
            return True
        if kind == "null" and isinstance(place.get("enum"), list) and None in place["enum"]:
            return True
    return False


def _join(text: str, cuts: Sequence[Cut], render: Callable[[Cut], str]) -> str:
    parts: list[str] = []
    reach = 0
    for cut in cuts:
        parts += (text[reach : cut.start], render(cut))
        reach = cut.end
    return "".join([*parts, text[reach:]])
