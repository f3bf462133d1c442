"""A policy's rules with their detectors, which are made once for each configuration."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from guardrails.engine.detector import ConfigError, MessageDetector, Provider, TextDetector, find
from guardrails.engine.rules import Mode, Policy, Rule

Detector = TextDetector | MessageDetector | Provider
_MAX_ARMED = 4_096
_armed: dict[int, tuple[Policy, tuple[Armed, ...]]] = {}


@dataclass(frozen=True, slots=True)
class Armed:
    """A rule with its detector, or with the reason why there is none."""

    rule: Rule
    detector: Detector | None
    detector_id: str
    enforced: bool
    fault: str = ""
    # Whether it is a service that is asked after all that is here.
    asks: bool = False


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
def _made(name: str, config: str) -> Detector:
    """Rules of any number of projects with one configuration share the detector."""
    return find(name)(json.loads(config))
