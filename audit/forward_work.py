"""Sends what is sealed: each forwarder in a thread of its own, one process at a time, so that none waits.

A receiver that hangs costs its own thread its transport's few seconds and is then left alone for longer and longer.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter as Counted
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import structlog
from django.db import close_old_connections, connection
from django.db.models import F, Q, QuerySet
from prometheus_client import Counter, Gauge

from audit import destinations, exporters, forward_queue, logs
from audit.destinations import BadDestination
from audit.entry import now
from audit.forward_queue import Batch, LeaseLost, Name
from audit.forwarding import Destination, NotTaken, Refused, Transport, registry
from audit.models import DeadLetter, Forwarder, ForwardState
from gateway_site.lib.actor import Actor, acting_as
from gateway_site.lib.secrets import Unsealable
from projects.scoping import unscoped

logger = structlog.get_logger("audit.forward_work")

TURN_SECONDS = 60.0
# At one time in one process; of those that failed the last time no more than half, and of one project only few.
MOST_THREADS = 32
MOST_OF_PROJECT = 3
_FAULTS = frozenset({"status", "denied", "unreachable", "certificate", "timeout", "dropped", "invalid", "too_large",
                     "encoded", "missing", "unreadable", "closed", "internal"})  # fmt: skip

EVENTS = Counter("mcpgw_audit_forward_events_total", "Events by what became of them.", ["kind", "outcome"])
FAULTS = Counter("mcpgw_audit_forward_faults_total", "Batches that a receiver did not take.", ["kind", "fault"])
FAILING = Gauge(
    "mcpgw_audit_forward_failing", "Forwarders whose receiver fails.", multiprocess_mode="livemax"
)
DEAD = Gauge(
    "mcpgw_audit_forward_dead_letters", "Entries of the dead-letter lists.", multiprocess_mode="livemax"
)

_WORKER = Actor("worker", "audit.forward", "audit.forward")
_lock = threading.Lock()


class _Running(NamedTuple):
    """`project` is None for one of the settings."""

    thread: threading.Thread
    project: int | None
    is_failing: bool


# By state; and when each was last begun with, so that where there are more than threads, all have their turn.
_running: dict[int, _Running] = {}
_begun: dict[int, float] = {}


def start_due() -> int:
    """Starts a thread for each forwarder that has something to send and is not at it already. How many. Soon done."""
    begin_settings()
    if not ForwardState.objects.exists():
        # Most installations have none, and this is asked every second.
        FAILING.set(0)
        DEAD.set(0)
        return 0
    FAILING.set(ForwardState.objects.exclude(failing_since=None).count())
    DEAD.set(DeadLetter.objects.count())
    started = 0
    with _lock:
        for state_id in [state_id for state_id, each in _running.items() if not each.thread.is_alive()]:
            del _running[state_id]
        busy: Counted[int | None] = Counted(each.project for each in _running.values())
        failing = sum(each.is_failing for each in _running.values())
        for state_id, project, failures in _in_turn():
            if len(_running) >= MOST_THREADS:
                break
            if state_id in _running or (project is not None and busy[project] >= MOST_OF_PROJECT):
                continue
            if failures and failing >= MOST_THREADS // 2:
                break
            thread = threading.Thread(target=_run, args=(state_id,), name=f"audit-forward-{state_id}", daemon=True)
            _running[state_id] = _Running(thread, project, failures > 0)
            _begun[state_id] = time.monotonic()
            busy[project] += 1
            failing += failures > 0
            thread.start()
            started += 1
    return started


def _in_turn() -> list[tuple[int, int | None, int]]:
    """State, project and failures of those that are due: those that are well first, of these who waited longest."""
    ready = due().annotate(project=F("forwarder__project_id")).order_by("retry_at", "pk")
    found = list(ready.values_list("pk", "project", "failures"))
    return sorted(found, key=lambda each: (each[2], _begun.get(each[0], 0.0)))


def send_all(state_ids: Collection[int]) -> int:
    """Sends here what waits for these forwarders, however lately their receivers failed. How many events.

    What is sealed meanwhile is left to the next turn, else this would not end while the log is written.
    """
    begin_settings()
    goals = forward_queue.goals_of(state_ids)
    taken = 0
    tried: set[int] = set()
    while (state := due(at_once=True).filter(pk__in=set(state_ids) - tried).first()) is not None:
        sent = take_turn(state.pk, goals)
        taken += sent
        if not sent:
            tried.add(state.pk)
    return taken


def begin_settings() -> None:
    """Finds the logs that those of the settings have not seen yet."""
    try:
        named = destinations.of_settings()
    except BadDestination as error:
        logger.error("GATEWAY_AUDIT_FORWARD cannot be used", error=str(error))
        return
    if named:
        refs = logs.refs("audit_seal")
        for setting in named:
            forward_queue.begin_new_logs(forward_queue.begin_setting(setting), refs)


def due(*, at_once: bool = False) -> QuerySet[ForwardState]:
    """The forwarders that are on, wait for no better time, are with nobody, and have something to send."""
    with unscoped("every project's forwarders are due"):
        on = set(Forwarder.objects.filter(enabled=True).values_list("pk", flat=True))
    try:
        named = [each.key for each in destinations.of_settings()]
    except BadDestination:
        named = []
    free = Q(lease_until=None) | Q(lease_until__lt=now())
    ready = free if at_once else free & (Q(retry_at=None) | Q(retry_at__lte=now()))
    has_work = Q(pk__in=forward_queue.waiting().values("state_id")) | Q(
        pk__in=DeadLetter.objects.filter(is_wanted=True).values("state_id")
    )
    return ForwardState.objects.filter(ready & has_work, Q(forwarder_id__in=on) | Q(setting__in=named))


def _run(state_id: int) -> None:
    try:
        take_turn(state_id)
    except Exception as error:  # noqa: BLE001  whatever the store raises, the next turn tries again
        logger.error("forwarding failed", state=state_id, error=type(error).__name__, text=str(error)[:200])
    finally:
        close_old_connections()


def take_turn(state_id: int, goals: Mapping[int, int] | None = None) -> int:
    """Sends for one forwarder until nothing is left, its receiver fails, or time is over. How many events were taken.

    With goals (forward_queue.goals_of) it ends when they are reached. 0 also when another has the lease. Raises
    django.db.Error.
    """
    owner = forward_queue.claim(state_id)
    if owner is None:
        return 0
    try:
        known = _known(state_id)
        with acting_as(_WORKER), asyncio.Runner() as runner:
            return 0 if known is None else _send(state_id, owner, known, runner, goals)
    except LeaseLost:
        return 0
    finally:
        forward_queue.give_back(state_id, owner)


def _send(
    state_id: int, owner: str, known: Forwarder | Destination, runner: asyncio.Runner, goals: Mapping[int, int] | None
) -> int:
    """Raises LeaseLost."""
    name = name_of(known) if isinstance(known, Forwarder) else name_of_setting(known)
    try:
        to = destinations.of_forwarder(known) if isinstance(known, Forwarder) else known
        transport = open_transport(to)
    except (KeyError, Unsealable) as error:
        fault = "not installed" if isinstance(error, KeyError) else "its secrets do not open"
        forward_queue.settle_failed(state_id, owner, None, fault, 0.0, name)
        return 0
    return _Turn(state_id, owner, to, name, runner, goals).run(transport)


def _known(state_id: int) -> Forwarder | Destination | None:
    """None when it is switched off or gone."""
    state = ForwardState.objects.get(pk=state_id)
    if state.forwarder_id is None:
        return next((each.destination for each in destinations.of_settings() if each.key == state.setting), None)
    with unscoped("the turn is one forwarder's, whatever its project"):
        return Forwarder.objects.select_related("project").filter(pk=state.forwarder_id, enabled=True).first()


def name_of(forwarder: Forwarder) -> Name:
    return Name(forwarder.kind, forwarder.name, destinations.shown(forwarder.address), forwarder.project_id,
                forwarder.project.slug)  # fmt: skip


def name_of_setting(destination: Destination) -> Name:
    return Name(destination.kind, destination.name, destinations.shown(destination.address))


def open_transport(destination: Destination) -> Transport:
    """Raises KeyError for a transport or a form that is not there any more."""
    form = exporters.registry.get(destination.format)()
    return registry.get(destination.kind)(destination, form.media_type, form.header())


class _Turn:
    """One forwarder's sending, for as long as it has the lease."""

    def __init__(
        self, state_id: int, owner: str, to: Destination, name: Name, runner: asyncio.Runner,
        goals: Mapping[int, int] | None,
    ) -> None:  # fmt: skip
        self._state_id, self._owner, self._to, self._name, self._runner = state_id, owner, to, name, runner
        self._goals = goals
        self._most = forward_queue.BATCH
        self._log = -1
        self.taken = 0

    def run(self, transport: Transport) -> int:
        """Closes the transport at the end. Raises LeaseLost."""
        until = time.monotonic() + TURN_SECONDS
        try:
            for batch in self._batches():
                if not self._deliver(transport, batch) or time.monotonic() > until:
                    break
        finally:
            self._runner.run(transport.close())
        return self.taken

    def _batches(self) -> Iterator[Batch]:
        """The lease is renewed before each, and what was changed meanwhile ends it."""
        while True:
            forward_queue.renew(self._state_id, self._owner)
            position = forward_queue.next_position(self._state_id, self._log, self._goals)
            if position is not None:
                self._log = position.project_ref
                yield forward_queue.read_next(position, self._to.format, self._most)
                continue
            batch = forward_queue.read_letter(self._state_id, self._to.format, self._most)
            if batch is None:
                return
            yield batch

    def _deliver(self, transport: Transport, batch: Batch) -> bool:
        """Whether it is worth while to go on."""
        fault, count = batch.fault, batch.last - batch.first + 1
        try:
            if not fault:
                # Others need the connection to the database meanwhile.
                connection.close()
                self._runner.run(transport.send(batch.messages))
        except NotTaken as error:
            return self._failed(batch, error.fault, error.wait)
        except Refused as error:
            self._count_fault(error.fault)
            if error.is_divisible and len(batch.messages) > 1:
                # Some of it may be taken.
                self._most = len(batch.messages) // 2
                return True
            fault = error.fault
        except Exception as error:  # a transport may be anybody's code; that it fails is its own forwarder's trouble
            logger.exception("a transport failed", kind=self._to.kind, error=type(error).__name__)
            return self._failed(batch, "internal", 0.0)
        self._most = min(forward_queue.BATCH, self._most * 2)
        if fault:
            forward_queue.settle_dead(self._state_id, self._owner, batch, fault, self._name)
            self._count("dead", count)
            return True
        forward_queue.settle_taken(self._state_id, self._owner, batch, self._name)
        self._count("sent" if batch.letter is None else "resent", count)
        self.taken += count
        return True

    def _failed(self, batch: Batch, fault: str, wait: float) -> bool:
        self._count_fault(fault)
        given_up = forward_queue.settle_failed(self._state_id, self._owner, batch, fault, wait, self._name)
        self._count("dead", given_up)
        return False

    def _count(self, outcome: str, count: int) -> None:
        EVENTS.labels(self._to.kind, outcome).inc(count)

    def _count_fault(self, fault: str) -> None:
        word = fault.replace(":", " ").split(" ")[0]
        FAULTS.labels(self._to.kind, word if word in _FAULTS else "other").inc()
