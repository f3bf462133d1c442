"""One JSON text for each value, as RFC 8785 writes it, whatever database or file the value was read from."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

_SAFE = 2**53 - 1
# What our fast encoder may write otherwise than the standard: floats, and names beyond the basic plane, which it sorts
# by code point. Digits and dots inside of texts are caught too, which costs time and nothing else.
_DOUBTFUL = re.compile(r"[^\x00-\ud7ff]|\\u|\d[.eE]")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_PLAIN = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


class NotCanonical(ValueError):
    """The value is no JSON that can be written in one way only."""


def canonical(value: Any) -> bytes:
    """RFC 8785 of JSON values. Whole numbers beyond 2^53-1 are written as the double that is nearest.

    Raises NotCanonical.
    """
    try:
        if _is_plain(value):
            with contextlib.suppress(orjson.JSONEncodeError):
                return orjson.dumps(value, option=_PLAIN)
        return _write(value).encode()
    except (AttributeError, OverflowError, RecursionError, TypeError, UnicodeEncodeError) as error:
        raise NotCanonical(type(error).__name__) from error


def canonical_record(record: dict[str, Any], detail: str) -> bytes:
    """The same for a flat `record` of texts, whole numbers and UUIDs, with the JSON text `detail` as its "detail".

    An empty detail is left out. Raises NotCanonical.
    """
    try:
        parsed = orjson.loads(detail)
        if parsed != {}:
            record = {**record, "detail": parsed}
        if _DOUBTFUL.search(detail) is None or _is_plain(parsed):
            return orjson.dumps(record, option=_PLAIN)
    except orjson.JSONEncodeError:
        pass
    except orjson.JSONDecodeError as error:
        raise NotCanonical("not JSON") from error
    return canonical_of_record(record)


def canonical_of_record(record: Mapping[str, Any]) -> bytes:
    """The same for a record that has its detail as an object already. Raises NotCanonical."""
    return canonical({name: _as_json(value) for name, value in record.items() if value != {}})


def _as_json(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > _SAFE:
        return str(value)
    return value if value is None or isinstance(value, (str, int, dict, list, float)) else str(value)


def _is_plain(value: Any) -> bool:
    """Whether the fast encoder writes it as the standard does."""
    if type(value) is float:
        return 1e-4 < abs(value) < 1e15 and not value.is_integer()
    if type(value) is dict:
        return all((name.isascii() or max(name) < "\ud800") and _is_plain(item) for name, item in value.items())
    return all(map(_is_plain, value)) if type(value) is list else True


def _write(value: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return _write_text(value)
    if isinstance(value, int) and abs(value) <= _SAFE:
        return str(value)
    if isinstance(value, (int, float)):
        return _write_double(float(value))
    if isinstance(value, list):
        return f"[{','.join(map(_write, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(_write_text(name) + ':' + _write(value[name]) for name in sorted(value, key=_utf16))}}}"
    raise TypeError


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _write_text(text: str) -> str:
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}"


def _write_double(value: float) -> str:
    """As ECMAScript writes it: the fewest digits that read back as the same double."""
    if value != value or value in (float("inf"), float("-inf")):
        raise NotCanonical("not a number")
    if value == 0:
        return "0"
    negative, numbers, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, numbers)).rstrip("0")
    point = len(numbers) + int(exponent)
    return ("-" if negative else "") + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"
