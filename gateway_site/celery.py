"""The Celery application, and the worker that lives in the gateway's own process where there is no broker."""

from __future__ import annotations

import os
import signal
import threading

from celery import Celery
from celery.signals import task_postrun, worker_process_init, worker_shutting_down

from gateway_site import lifeline
from gateway_site.lib import connections
from servers.runner.confine import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_site.settings")

app = Celery("gateway")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# What the worker may take to end when the supervisor was killed; less than that one's own patience.
_END_SECONDS = 4.0
_PARENT = os.getppid()
_threads: list[threading.Thread] = []


def start_embedded_worker() -> None:
    """A worker with two threads, the schedule, and the log's upkeep beside them. Starts once."""
    if not _threads:
        for name, run in (
            ("embedded-worker", _run_worker), ("embedded-beat", _run_beat), ("audit-upkeep", _keep_up_the_log),
        ):  # fmt: skip
            _threads.append(threading.Thread(target=run, name=name, daemon=True))
            _threads[-1].start()


def _run_worker() -> None:
    from celery.worker import WorkController

    # app.Worker would take over the process's signals and logging, which belong to the web server here.
    WorkController(
        app=app, pool="threads", queues=["celery"], concurrency=2,
        without_heartbeat=True, without_mingle=True, without_gossip=True,
    ).start()  # fmt: skip


def _keep_up_the_log() -> None:
    from audit import work

    work.run(threading.Event())


def _run_beat() -> None:
    from celery.beat import Scheduler, Service

    # The plain scheduler keeps its times in memory; the default one would keep them in a file.
    Service(app, max_interval=1, scheduler_cls=Scheduler).start(embedded_process=False)


@task_postrun.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _give_back_connections(**_: object) -> None:
    """A long-lived thread would keep its pooled connection for ever."""
    connections.give_back()


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _end_with_the_worker(**_: object) -> None:
    """A killed worker leaves no pool that goes on with its jobs beside the next one's."""
    die_with_parent(signal.SIGKILL)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _end_without_supervisor(**_: object) -> None:
    lifeline.end_soon_without(_PARENT, _END_SECONDS)
