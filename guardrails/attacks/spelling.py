"""Undoes the spellings by which paths and addresses hide: percent signs, also twice, overlong UTF-8, look-alikes."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

import re2

_ROUNDS = 3
_OVERLONG = re2.compile(
    r"(?i)%(?:c0|e0%80|f0%80%80|fc%80%80%80%80)%(?:ae|2e|af|2f|5c|9c)|%c1%(?:9c|1c|af|pc|8s)|%c0%9v|%c0%qf|"
    r"%c0%?[56]e|%c0\.|%f8%80%80%80%a[ef]|%u221[56]|%u2024|%uff0[ef]|%u002[ef]|%u005c|%uefc8|%uf025|%bg%qf"
)
_HEX = re2.compile(r"(?i)0x(2e|2f|5c)")
_LOST = re2.compile(r"(?i)(\.|^|/|[a-z0-9])2f|\.5c|(?:^|[/\\2f])2e2e")
_NESTED = re2.compile(r"(?i)%%([0-9a-f]{2})%?%?([0-9a-f]{2})?")


def unescape(text: str) -> str:
    """The text read as a careless server reads it. Takes time in proportion to the text."""
    if text.isascii() and not any(mark in text for mark in ("%", "0x", "0X", "..2", "..5", "2e2e", "&#")):
        return text
    plain = text
    for _ in range(_ROUNDS):
        before = plain
        if "%" in plain:
            plain = _OVERLONG.sub(_shorten, plain)
            plain = _NESTED.sub(lambda match: f"%{_pair(match)}", plain) if "%%" in plain else plain
            plain = unquote(plain, errors="replace")
        if plain == before:
            break
    if "0x" in plain.lower():
        plain = _HEX.sub(lambda match: bytes.fromhex(match.group(1)).decode(), plain)
    if plain.startswith("..2") or plain.startswith("..5"):
        plain = plain.replace("2f", "/").replace("2F", "/").replace("5c", "\\").replace("5C", "\\")
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain).replace("\u2215", "/").replace("\u2216", "\\")
    return plain.encode("utf-8", "replace").decode()


def _shorten(match: re2._Match) -> str:
    spelled = match.group(0).lower()
    if spelled.endswith(("ae", "2e", "5e", "6e", "2024", "0e", "c0.")):
        return "."
    return "\\" if spelled.endswith(("5c", "9c", "1c", "2216")) else "/"


def _pair(match: re2._Match) -> str:
    first, second = match.group(1), match.group(2) or ""
    return bytes.fromhex(first + second).decode("ascii", "replace")
