"""Disks that are really full: a small one of its own, or a limit on what processes may write."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path | None]:
    """A file system in memory at that place. None where this user may not mount one, and the place is a folder."""
    place.mkdir()
    place.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(place)]
    is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield place if is_mounted else None
    finally:
        if is_mounted:
            # Whoever has still a file open there keeps it until the end.
            subprocess.run(["umount", "--lazy", str(place)], check=True)
            place.rmdir()
        else:
            shutil.rmtree(place, ignore_errors=True)


def fill(disk: Path) -> None:
    """Until not one byte more can be written."""
    with (disk / "filler").open("ab", buffering=0) as file:
        piece = bytes(1 << 20)
        while piece:
            try:
                file.write(piece)
            except OSError:
                piece = piece[: len(piece) // 2]


def empty(disk: Path) -> None:
    (disk / "filler").unlink(missing_ok=True)


def limit_growth(processes: list[psutil.Process], size: int | None) -> None:
    """No file becomes longer than `size` bytes by these processes; with None as long as it likes."""
    wanted = resource.RLIM_INFINITY if size is None else size
    for process in processes:
        try:
            process.rlimit(psutil.RLIMIT_FSIZE, (wanted, resource.RLIM_INFINITY))
        except psutil.NoSuchProcess:
            continue


def size_of(path: Path) -> int:
    return os.stat(path).st_size if path.exists() else 0
