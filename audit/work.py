"""The log's own upkeep, in turns: sealing, anchoring, closing what lost processes left open, forwarding, and more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from django.db import connection

from audit import anchoring, exports, forward_work, partitions, recovery, retention
from audit.indexing import Indexer
from audit.sealed import UNSEALED, unsealed_seconds
from audit.sealer import Sealer
from gateway_site.lib import connections
from gateway_site.lib.actor import Actor, acting_as

logger = structlog.get_logger("audit.work")

SEAL_SECONDS = 0.8
RECOVER_SECONDS = 5.0
PARTITION_SECONDS = 3600.0
SCHEDULE_SECONDS = 60.0
PRUNE_SECONDS = 300.0
FORWARD_SECONDS = 1.0
_sealer, _indexer = Sealer(), Indexer()


def seal() -> int:
    """Seals what can be sealed, takes the checkpoints to the anchors, and makes the rest searchable.

    How many events were sealed.
    """
    sealed = _sealer.take_turn()
    UNSEALED.set(unsealed_seconds())
    anchoring.publish()
    # Last, because nothing of the proof may wait for it.
    _indexer.take_turn()
    return sealed


def retain() -> int:
    """Drops what projects do not keep. How many events. Takes long, and is not for the thread that seals."""
    with acting_as(Actor("worker", "audit", "retention")):
        return retention.retain().events


def run(stop: threading.Event) -> None:
    """All of it in this thread, for a gateway that is one process, until `stop`."""
    every: list[tuple[float, Callable[[], int]]] = [
        (RECOVER_SECONDS, recovery.close_interrupted),
        (PARTITION_SECONDS, partitions.prepare),
        (SCHEDULE_SECONDS, exports.begin_due),
        (PRUNE_SECONDS, exports.prune),
        (SEAL_SECONDS, seal),
        (FORWARD_SECONDS, forward_work.start_due),
    ]
    due = [0.0] * len(every)
    while not stop.is_set():
        for number, (seconds, work) in enumerate(every):
            if time.monotonic() >= due[number]:
                due[number] = time.monotonic() + seconds
                attempt(work)
                connections.give_back()
        stop.wait(max(0.0, min(due) - time.monotonic()))


def recover() -> None:
    """Closes what processes before this one left open, in a thread that ends with it."""
    attempt(recovery.close_interrupted)
    connection.close()


def attempt(work: Callable[[], int]) -> int:
    """Does it once. What fails now is tried again in the next turn, by us or by others."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  whatever the store or a missing key raises, the other work goes on
        logger.error("the log's upkeep failed", work=work.__name__, error=type(error).__name__, text=str(error)[:200])
        return 0
