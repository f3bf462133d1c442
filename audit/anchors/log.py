"""Standard output, from where a collector takes it away. Not by the log's level: a checkpoint is no remark."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from audit.anchors import registry


@registry.add
class LogAnchor:
    """`{"event":"audit checkpoint","checkpoint":{…}}`, one line each."""

    name = "log"

    def publish(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            sys.stdout.write(f'{{"event":"audit checkpoint","checkpoint":{line.decode()}}}\n')
        sys.stdout.flush()
