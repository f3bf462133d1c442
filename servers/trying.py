"""Tries whether a server answers, and with what, at once; nothing of it goes into the catalogue."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError

from audit.recorder import record
from gateway_site.lib.waiting import wait_for
from servers.discovery import Discovered
from servers.models import Server
from servers.resolve import upstream_of
from servers.steps import Step
from servers.upstream import UpstreamError

_MAX_STEPS = 200
# Of one project, in each process: each is waited for by a thread, and reads a list on the loop that serves calls.
_AT_ONCE = 3
_lock = threading.Lock()
_trying: Counter[int] = Counter()


@dataclass(frozen=True, slots=True)
class Trial:
    """`error` is a kind of UpstreamError, "" when the server answered. `steps` are the messages in their order."""

    error: str
    milliseconds: float
    found: Discovered = field(default_factory=lambda: Discovered({}))
    steps: tuple[Step, ...] = ()


def try_server(*, server: Server) -> Trial:
    """Takes a minute at most. Raises ValidationError for a server that cannot be called, or when too many are tried.

    Who asks learns what kind of trouble there was, and nothing of the network behind an address.
    """
    upstream = upstream_of(server)
    if upstream is None:
        raise ValidationError("The server's template is switched off, or its secrets do not open.")
    record("server.tried", project_ref=server.project_id, project=server.project.slug, subject=server.slug,
           server_ref=server.pk, server=server.slug)  # fmt: skip
    # Late, as in servers.discovery.
    from servers.conversation import discover

    started = time.perf_counter()
    steps: list[Step] = []

    def watch(step: Step) -> None:
        if len(steps) < _MAX_STEPS:
            steps.append(step)

    error, found = "", Discovered({})
    try:
        with _turn(server.project_id):
            found = wait_for(discover, upstream, watch=watch)
    except UpstreamError as trouble:
        error = trouble.kind
    return Trial(error, round((time.perf_counter() - started) * 1000, 1), found, tuple(steps))


@contextmanager
def _turn(project_id: int) -> Iterator[None]:
    """Raises ValidationError."""
    with _lock:
        if _trying[project_id] >= _AT_ONCE:
            raise ValidationError("Other servers of the project are being tried: try again in a minute.")
        _trying[project_id] += 1
    try:
        yield
    finally:
        with _lock:
            _trying[project_id] -= 1
            if not _trying[project_id]:
                del _trying[project_id]
