"""What a declaration changed, or in a dry run would change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[int, int], None]


@dataclass
class Outcome:
    """What was, or in a dry run would be, done. `keys` and `signing_keys` hold the texts of new ones, shown once."""

    create: list[str] = field(default_factory=list)
    update: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    keys: list[dict[str, str]] = field(default_factory=list, repr=False)
    signing_keys: list[dict[str, str]] = field(default_factory=list, repr=False)
    progress: Progress | None = field(default=None, repr=False)
    servers: int = 0
    servers_done: int = 0

    def advance(self) -> None:
        """One more server is done."""
        self.servers_done += 1
        if self.progress is not None:
            self.progress(self.servers_done, self.servers)

    def difference(self) -> dict[str, list[str]]:
        return {"create": self.create, "update": self.update, "delete": self.delete}
