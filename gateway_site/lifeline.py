"""A worker ends when the process that has started it is killed outright, and nobody is left to end it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

from servers.runner.confine import die_with_parent


def end_with_parent() -> None:
    """Call at the start of a worker; in a process that is none it does nothing."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    die_with_parent(signal.SIGTERM)
    if os.getppid() != parent.pid:
        # It was killed just before.
        os.kill(os.getpid(), signal.SIGTERM)


def end_soon_without(parent: int, seconds: float) -> None:
    """Call when the process was told to end: where its parent is gone, it waits no longer for work under way.

    The parent would have killed it by then. What it was at is claimed again elsewhere.
    """
    if os.getppid() != parent:
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
