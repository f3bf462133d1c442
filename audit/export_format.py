"""The form of an export that proves itself: what its files are called, what their lines are, and how it is signed.

A folder, or the same in a ZIP archive:

    events.jsonl        one line for each event, in the order of their seals, canonical JSON (RFC 8785):
                        {"event":{…},"leaf":"<hex>","seq":17}, or {"leaf":"<hex>","seq":18} for an event that was left
                        out, by a filter or because it only completes a batch
    checkpoints.jsonl   the checkpoints over these events, one a line
    keys.json           {"changes":[the lines of checkpoints at which the key changed],"keys":[JWK, …]}
    manifest.json       what it is, what it holds, the digests of the other files, and a signature over all of that
    verify_audit.py     checks it, with Python and `cryptography`

The lines begin after a checkpoint and end with one, so that every leaf is under a signature.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile
from zipfile import Path as ZipPath

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.canonical import canonical
from audit.chain import START, link
from audit.checkpoint import Statement
from audit.signing import to_key_set

FORMAT = "mcpgw-audit-export/1"
# What is signed begins with it, so that no signature of ours means two things.
PURPOSE = b"mcpgw-audit-manifest/1\n"
EVENTS, CHECKPOINTS, KEYS, MANIFEST, VERIFIER = (
    "events.jsonl", "checkpoints.jsonl", "keys.json", "manifest.json", "verify_audit.py",
)  # fmt: skip
_VERIFIER_SOURCE = Path(__file__).resolve().parent / "verify_audit.py"


class NotAnExport(ValueError):
    """The path holds no export that can be read. The text says why."""


@dataclass(frozen=True)
class Beginning:
    """The checkpoint before the first line; without one the export begins with the log."""

    size: int = 0
    chain: bytes = START
    signature: bytes = b""


class ExportWriter:
    """Writes the files of one project's export into an empty folder, in one pass."""

    def __init__(self, folder: Path, project_ref: int, project: str, beginning: Beginning) -> None:
        self._folder, self._beginning = folder, beginning
        self._about = {"format": FORMAT, "project_ref": project_ref, "project": project}
        self._seq, self._chain, self._events = beginning.size, beginning.chain, 0
        self._files = {name: _Digested(folder / name) for name in (EVENTS, CHECKPOINTS)}

    def add(self, leaf: bytes, event: bytes | None) -> None:
        """The next event, as its canonical JSON; None leaves it out and keeps its leaf."""
        self._seq += 1
        self._chain = link(self._chain, self._seq, leaf)
        self._events += event is not None
        shown = b'"event":' + event + b"," if event is not None else b""
        self._files[EVENTS].write(b'{%b"leaf":"%b","seq":%d}\n' % (shown, leaf.hex().encode(), self._seq))

    def add_checkpoint(self, statement: Statement) -> None:
        self._files[CHECKPOINTS].write(statement.to_line() + b"\n")

    def finish(
        self, *, created_at: str, keys: Mapping[str, bytes], changes: list[Statement], chosen: Mapping[str, Any] | None,
        key_id: str, key: Ed25519PrivateKey,
    ) -> dict[str, Any]:  # fmt: skip
        """Writes what is left and gives the manifest. `chosen` is the filter, for people; None when nothing was."""
        key_file = _Digested(self._folder / KEYS)
        key_file.write(canonical({**to_key_set(dict(keys)), "changes": [each.to_line().decode() for each in changes]}))
        shutil.copyfile(_VERIFIER_SOURCE, self._folder / VERIFIER)
        about = {
            **self._about,
            "created_at": created_at,
            "first_seq": self._beginning.size + 1,
            "last_seq": self._seq,
            "events": self._events,
            "chosen": dict(chosen) if chosen is not None else None,
            "chain_before": self._beginning.chain.hex(),
            "chain": self._chain.hex(),
            "previous": self._beginning.signature.hex(),
            "files": {name: file.close() for name, file in {**self._files, KEYS: key_file}.items()},
            "key_id": key_id,
        }
        manifest = {**about, "signature": key.sign(PURPOSE + canonical(about)).hex()}
        (self._folder / MANIFEST).write_bytes(canonical(manifest) + b"\n")
        return manifest


class _Digested:
    """A file whose size and digest are known when it is closed."""

    def __init__(self, path: Path) -> None:
        self._file, self._digest, self._bytes = path.open("wb"), hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        self._bytes += len(data)
        self._file.write(data)

    def close(self) -> dict[str, Any]:
        self._file.close()
        return {"sha256": self._digest.hexdigest(), "bytes": self._bytes}


class Export:
    """The files of an export, to be read. Raises NotAnExport."""

    def __init__(self, path: Path) -> None:
        try:
            self._root: Path | ZipPath = path if path.is_dir() else ZipPath(path)
        except (OSError, BadZipFile) as error:
            raise NotAnExport(f"{path} is neither a folder nor a ZIP archive") from error

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Raises NotAnExport."""
        try:
            return (self._root / name).open("rb")
        except (OSError, KeyError, BadZipFile) as error:
            raise NotAnExport(f"{name} is missing") from error

    def lines(self, name: str) -> Iterator[bytes]:
        """Raises NotAnExport."""
        with self.open(name) as file:
            for line in file:
                yield line.rstrip(b"\n")

    def digest(self, name: str) -> dict[str, Any]:
        """As the manifest has it. Raises NotAnExport."""
        digest, size = hashlib.sha256(), 0
        with self.open(name) as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
        return {"sha256": digest.hexdigest(), "bytes": size}

    def document(self, name: str) -> dict[str, Any]:
        """A whole JSON file. Raises NotAnExport."""
        with self.open(name) as file:
            try:
                content = orjson.loads(file.read())
            except orjson.JSONDecodeError as error:
                raise NotAnExport(f"{name} is no JSON") from error
        if not isinstance(content, dict):
            raise NotAnExport(f"{name} is no JSON object")
        return content
