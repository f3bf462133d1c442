"""The statement that a log's beginning is dropped: what its event says, how it is signed and checked. No database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.canonical import NotCanonical, canonical
from audit.checkpoint import BadCheckpoint, Statement, read_line

KIND = "audit.retained"
# What is signed begins with it, so that no signature of ours means two things.
PURPOSE = b"mcpgw-audit-retention/1\n"
_TYPES = {
    "project_ref": int, "first_seq": int, "last_seq": int, "events": int, "before": str, "checkpoint": str,
    "at": str, "key_id": str, "signature": str,
}  # fmt: skip


def state(
    *, project_ref: int, first_seq: int, before: str, at: str, checkpoint: Statement, key_id: str,
    key: Ed25519PrivateKey,
) -> dict[str, Any]:  # fmt: skip
    """The detail of the event: the events from `first_seq` to the end of `checkpoint` are dropped.

    All of them are older than `before`; both times are RFC 3339 in UTC. The log goes on from the checkpoint, whose
    line the statement holds.
    """
    about = {
        "project_ref": project_ref, "first_seq": first_seq, "last_seq": checkpoint.size,
        "events": checkpoint.size - first_seq + 1, "before": before, "checkpoint": checkpoint.to_line().decode(),
        "at": at, "key_id": key_id,
    }  # fmt: skip
    return {**about, "signature": key.sign(PURPOSE + canonical(about)).hex()}


def is_authentic(detail: Any, project_ref: int, keys: Mapping[str, bytes]) -> bool:
    """Whether a trusted key has signed it for this log, over a checkpoint that one has signed too."""
    if not isinstance(detail, dict) or set(detail) != set(_TYPES):
        return False
    if any(type(detail[name]) is not kind for name, kind in _TYPES.items()) or detail["project_ref"] != project_ref:
        return False
    public = keys.get(detail["key_id"])
    about = {name: value for name, value in detail.items() if name != "signature"}
    try:
        checkpoint = read_line(detail["checkpoint"])
        if public is None:
            return False
        signature = bytes.fromhex(detail["signature"])
        Ed25519PublicKey.from_public_bytes(public).verify(signature, PURPOSE + canonical(about))
    except (BadCheckpoint, InvalidSignature, NotCanonical, ValueError):
        return False
    signer = keys.get(checkpoint.key_id)
    return (
        (checkpoint.project_ref, checkpoint.size) == (project_ref, detail["last_seq"])
        and signer is not None
        and checkpoint.is_signed_by(signer)
    )


def describe(detail: Mapping[str, Any], event: str) -> str:
    """For people."""
    first, last = detail["first_seq"], detail["last_seq"]
    return f"{first} to {last} are dropped, all before {detail['before'][:10]}, by event {event} of {detail['at']}"
