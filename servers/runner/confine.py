"""Owns the last steps before a child's own program runs: bound to its parent's life, limited, then executed.

Run as a script of its own, not between fork and exec: there a process with threads may only do what cannot lock.
Arguments: parent's process id, memory limit in MiB (0: none), variable to take out of the environment, argv.
"""

import ctypes
import os
import resource
import signal
import sys

MAX_OPEN_FILES = 1024
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def die_with_parent(death_signal: int) -> None:
    """Have the kernel send us `death_signal` when the thread that started us ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def main(parent: str, memory_mb: str, unwanted: str, *argv: str) -> None:
    """Become `argv`. Ends with 126 when the parent is gone, with 127 when `argv` cannot be executed."""
    die_with_parent(signal.SIGKILL)
    if os.getppid() != int(parent):
        os._exit(126)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.environ.pop(unwanted, None)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    if int(memory_mb):
        _lower(resource.RLIMIT_DATA, int(memory_mb) << 20)
    try:
        os.execv(argv[0], argv)  # noqa: S606 - what runs is the operator's to say, never a caller's
    except OSError as exc:
        sys.stderr.write(f"cannot execute: {exc.strerror}\n")
        sys.stderr.flush()
        os._exit(127)


def _lower(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    main(*sys.argv[1:])
