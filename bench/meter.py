"""The meter: CPU time and memory of a process tree, the web worker apart from everything else in it."""

import contextlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

# Carries no types of its own; by name, the checker needs no word about it.
psutil: Any = importlib.import_module("psutil")

MEGABYTE = 1024 * 1024
BACKGROUND = ("celery", "runner")


@dataclass(frozen=True)
class Cpu:
    """Seconds of user and system time, per process."""

    web: dict[int, float]
    others: dict[int, float]

    def since(self, earlier: "Cpu") -> tuple[float, float]:
        return _spent(earlier.web, self.web), _spent(earlier.others, self.others)


@dataclass(frozen=True)
class Memory:
    """Megabytes of the web worker; `pss` is NaN where the system does not tell it."""

    rss: float
    pss: float


def _spent(before: dict[int, float], after: dict[int, float]) -> float:
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


class Meter:
    """Reads one process tree; the web worker is the process of it that listens on the port."""

    def __init__(self, root: int, port: int) -> None:
        self.root = psutil.Process(root)
        self.web = self._listeners(port)

    def cpu(self) -> Cpu:
        web = {process.pid for process in self._web_tree()}
        times = {process.pid: _cpu_seconds(process) for process in self._tree()}
        return Cpu(
            web={pid: seconds for pid, seconds in times.items() if pid in web},
            others={pid: seconds for pid, seconds in times.items() if pid not in web},
        )

    def memory(self) -> Memory:
        rss = pss = 0.0
        for process in self._web_tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                rss += process.memory_info().rss / MEGABYTE
                pss += _pss(process)
        return Memory(rss, pss)

    def alive(self) -> bool:
        return all(_runs(process) for process in self.web)

    def _tree(self) -> list[Any]:
        return [self.root, *self.root.children(recursive=True)]

    def _listeners(self, port: int) -> list[Any]:
        owners = [process for process in self._tree() if _listens(process, port)]
        if not owners:
            return [self.root]
        # A supervisor that opened the socket for its workers also owns it, and serves nothing.
        above = {parent.pid for process in owners for parent in process.parents()}
        return [process for process in owners if process.pid not in above]

    def _web_tree(self) -> Iterator[Any]:
        for process in self.web:
            yield process
            with contextlib.suppress(psutil.NoSuchProcess):
                yield from (child for child in process.children(recursive=True) if not _background(child))


def _listens(process: Any, port: int) -> bool:
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)


def _runs(process: Any) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _background(process: Any) -> bool:
    try:
        words = {PurePath(argument).name for argument in process.cmdline()}
    except psutil.Error:
        return False
    return not words.isdisjoint(BACKGROUND)


def _cpu_seconds(process: Any) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _pss(process: Any) -> float:
    try:
        return float(process.memory_full_info().pss) / MEGABYTE
    except (psutil.Error, AttributeError):
        return float("nan")


def descendants(pid: int) -> list[Any]:
    try:
        found: list[Any] = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    return found


def kill_left(family: list[Any]) -> None:
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()


def machine() -> str:
    memory = psutil.virtual_memory().total / MEGABYTE / 1024
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB of memory"
