#!/usr/bin/env python3
"""Verifies an export of the audit log of Secure MCP Gateway. One file; needs Python 3.11 or newer and `cryptography`.

    python verify_audit.py FOLDER_OR_ZIP --public-key keys.json [--checkpoint FILE] [--json]
    python verify_audit.py PROOF.json --public-key keys.json           # of one event, as its page gives it

The public keys must come from somewhere else than the export, best from https://<gateway>/.well-known/
gateway-audit-keys.json at a time when you trusted it. Without them only the export's own consistency can be seen.
--checkpoint takes checkpoints that you kept earlier, one a line.

An export in another form than JSON lines holds no leaves: of it the signature is checked, and the files against that.

Exit status: 0 intact, 1 tampered (what and where is printed), 2 cannot tell.

What is checked, and all there is to know to write this again:
  canonical  RFC 8785 (JSON Canonicalization Scheme)
  leaf       SHA-256(0x00 || canonical(event))
  chain      SHA-256(0x02 || previous chain || number as 8 bytes, big-endian || leaf), from 32 zero bytes
  root       Merkle tree head of RFC 9162 section 2.1.1 over the leaves since the checkpoint before
  path       inclusion proof of RFC 9162 section 2.1.3, of one event's leaf under such a root
  signature  Ed25519 over "mcpgw-audit-checkpoint/1\\n" || canonical(the checkpoint without its signatures), and over
             "mcpgw-audit-manifest/1\\n" || canonical(the manifest without its signature)
  "root"     of a manifest: the tree head over the leaves of the events that the export shows
  retention  the detail of an event audit.retained says that the log was dropped up to last_seq; its signature is over
             "mcpgw-audit-retention/1\\n" || canonical(the detail without its signature), and it holds the checkpoint
             that the log goes on from
  key id     the first 16 hexadecimal digits of SHA-256(public key)
This file shares no code with the gateway.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import math
import os
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

FILES = ("events.jsonl", "checkpoints.jsonl", "keys.json")
# What reading something that is not as it should be may raise.
DAMAGED = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
Checkpoint = dict[str, Any]


class Unusable(Exception):
    """There is no telling."""


# --- canonical JSON -------------------------------------------------------------------------------------------------
def number(value: float) -> str:
    """ECMAScript's Number::toString. Python's repr() finds the same digits and places the point elsewhere."""
    value = float(value)
    if not math.isfinite(value):
        raise ValueError("not a number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = (f"{abs(value)!r}").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    n = int(exponent or 0) + (len(whole) if whole != "0" else len(digits) - len(fraction))
    digits = digits.rstrip("0")
    k = len(digits)
    if k <= n <= 21:
        return sign + digits + "0" * (n - k)
    if 0 < n <= 21:
        return sign + digits[:n] + "." + digits[n:]
    if -6 < n <= 0:
        return sign + "0." + "0" * -n + digits
    power = ("+" if n > 0 else "-") + str(abs(n - 1))
    return sign + digits[0] + ("." + digits[1:] if k > 1 else "") + "e" + power


def canonical_text(value: Any) -> str:
    if isinstance(value, str):
        # The standard library escapes what RFC 8785 escapes, in the same way.
        return encode_basestring(value)
    if isinstance(value, dict):
        names = sorted(value, key=utf_16) if not all(map(str.isascii, value)) else sorted(value)
        return "{" + ",".join([encode_basestring(name) + ":" + canonical_text(value[name]) for name in names]) + "}"
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < 2**53:
        return str(value)
    if isinstance(value, (int, float)):
        return number(value)
    return "[" + ",".join([canonical_text(item) for item in value]) + "]"


def utf_16(name: str) -> bytes:
    return name.encode("utf-16-be")


def canonical(value: Any) -> bytes:
    return canonical_text(value).encode("utf-8")


def parse(raw: bytes) -> Any:
    """JSON in its one spelling; anything else is an error."""
    value = json.loads(raw.decode("utf-8"))
    if canonical(value) != raw:
        raise ValueError("not canonical")
    return value


def unhex(text: str) -> bytes:
    value = bytes.fromhex(text)
    if value.hex() != text:
        raise ValueError("another spelling")
    return value


# --- hashes and signatures ------------------------------------------------------------------------------------------
def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def merkle(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01", merkle(leaves[:split]), merkle(leaves[split:]))


def root_of_path(leaf: bytes, index: int, leaves: int, path: Sequence[bytes]) -> bytes:
    """RFC 9162 section 2.1.3.2. The empty text where the path does not fit the place."""
    if not 0 <= index < leaves:
        return b""
    fn, sn, node = index, leaves - 1, leaf
    for each in path:
        if sn == 0:
            return b""
        if fn % 2 or fn == sn:
            node = sha256(b"\x01", each, node)
            while fn % 2 == 0 and fn:
                fn, sn = fn // 2, sn // 2
        else:
            node = sha256(b"\x01", node, each)
        fn, sn = fn // 2, sn // 2
    return node if sn == 0 else b""


def key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def checkpoint_message(checkpoint: Checkpoint) -> bytes:
    about = {name: value for name, value in checkpoint.items() if name not in ("signature", "next_signature")}
    return b"mcpgw-audit-checkpoint/1\n" + canonical(about)


def is_authentic(checkpoint: Checkpoint, public: bytes) -> bool:
    message = checkpoint_message(checkpoint)
    following = unhex(checkpoint.get("next_key", ""))
    if following and not is_signed(following, unhex(checkpoint.get("next_signature", "")), message):
        return False
    return is_signed(public, unhex(checkpoint["signature"]), message)


def parse_checkpoint(raw: bytes) -> Checkpoint:
    value: Checkpoint = parse(raw)
    needed = {"project_ref", "size", "root", "chain", "at", "previous", "key_id", "signature"}
    if not needed <= set(value) <= needed | {"next_key", "next_signature"}:
        raise ValueError("members")
    if type(value["size"]) is not int or type(value["project_ref"]) is not int:
        raise ValueError("numbers")
    for name in ("root", "chain", "previous", "signature", "next_key", "next_signature"):
        unhex(value.get(name, ""))
    return value


def parse_line(raw: bytes) -> tuple[int, bytes, Any, bytes]:
    """A line's number, leaf, event and the event's canonical text, which is empty where the event was left out."""
    content = json.loads(raw.decode("utf-8"))
    seq, leaf = content["seq"], unhex(content["leaf"])
    text = canonical(content["event"]) if "event" in content else b""
    shown = b'"event":' + text + b"," if text else b""
    written = b'{%b"leaf":"%b","seq":%d}' % (shown, leaf.hex().encode(), seq)
    if type(seq) is not int or len(leaf) != 32 or raw != written:
        raise ValueError("not as exports are written")
    return seq, leaf, content.get("event"), text


# --- reading --------------------------------------------------------------------------------------------------------
class Export:
    def __init__(self, path: str) -> None:
        self.path = path
        self.archive: zipfile.ZipFile | None = None
        if os.path.isdir(path):
            return
        if not zipfile.is_zipfile(path):
            raise Unusable(f"{path} is neither a folder nor a ZIP archive")
        self.archive = zipfile.ZipFile(path)

    def open(self, name: str) -> IO[bytes]:
        try:
            return self.archive.open(name) if self.archive else open(os.path.join(self.path, name), "rb")
        except (KeyError, OSError):
            raise Unusable(f"{name} is missing") from None

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()


def read_keys(path: str) -> dict[str, bytes]:
    """A JWK set or a PEM public key."""
    with open(path, "rb") as file:
        raw = file.read()
    if raw.lstrip().startswith(b"-----"):
        key = load_pem_public_key(raw)
        if not isinstance(key, Ed25519PublicKey):
            raise Unusable(f"{path} is no Ed25519 key")
        public = key.public_bytes_raw()
        return {key_id(public): public}
    return keys_of(json.loads(raw))


def keys_of(key_set: dict[str, Any]) -> dict[str, bytes]:
    found = {}
    for each in key_set["keys"]:
        if each.get("crv") == "Ed25519":
            public = base64.urlsafe_b64decode(each["x"] + "=" * (-len(each["x"]) % 4))
            found[key_id(public)] = public
    return found


def with_followers(keys: Mapping[str, bytes], lines: Iterable[str]) -> dict[str, bytes]:
    """What trusted keys say about the keys that follow them."""
    changes = []
    for line in lines:
        try:
            changes.append(parse_checkpoint(line.encode("utf-8")))
        except DAMAGED:
            continue
    trusted = dict(keys)
    for _ in changes:
        for each in changes:
            public = trusted.get(each["key_id"])
            if public is not None and each.get("next_key") and is_authentic(each, public):
                following = unhex(each["next_key"])
                trusted[key_id(following)] = following
    return trusted


# --- the verification -----------------------------------------------------------------------------------------------
class Verifier:
    def __init__(self, export: Export, keys: Mapping[str, bytes]) -> None:
        self.export = export
        self.kept: list[Checkpoint] = []
        self.problems: list[dict[str, Any]] = []
        self.shown: list[bytes] = []
        self.notes: list[str] = []
        try:
            self.manifest = json.loads(export.read("manifest.json"))
            self.own_keys = json.loads(export.read("keys.json"))
            if self.manifest["format"] not in ("mcpgw-audit-export/1", "mcpgw-audit-file/1"):
                raise Unusable("the format is not mcpgw-audit-export/1")
            changes = self.own_keys.get("changes", [])
            self.keys = with_followers(keys if keys else keys_of(self.own_keys), changes)
        except DAMAGED as error:
            raise Unusable(f"the manifest or the keys cannot be read: {error}") from None
        self.project = self.manifest.get("project_ref")
        self.events = 0

    def say(self, kind: str, place: int | None, text: str = "") -> None:
        self.problems.append({"kind": kind, "project_ref": self.project, "seq": place, "text": text})

    def run(self) -> None:
        if self.manifest["format"] == "mcpgw-audit-file/1":
            self.check_file()
            return
        self.check_manifest(FILES)
        checkpoints = self.read_checkpoints()
        try:
            start = self.manifest["first_seq"] - 1
            chain = unhex(self.manifest["chain_before"])
        except DAMAGED:
            self.say("manifest_changed", None, "where it begins")
            return
        self.check_order(checkpoints, start)
        marks: dict[int, list[Checkpoint]] = {}
        for each in checkpoints:
            marks.setdefault(each["size"], []).append(each)
        kept: dict[int, list[Checkpoint]] = {}
        for each in self.kept:
            if each["project_ref"] == self.project:
                kept.setdefault(each["size"], []).append(each)
        seq = self.walk(start, chain, marks, kept)
        self.check_end(seq, marks, kept)

    def check_file(self) -> None:
        files, line, events = (self.manifest.get(name) for name in ("files", "checkpoint", "events"))
        self.check_manifest({"keys.json", *files} if isinstance(files, dict) else ["keys.json"])
        self.events = events if type(events) is int else 0
        try:
            checkpoint = parse_checkpoint(line.encode("utf-8")) if line is not None else None
        except DAMAGED:
            self.say("line_damaged", None, "the checkpoint in the manifest")
            return
        if checkpoint is not None:
            public = self.keys.get(checkpoint["key_id"])
            if public is None or checkpoint["project_ref"] != self.project or not is_authentic(checkpoint, public):
                self.say("checkpoint_forged", checkpoint["size"], "the one in the manifest")

    def check_manifest(self, names: Iterable[str]) -> None:
        about = {name: value for name, value in self.manifest.items() if name != "signature"}
        public = self.keys.get(str(about.get("key_id")))
        try:
            message = b"mcpgw-audit-manifest/1\n" + canonical(about)
            if public is None:
                self.say("unknown_key", None, "the manifest was signed by {}".format(about.get("key_id")))
            elif not is_signed(public, unhex(self.manifest["signature"]), message):
                self.say("manifest_changed", None, "the signature does not fit")
            if canonical(self.manifest) + b"\n" != self.export.read("manifest.json"):
                self.say("manifest_changed", None, "another spelling")
        except DAMAGED:
            self.say("manifest_changed", None)
        for name in sorted(names):
            if os.path.basename(name) != name or name in ("", ".", "..") or "\0" in name:
                self.say("file_changed", None, "a name that leads elsewhere")
                continue
            digest, size = hashlib.sha256(), 0
            with self.export.open(name) as file:
                while block := file.read(1 << 20):
                    digest.update(block)
                    size += len(block)
            files = self.manifest.get("files")
            if not isinstance(files, dict) or files.get(name) != {"sha256": digest.hexdigest(), "bytes": size}:
                self.say("file_changed", None, name)

    def read_checkpoints(self) -> list[Checkpoint]:
        found = []
        with self.export.open("checkpoints.jsonl") as file:
            for number_of_line, line in enumerate(file, 1):
                try:
                    found.append(parse_checkpoint(line.rstrip(b"\n")))
                except DAMAGED:
                    self.say("line_damaged", None, f"line {number_of_line} of checkpoints.jsonl")
        return found

    def check_order(self, checkpoints: list[Checkpoint], size: int) -> None:
        previous, signer = self.manifest.get("previous"), None
        for each in checkpoints:
            if each["previous"] != previous:
                self.say("checkpoint_missing", each["size"], "before this one")
            if each["size"] < size or each["project_ref"] != self.project:
                self.say("checkpoint_misplaced", each["size"])
            public = self.keys.get(each["key_id"])
            if public is None or (signer is not None and each["key_id"] != signer):
                self.say("unknown_key", each["size"], "signed by {}".format(each["key_id"]))
            elif not is_authentic(each, public):
                self.say("checkpoint_forged", each["size"])
            following = each.get("next_key")
            signer = key_id(unhex(following)) if following else each["key_id"]
            previous, size = each["signature"], each["size"]

    def walk(
        self, seq: int, chain: bytes, marks: dict[int, list[Checkpoint]], kept: dict[int, list[Checkpoint]]
    ) -> int:
        batch: list[bytes] = []
        whole = self.compare(seq, chain, batch, marks, True)
        with self.export.open("events.jsonl") as file:
            for number_of_line, line in enumerate(file, 1):
                try:
                    place, leaf, event, text = parse_line(line.rstrip(b"\n"))
                except DAMAGED:
                    self.say("line_damaged", None, f"line {number_of_line} of events.jsonl")
                    continue
                if place != seq + 1:
                    self.say("seal_missing", seq + 1, f"the next line is {place}")
                    whole = False
                seq = place
                if text:
                    self.check_event(event, text, leaf, seq)
                chain = sha256(b"\x02", chain, (seq % 2**64).to_bytes(8, "big"), leaf)
                batch.append(leaf)
                if seq in marks:
                    whole = self.compare(seq, chain, batch, marks, whole)
                    batch = []
                self.compare_kept(seq, chain, kept, whole)
        if batch:
            self.say("seals_unsigned", seq - len(batch) + 1, "no checkpoint is over them")
        return seq

    def check_event(self, event: Any, text: bytes, leaf: bytes, seq: int) -> None:
        self.events += 1
        self.shown.append(leaf)
        if not isinstance(event, dict) or (event.get("project_ref") or 0) != self.project:
            self.say("event_moved", seq, "it is of another project")
        elif sha256(b"\x00", text) != leaf:
            self.say("event_changed", seq)
        elif event.get("kind") == "audit.retained":
            self.check_retention(event, seq)

    def check_retention(self, event: dict[str, Any], seq: int) -> None:
        """That the beginning of the log was dropped is believed to who signs its checkpoints."""
        try:
            detail = event["detail"]
            about = {name: value for name, value in detail.items() if name != "signature"}
            message = b"mcpgw-audit-retention/1\n" + canonical(about)
            checkpoint = parse_checkpoint(detail["checkpoint"].encode("utf-8"))
            place = (checkpoint["project_ref"], checkpoint["size"])
            holds = (
                place == (detail["project_ref"], detail["last_seq"])
                and detail["project_ref"] == self.project
                and checkpoint["size"] < seq
                and is_signed(self.keys[detail["key_id"]], unhex(detail["signature"]), message)
                and is_authentic(checkpoint, self.keys[checkpoint["key_id"]])
            )
            text = "{first_seq} to {last_seq} were dropped, all before {before}".format(**detail)
        except DAMAGED:
            holds, text = False, ""
        if holds:
            self.notes.append("{}, by event {}".format(text, event.get("id")))
        else:
            self.say("retention_forged", seq)

    def compare(
        self, seq: int, chain: bytes, batch: list[bytes], marks: dict[int, list[Checkpoint]], whole: bool
    ) -> bool:
        """Whether the chain is still to be trusted."""
        for each in marks.pop(seq, ()):
            if whole and unhex(each["root"]) != merkle(batch):
                self.say("checkpoint_mismatch", seq)
            if whole and unhex(each["chain"]) != chain:
                self.say("history_rewritten", seq)
                whole = False
            batch = []
        return whole

    def compare_kept(self, seq: int, chain: bytes, kept: dict[int, list[Checkpoint]], whole: bool) -> None:
        for each in kept.pop(seq, ()):
            if whole and unhex(each["chain"]) != chain:
                self.say("witness_mismatch", seq, "a checkpoint that you kept says otherwise")

    def check_end(self, seq: int, marks: dict[int, list[Checkpoint]], kept: dict[int, list[Checkpoint]]) -> None:
        if marks:
            self.say("log_truncated", seq + 1, f"{max(marks)} events were signed")
        made = str(self.manifest.get("created_at"))
        if self.manifest.get("chosen") is None:
            beyond = [size for size, each in kept.items() if size > seq and each[0]["at"] <= made]
            if beyond:
                self.say("log_truncated", seq + 1, f"a checkpoint that you kept counts {max(beyond)} events")
        if self.manifest.get("last_seq") != seq or self.manifest.get("events") != self.events:
            self.say("manifest_changed", None, "it counts other events than are here")
        if self.manifest.get("root") != merkle(self.shown).hex():
            self.say("manifest_changed", None, "its root is that of other events")


def kept_checkpoints(paths: Iterable[str], keys: Mapping[str, bytes]) -> list[Checkpoint]:
    found = []
    for path in paths:
        with open(path, "rb") as file:
            for line in file:
                if line.strip():
                    found.append(parse_checkpoint(line.strip()))
    trusted = with_followers(keys, [canonical_text(each) for each in found])
    for each in found:
        public = trusted.get(each["key_id"])
        if public is None or not is_authentic(each, public):
            raise Unusable("a checkpoint that was given is not signed by a trusted key")
    return found


def verify_proof(proof: dict[str, Any], keys: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """What is wrong with the proof of one event."""
    seq, event = proof["seq"], proof["event"]
    checkpoint = parse_checkpoint(canonical(proof["checkpoint"]))
    project, leaf = checkpoint["project_ref"], sha256(b"\x00", canonical(event))
    path = [unhex(each) for each in proof["path"]]
    first = checkpoint["size"] - proof["leaves"] + 1
    trusted = with_followers(keys if keys else keys_of(proof), proof.get("changes", []))
    public = trusted.get(checkpoint["key_id"])
    wrong = {
        "event_moved": (event.get("project_ref") or 0) != project,
        "event_changed": leaf != unhex(proof["leaf"]),
        "checkpoint_mismatch": seq != first + proof["index"] or first < 1
        or root_of_path(leaf, proof["index"], proof["leaves"], path) != unhex(checkpoint["root"]),
        "unknown_key": public is None,
        "checkpoint_forged": public is not None and not is_authentic(checkpoint, public),
    }  # fmt: skip
    return [{"kind": kind, "project_ref": project, "seq": seq, "text": ""} for kind, is_so in wrong.items() if is_so]


def read_proof(path: str) -> dict[str, Any] | None:
    """The proof of one event that a file holds; None for a folder or an archive."""
    if os.path.isdir(path) or zipfile.is_zipfile(path):
        return None
    with open(path, "rb") as file:
        proof = json.loads(file.read())
    if proof["format"] != "mcpgw-audit-proof/1":
        raise Unusable("the format is not mcpgw-audit-proof/1")
    found: dict[str, Any] = proof
    return found


def verify(
    path: str, key_paths: Iterable[str], checkpoint_paths: Iterable[str]
) -> tuple[int, list[dict[str, Any]], int, str]:
    """Gives (exit status, problems, events, a remark)."""
    keys: dict[str, bytes] = {}
    for each in key_paths:
        keys.update(read_keys(each))
    proof, notes = read_proof(path), []
    if proof is not None:
        problems, events = verify_proof(proof, keys), 1
    else:
        verifier = Verifier(Export(path), keys)
        verifier.kept = kept_checkpoints(checkpoint_paths, verifier.keys)
        verifier.run()
        problems, events, notes = verifier.problems, verifier.events, verifier.notes
    if problems:
        return 1, problems, events, ""
    if not keys:
        text = "It is consistent, but signed by keys that only it names: give --public-key to know whose they are."
        return 2, [], events, text
    return 0, [], events, "; ".join(notes)


def main() -> int:
    parser = argparse.ArgumentParser(description="Verifies an export of the audit log.")
    parser.add_argument("export", help="the folder or ZIP archive, or the proof of one event")
    parser.add_argument("--public-key", action="append", default=[], help="a JWK set or PEM file that you trust")
    parser.add_argument("--checkpoint", action="append", default=[], help="checkpoints that you kept, one a line")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    try:
        status, problems, events, remark = verify(given.export, given.public_key, given.checkpoint)
    except (Unusable, OSError, *DAMAGED) as error:
        status, problems, events, remark = 2, [], 0, f"{error}"
    word = ("intact", "tampered", "cannot tell")[status]
    if given.json:
        print(json.dumps({"result": word, "events": events, "problems": problems, "remark": remark}))
    else:
        print(f"{word}: {events} events{'. ' + remark if remark else ''}")
        for each in problems:
            place = "" if each["seq"] is None else f", number {each['seq']}"
            print("project {}{}: {} {}".format(each["project_ref"], place, each["kind"], each["text"]))
    return status


if __name__ == "__main__":
    sys.exit(main())
