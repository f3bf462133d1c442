"""Where the files of an export go: into a folder, or into one ZIP archive; nobody but their owner reads them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol
from zipfile import ZIP_DEFLATED, ZipFile

_BLOCK = 1 << 20


class Digested:
    """A file to be written, whose size and digest are known afterwards. Other libraries may write to it too."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest, self._bytes = file, hashlib.sha256(), 0
        self.closed = False

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self._bytes += memoryview(data).nbytes
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self._bytes

    def close(self) -> None:
        """The place where the file is made closes it."""
        self.closed = True

    def result(self) -> dict[str, Any]:
        return {"sha256": self._digest.hexdigest(), "bytes": self._bytes}


class Output(Protocol):
    """`files` has the size and the digest of each file that is written."""

    files: dict[str, dict[str, Any]]

    @contextmanager
    def file(self, name: str) -> Iterator[Digested]: ...


class Folder:
    """An empty folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.files: dict[str, dict[str, Any]] = {}

    @contextmanager
    def file(self, name: str) -> Iterator[Digested]:
        with private_file(self._path / name) as raw:
            digested = Digested(raw)
            yield digested
        self.files[name] = digested.result()


class Archive:
    """A ZIP archive whose entries have no time of their own, so that the same files give the same archive."""

    def __init__(self, raw: IO[bytes]) -> None:
        # The lines are alike: trying harder takes more than twice as long and saves less than a tenth.
        self._zip = ZipFile(raw, "w", ZIP_DEFLATED, compresslevel=1)
        self.files: dict[str, dict[str, Any]] = {}

    @contextmanager
    def file(self, name: str) -> Iterator[Digested]:
        with self._zip.open(name, "w", force_zip64=True) as raw:
            digested = Digested(raw)
            yield digested
        self.files[name] = digested.result()

    def close(self) -> None:
        self._zip.close()


@contextmanager
def private_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file with mode 0600. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
        yield file


def put_in_place(draft: IO[bytes], source: Path, target: Path) -> None:
    """Onto the disk, and then under its name: a reader sees the whole file or none."""
    draft.flush()
    os.fsync(draft.fileno())
    os.replace(source, target)
    sync_folder(target.parent)


def sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def copy(source: IO[bytes], target: Any) -> None:
    while block := source.read(_BLOCK):
        target.write(block)


def digest_of(file: IO[bytes]) -> tuple[str, int]:
    """SHA-256 in hexadecimal, and the size, from where the file stands to its end."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size
