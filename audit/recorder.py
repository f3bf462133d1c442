"""The one door into the audit log: group commit for the data plane, the caller's transaction for everyone else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from typing import Any

from django.db import DataError, IntegrityError, connection
from prometheus_client import Counter, Gauge, Histogram

from audit import storage
from audit.carried import bytes_of_payload, without_payload
from audit.entry import Entry, new_id, now
from audit.lease import BEAT_SECONDS, LATE, Lease
from audit.sealed import UNSEALED, unsealed_seconds
from audit.storage import OUTCOME, Fenced
from gateway_site.lib import actor as acting

_MAX_BATCH = 512
_MAX_WAITING = 20_000
# Of payloads that wait with their events: while the store hangs, those would else be the worker's whole memory.
_MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
_RETRY_PAUSE = 0.2
_GATHER_SECONDS = 0.001
_BUSY_BATCH = 3
# Trying again would not help: the event itself cannot be stored, or it is stored already.
_UNSTORABLE = (DataError, IntegrityError, TypeError, ValueError)

WAITING = Gauge("mcpgw_audit_waiting_events", "Events not yet committed.", multiprocess_mode="livesum")
COMMIT_SECONDS = Histogram(
    "mcpgw_audit_commit_seconds",
    "Time of one group commit.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2),
)
WRITTEN = Counter("mcpgw_audit_events_total", "Events committed.")
FAILED = Counter("mcpgw_audit_failed_events_total", "Events that the store refused.")


_Item = tuple[Entry, "asyncio.Future[None] | None"]


class AuditUnavailable(Exception):
    """The log cannot take the event now; what it was to prove must not happen."""


class Recorder:
    """One writer thread of this process. Futures resolve after the commit that holds their event."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Entry, asyncio.Future[None] | None]] = deque()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._is_busy = False
        self._payload_bytes = 0
        self._lease = Lease()

    def write(self, entry: Entry) -> asyncio.Future[None]:
        """Queues at once, so that the event is kept even when the caller is cancelled while it waits.

        The future raises AuditUnavailable. Raises AuditUnavailable itself when too much is waiting; of an outcome whose
        payload is too much, all else is queued.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(entry, future)
        return future

    def write_behind(self, entry: Entry) -> None:
        """For events that prove nothing by coming first, such as refused credentials. Tried until stored."""
        self._enqueue(entry, None)

    def stop(self, timeout: float = 5.0) -> None:
        """Commits what is waiting, then ends the thread."""
        thread = self._thread
        if thread is None:
            return
        self._stopping = True
        self._wake.set()
        thread.join(timeout)
        self._thread, self._stopping = None, False

    def _enqueue(self, entry: Entry, future: asyncio.Future[None] | None) -> None:
        if len(self._waiting) >= _MAX_WAITING:
            raise AuditUnavailable("too many events are waiting")
        if not self._holds_payload(entry):
            if entry.kind == OUTCOME:
                self._enqueue(without_payload(entry, "too_much_waits"), None)
            raise AuditUnavailable("too much is waiting")
        self._waiting.append((entry, future))
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def _holds_payload(self, entry: Entry) -> bool:
        size = bytes_of_payload(entry)
        if not size:
            return True
        with self._lock:
            if self._payload_bytes and self._payload_bytes + size > _MAX_PAYLOAD_BYTES:
                return False
            self._payload_bytes += size
            return True

    def _let_go(self, batch: list[_Item]) -> None:
        """Of the payloads of what waits no more."""
        size = sum(bytes_of_payload(entry) for entry, _ in batch)
        if size:
            with self._lock:
                self._payload_bytes -= size

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait(BEAT_SECONDS)
            self._wake.clear()
            while self._waiting:
                self._commit_next()
            self._beat()
            if self._stopping:
                self._give_back()
                connection.close()
                return

    def _beat(self) -> None:
        """Says that this process lives, so that nobody closes its open calls."""
        if not self._lease.is_due():
            return
        try:
            self._lease.beat(self._waiting[0][0].at if self._waiting else None)
            UNSEALED.set(unsealed_seconds())
        except Exception:  # noqa: BLE001  the store is away for others too, and the next beat tries again
            connection.close()

    def _give_back(self) -> None:
        try:
            self._lease.give_back()
        except Exception:  # noqa: BLE001  without the store nothing can be given back; others find out
            connection.close()

    def _commit_next(self) -> None:
        if self._is_busy and len(self._waiting) < _MAX_BATCH:
            # Under load a short wait makes few large commits of many small ones; a lone caller never waits.
            time.sleep(_GATHER_SECONDS)
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MAX_BATCH))]
        self._is_busy = len(batch) > _BUSY_BATCH
        self._store(batch)
        self._beat()

    def _store(self, batch: list[_Item]) -> None:
        started = time.perf_counter()
        if self._lease.has_lost():
            batch = [self._told_late(item) for item in batch]
        try:
            self._commit([entry for entry, _ in batch])
        except Fenced:
            self._lease.lose()
            self._store(batch)
            return
        except Exception as error:  # noqa: BLE001  whatever the store raises, the waiting calls must be refused
            connection.close()
            if len(batch) > 1 and isinstance(error, _UNSTORABLE):
                # One event that can never be stored must not take the others with it.
                for item in batch:
                    self._store([item])
                return
            self._refuse(batch, error)
            return
        self._let_go(batch)
        COMMIT_SECONDS.observe(time.perf_counter() - started)
        WRITTEN.inc(len(batch))
        WAITING.set(len(self._waiting))
        _resolve(batch, None)

    def _commit(self, entries: list[Entry]) -> None:
        if connection.connection is None:
            connection.ensure_connection()
            storage.make_commits_durable()
        storage.commit(entries, self._lease.take())
        self._lease.note(entries)

    def _told_late(self, item: _Item) -> _Item:
        """The call was closed by others: what we know is kept beside it, and its caller is refused."""
        entry, future = item
        if not self._lease.is_late(entry):
            return item
        self._lease.forget(entry.call_id)
        if future is not None:
            _resolve([item], AuditUnavailable("the call was closed meanwhile"))
        return entry._replace(kind=LATE), None

    def _refuse(self, batch: list[_Item], error: Exception) -> None:
        FAILED.inc(len(batch))
        _resolve(batch, AuditUnavailable(type(error).__name__))
        if isinstance(error, _UNSTORABLE):
            self._let_go(batch)
            return
        # An outcome whose call was made must not be lost: it is tried again until the store is back.
        kept = [(entry, None) for entry, future in batch if future is None or entry.kind == OUTCOME]
        self._let_go([(entry, future) for entry, future in batch if future is not None and entry.kind != OUTCOME])
        self._waiting.extendleft(reversed(kept))
        if kept and not self._stopping:
            time.sleep(_RETRY_PAUSE)
        elif kept:
            self._waiting.clear()


def _resolve(batch: list[_Item], error: AuditUnavailable | None) -> None:
    """One wake-up per event loop and batch: a wake-up each would cost more than the commit."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for _, future in batch:
        if future is not None:
            by_loop.setdefault(future.get_loop(), []).append(future)
    for loop, futures in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, futures, error)


def _settle(futures: list[asyncio.Future[None]], error: AuditUnavailable | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
            future.exception()  # marks it as seen, since a cancelled caller will not look


recorder = Recorder()


def record(kind: str, *, project_ref: int | None = None, project: str = "", subject: str = "", **fields: Any) -> None:
    """Writes in the caller's transaction: the change and its event are committed together or not at all."""
    who = acting.current()
    storage.insert(
        [
            Entry(
                id=new_id(), at=now(), kind=kind, project_ref=project_ref, project=project, subject=subject,
                actor_kind=who.kind, actor_id=who.id, actor=who.label, **fields,
            )
        ]
    )  # fmt: skip
