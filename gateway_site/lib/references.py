"""What stands for a secret in a file: a variable of the environment, another file, or what is stored already."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ValidationError

# In place of a secret: what is stored stays, as it is or for want of it as an error.
STORED = "stored:"


def resolve(value: str) -> str:
    """What a reference stands for, and any other value itself. Raises ValidationError."""
    kind, _, rest = value.partition(":")
    if kind == "env":
        if rest not in os.environ:
            raise ValidationError(f"The environment has no {rest}.")
        return os.environ[rest]
    if kind == "file":
        try:
            return Path(rest).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", "not text")
            raise ValidationError(f"{rest} cannot be read: {reason}.") from error
    return rest if kind == "literal" else value


def resolve_with(known: Mapping[str, str], name: str, value: str) -> str:
    """The same, where `stored:` stands for what is known under the name. Raises ValidationError."""
    if value != STORED:
        return resolve(value)
    if not known.get(name):
        raise ValidationError(f"Nothing is stored for {name}; give env:NAME or file:PATH.")
    return known[name]


def literal(value: str) -> str:
    """How a value is declared that means itself, and no file and no variable of this machine."""
    return f"literal:{value}" if value.startswith(("env:", "file:", "stored:", "literal:")) else value
