"""Finds personal data: checked numbers, named values, and names and addresses that sentences tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from guardrails.engine.detector import ConfigError, Context, Parameter, SeveralDetector, Target, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.hits import Hit
from guardrails.engine.segments import Segment
from guardrails.engine.turning import KEYED, ORDERED
from guardrails.engine.turns import give_way, giving_way
from guardrails.engine.views import View
from guardrails.language.settings import read_flag, read_strings
from guardrails.pii.fields import field_of
from guardrails.pii.members import Place
from guardrails.pii.numbers import NUMBERED
from guardrails.pii.recognise import Habits, recognise
from guardrails.pii.types import CATEGORIES
from guardrails.pii.vocabulary import OF_THINGS, normalise

# Readings in which other words turn up than someone wrote.
_PASSED_OVER = (KEYED | ORDERED) - {"reversed"}
# A text with more findings than this is one large finding behind the last of them.
MOST = 2_000


@detectors.add
class Pii(SeveralDetector):
    """Values in JSON are read with the names above and beside them: `name` beside `email` is a person's."""

    name: ClassVar[str] = "pii"
    label: ClassVar[str] = "Personal data"
    version: ClassVar[str] = "4"
    categories: ClassVar[tuple[str, ...]] = CATEGORIES
    cached_from: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("leave_out", "array", "Categories that are not looked for.", choices=CATEGORIES),
        Parameter(
            "locales", "array",
            "Countries (ISO 3166, two letters) whose identity and telephone numbers count without a word beside them."
            " Empty: the identity numbers of all countries, and North American telephones.",
        ),
        Parameter(
            "names_in_prose", "boolean",
            "Whether every known given name with a family name counts, authors of documents too. Without it,"
            " names count in fields, headers, greetings, signatures, and where someone says or does something.",
            default=False,
        ),
        Parameter(
            "allow", "array",
            "Values that are no finding: an address such as support@example.com, a domain such as example.com with all"
            " that is under it, a number. Capitals, spaces and hyphens do not matter.",
        ),
    )  # fmt: skip

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._left_out = frozenset(read_strings(config, "leave_out", most=len(CATEGORIES), longest=40))
        unknown = self._left_out.difference(CATEGORIES)
        if unknown:
            raise ConfigError(f"leave_out: {sorted(unknown)[0]} is no category; these are: {', '.join(CATEGORIES)}")
        regions = frozenset(text.upper() for text in read_strings(config, "locales", most=250, longest=2))
        unknown = regions.difference(NUMBERED)
        if unknown:
            raise ConfigError(f"locales: {min(unknown)} is no code of a country; codes have two letters, such as DE")
        self._habits = Habits(regions, read_flag(config, "names_in_prose", False))
        allowed = [_plain(text) for text in read_strings(config, "allow", most=10_000, longest=320)]
        self._allowed = frozenset(allowed)
        self._domains = tuple(f".{text.lstrip('@.')}" for text in allowed if "." in text and "@" not in text[1:])

    def is_alone(self, segment: Segment) -> bool:
        """Where the name above a value says what it is, the names beside it and above that have a say too."""
        return not _has_place(segment) or field_of(segment.key) is None

    def judge_some(self, asked: Sequence[Target], targets: Sequence[Target], context: Context) -> Sequence[Finding]:
        beside = _siblings(targets) if any(_has_place(target.segment) for target in asked) else {}
        found: list[Finding] = []
        for target in asked:
            found += self._scan(target, _place(target, beside))
            give_way()
        return found

    def _scan(self, target: Target, place: Place) -> Iterator[Finding]:
        segment = target.segment
        plain: list[tuple[int, int]] = []
        for view in target.views:
            if not _PASSED_OVER.isdisjoint(view.how.split("+")):
                continue
            for hit in giving_way(self._kept(view, place)):
                start, end = view.span(hit.start, hit.end)
                if view.how:
                    # What the text as it stands has shown already.
                    if any(first < end and start < last for first, last in plain):
                        continue
                else:
                    plain.append((start, end))
                yield Finding(self.name, hit.category, hit.score, segment.pointer, start, end, segment.is_key, view.how)

    def _kept(self, view: View, place: Place) -> Iterator[Hit]:
        for count, hit in enumerate(recognise(view.text, place, self._habits)):
            if count == MOST:
                yield hit._replace(end=len(view.text))
                return
            if hit.category not in self._left_out and not self._is_allowed(view.text[hit.start : hit.end]):
                yield hit

    def _is_allowed(self, value: str) -> bool:
        if not self._allowed:
            return False
        plain = _plain(value)
        if plain in self._allowed:
            return True
        host = plain.rpartition("@")[2]
        return "@" in plain and f".{host}".endswith(self._domains)


def _plain(text: str) -> str:
    lowered = text.strip().lower()
    return lowered if "@" in lowered or "." in lowered else lowered.replace(" ", "").replace("-", "")


def _siblings(targets: Sequence[Target]) -> dict[str, tuple[set[str], bool]]:
    """By the pointer of each object: what its members' names say, and whether one says that it is a thing."""
    beside: dict[str, tuple[set[str], bool]] = {}
    for target in targets:
        segment = target.segment
        give_way()
        if not segment.is_key:
            continue
        above = segment.pointer.rpartition("/")[0]
        categories, things = beside.get(above, (set(), False))
        named = field_of(segment.text)
        if named is not None:
            categories.add("FULL" if named[0] == "NAME" and named[1] else named[0])
        beside[above] = categories, things or normalise(segment.text) in OF_THINGS
    return beside


def _has_place(segment: Segment) -> bool:
    """Whether it is one value that a name stands above, rather than a text that holds some."""
    return not segment.is_key and bool(segment.key) and len(segment.text) <= 1_000


def _place(target: Target, beside: Mapping[str, tuple[set[str], bool]]) -> Place:
    segment = target.segment
    if not _has_place(segment):
        return Place()
    tokens = segment.pointer.split("/")
    # A list's elements are named by the member that holds the list.
    while len(tokens) > 1 and tokens[-1].isdigit():
        tokens.pop()
    categories, things = beside.get("/".join(tokens[:-1]), (set(), False))
    above = tuple(token for token in tokens[1:-1] if not token.isdigit())
    return Place(segment.key, above, frozenset(categories), things)
