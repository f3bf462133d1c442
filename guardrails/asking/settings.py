"""Reads the settings that only providers have: addresses, keys, names and thresholds. No error repeats a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from guardrails.engine.detector import ConfigError

_LONGEST_URL = 2_000
LONGEST_KEY = 4_096


def read_url(config: Mapping[str, Any], name: str, default: str = "") -> str:
    """An http or https address without a slash at its end. Whether it may be reached is found out when it is used."""
    found = read_line(config, name, default, most=_LONGEST_URL)
    try:
        parts = urlsplit(found)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigError(f"{name}: must be an address that begins with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{name}: must not hold a password; keys have a parameter of their own")
    if parts.fragment:
        raise ConfigError(f"{name}: must not have a fragment")
    return found.rstrip("/")


def read_base_url(config: Mapping[str, Any], name: str, default: str = "") -> str:
    """An address that paths are added to."""
    found = read_url(config, name, default)
    if "?" in found:
        raise ConfigError(f"{name}: must not have a query")
    return found


def read_line(config: Mapping[str, Any], name: str, default: str = "", *, most: int = 200) -> str:
    """A text that can stand in a header: printable ASCII. Empty only where the default is."""
    found = config.get(name)
    if found is None or found == "":
        found = default
    if not isinstance(found, str) or not found.isascii() or not found.isprintable() or found != found.strip():
        raise ConfigError(f"{name}: must be a line of printable ASCII characters, without space around it")
    if len(found) > most:
        raise ConfigError(f"{name}: must have {most} characters at most")
    return found


def read_key(config: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    """The service's own key."""
    found = read_line(config, name, most=LONGEST_KEY)
    if required and not found:
        raise ConfigError(f"{name}: is required")
    return found


def read_bearer(config: Mapping[str, Any], name: str, *, required: bool = True) -> dict[str, str]:
    """The headers that show the service's own key (RFC 6750); none without one."""
    key = read_key(config, name, required=required)
    return {"Authorization": f"Bearer {key}"} if key else {}


def read_text(config: Mapping[str, Any], name: str, *, most: int) -> str:
    found = config.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise ConfigError(f"{name}: must be a text")
    if len(found) > most:
        raise ConfigError(f"{name}: must have {most} characters at most")
    return found.strip()


def read_share(config: Mapping[str, Any], name: str, default: float) -> float:
    """A number from 0 to 1."""
    found = config.get(name)
    return default if found is None else _share(found, name)


def _share(found: Any, name: str) -> float:
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found <= 1:
        raise ConfigError(f"{name}: must be a number from 0 to 1")
    return float(found)


def read_shares(config: Mapping[str, Any], name: str, known: tuple[str, ...]) -> dict[str, float]:
    """Numbers from 0 to 1 by one of the known names."""
    found = config.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ConfigError(f"{name}: must be an object of numbers from 0 to 1")
    unknown = [key for key in found if key not in known]
    if unknown:
        raise ConfigError(f"{name}: names must be among {', '.join(known)}")
    return {key: _share(found[key], f"{name}.{key}") for key in found}


def read_choices(
    config: Mapping[str, Any], name: str, known: tuple[str, ...], default: tuple[str, ...]
) -> tuple[str, ...]:
    """A list of known names, in the order in which they are known."""
    found = config.get(name)
    if found is None:
        return default
    if not isinstance(found, (list, tuple)) or not all(isinstance(each, str) and each in known for each in found):
        raise ConfigError(f"{name}: must be a list of {', '.join(known)}")
    return tuple(each for each in known if each in found) or default
