"""A policy as the engine gets it: frozen, with nothing left to look up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from guardrails.engine.findings import Action

DIRECTIONS = ("input", "output", "definition")
MAX_CHARACTERS = 1024 * 1024


class Mode(StrEnum):
    """`observe` records what `enforce` would have done, and changes nothing on the wire."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class Rule:
    """One guardrail. `detector` names a detector or a provider; `config` is what that class takes.

    A finding below `threshold` is dropped. An empty `categories` means all of them. `timeout` is in seconds.
    `secrets` are opened values of the parameters that the class declares as secret; they are never printed.
    """

    id: str
    detector: str
    directions: frozenset[str]
    action: Action
    threshold: float = 0.5
    config: Mapping[str, Any] = field(default_factory=dict)
    categories: frozenset[str] = frozenset()
    on_error: Action = Action.BLOCK
    timeout: float = 3.0
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in their order. `floor` holds the operator's, which are enforced whatever the mode says."""

    name: str = ""
    version: int = 0
    mode: Mode = Mode.ENFORCE
    rules: tuple[Rule, ...] = ()
    floor: tuple[Rule, ...] = ()
    # Text beyond this is not scanned; the message is then refused, or passed and flagged, by `over_limit`.
    max_characters: int = MAX_CHARACTERS
    over_limit: Action = Action.BLOCK
    # Per tool, then per argument pointer (RFC 6901, in the arguments): what kind of text it is meant to be.
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # Servers that get the values back that tokens stand for.
    trusted: frozenset[str] = frozenset()
