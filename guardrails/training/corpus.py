"""Reads labelled texts for training: gzipped JSON lines, without the rows whose licence forbids training."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """`label` is 1 for what is to be found, and 0 for everything else, topics by name among it.

    `package` names what a harmless text was cut from, "" if nothing does; `context` is a text that came with this one.
    """

    text: str
    label: int
    source: str
    kind: str = ""
    package: str = ""
    may_train: bool = True
    context: str = ""


def read(path: Path, *, to_evaluate: bool = False) -> Iterator[Row]:
    """Rows that may be trained on; with `to_evaluate` the others too.

    Raises KeyError for a row that does not say whether it may be trained on, OSError for a file that is not there.
    """
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            raw = json.loads(line)
            may_train = raw["may_train"] is True
            if (may_train or to_evaluate) and raw["text"].strip():
                yield Row(
                    raw["text"], int(raw["label"] == 1), raw["source"], raw.get("kind") or raw.get("sub") or "",
                    str(raw.get("pkg") or ""), may_train, str(raw.get("context") or ""),
                )  # fmt: skip


def part_of(key: str, parts: int, salt: str = "") -> int:
    """Which of so many parts a key falls into; the same key always into the same."""
    digest = hashlib.sha256(f"{salt}:{key}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") % parts
