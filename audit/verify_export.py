"""Verifies an export: its lines against their leaves, these against the checkpoints, and the manifest against both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.canonical import NotCanonical, canonical
from audit.chain import Tree, leaf_of
from audit.checkpoint import BadCheckpoint, Statement, endorsed, read_line
from audit.export_format import (
    CHECKPOINTS,
    EVENTS,
    FILE_FORMAT,
    FORMAT,
    KEYS,
    MANIFEST,
    PURPOSE,
    Export,
    NotAnExport,
)  # fmt: skip
from audit.retained import KIND
from audit.verify import CannotTell
from audit.walk import Beginning, Link, Report, Walk

_HEX = re.compile(r"[0-9a-f]*")
_OF_BOTH = {"chosen", "created_at", "events", "files", "first_seq", "format", "key_id", "last_seq", "project",
            "project_ref", "root", "signature"}  # fmt: skip
_MEMBERS = {FORMAT: {*_OF_BOTH, "chain", "chain_before", "previous"}, FILE_FORMAT: {*_OF_BOTH, "checkpoint", "form"}}


def verify_export(path: Path, keys: Mapping[str, bytes], witnesses: Iterable[Statement] = ()) -> Report:
    """`keys` are trusted public keys by id; those in the export are not. Raises CannotTell.

    Of an export whose form holds no leaves only the signature can be checked, and the files against it.
    """
    try:
        export = Export(path)
        manifest = _read_manifest(export)
        return _Verification(export, manifest, keys).run(list(witnesses))
    except NotAnExport as error:
        raise CannotTell(str(error)) from error


def _read_manifest(export: Export) -> dict[str, Any]:
    """Raises NotAnExport for another format."""
    manifest = export.document(MANIFEST)
    if manifest.get("format") not in _MEMBERS:
        raise NotAnExport(f"its format is not {FORMAT}")
    return manifest


class _Verification:
    def __init__(self, export: Export, manifest: dict[str, Any], keys: Mapping[str, bytes]) -> None:
        self._export, self._manifest = export, manifest
        self._report = Report(logs=1)
        ref = manifest.get("project_ref")
        self._ref = ref if type(ref) is int else 0
        self._proves_itself = manifest["format"] == FORMAT
        self._keys = endorsed(keys, list(self._changes()))
        # Over the leaves of the events that are shown.
        self._shown = Tree()

    def run(self, witnesses: list[Statement]) -> Report:
        if not self._keys:
            raise CannotTell("There is no public key to trust.")
        self._check_manifest()
        self._check_files()
        if not self._proves_itself:
            self._check_checkpoint()
            return self._report
        checkpoints = list(self._checkpoints())
        held = [each for each in witnesses if each.project_ref == self._ref]
        beginning = self._beginning()
        walk = Walk(self._ref, self._report, self._keys, self._comparable(held, beginning, checkpoints), beginning)
        walk.follow(self._links(), checkpoints)
        if walk.size != self._manifest.get("last_seq") or self._shown.size != self._manifest.get("events"):
            self._say("manifest_changed", None, f"It counts other events than the {self._shown.size} that are here.")
        if self._manifest.get("root") != self._shown.root().hex():
            self._say("manifest_changed", None, "Its root is that of other events.")
        return self._report

    def _check_checkpoint(self) -> None:
        events, line = self._manifest.get("events"), self._manifest.get("checkpoint")
        self._report.events = events if type(events) is int else 0
        if line is None:
            return
        try:
            checkpoint = read_line(str(line))
        except BadCheckpoint:
            self._say("line_damaged", None, "The checkpoint in the manifest.")
            return
        public = self._keys.get(checkpoint.key_id)
        if checkpoint.project_ref != self._ref or public is None or not checkpoint.is_signed_by(public):
            self._say("checkpoint_forged", checkpoint.size, "The one in the manifest.")

    def _beginning(self) -> Beginning:
        first, chain, previous = (self._manifest.get(name) for name in ("first_seq", "chain_before", "previous"))
        if type(first) is int and first > 0 and _is_hex(chain, 64) and _is_hex(previous):
            return Beginning(first - 1, bytes.fromhex(str(chain)), bytes.fromhex(str(previous)))
        return Beginning()

    def _comparable(
        self, held: list[Statement], beginning: Beginning, checkpoints: list[Statement]
    ) -> list[Statement]:
        """An export of a part says nothing of what comes before, and nothing of what came after it was made."""
        end = max((each.size for each in checkpoints), default=beginning.size)
        if self._manifest.get("chosen") is None:
            end = max([end, *(each.size for each in held if each.at <= str(self._manifest.get("created_at")))])
        return [each for each in held if beginning.size <= each.size <= end]

    def _check_manifest(self) -> None:
        about = {name: value for name, value in self._manifest.items() if name != "signature"}
        public = self._keys.get(str(about.get("key_id")))
        try:
            if set(self._manifest) != _MEMBERS[self._manifest["format"]]:
                raise ValueError("members")
            signature = bytes.fromhex(self._manifest["signature"])
            if signature.hex() != self._manifest["signature"]:
                raise ValueError("another spelling")
            if public is None:
                self._say("unknown_key", None, "The manifest's.")
            else:
                Ed25519PublicKey.from_public_bytes(public).verify(signature, PURPOSE + canonical(about))
            with self._export.open(MANIFEST) as file:
                if file.read() != canonical(self._manifest) + b"\n":
                    raise ValueError("another spelling")
        except (InvalidSignature, TypeError, ValueError):
            self._say("manifest_changed", None)

    def _check_files(self) -> None:
        described = self._manifest.get("files")
        described = described if isinstance(described, dict) else {}
        names = {EVENTS, CHECKPOINTS, KEYS} if self._proves_itself else {KEYS, *described}
        for name in sorted(names):
            if not _is_plain(name) or described.get(name) != self._export.digest(name):
                self._say("file_changed", None, name)

    def _changes(self) -> Iterator[Statement]:
        lines = self._export.document(KEYS).get("changes")
        for line in lines if isinstance(lines, list) else ():
            try:
                yield read_line(str(line))
            except BadCheckpoint:
                # The file's digest says that it was changed.
                continue

    def _checkpoints(self) -> Iterator[Statement]:
        for number, line in enumerate(self._export.lines(CHECKPOINTS), 1):
            try:
                yield read_line(line)
            except BadCheckpoint:
                self._say("line_damaged", None, f"Line {number} of {CHECKPOINTS}.")

    def _links(self) -> Iterator[Link]:
        for number, line in enumerate(self._export.lines(EVENTS), 1):
            link = self._read(line)
            if link is None:
                self._say("line_damaged", None, f"Line {number} of {EVENTS}.")
            else:
                yield link

    def _read(self, line: bytes) -> Link | None:
        """None for a line that no export of ours has."""
        try:
            content = orjson.loads(line)
            seq, leaf, event = content["seq"], bytes.fromhex(content["leaf"]), content.get("event")
            written = canonical(event) if event is not None else b""
        except (AttributeError, KeyError, NotCanonical, TypeError, ValueError):
            return None
        shown = b'"event":' + written + b"," if event is not None else b""
        if type(seq) is not int or line != b'{%b"leaf":"%b","seq":%d}' % (shown, leaf.hex().encode(), seq):
            return None
        if event is None:
            return Link(seq, leaf)
        self._shown.add(leaf)
        link = Link(seq, leaf, fault=self._fault(event, written, leaf), at=_moment(event))
        if isinstance(event, dict) and event.get("kind") == KIND:
            link.retained = str(event.get("id")), event.get("detail")
        return link

    def _fault(self, event: Any, written: bytes, leaf: bytes) -> str | None:
        if not isinstance(event, dict):
            return "event_unreadable"
        if (event.get("project_ref") or 0) != self._ref:
            return "event_moved"
        return None if leaf_of(written) == leaf else "event_changed"

    def _say(self, kind: str, seq: int | None, more: str = "") -> None:
        self._report.damage(kind, self._ref, seq, more)


def _moment(event: Any) -> str:
    at = event.get("at") if isinstance(event, dict) else ""
    return at if isinstance(at, str) else ""


def _is_plain(name: str) -> bool:
    """No way to another folder."""
    return name not in ("", ".", "..") and not {"/", "\\", "\0"} & set(name)


def _is_hex(value: Any, length: int | None = None) -> bool:
    return (
        isinstance(value, str)
        and _HEX.fullmatch(value) is not None
        and len(value) % 2 == 0
        and length in (None, len(value))
    )
