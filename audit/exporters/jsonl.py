"""JSON lines, canonical (RFC 8785): the same line for an event as in the export that proves itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.canonical import canonical_of_record
from audit.chain import leaf_of
from audit.export_format import event_line
from audit.exporters import registry


@registry.add
class JsonLines:
    """`{"event":{…},"leaf":"<hex>","seq":17}`: whoever has the line can check its leaf."""

    name = "jsonl"
    label = "JSON lines, proving themselves"
    suffix = ".jsonl"
    media_type = "application/x-ndjson"

    def header(self) -> bytes:
        return b""

    def line(self, record: Mapping[str, Any], seq: int) -> bytes:
        """Raises canonical.NotCanonical."""
        event = canonical_of_record(record)
        return event_line(seq, leaf_of(event), event)
