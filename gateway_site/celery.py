"""The Celery application, and the worker that lives in the gateway's own process where there is no broker."""

from __future__ import annotations

import os
import threading

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_site.settings")

app = Celery("gateway")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_worker: threading.Thread | None = None


def start_embedded_worker() -> None:
    """A worker with two threads and the schedule, on the in-memory broker of this process. Starts once."""
    global _worker
    if _worker is None:
        _worker = threading.Thread(target=_run_worker, name="embedded-worker", daemon=True)
        _worker.start()


def _run_worker() -> None:
    from celery.worker import WorkController

    # app.Worker would take over the process's signals and logging, which belong to the web server here.
    WorkController(app=app, pool="threads", concurrency=2, without_heartbeat=True, without_mingle=True,
                   without_gossip=True).start()  # fmt: skip
