"""Reads a guardrail's configuration, parameter by parameter; what is not of its type is an error that names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guardrails.engine.detector import ConfigError


def read_strings(config: Mapping[str, Any], name: str, *, most: int, longest: int, required: bool = False) -> list[str]:
    """A list of texts, none of them empty. Raises ConfigError."""
    found = config.get(name)
    if found is None:
        found = []
    if not isinstance(found, (list, tuple)) or not all(isinstance(each, str) for each in found):
        raise ConfigError(f"{name}: must be a list of texts")
    if required and not found:
        raise ConfigError(f"{name}: must not be empty")
    if len(found) > most:
        raise ConfigError(f"{name}: must have {most} entries at most")
    for index, each in enumerate(found):
        if not each.strip():
            raise ConfigError(f"{name}: entry {index + 1} must not be empty")
        if len(each) > longest:
            raise ConfigError(f"{name}: entry {index + 1} must have {longest} characters at most")
    return list(found)


def read_groups(config: Mapping[str, Any], name: str, *, most: int, longest: int) -> dict[str, list[str]]:
    """Lists of texts by name. Raises ConfigError."""
    found = config.get(name)
    if found is None:
        found = {}
    if not isinstance(found, Mapping) or not all(isinstance(each, str) and each for each in found):
        raise ConfigError(f"{name}: must be an object of lists of texts")
    groups = {}
    for key in found:
        try:
            groups[key] = read_strings(found, key, most=most, longest=longest)
        except ConfigError as error:
            raise ConfigError(f"{name}.{error}") from error
    if sum(map(len, groups.values())) > most:
        raise ConfigError(f"{name}: must have {most} entries at most")
    return groups


def read_flag(config: Mapping[str, Any], name: str, default: bool) -> bool:
    """Raises ConfigError."""
    found = config.get(name)
    if found is None:
        return default
    if not isinstance(found, bool):
        raise ConfigError(f"{name}: must be true or false")
    return found


def read_count(config: Mapping[str, Any], name: str, default: int, *, least: int = 1) -> int:
    """A whole number. Raises ConfigError."""
    found = config.get(name)
    if found is None:
        return default
    if isinstance(found, bool) or not isinstance(found, int) or found < least:
        raise ConfigError(f"{name}: must be a whole number of {least} at least")
    return found


def read_choice(config: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    """One of the choices, the first by default. Raises ConfigError."""
    found = config.get(name)
    if found is None:
        return choices[0]
    if found not in choices:
        raise ConfigError(f"{name}: must be one of {', '.join(choices)}")
    return str(found)


def read_limits(config: Mapping[str, Any], name: str, default: Mapping[str, float]) -> dict[str, float]:
    """Numbers by name. Raises ConfigError."""
    found = config.get(name)
    if found is None:
        found = default
    if not isinstance(found, Mapping):
        raise ConfigError(f"{name}: must be an object of numbers")
    for key, limit in found.items():
        if not isinstance(key, str) or isinstance(limit, bool) or not isinstance(limit, (int, float)):
            raise ConfigError(f"{name}: must be an object of numbers")
        if not limit >= 0:
            raise ConfigError(f"{name}.{key}: must not be negative")
    return {key: float(limit) for key, limit in found.items()}
