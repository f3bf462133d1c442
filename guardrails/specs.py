"""A guardrail as it is asked for, before it is a row: from a preset, a form, a YAML file or an older version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guardrails.engine.rules import Rule


@dataclass(frozen=True, slots=True)
class Spec:
    """`config` may hold secret parameters too; those that it leaves out stay as they are stored, "" forgets one.

    `uid` is that of the row that this continues, "" when there is none or it is to be found by its likeness.
    """

    detector: str
    directions: tuple[str, ...] = ("input", "output")
    action: str = "block"
    threshold: float = 0.5
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    categories: tuple[str, ...] = ()
    on_error: str = "block"
    timeout: float = 3.0
    enabled: bool = True
    uid: str = ""

    @property
    def likeness(self) -> tuple[Any, ...]:
        """Two guardrails with the same are one that was changed."""
        return self.detector, frozenset(self.directions), frozenset(self.categories)


def spec_of(rule: Rule) -> Spec:
    """Of a preset's rule."""
    return Spec(
        detector=rule.detector, directions=_ordered(rule.directions), action=rule.action.value,
        threshold=rule.threshold, config=dict(rule.config), categories=tuple(sorted(rule.categories)),
        on_error=rule.on_error.value, timeout=rule.timeout,
    )  # fmt: skip


def _ordered(directions: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in ("input", "output", "definition") if name in directions)
