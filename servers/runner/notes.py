"""Owns what a server says about itself on stderr: bounded, with its secrets removed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

MAX_NOTES: Final = 20
MAX_NOTE: Final = 300
_MIN_SECRET: Final = 6
_HARMLESS: Final = frozenset({"PATH", "HOME", "LANG", "TERM", "TZ", "TMPDIR", "PYTHONUNBUFFERED"})
_NAMES: Final = "bearer|token|passw(?:or)?d|secret|api[-_]?key|authorization"
_TOLD: Final = re.compile(rf"(?i)\b({_NAMES})\b(\s*[=:]\s*|\s+)\S+")


def secret_values(settings: Mapping[str, str]) -> list[str]:
    """The values that must not be repeated, longest first so that no part of one is left over."""
    values = {v for k, v in settings.items() if k not in _HARMLESS and len(v) >= _MIN_SECRET}
    return sorted(values, key=len, reverse=True)


class Notes:
    """The last lines of a byte stream that may be endless, fast or hostile."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = list(secrets)
        self._lines: deque[bytes] = deque(maxlen=MAX_NOTES)
        self._open = b""

    def feed(self, data: bytes) -> None:
        """Take in one chunk; costs one scan, keeps 20 lines."""
        first, *rest = data.rsplit(b"\n", MAX_NOTES + 1)
        if not rest:
            self._open = (self._open + data)[: 4 * MAX_NOTE] if len(self._open) < 4 * MAX_NOTE else self._open
            return
        if len(rest) <= MAX_NOTES:
            self._lines.append(self._open + first[: 4 * MAX_NOTE])
        self._lines.extend(line[: 4 * MAX_NOTE] for line in rest[:-1])
        self._open = rest[-1][: 4 * MAX_NOTE]

    def read(self) -> list[str]:
        """The lines as text: printable, at most 20 of 300 characters, secrets as `***`."""
        lines = [*self._lines, self._open] if self._open else list(self._lines)
        return [self._clean(line) for line in lines[-MAX_NOTES:]]

    def _clean(self, line: bytes) -> str:
        text = line.decode("utf-8", "replace")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = _TOLD.sub(lambda found: f"{found[1]}{found[2]}***", text)
        return "".join(c if c.isprintable() else " " for c in text)[:MAX_NOTE].rstrip()
