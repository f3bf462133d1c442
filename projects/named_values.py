"""Values that stand elsewhere, `env:NAME` or `file:PATH`, so that no file and no command line holds them."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ValidationError


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
