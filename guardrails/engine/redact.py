"""Rewrites what was found in a message, leaf by leaf, so that the message stays what the protocol and schemas say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from guardrails.engine.findings import Finding
from guardrails.engine.replacements import Cut, Leaf, numbered, replacements
from guardrails.engine.schemas import Check, Descent, Fault, Places, UnusableSchema, leaf_check
from guardrails.engine.surfaces import is_route
from guardrails.engine.walk import at, blob_member, decode_blob, replace, spell, tokens_of

Span = tuple[int, int]
PlaceholderOf = Callable[[Finding, str], str]

# Each round gives the next candidate to every leaf that a schema refuses.
_MOST_ROUNDS = 64
_MOST_TRIED = 64

# What the protocol says of its own members, by name.
_PROTOCOL = {
    **dict.fromkeys(("uri", "url", "src", "websiteUrl"), '{"format":"uri"}'),
    "mimeType": '{"pattern":"^[^/ ]+/[^/ ]+$"}',
    **dict.fromkeys(("lastModified", "createdAt", "lastUpdatedAt"), '{"format":"date-time"}'),
    "role": '{"enum":["user","assistant"]}',
    "level": '{"enum":["debug","info","notice","warning","error","critical","alert","emergency"]}',
    "action": '{"enum":["accept","decline","cancel"]}',
}
_BASE64 = '{"pattern":"^[A-Za-z0-9+/]*={0,2}$"}'
_FREE = ("/params/arguments/", "/result/structuredContent", "/result/result/structuredContent", "/params/_meta/")


class Unredactable(ValueError):
    """A place whose text cannot be replaced: the message must not pass. `pointer` says which place."""

    def __init__(self, pointer: str) -> None:
        super().__init__(pointer)
        self.pointer = pointer


def redact(
    message: Mapping[str, Any], findings: Iterable[Finding], placeholder_of: PlaceholderOf, schema: Any = None
) -> Any:
    """The message with other texts where the findings are; every other value is the very same object.

    `placeholder_of(finding, text)` gives what to put in place of `text`. Findings that overlap become one, which is
    the longest of them with the span of all. A finding without a span stands for the whole leaf. `schema` is that of
    the arguments or of the structured content. Raises Unredactable.
    """
    base = _base_of(message)
    descent = Descent(schema) if schema is not None else None
    targets = [
        _target(message, found, placeholder_of, _places(descent, base, found[0].pointer), number)
        for number, found in enumerate(_by_place(findings), start=1)
    ]
    within = [target for target in targets if target.pointer == base or target.pointer.startswith(f"{base}/")]
    if schema is not None and within:
        _fit(message, base, within, schema)
    return _build(message, targets)


def text_of(message: Mapping[str, Any], pointer: str, is_key: bool = False) -> str:
    """The text of the segment at a place, in which findings count their characters. Raises LookupError."""
    return _read(message, pointer, is_key).text


def _base_of(message: Mapping[str, Any]) -> str:
    """Where the value is that a tool's schema describes."""
    if "params" in message:
        return "/params/arguments"
    result = message.get("result")
    is_task = isinstance(result, dict) and "structuredContent" not in result and isinstance(result.get("result"), dict)
    return "/result/result/structuredContent" if is_task else "/result/structuredContent"


def _by_place(findings: Iterable[Finding]) -> list[list[Finding]]:
    places: dict[tuple[str, bool], list[Finding]] = {}
    for finding in findings:
        places.setdefault((finding.pointer, finding.is_key), []).append(finding)
    return list(places.values())


def _places(descent: Descent | None, base: str, pointer: str) -> Places:
    """The subschemas that speak of a leaf."""
    if descent is None or not (pointer == base or pointer.startswith(f"{base}/")):
        return ()
    places = descent.top
    for token in tokens_of(pointer[len(base) :]):
        places = descent.below(places, token) or (descent.below(places, int(token)) if _is_index(token) else ())
    return places


def _is_index(token: str) -> bool:
    return token.isascii() and token.isdigit() and len(token) < 10


# Leaves


def _read(message: Mapping[str, Any], pointer: str, is_key: bool) -> Leaf:
    """Raises LookupError."""
    if not pointer:
        raise LookupError("no text")
    above, _, token = pointer.rpartition("/")
    container = at(message, above)
    name = tokens_of(f"/{token}")[0]
    value = at(container, f"/{token}")
    if is_key:
        return Leaf(name, name)
    if isinstance(value, str):
        if isinstance(container, dict) and blob_member(container) == name:
            decoded = decode_blob(value)
            return Leaf(value, *decoded, True) if decoded else Leaf(value, value, "", True)
        return Leaf(value, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Leaf(value, spell(value))
    raise LookupError("no text")


class _Target:
    """A leaf or member name that is to change, and what could stand in its place, the best first."""

    def __init__(
        self, pointer: str, is_key: bool, places: Places, candidates: Iterator[Any], check: Check | None
    ) -> None:
        """Raises Unredactable."""
        self.pointer = pointer
        self.is_key = is_key
        self.steps = tuple(tokens_of(pointer))
        self.places = places
        self._candidates = candidates
        self._check = check
        self.candidate: Any = None
        self.advances = -1
        self.advance()

    def advance(self) -> None:
        """To the next candidate that the protocol allows there. Raises Unredactable when none is left."""
        self.advances += 1
        for candidate in self._candidates:
            if self._check is None or self._check.is_valid(candidate):
                self.candidate = candidate
                return
        raise Unredactable(self.pointer)


def _target(
    message: Mapping[str, Any],
    findings: Sequence[Finding],
    placeholder_of: PlaceholderOf,
    places: Places,
    number: int,
) -> _Target:
    pointer, is_key = findings[0].pointer, findings[0].is_key
    try:
        leaf = _read(message, pointer, is_key)
    except LookupError as error:
        raise Unredactable(pointer) from error
    if is_route(pointer) and not is_key:
        raise Unredactable(pointer)
    cuts = _cuts(leaf.text, findings, placeholder_of)
    check = None if is_key else _protocol_check(pointer, leaf)
    candidates = replacements(leaf, cuts, places, number)
    return _Target(pointer, is_key, places, candidates, check)


def _protocol_check(pointer: str, leaf: Leaf) -> Check | None:
    if leaf.is_binary:
        return leaf_check(_BASE64)
    if pointer.startswith(_FREE):
        return None
    schema = _PROTOCOL.get(pointer.rpartition("/")[2])
    if schema is None:
        return None
    check = leaf_check(schema)
    # What did not keep to the protocol before need not do so now.
    return check if check.is_valid(leaf.value) else None


# A text, a cut for each run of findings, and what to put there


def _cuts(text: str, findings: Sequence[Finding], placeholder_of: PlaceholderOf) -> list[Cut]:
    runs: list[list[Finding]] = []
    reach = -1
    for finding in sorted((_within(finding, len(text)) for finding in findings), key=lambda each: each.start):
        if not runs or finding.start >= reach:
            runs.append([])
        runs[-1].append(finding)
        reach = max(reach, finding.end)
    cuts = []
    for run in runs:
        start, end = run[0].start, max(finding.end for finding in run)
        longest = max(run, key=lambda finding: finding.end - finding.start)
        # A token stands for exactly one value, so that a wider span must not get the token of a part.
        whole = dataclasses.replace(longest, start=start, end=end)
        cuts.append(Cut(start, end, placeholder_of(whole, text[start:end])))
    return cuts


def _within(finding: Finding, length: int) -> Finding:
    start, end = max(0, finding.start), min(length, finding.end)
    return dataclasses.replace(finding, start=start, end=end) if start < end else \
        dataclasses.replace(finding, start=0, end=length)  # fmt: skip


# Until the schema is satisfied


def _fit(message: Mapping[str, Any], base: str, targets: list[_Target], schema: Any) -> None:
    """Moves targets to other candidates until the schema says of the value what it said before."""
    try:
        check, original = Check(schema), at(message, base)
        if check.can_search(original):
            _search(message, base, targets, check, check.faults(original))
        elif check.is_valid(original):
            _try(message, base, targets, check)
    except (UnusableSchema, LookupError) as error:
        raise Unredactable(targets[0].pointer) from error


def _search(message: Mapping[str, Any], base: str, targets: list[_Target], check: Check, known: set[Fault]) -> None:
    for _ in range(_MOST_ROUNDS):
        names = _unique_names(message, targets)
        faults = check.faults(at(_build(message, targets), base)) - known
        if not faults:
            return
        index = _index(targets, names, len(tokens_of(base)))
        to_blame: dict[int, _Target] = {}
        for path, _ in faults:
            for target in _nearest(index, tuple(map(str, path))):
                to_blame[id(target)] = target
        for target in to_blame.values():
            target.advance()
    raise Unredactable(targets[0].pointer)


def _index(targets: list[_Target], names: Mapping[str, str], depth: int) -> dict[tuple[str, ...], list[_Target]]:
    """Targets by their place in the value as it is now, and by every place above."""
    index: dict[tuple[str, ...], list[_Target]] = {}
    for target in targets:
        steps = [*target.steps[:-1], names.get(target.pointer, target.steps[-1]) if target.is_key else target.steps[-1]]
        for reach in range(depth, len(steps) + 1):
            index.setdefault(tuple(steps[depth:reach]), []).append(target)
    return index


def _nearest(index: Mapping[tuple[str, ...], list[_Target]], path: tuple[str, ...]) -> list[_Target]:
    for reach in range(len(path), -1, -1):
        if path[:reach] in index:
            return index[path[:reach]]
    return []


def _try(message: Mapping[str, Any], base: str, targets: list[_Target], check: Check) -> None:
    """One by one, where to find what is wrong would take too long; what fits one leaf is given to its likes at once."""
    fitting: dict[int, int] = {}
    for number, target in enumerate(targets):
        for _ in range(fitting.get(id(target.places), 0)):
            target.advance()
        if number < _MOST_TRIED:
            while not check.is_valid(at(_build(message, [target]), base)):
                target.advance()
            fitting[id(target.places)] = target.advances
    if not check.is_valid(at(_build(message, targets), base)):
        raise Unredactable(targets[0].pointer)


def _build(message: Mapping[str, Any], targets: list[_Target]) -> Any:
    changes = {target.pointer: target.candidate for target in targets if not target.is_key}
    return replace(message, changes, _unique_names(message, targets))


def _unique_names(message: Mapping[str, Any], targets: list[_Target]) -> dict[str, str]:
    """New member names by pointer, numbered where another member has the name."""
    names: dict[str, str] = {}
    taken: dict[str, set[str]] = {}
    counts: dict[tuple[str, str], int] = {}
    for target in targets:
        if target.is_key:
            above, name = target.pointer.rpartition("/")[0], target.candidate
            if above not in taken:
                taken[above] = set(at(message, above))
            while name in taken[above]:
                # Goes on from the last number, or a thousand equal names would be counted through each time.
                count = counts[above, target.candidate] = counts.get((above, target.candidate), 1) + 1
                name = numbered(target.candidate, count)
            taken[above].add(name)
            names[target.pointer] = name
    return names
