"""Looking at the texts of one message: with the detectors that are here by the order of rules, then with services."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guardrails.engine.arming import Armed
from guardrails.engine.detector import (
    Context,
    MessageDetector,
    Provider,
    ProviderError,
    SeveralDetector,
    Target,
    TextDetector,
)
from guardrails.engine.findings import Action, Failure, Finding
from guardrails.engine.lent import Cache, Services
from guardrails.engine.numbers import numbers_of
from guardrails.engine.rules import Policy, Rule
from guardrails.engine.segments import Segment, Surface
from guardrails.engine.surfaces import Reading, segments_of
from guardrails.engine.turns import give_way, working_time

# A message of more texts than these would fill the cache with its own, for nobody to ask about again.
_MOST_CACHED = 64
# The same of what is looked at text by text, where to know some of them saves more.
_MOST_CACHED_ALONE = 1_000
_MAX_FINDINGS = 1_000
_MAX_DIGESTED = 50
_DEFINITIONS = frozenset({Surface.DEFINITION, Surface.INSTRUCTIONS})


@dataclass(slots=True)
class Scan:
    """What is known so far."""

    policy: Policy
    context: Context
    reading: Reading
    targets: list[Target]
    armed: tuple[Armed, ...]
    services: Services
    # Set when nobody waits for the scan any more.
    stop: threading.Event
    findings: list[Finding] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)
    seen: int = 0
    # The targets of each direction that there are any of, and of each set of directions that some rule is for.
    present: dict[str, list[Target]] = field(default_factory=dict)
    directed: dict[frozenset[str], list[Target]] = field(default_factory=dict)
    # Rules with one detector, configuration and directions share what it found.
    found: dict[tuple[str, frozenset[str]], list[Finding]] = field(default_factory=dict)
    # What the cache knows each segment by, by the segment's identity.
    names: dict[int, bytes] = field(default_factory=dict)
    # By pointer and whether it is a name; made when the first finding asks for it.
    texts: dict[tuple[str, bool], str] = field(default_factory=dict)


def scan_locally(
    message: Mapping[str, Any], policy: Policy, context: Context, armed: tuple[Armed, ...], services: Services,
    modern: bool, schema: Mapping[str, Any] | None, stop: threading.Event,
) -> Scan:  # fmt: skip
    """Everything that needs no waiting. Raises Unwalkable."""
    reading = segments_of(
        message, direction=context.direction, method=context.method, modern=modern,
        kinds=policy.kinds.get(context.tool), schema=schema,
    )  # fmt: skip
    known = replace(context, binaries=tuple(reading.binaries), numbers=numbers_of(message))
    scan = Scan(policy, known, reading, [], armed, services, stop)
    for segment in reading.segments:
        room = policy.max_characters - scan.seen
        if room <= 0:
            break
        if len(segment.text) > room:
            segment = replace(segment, text=segment.text[:room])
        scan.seen += len(segment.text)
        if segment.text:
            target = Target(segment)
            scan.targets.append(target)
            scan.present.setdefault(direction_of(segment, known), []).append(target)
        give_way()
    present = scan.present.keys() or {known.direction}
    for each in armed:
        if stop.is_set():
            break
        if not each.asks and not each.rule.directions.isdisjoint(present):
            _note(scan, each, *_run(scan, each))
    if not any(each.asks for each in armed):
        release(scan)
    else:
        # What services find is noted where there is no time to go through all texts.
        _know_texts(scan)
    return scan


def release(scan: Scan) -> None:
    """Lets go of what was looked at; to take a large message's parts down takes as long as to put them together."""
    scan.directed.clear()
    scan.present.clear()
    while scan.targets:
        scan.targets.pop().release()
        give_way()
    _empty(scan.reading.segments)
    for found in scan.found.values():
        _empty(found)
    scan.found.clear()
    for known in (scan.texts, scan.names):
        while known:
            known.popitem()
            give_way()


def _empty(parts: list[Any]) -> None:
    while parts:
        parts.pop()
        give_way()


def _directed(scan: Scan, rule: Rule) -> tuple[frozenset[str], list[Target]]:
    """The texts that a rule is for, and what they are known by: those of its directions that there are texts of."""
    directions = rule.directions.intersection(scan.present)
    if len(scan.present) == len(directions):
        return directions, scan.targets
    targets = scan.directed.get(directions)
    if targets is None:
        targets = scan.directed[directions] = [
            target for target in scan.targets if direction_of(target.segment, scan.context) in directions
        ]
    return directions, targets


def direction_of(segment: Segment, context: Context) -> str:
    """Definitions and instructions tell a model what to do before anything is called: a direction of their own."""
    return "definition" if segment.surface in _DEFINITIONS else context.direction


def _run(scan: Scan, armed: Armed) -> tuple[Sequence[Finding], str, float]:
    """The findings, the cause of failure or "", and the milliseconds of one rule."""
    started = working_time()
    found: list[Finding] = []
    cause = armed.fault
    directions, targets = _directed(scan, armed.rule)
    key = armed.detector_id, directions
    known = scan.found.get(key)
    if known is not None:
        return known, cause, (working_time() - started) * 1000
    detector = armed.detector
    try:
        if isinstance(detector, TextDetector):
            for target in targets:
                if scan.stop.is_set():
                    break
                found += _look_up(scan, armed, detector, target)
                give_way()
        elif isinstance(detector, MessageDetector) and (targets or scan.context.binaries or scan.context.numbers):
            found += _judge(scan, armed, detector, targets)
        if detector is not None:
            scan.found[key] = found
    except Exception as error:  # noqa: BLE001  a detector that breaks cannot answer; that never passes a call
        cause = type(error).__name__
    taken = working_time() - started
    if taken > armed.rule.timeout:
        # It cannot be stopped, and what took so long is not to be relied on.
        cause = "timeout"
    return found, cause, taken * 1000


def _look_up(scan: Scan, armed: Armed, detector: TextDetector, target: Target) -> Sequence[Finding]:
    cache, segment = scan.services.cache, target.segment
    if cache is None or len(segment.text) < detector.cached_from or len(scan.targets) > _MOST_CACHED_ALONE:
        return detector.scan(target)
    project, name = scan.context.project, _name_of(scan, cache, segment)
    known = cache.get(project, armed.detector_id, segment, name)
    if known is None:
        known = tuple(detector.scan(target))
        cache.put(project, armed.detector_id, segment, known, name)
    return known


def _name_of(scan: Scan, cache: Cache, segment: Segment) -> bytes:
    name = scan.names.get(id(segment))
    if name is None:
        name = scan.names[id(segment)] = cache.name_of(scan.context.project, segment)
    return name


def _judge(scan: Scan, armed: Armed, detector: MessageDetector, targets: Sequence[Target]) -> Sequence[Finding]:
    """In the same order whatever was known."""
    cache, project = scan.services.cache, scan.context.project
    if cache is None or not isinstance(detector, SeveralDetector) or len(targets) > _MOST_CACHED:
        return detector.judge(targets, scan.context)
    known: list[Sequence[Finding] | None] = [
        cache.get(project, armed.detector_id, target.segment, _name_of(scan, cache, target.segment))
        if detector.is_alone(target.segment) else None
        for target in targets
    ]
    asked = [target for target, seen in zip(targets, known, strict=True) if seen is None]
    by_place: dict[tuple[str, bool], list[Finding]] = {}
    for finding in detector.judge_some(asked, targets, scan.context) if asked else ():
        by_place.setdefault((finding.pointer, finding.is_key), []).append(finding)
    found: list[Finding] = []
    for target, seen in zip(targets, known, strict=True):
        segment = target.segment
        if seen is None:
            seen = by_place.get((segment.pointer, segment.is_key), ())
            if detector.is_alone(segment):
                cache.put(project, armed.detector_id, segment, seen, _name_of(scan, cache, segment))
        found += seen
    return sorted(found, key=lambda finding: -finding.score) if detector.surest_first else found


async def ask_providers(scan: Scan) -> None:
    asked = [armed for armed in scan.armed if armed.asks]
    if asked:
        await asyncio.gather(*(_ask(scan, armed) for armed in asked))


async def _ask(scan: Scan, armed: Armed) -> None:
    provider, started = armed.detector, time.perf_counter()
    targets = _directed(scan, armed.rule)[1]
    if not isinstance(provider, Provider) or not targets:
        return
    found: Sequence[Finding] = ()
    cause = ""
    if scan.services.outbound is None:
        cause = "no way out"
    else:
        try:
            async with asyncio.timeout(armed.rule.timeout):
                found = await provider.ask(targets, scan.context, scan.services.outbound, armed.rule.timeout)
        except TimeoutError:
            cause = "timeout"
        except ProviderError as error:
            cause = str(error) or "provider"
        except Exception as error:  # noqa: BLE001  what a plug-in raises must not let a call through
            cause = type(error).__name__
    _note(scan, armed, list(found), cause, (time.perf_counter() - started) * 1000)


def _note(scan: Scan, armed: Armed, found: Sequence[Finding], cause: str, milliseconds: float) -> None:
    rule = armed.rule
    scan.milliseconds[rule.id] = milliseconds
    if cause:
        _fail(scan, armed, cause)
    for each in found:
        give_way()
        if each.score < rule.threshold or (rule.categories and each.category not in rule.categories):
            continue
        finding = replace(each, rule=rule.id, action=rule.action)
        text = _text_of(scan, finding)
        if scan.services.is_exempt is not None and scan.services.is_exempt(finding, text):
            continue
        if len(scan.findings) < _MAX_DIGESTED and scan.services.digests_of is not None:
            finding = replace(finding, digests=scan.services.digests_of(finding, text))
        if len(scan.findings) < _MAX_FINDINGS or rule.action is not Action.FLAG:
            scan.findings.append(finding)


def _text_of(scan: Scan, finding: Finding) -> str:
    """Of the segment that the finding is in; "" where it is in none."""
    _know_texts(scan)
    return scan.texts.get((finding.pointer, finding.is_key), "")


def _know_texts(scan: Scan) -> None:
    if not scan.texts:
        for target in scan.targets:
            scan.texts[target.segment.pointer, target.segment.is_key] = target.segment.text
            give_way()


def _fail(scan: Scan, armed: Armed, cause: str) -> None:
    on_error = Action.FLAG if armed.rule.on_error is Action.FLAG else Action.BLOCK
    scan.failures.append(Failure(armed.rule.id, armed.rule.detector, cause[:64], on_error.value))
