r"""Tokens that stand for personal values: how they are spelled, how they are found again, and how values come back.

A token is `<<EMAIL_4f0c91ab7d2e>>`: a category in upper case and twelve hexadecimal digits. Models and renderers
respell it; these spellings are read too, and what comes back is written the way the token stood there:

    <<email_4F0C91AB7D2E>>                     another case
    << EMAIL 4f0c 91ab 7d2e >>                 spaces, line breaks, markdown (`*`, `~`, backticks) inside
    \<\<EMAIL\_4f0c91ab7d2e\>\>                escaped for markdown
    &lt;&lt;EMAIL_4f0c91ab7d2e&gt;&gt;         escaped for HTML, once or twice; the value is escaped for HTML too
    %3C%3CEMAIL_4f0c91ab7d2e%3E%3E             in a URL, encoded once or twice; the value is percent-encoded too
    \u003c\u003cEMAIL_4f0c91ab7d2e\u003e\u003e in JSON text, escaped once or twice; the value is escaped for JSON too

A token that lacks a bracket, a digit or its category is text like any other.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any
from urllib.parse import quote

import re2

from guardrails.engine.turns import each, give_way

ID_DIGITS = 12
MAX_CATEGORY = 32
# Bytes of a digest that `make_token` uses up.
DIGEST_BYTES = ID_DIGITS // 2
_HEX = frozenset("0123456789abcdef")
_LETTERS = "abcdef"
_LONGEST = MAX_CATEGORY + ID_DIGITS + 40


class Spelling(Enum):
    """How the brackets of a token are written, which is how its value has to be."""

    PLAIN = auto()
    HTML = auto()
    HTML_TWICE = auto()
    URL = auto()
    URL_TWICE = auto()
    JSON = auto()
    JSON_TWICE = auto()


# The longer opening first.
_OPENINGS = (
    ("&amp;", Spelling.HTML_TWICE), ("&", Spelling.HTML), ("%25", Spelling.URL_TWICE), ("%", Spelling.URL),
    ("\\\\u", Spelling.JSON_TWICE), ("\\u", Spelling.JSON),
)  # fmt: skip
# Characters of two brackets.
_BRACKET_WIDTHS = {Spelling.URL: 6, Spelling.URL_TWICE: 10, Spelling.JSON: 12, Spelling.JSON_TWICE: 14}
_STRICT = re2.compile(r"<<[A-Z][A-Z0-9_]*_[0-9a-f]{12}>>")


_INSIDE = r"[0-9A-Za-z_\s\x{a0}*`~]+"
_LT, _GT = r"(?:lt|LT|#0*60|#[xX]0*3[cC]);", r"(?:gt|GT|#0*62|#[xX]0*3[eE]);"
# No groups: without them the search needs no memory of where it came from, and is three times as fast.
_LOOSE = re2.compile(
    "|".join(
        (
            r"(?:< ?<|\\<\\<)(?:[0-9A-Za-z_\s\x{a0}*`~]|\\_)+(?:> ?>|\\>\\>)",
            f"&{_LT} ?&{_LT}{_INSIDE}&{_GT} ?&{_GT}",
            f"&amp;{_LT} ?&amp;{_LT}{_INSIDE}&amp;{_GT} ?&amp;{_GT}",
            r"(?:%3[Cc]){2}(?:[0-9A-Za-z_+]|%20|%5[Ff])+(?:%3[Ee]){2}",
            r"(?:%253[Cc]){2}(?:[0-9A-Za-z_+]|%2520|%255[Ff])+(?:%253[Ee]){2}",
            rf"(?:\\u003[Cc]){{2}}{_INSIDE}(?:\\u003[Ee]){{2}}",
            rf"(?:\\\\u003[Cc]){{2}}{_INSIDE}(?:\\\\u003[Ee]){{2}}",
        )
    )
)
_SEPARATORS = str.maketrans(dict.fromkeys(" \t\n\f\r\v\u00a0*`~\\+", "_"))


def make_token(category: str, digest: bytes) -> str:
    """The token of a digest; needs DIGEST_BYTES of it.

    Every fourth digit is a letter, so that no detector takes the digits for a telephone or card number. That leaves
    43 bits: of a session's 10,000 tokens a blind guess hits one with a chance of one in 10**9.
    """
    digits = list(digest[:DIGEST_BYTES].hex())
    for place in range(3, ID_DIGITS, 4):
        digits[place] = _LETTERS[int(digits[place], 16) % len(_LETTERS)]
    return f"<<{spell_category(category)}_{''.join(digits)}>>"


def spell_category(category: str) -> str:
    """Upper case, ASCII letters and digits with single underscores between; "VALUE" when nothing is left."""
    words = "".join(each if each.isascii() and each.isalnum() else "_" for each in category.upper()).split("_")
    spelled = "_".join(word for word in words if word)[:MAX_CATEGORY].rstrip("_")
    return spelled if spelled[:1].isalpha() else f"VALUE_{spelled}"[:MAX_CATEGORY].rstrip("_")


def is_token(text: str) -> bool:
    """Whether the text is exactly one token, in its own spelling."""
    return text.isascii() and _STRICT.fullmatch(text) is not None


def find_tokens(text: str) -> list[tuple[int, int, str]]:
    """Start, end and the token in its own spelling, for everything that reads like one. Whose it is, it does not say.

    Positions count characters of the text.
    """
    return [(start, end, token) for start, end, token, _ in _spelled_tokens(text)]


def tokens_in(value: Any) -> list[str]:
    """The tokens of all texts and member names of a JSON value, each once, in their order."""
    return list(dict.fromkeys(_walk(value)))


def restore(value: Any, mapping: Mapping[str, str]) -> Any:
    """The JSON value with the tokens of `mapping` replaced by what they stand for.

    What holds no such token is the same object as before. What was put in is not read again, so that a value which
    looks like a token stays as it is. A member name stays a token where its value would be another member's name.
    """
    if not mapping:
        return value
    if isinstance(value, str):
        return restore_text(value, mapping)
    if isinstance(value, list):
        items = [restore(item, mapping) for item in value]
        give_way()
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, dict):
        return _restore_members(value, mapping)
    return value


def restore_text(text: str, mapping: Mapping[str, str]) -> str:
    """The same object when nothing is replaced."""
    parts: list[str] = []
    done = 0
    for start, end, token, spelling in _spelled_tokens(text):
        known = mapping.get(token)
        if known is not None:
            parts += (text[done:start], _spell(known, spelling))
            done = end
    if not done:
        return text
    parts.append(text[done:])
    return "".join(parts)


def _restore_members(members: dict[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    restored: dict[str, Any] = {}
    changed = False
    for old_name, old in members.items():
        name, new = restore_text(old_name, mapping), restore(old, mapping)
        if name is not old_name and (name in members or name in restored):
            name = old_name
        changed = changed or name is not old_name or new is not old
        restored[name] = new
    return restored if changed else members


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        for _, _, token, _ in _spelled_tokens(value):
            yield token
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)
            give_way()
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _walk(name)
            yield from _walk(item)


def _spelled_tokens(text: str) -> Iterator[tuple[int, int, str, Spelling]]:
    """Start, end, token and how it is spelled, from left to right."""
    if len(text) < ID_DIGITS or not ("<" in text or "%" in text or "&" in text or "\\" in text):
        return
    readable = text
    try:
        matches = list(each(_LOOSE, text))
    except UnicodeEncodeError:
        # A lone surrogate: any other single character in its place leaves the positions as they are.
        readable = text.encode("utf-8", "replace").decode("utf-8")
        matches = list(each(_LOOSE, readable))
    for match in matches:
        start, end = match.span()
        found = readable[start:end]
        spelling = _spelling(found)
        token = _read(_inside(found, spelling), spelling)
        if token:
            yield start, end, token, spelling


def _spelling(found: str) -> Spelling:
    if found[0] == "<" or found.startswith("\\<"):
        return Spelling.PLAIN
    for opening, spelling in _OPENINGS:
        if found.startswith(opening):
            return spelling
    raise AssertionError("an opening that the expression does not have")


def _inside(found: str, spelling: Spelling) -> str:
    """What stands between the brackets."""
    if spelling is Spelling.PLAIN:
        return found.strip("<>\\ ")
    if spelling in (Spelling.HTML, Spelling.HTML_TWICE):
        return found.split(";")[2 if spelling is Spelling.HTML else 4].partition("&")[0]
    width = _BRACKET_WIDTHS[spelling]
    return found[width:-width]


def _read(inside: str, spelling: Spelling) -> str:
    """The token in its own spelling; "" for what is none."""
    category, _, digits = inside.rpartition("_")
    if len(digits) != ID_DIGITS or not category.isalpha() or not category.isupper() or not _HEX.issuperset(digits):
        category, digits = _tidy(inside, spelling)
    if len(digits) != ID_DIGITS or not 0 < len(category) <= MAX_CATEGORY or not category[0].isalpha():
        return ""
    return f"<<{category}_{digits}>>" if _HEX.issuperset(digits) else ""


def _tidy(inside: str, spelling: Spelling) -> tuple[str, str]:
    """Category and digits without what was put between them. A text of any length costs no more than a short one."""
    if len(inside) > _LONGEST:
        return "", ""
    if spelling in (Spelling.URL, Spelling.URL_TWICE):
        inside = inside.replace("%25", "%").replace("%20", "_").replace("%5F", "_").replace("%5f", "_")
    words = [word for word in inside.translate(_SEPARATORS).split("_") if word]
    digits = ""
    while words and len(digits) < ID_DIGITS:
        digits = words.pop() + digits
    return "_".join(words).upper(), digits.lower()


def _spell(value: str, spelling: Spelling) -> str:
    """The value, escaped as its token was, so that whoever undoes the escaping gets exactly the value."""
    match spelling:
        case Spelling.PLAIN:
            return value
        case Spelling.HTML:
            return html.escape(value)
        case Spelling.HTML_TWICE:
            return html.escape(html.escape(value))
        case Spelling.URL:
            return _escape_for_url(value)
        case Spelling.URL_TWICE:
            return _escape_for_url(_escape_for_url(value))
        case Spelling.JSON:
            return _escape_for_json(value)
        case Spelling.JSON_TWICE:
            return _escape_for_json(_escape_for_json(value))


def _escape_for_url(value: str) -> str:
    return quote(value, safe="", errors="surrogatepass")


def _escape_for_json(value: str) -> str:
    inner = json.dumps(value, ensure_ascii=False)[1:-1]
    return inner.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
