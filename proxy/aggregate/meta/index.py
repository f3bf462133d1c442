"""The tools of servers as they can be searched: words with their weights, made once for each state of a shelf."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway_site.lib import jsontext
from proxy.aggregate.shelves import Line
from proxy.pace import Pace

if TYPE_CHECKING:
    from proxy.call import Call

_MAX_TOOLS = 20_000
_MAX_TEXT = 2_000
MAX_WORDS = 32
_MAX_ARGUMENTS = 200
_SUMMARY = 300
# What a word counts by where it stands.
_NAME, _TITLE, _ARGUMENT, _SERVER, _DESCRIPTION = 4.0, 3.0, 1.5, 1.5, 1.0
# BM25 with the usual constants: how soon more of the same word counts less, and how much length counts.
_SATURATION, _LENGTH = 1.2, 0.75
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One tool: `tool` is what it is called at its server, `shown` at the address of all, `real` by the server."""

    server: str
    tool: str
    shown: str
    real: str
    title: str
    summary: str
    text: bytes = field(repr=False)
    words: dict[str, float] = field(repr=False)
    length: float = 0.0

    def definition(self) -> dict[str, Any]:
        """As it is shown at the address of all."""
        found: dict[str, Any] = jsontext.decode(self.text)
        return found


class Index:
    """Of one event loop, bounded by the number of tools; what is used least recently goes first."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, bool], tuple[tuple[Line, ...], tuple[Entry, ...]]] = OrderedDict()
        self._size = 0

    async def entries(self, call: Call, slug: str) -> tuple[Entry, ...]:
        """All that the server shows to clients of the call's era, whoever may use it."""
        lines = await call.state.aggregate.shelves.lines(call, slug, "tools")
        place = (call.snapshot.upstreams[slug].server_id, call.modern)
        known = self._known.get(place)
        if known is not None and known[0] is lines:
            self._known.move_to_end(place)
            return known[1]
        entries, pace = [], Pace()
        for line in lines:
            entries.append(_read(call, slug, line))
            await pace.keep()
        self._keep(place, lines, tuple(entries))
        return tuple(entries)

    def _keep(self, place: tuple[int, bool], lines: tuple[Line, ...], entries: tuple[Entry, ...]) -> None:
        before = self._known.pop(place, None)
        self._known[place] = (lines, entries)
        self._size += len(entries) - (len(before[1]) if before is not None else 0)
        while self._size > _MAX_TOOLS and len(self._known) > 1:
            self._size -= len(self._known.popitem(last=False)[1][1])


def _read(call: Call, slug: str, line: Line) -> Entry:
    definition = jsontext.decode(line.text)
    overlays = call.snapshot.overlays.get(slug)
    tool = line.name if overlays is None else overlays.name(line.name) or line.name
    title, description = _text(definition.get("title")), _text(definition.get("description"))
    words: Counter[str] = Counter()
    for text, weight in (
        (tool, _NAME), (title, _TITLE), (slug, _SERVER), (description, _DESCRIPTION),
        (" ".join(_arguments(definition)), _ARGUMENT),
    ):  # fmt: skip
        for word in words_of(text):
            words[sys.intern(word)] += weight  # type: ignore[assignment]  # a weight is no whole number
    return Entry(slug, tool, definition["name"], line.name, title, _short(description), line.text, dict(words),
                 sum(words.values()))  # fmt: skip


def _arguments(definition: dict[str, Any]) -> list[str]:
    schema = definition.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return list(properties)[:_MAX_ARGUMENTS] if isinstance(properties, dict) else []


def words_of(text: str) -> list[str]:
    """In lower case, words that are grown together taken apart, without the "s" of a plural."""
    found = [word.lower() for word in _WORD.findall(_HUMP.sub(" ", text[:_MAX_TEXT]))]
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found]


async def rank(entries: Sequence[Entry], query: str) -> list[tuple[float, Entry]]:
    """Those that have a word of the query, the best first, with their scores. Nothing else counts: what a caller may
    not use has no part in how rare a word is. Of a long query only its first words are looked for.
    """
    words = list(dict.fromkeys(words_of(query)))[:MAX_WORDS]
    if not entries or not words:
        return []
    pace = Pace()
    mean = sum(entry.length for entry in entries) / len(entries)
    having: dict[str, list[Entry]] = {}
    for word in words:
        having[word] = [entry for entry in entries if word in entry.words]
        await pace.keep()
    rarity = {word: _rarity(len(found), len(entries)) for word, found in having.items()}
    scored = []
    for entry in {entry.shown: entry for found in having.values() for entry in found}.values():
        scored.append((_score(entry, rarity, mean) + _named(entry, query), entry))
        await pace.keep()
    return sorted(scored, key=lambda each: (-each[0], each[1].shown))


def _rarity(having: int, of: int) -> float:
    return math.log(1 + (of - having + 0.5) / (having + 0.5))


def _score(entry: Entry, rarity: dict[str, float], mean: float) -> float:
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * entry.length / mean)
    counts = ((entry.words.get(word, 0.0), rare) for word, rare in rarity.items())
    return sum(rare * count * (_SATURATION + 1) / (count + norm) for count, rare in counts if count)


def _named(entry: Entry, query: str) -> float:
    """Whoever knows the name finds it first."""
    return 100.0 if query.strip() in (entry.tool, entry.shown) else 0.0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _short(text: str) -> str:
    return text if len(text) <= _SUMMARY else text[: _SUMMARY - 1] + "…"


def find(entries: Iterable[Entry], name: str) -> Entry | None:
    """By its name at its server or at the address of all."""
    found = [entry for entry in entries if name in (entry.tool, entry.shown)]
    # What is called so at several servers is none of them.
    return found[0] if len(found) == 1 else next((entry for entry in found if entry.shown == name), None)
