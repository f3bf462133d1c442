"""What a project is told of the operator's floor: which checks it has anyway, and which of its own would loosen one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from guardrails.engine.findings import Action
from guardrails.engine.rules import DIRECTIONS, Mode, Rule
from guardrails.specs import Spec

# How much is done about a finding; what is replaced is let through.
_FORCE = {Action.FLAG: 0, Action.REDACT: 1, Action.TOKENISE: 1, Action.BLOCK: 2}


@dataclass(frozen=True, slots=True)
class Held:
    """A check that every project has. Nothing of its configuration, which is the operator's."""

    detector: str
    directions: str
    action: str
    threshold: float


def held(floor: Iterable[Rule]) -> list[Held]:
    """In the operator's order."""
    return [Held(rule.detector, _named(rule.directions), rule.action.value, rule.threshold) for rule in floor]


def loosened(floor: Iterable[Rule], mode: str, guardrails: Iterable[Spec]) -> Iterator[str]:
    """A sentence for each check of the floor that the policy does less about than the operator demands."""
    specs = list(guardrails)
    for rule in floor:
        alike = [each for each in specs if each.detector == rule.detector and rule.directions & set(each.directions)]
        if alike and (mode == Mode.OBSERVE or all(_is_less(each, rule) for each in alike)):
            yield (
                f"What this policy says of {rule.detector} is less than the operator's floor. The floor holds all the "
                f"same ({_named(rule.directions)}: {rule.action} from {rule.threshold:g}): a project can add to it, "
                "and take nothing from it."
            )


def _is_less(spec: Spec, rule: Rule) -> bool:
    weaker = _FORCE[Action(spec.action)] < _FORCE[rule.action]
    return not spec.enabled or weaker or spec.threshold > rule.threshold


def _named(directions: Iterable[str]) -> str:
    wanted = set(directions)
    return ", ".join(name for name in DIRECTIONS if name in wanted)
