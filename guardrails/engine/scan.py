"""One message and one policy in, one verdict out: cheap detectors first, services last and only if still needed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol

from guardrails.engine.apart import Apart, Slot, apart_in, at_once
from guardrails.engine.detector import (
    ConfigError,
    Context,
    MessageDetector,
    Outbound,
    Provider,
    ProviderError,
    SeveralDetector,
    Target,
    TextDetector,
    find,
)
from guardrails.engine.findings import (
    Action,
    Blocked,
    Coverage,
    Failure,
    Finding,
    Passed,
    Report,
    Rewritten,
    Verdict,
)
from guardrails.engine.numbers import numbers_of
from guardrails.engine.pointers import Masking
from guardrails.engine.redact import Unredactable, redact, text_of
from guardrails.engine.rules import Mode, Policy, Rule
from guardrails.engine.segments import Segment, Surface
from guardrails.engine.surfaces import Reading, segments_of
from guardrails.engine.turns import give_way, working_time
from guardrails.engine.walk import Unwalkable
from guardrails.tokens import find_tokens, is_token

# Scanned at once; anything longer goes to the pool, so that no call waits long for another's text.
INLINE_BYTES = 2_000
# A message of more texts than these would fill the cache with its own, for nobody to ask about again.
_MOST_CACHED = 64
_MAX_FINDINGS = 1_000
_MAX_DIGESTED = 50
# More findings than these are made ready for the report in the pool.
_FEW_FINDINGS = 50
_DEFINITIONS = frozenset({Surface.DEFINITION, Surface.INSTRUCTIONS})


class Cache(Protocol):
    """Findings by text, detector and configuration, apart for each project."""

    def name_of(self, project: int, segment: Segment) -> bytes: ...

    def get(
        self, project: int, detector_id: str, segment: Segment, name: bytes = b""
    ) -> tuple[Finding, ...] | None: ...

    def put(
        self, project: int, detector_id: str, segment: Segment, findings: Sequence[Finding], name: bytes = b""
    ) -> None: ...


class Tokens(Protocol):
    """Gives the token that stands for a value. Raises VaultUnavailable."""

    async def issue(self, values: Sequence[tuple[str, str]]) -> list[str]:
        """One token for each (category, value)."""


class VaultUnavailable(Exception):
    """No token can be given or resolved now."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the engine is lent by its caller. Without a pool everything is scanned at once."""

    pool: Executor | None = None
    # Held while a message is in the pool: the caller's way to give each project its share.
    slot: Slot | None = None
    outbound: Outbound | None = None
    cache: Cache | None = None
    tokens: Tokens | None = None
    # Whether a finding is a known false positive, told by the finding and its segment's text.
    is_exempt: Callable[[Finding, str], bool] | None = None
    # What a finding is recognised by, told by the same.
    digests_of: Callable[[Finding, str], tuple[str, str]] | None = None
    # What is put in place of a finding that has no token, told by its category.
    mark: Callable[[str], str] = "<{}>".format


@dataclass(frozen=True, slots=True)
class Armed:
    """A rule with its detector, or with the reason why there is none."""

    rule: Rule
    detector: TextDetector | MessageDetector | Provider | None
    detector_id: str
    enforced: bool
    fault: str = ""
    # Whether it is a service that is asked after all that is here.
    asks: bool = False


@dataclass(slots=True)
class _Scan:
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
    found: dict[tuple[str, frozenset[str]], Sequence[Finding]] = field(default_factory=dict)
    # What the cache knows each segment by, by the segment's identity.
    names: dict[int, bytes] = field(default_factory=dict)
    # By pointer and whether it is a name; made when the first finding asks for it.
    texts: dict[tuple[str, bool], str] = field(default_factory=dict)


async def inspect(
    message: Mapping[str, Any],
    policy: Policy,
    context: Context,
    services: Services,
    *,
    modern: bool = False,
    schema: Mapping[str, Any] | None = None,
    size: int = 0,
) -> Verdict:
    """Looks at every text of one JSON-RPC message, of about `size` bytes.

    `schema` is that of the part that a tool declares. Never raises for what is in the message or for what a detector
    does: whatever cannot be answered counts as the rule's `on_error` says.
    """
    armed = arm(policy)
    if not armed:
        return Passed(Report(policy=policy.name, policy_version=policy.version))
    stop = threading.Event()
    apart = apart_in(services.pool, services.slot) if size > INLINE_BYTES else at_once
    try:
        scan = await apart(_scan_locally, message, policy, context, armed, services, modern, schema, stop)
    except Unwalkable:
        return _unreadable(policy, "too deep")
    except TimeoutError:
        stop.set()
        return _unreadable(policy, "timeout")
    except asyncio.CancelledError:
        stop.set()
        raise
    except Exception as error:  # noqa: BLE001  a message that breaks its reader has not been looked at
        return _unreadable(policy, type(error).__name__)
    if any(each.asks for each in armed):
        if not _blocking(scan):
            await _ask_providers(scan)
        if apart is not at_once:
            with contextlib.suppress(TimeoutError):
                await apart(_release, scan)
    return await _decide(scan, message, schema, apart)


def _unreadable(policy: Policy, cause: str) -> Verdict:
    """Nothing in the message has been looked at."""
    failures = (Failure("", "engine", cause, Action.BLOCK.value),)
    report = Report(failures=failures, coverage=Coverage(0, 1), policy=policy.name, policy_version=policy.version)
    if policy.floor or policy.mode is Mode.ENFORCE:
        return Blocked(report, "size", "NOT_SCANNED", "")
    return Passed(report)


# --- making ready ---------------------------------------------------------------------------------------


def arm(policy: Policy) -> tuple[Armed, ...]:
    """The policy's rules with their detectors, the operator's first; made once for each policy."""
    known = _armed.get(id(policy))
    if known is None or known[0] is not policy:
        enforced = policy.mode is Mode.ENFORCE
        rules = [(rule, True) for rule in policy.floor] + [(rule, enforced) for rule in policy.rules]
        if len(_armed) >= _MAX_ARMED:
            _armed.clear()
        known = _armed[id(policy)] = (policy, tuple(_arm(rule, enforced) for rule, enforced in rules))
    return known[1]


def prepare(policy: Policy) -> None:
    """Loads the weights and compiles the expressions of a policy, which whoever comes first would have to wait for."""
    for direction, message in _SPECIMENS.items():
        context = Context(direction=direction, method="tools/call")
        _scan_locally(message, policy, context, arm(policy), Services(), False, None, threading.Event())


# Something of all that is looked for has a part of its own in a scan.
_TEXT = (
    "Dear Ms. Smith, your order 4111 1111 1111 1111 of 2024-01-31 leaves 12 Main Street, Springfield, for Zürich.\n"
    "Name: Jane Doe\nPhone: +1 202 555 0143\nE-mail: jane.doe@example.com\nIBAN: GB82 WEST 1234 5698 7654 32\n"
    "password = hunter2hunter2\nAuthorization: Bearer 0123456789abcdef\nhttps://user:word@example.com/a?b=%20c\n"
    "name,email,city\nJane,jane@example.com,Paris\n<!-- ignore this -->' OR 1=1 -- &lt;b&gt; \\u0041 aGVsbG8gd29ybGQh\n"
)
_SPECIMENS: dict[str, dict[str, Any]] = {
    "input": {"method": "tools/call", "params": {"name": "x", "arguments": {"name": _TEXT[:40], "text": 3 * _TEXT}}},
    "output": {"result": {"content": [{"type": "text", "text": text} for text in (_TEXT[:40], 3 * _TEXT)]}},
}
_MAX_ARMED = 4_096
_armed: dict[int, tuple[Policy, tuple[Armed, ...]]] = {}


def _arm(rule: Rule, enforced: bool) -> Armed:
    config = json.dumps({**rule.config, **rule.secrets}, sort_keys=True, default=str)
    try:
        detector = _made(rule.detector, config)
    except KeyError:
        return Armed(rule, None, "", enforced, "unknown detector")
    except ConfigError:
        return Armed(rule, None, "", enforced, "configuration")
    except Exception as error:  # noqa: BLE001  whatever a plug-in raises, its rule fails closed and the others go on
        return Armed(rule, None, "", enforced, type(error).__name__)
    digest = hashlib.sha256(config.encode()).hexdigest()[:32]
    detector_id = f"{rule.detector}/{detector.version}/{digest}"
    return Armed(rule, detector, detector_id, enforced, asks=isinstance(detector, Provider))


@lru_cache(maxsize=1_024)
def _made(name: str, config: str) -> TextDetector | MessageDetector | Provider:
    """Rules of any number of projects with one configuration share the detector."""
    return find(name)(json.loads(config))


def _scan_locally(
    message: Mapping[str, Any], policy: Policy, context: Context, armed: tuple[Armed, ...], services: Services,
    modern: bool, schema: Mapping[str, Any] | None, stop: threading.Event,
) -> _Scan:  # fmt: skip
    """Everything that needs no waiting. Raises Unwalkable."""
    reading = segments_of(
        message, direction=context.direction, method=context.method, modern=modern,
        kinds=policy.kinds.get(context.tool), schema=schema,
    )  # fmt: skip
    known = replace(context, binaries=tuple(reading.binaries), numbers=numbers_of(message))
    scan = _Scan(policy, known, reading, [], armed, services, stop)
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
        _release(scan)
    return scan


def _release(scan: _Scan) -> None:
    """Lets go of what was looked at; to take a large message's parts down takes as long as to put them together."""
    scan.found.clear()
    scan.directed.clear()
    scan.present.clear()
    for parts in (scan.targets, scan.reading.segments):
        while parts:
            parts.pop()
            give_way()


def _directed(scan: _Scan, rule: Rule) -> tuple[frozenset[str], list[Target]]:
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


# --- looking --------------------------------------------------------------------------------------------


def _run(scan: _Scan, armed: Armed) -> tuple[Sequence[Finding], str, float]:
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


def _look_up(scan: _Scan, armed: Armed, detector: TextDetector, target: Target) -> Sequence[Finding]:
    cache, segment = scan.services.cache, target.segment
    if cache is None or len(segment.text) < detector.cached_from:
        return detector.scan(target)
    project, name = scan.context.project, _name_of(scan, cache, segment)
    known = cache.get(project, armed.detector_id, segment, name)
    if known is None:
        known = tuple(detector.scan(target))
        cache.put(project, armed.detector_id, segment, known, name)
    return known


def _name_of(scan: _Scan, cache: Cache, segment: Segment) -> bytes:
    name = scan.names.get(id(segment))
    if name is None:
        name = scan.names[id(segment)] = cache.name_of(scan.context.project, segment)
    return name


def _judge(scan: _Scan, armed: Armed, detector: MessageDetector, targets: Sequence[Target]) -> Sequence[Finding]:
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


async def _ask_providers(scan: _Scan) -> None:
    asked = [armed for armed in scan.armed if armed.asks]
    if asked:
        await asyncio.gather(*(_ask(scan, armed) for armed in asked))


async def _ask(scan: _Scan, armed: Armed) -> None:
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


def _note(scan: _Scan, armed: Armed, found: Sequence[Finding], cause: str, milliseconds: float) -> None:
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


def _text_of(scan: _Scan, finding: Finding) -> str:
    """Of the segment that the finding is in; "" where it is in none."""
    if not scan.texts:
        for target in scan.targets:
            scan.texts[target.segment.pointer, target.segment.is_key] = target.segment.text
            give_way()
    return scan.texts.get((finding.pointer, finding.is_key), "")


def _fail(scan: _Scan, armed: Armed, cause: str) -> None:
    on_error = Action.FLAG if armed.rule.on_error is Action.FLAG else Action.BLOCK
    scan.failures.append(Failure(armed.rule.id, armed.rule.detector, cause[:64], on_error.value))


# --- deciding -------------------------------------------------------------------------------------------


def _enforced(scan: _Scan) -> frozenset[str]:
    return frozenset(armed.rule.id for armed in scan.armed if armed.enforced)


def _blocking(scan: _Scan) -> tuple[str, str, str] | None:
    """Detector, category and pointer of the first reason to stop the message, in the order of the rules."""
    enforced = _enforced(scan)
    if scan.seen < scan.reading.characters and scan.policy.over_limit is not Action.FLAG:
        if any(armed.enforced for armed in scan.armed):
            return "size", "NOT_SCANNED", ""
    for failure in scan.failures:
        if failure.rule in enforced and failure.on_error == Action.BLOCK:
            return failure.detector, "UNAVAILABLE", ""
    for finding in scan.findings:
        if finding.rule in enforced and finding.action is Action.BLOCK:
            return finding.detector, finding.category, finding.pointer
    return None


async def _decide(
    scan: _Scan, message: Mapping[str, Any], schema: Mapping[str, Any] | None, apart: Apart
) -> Verdict:
    masking = Masking(scan.findings)
    shown: tuple[Finding, ...] = ()
    try:
        shown = await (apart if len(scan.findings) > _FEW_FINDINGS else at_once)(_shown, scan, masking)
        stopped = _blocking(scan)
        if stopped is not None:
            detector, category, pointer = stopped
            return Blocked(_report(scan, shown), detector, category, masking.mask(pointer))
        enforced = _enforced(scan)
        to_change = [
            finding for finding in scan.findings
            if finding.rule in enforced and finding.action in (Action.REDACT, Action.TOKENISE)
        ]  # fmt: skip
        if scan.services.tokens is not None and to_change:
            to_change = await apart(_outside_tokens, message, to_change)
        if not to_change:
            return Passed(_report(scan, shown))
        tokens = await _issue_tokens(scan, message, to_change, apart)
        value = await apart(
            redact, message, to_change,
            lambda finding, _: tokens.get(_place(finding)) or scan.services.mark(finding.category), schema,
        )
    except Unredactable as error:
        return Blocked(_report(scan, shown), "redaction", "NOT_REDACTABLE", masking.mask(error.pointer))
    except TimeoutError:
        return Blocked(_report(scan, shown), "redaction", "UNAVAILABLE", "")
    except VaultUnavailable:
        rule = next(finding for finding in to_change if finding.action is Action.TOKENISE)
        scan.failures.append(Failure(rule.rule, "tokens", "vault", Action.BLOCK.value))
        return Blocked(_report(scan, shown), "tokens", "UNAVAILABLE", "")
    return Rewritten(_report(scan, shown), value)


def _shown(scan: _Scan, masking: Masking) -> tuple[Finding, ...]:
    """The findings as they may be told of."""
    shown = []
    for finding in scan.findings:
        shown.append(replace(finding, pointer=masking.mask(finding.pointer)))
        give_way()
    return tuple(shown)


def _outside_tokens(message: Mapping[str, Any], findings: Sequence[Finding]) -> list[Finding]:
    """What stands for a value must not get another token, or be cut in two."""
    places: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    kept = []
    for finding in findings:
        place = finding.pointer, finding.is_key
        if place not in places:
            text = text_of(message, *place)
            places[place] = [(start, end) for start, end, _ in find_tokens(text) if is_token(text[start:end])]
        give_way()
        if not any(start <= finding.start and finding.end <= end for start, end in places[place]):
            kept.append(finding)
    return kept


def _place(finding: Finding) -> tuple[str, bool, int, int]:
    return finding.pointer, finding.is_key, finding.start, finding.end


async def _issue_tokens(
    scan: _Scan, message: Mapping[str, Any], findings: Sequence[Finding], apart: Apart
) -> dict[tuple[str, bool, int, int], str]:
    """Tokens by place. A finding in a decoded view, or without a vault, is redacted for good."""
    wanted = [finding for finding in findings if finding.action is Action.TOKENISE and not finding.how]
    if not wanted or scan.services.tokens is None:
        return {}
    issued = await scan.services.tokens.issue(await apart(_values, message, wanted))
    return {_place(finding): token for finding, token in zip(wanted, issued, strict=True)}


def _values(message: Mapping[str, Any], findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Category and text of each finding."""
    texts: dict[tuple[str, bool], str] = {}
    values = []
    for finding in findings:
        place = finding.pointer, finding.is_key
        if place not in texts:
            texts[place] = text_of(message, *place)
        values.append((finding.category, texts[place][finding.start : finding.end]))
        give_way()
    return values


def _report(scan: _Scan, shown: tuple[Finding, ...]) -> Report:
    return Report(
        findings=shown,
        failures=tuple(scan.failures),
        coverage=Coverage(scan.seen, scan.reading.characters),
        milliseconds=scan.milliseconds,
        policy=scan.policy.name,
        policy_version=scan.policy.version,
    )
