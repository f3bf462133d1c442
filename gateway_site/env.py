"""Reads the environment, typed; a set but unusable value is an error, never a silent default."""

from __future__ import annotations

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()
HERE = Path(__file__).resolve().parent.parent


def secret(name: str, default: str = "") -> str:
    """`NAME`, or the content of the file that `NAME_FILE` points to."""
    path = env.str(f"{name}_FILE", "")
    if not path:
        return str(env.str(name, default))
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}") from error


def positive(name: str, default: int, minimum: int = 1) -> int:
    value = int(env.int(name, default))
    if value < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {value}")
    return value


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = str(env.str(name, default))
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    return value
