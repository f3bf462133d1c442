"""The arithmetic of the proof: an event's leaf, the chain of a project's leaves, and the Merkle root of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

START = bytes(32)


def leaf_of(canonical: bytes) -> bytes:
    """SHA-256(0x00 || canonical): the leaf hash of RFC 9162 section 2.1.1."""
    return hashlib.sha256(b"\x00" + canonical).digest()


def link(previous: bytes, seq: int, leaf: bytes) -> bytes:
    """SHA-256(0x02 || previous || seq as 8 bytes, big-endian || leaf)."""
    return hashlib.sha256(b"\x02" + previous + seq.to_bytes(8, "big") + leaf).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree head of RFC 9162 section 2.1.1 over leaf hashes."""
    if not leaves:
        return hashlib.sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        # The last of an odd number goes up as it is, which gives the standard's tree.
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level = above + level[len(above) * 2 :]
    return level[0]


def path_to(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The inclusion path of RFC 9162 section 2.1.3.1 for the leaf at `index`, from the leaf to the root."""
    path, level = [], list(leaves)
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level = above + level[len(above) * 2 :]
        index //= 2
    return path


def root_along(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion path leads to (RFC 9162 section 2.1.3.2); None for a path that does not fit."""
    if not 0 <= index < size:
        return None
    last, node = size - 1, leaf
    for each in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            node = hashlib.sha256(b"\x01" + each + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + each).digest()
        index, last = index >> 1, last >> 1
    return node if last == 0 else None


class Tree:
    """The same head as root_of(), one leaf at a time; what it keeps is the logarithm of what it saw."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """`peaks` are the heads of the perfect trees that `size` leaves make, the largest first."""
        self.size, self.peaks = size, list(peaks)

    def add(self, leaf: bytes) -> None:
        self.size += 1
        head, joined = leaf, self.size
        while joined % 2 == 0:
            head, joined = hashlib.sha256(b"\x01" + self.peaks.pop() + head).digest(), joined // 2
        self.peaks.append(head)

    def root(self) -> bytes:
        if not self.peaks:
            return hashlib.sha256().digest()
        head = self.peaks[-1]
        for left in reversed(self.peaks[:-1]):
            head = hashlib.sha256(b"\x01" + left + head).digest()
        return head
