"""This process's row among the writers: its right to have calls open, which others end when the process is gone."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.db.models import F
from django.db.models.functions import Now

from audit.entry import Entry, now
from audit.models import Writer
from audit.storage import INTENT, OUTCOME

BEAT_SECONDS = 5.0
# What a process says about a call that others have closed meanwhile.
LATE = "mcp.call.late_outcome"


class Lease:
    """Taken before the first commit, renewed while the process lives. Belongs to one thread."""

    def __init__(self) -> None:
        self.writer: uuid.UUID | None = None
        self._open: dict[uuid.UUID, datetime] = {}
        self._lost: set[uuid.UUID] = set()
        self._beaten = 0.0

    def take(self) -> uuid.UUID:
        """The id under which intents are written. Raises django.db.Error."""
        if self.writer is None:
            writer = uuid.uuid4()
            Writer.objects.create(
                id=writer, place=place(), pid=os.getpid(), began=began(os.getpid()), seen_at=Now(), open_since=now()
            )
            self.writer, self._beaten = writer, time.monotonic()
        return self.writer

    def lose(self) -> None:
        """The row is gone. Its open calls were closed by whoever took it away."""
        self.writer = None
        self._lost.update(self._open)
        self._open.clear()

    def is_due(self) -> bool:
        return self.writer is not None and time.monotonic() - self._beaten >= BEAT_SECONDS

    def beat(self, waiting_since: datetime | None) -> None:
        """Says that the process lives, and since when its oldest call is open. Raises django.db.Error."""
        self._beaten = time.monotonic()
        since = [*([waiting_since] if waiting_since else []), *list(self._open.values())[:1], now()]
        if self.writer is None:
            return
        row = Writer.objects.filter(pk=self.writer)
        if not row.update(seen_at=Now(), beats=F("beats") + 1, suspected_at=None, open_since=min(since)):
            self.lose()

    def note(self, stored: Iterable[Entry]) -> None:
        """Remembers which calls are open, oldest first."""
        for entry in stored:
            if entry.call_id is None:
                continue
            if entry.kind == INTENT:
                self._open[entry.call_id] = entry.at
            elif entry.kind == OUTCOME:
                self._open.pop(entry.call_id, None)

    def is_late(self, entry: Entry) -> bool:
        return bool(self._lost) and entry.kind == OUTCOME and entry.call_id in self._lost

    def has_lost(self) -> bool:
        return bool(self._lost)

    def forget(self, call_id: uuid.UUID | None) -> None:
        if call_id is not None:
            self._lost.discard(call_id)

    def give_back(self) -> None:
        """At the end. Calls that are still open are left for others to close, at once. Raises django.db.Error."""
        if self.writer is None:
            return
        row = Writer.objects.filter(pk=self.writer)
        if self._open:
            row.update(is_stopped=True)
        else:
            row.delete()
        self.writer = None
        self._open.clear()


@lru_cache
def place() -> str:
    """The machine since its last start, and the space of process numbers in it; empty where that cannot be known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return ""
    return f"{socket.gethostname()[:100]} {boot} {space}"


def began(pid: int) -> int:
    """When the process began, in ticks since the machine did; 0 when there is none, or only what is left of one."""
    try:
        # The name before it may hold anything, brackets too.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0
    return 0 if state in "ZX" else int(fields[18])
