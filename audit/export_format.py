"""The form of an export: what its files are called, what their lines are, and how it is signed.

A folder, or the same in a ZIP archive. One that proves itself:

    events.jsonl        one line for each event, in the order of their seals, canonical JSON (RFC 8785):
                        {"event":{…},"leaf":"<hex>","seq":17}, or {"leaf":"<hex>","seq":18} for an event that was left
                        out, by a filter or because it only completes a batch
    checkpoints.jsonl   the checkpoints over these events, one a line
    keys.json           {"changes":[the lines of checkpoints at which the key changed],"keys":[JWK, …]}
    manifest.json       what it is, what it holds, the digests of the other files, and a signature over all of that
    verify_audit.py     checks it, with Python and `cryptography`

The lines begin after a checkpoint and end with one, so that every leaf is under a signature.

One in another form has the file of that form instead of the first two, and `form` and `checkpoint` in its manifest:
the signature proves the file, and `root` names the events, whose leaves only the first form holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile
from zipfile import Path as ZipPath

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.canonical import canonical
from audit.chain import START, Tree, link
from audit.checkpoint import Statement
from audit.export_output import Output
from audit.signing import to_key_set

FORMAT = "mcpgw-audit-export/1"
FILE_FORMAT = "mcpgw-audit-file/1"
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


@dataclass
class Tally:
    """What the lines so far come to: the last one's number, the chain there, and the events that are shown.

    `tree` is over the leaves of these events. It can be kept and gone on with.
    """

    seq: int
    chain: bytes = START
    events: int = 0
    tree: Tree = field(default_factory=Tree)

    def add(self, leaf: bytes, is_shown: bool) -> None:
        """The next event of the log."""
        self.seq += 1
        self.chain = link(self.chain, self.seq, leaf)
        self.show(leaf, is_shown)

    def show(self, leaf: bytes, is_shown: bool = True) -> None:
        if is_shown:
            self.events += 1
            self.tree.add(leaf)

    def to_json(self) -> dict[str, Any]:
        peaks = [each.hex() for each in self.tree.peaks]
        return {"seq": self.seq, "chain": self.chain.hex(), "events": self.events, "peaks": peaks}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Tally:
        tree = Tree(kept["events"], [bytes.fromhex(each) for each in kept["peaks"]])
        return cls(kept["seq"], bytes.fromhex(kept["chain"]), kept["events"], tree)


def event_line(seq: int, leaf: bytes, event: bytes | None) -> bytes:
    """`event` is its canonical JSON; None leaves it out and keeps its leaf."""
    shown = b'"event":' + event + b"," if event is not None else b""
    return b'{%b"leaf":"%b","seq":%d}\n' % (shown, leaf.hex().encode(), seq)


@dataclass(frozen=True)
class About:
    """What a manifest says besides counts and digests. `chosen` is the filter, for people; None when nothing was."""

    project_ref: int
    project: str
    created_at: str
    chosen: Mapping[str, Any] | None = None

    def of_proof(self, beginning: Beginning, tally: Tally) -> dict[str, Any]:
        return {
            **self._counts(beginning.size + 1, tally),
            "format": FORMAT,
            "chain_before": beginning.chain.hex(),
            "chain": tally.chain.hex(),
            "previous": beginning.signature.hex(),
        }

    def of_file(self, form: str, first: int, tally: Tally, checkpoint: Statement | None) -> dict[str, Any]:
        """`checkpoint` is the log's over the last event."""
        line = checkpoint.to_line().decode() if checkpoint is not None else None
        return {**self._counts(first, tally), "format": FILE_FORMAT, "form": form, "checkpoint": line}

    def _counts(self, first: int, tally: Tally) -> dict[str, Any]:
        return {
            "project_ref": self.project_ref, "project": self.project, "created_at": self.created_at,
            "chosen": dict(self.chosen) if self.chosen is not None else None, "first_seq": first,
            "last_seq": tally.seq, "events": tally.events, "root": tally.tree.root().hex(),
        }  # fmt: skip


def finish(
    output: Output, about: Mapping[str, Any], *, keys: Mapping[str, bytes], changes: list[Statement], key_id: str,
    key: Ed25519PrivateKey,
) -> dict[str, Any]:  # fmt: skip
    """Writes what comes with every export, and gives the manifest over all files that `output` has."""
    with output.file(KEYS) as file:
        file.write(canonical({**to_key_set(dict(keys)), "changes": [each.to_line().decode() for each in changes]}))
    described = {**about, "files": dict(output.files), "key_id": key_id}
    manifest = {**described, "signature": key.sign(PURPOSE + canonical(described)).hex()}
    with output.file(VERIFIER) as file:
        file.write(_VERIFIER_SOURCE.read_bytes())
    with output.file(MANIFEST) as file:
        file.write(canonical(manifest) + b"\n")
    return manifest


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
