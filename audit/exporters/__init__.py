"""What makes files and messages of the log, one form each; a form whose lines stand alone registers here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gateway_site.lib.registry import Registry


class LineFormat(Protocol):
    """One event, one line: for files and for what is sent on as it happens. Made anew for each use."""

    name: str
    label: str
    suffix: str
    media_type: str

    def header(self) -> bytes:
        """What stands before the first line of a file; often nothing."""

    def line(self, record: Mapping[str, Any], seq: int) -> bytes:
        """The event with its number in its log, and the line's end.

        `record` is the event as it is sealed (audit.rows.record_of), with its `detail` as an object.
        """


registry: Registry[LineFormat] = Registry(__name__, entry_points="mcp_gateway.audit_formats")
