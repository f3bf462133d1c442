"""A file that is only ever added to (GATEWAY_AUDIT_ANCHOR_FILE)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from django.conf import settings

from audit.anchors import registry


@registry.add
class FileAnchor:
    """Lines are on disk when publish() returns. Best on a disk that the database's administrators cannot write to."""

    name = "file"

    def publish(self, lines: Sequence[bytes]) -> None:
        path = settings.AUDIT_ANCHOR_FILE
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # In one piece, so that lines of two processes do not mix.
            os.write(descriptor, b"".join(line + b"\n" for line in lines))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
