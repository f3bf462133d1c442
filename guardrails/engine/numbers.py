"""The numbers of a call's arguments, which are no texts: how much is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guardrails.engine.turns import give_way, giving_way
from guardrails.engine.walk import escape


@dataclass(frozen=True, slots=True)
class Number:
    """`key` is the nearest member name above the number."""

    pointer: str
    key: str
    value: float


def numbers_of(message: Mapping[str, Any]) -> tuple[Number, ...]:
    """In the order of no importance; of a message without arguments none."""
    params = message.get("params")
    arguments = params.get("arguments") if isinstance(params, dict) else None
    found: list[Number] = []
    waiting: list[tuple[Any, str, str]] = [(arguments, "/params/arguments", "")]
    while waiting:
        value, pointer, key = waiting.pop()
        give_way()
        if isinstance(value, dict):
            waiting += [(each, f"{pointer}/{escape(name)}", name) for name, each in giving_way(value.items())]
        elif isinstance(value, list):
            waiting += [(each, f"{pointer}/{index}", key) for index, each in enumerate(giving_way(value))]
        elif type(value) in (int, float):
            found.append(Number(pointer, key, value))
    return tuple(found)
