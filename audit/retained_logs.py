"""Where a log of the database begins by its signed retention, for those who write it out."""

from __future__ import annotations

import orjson

from audit import logs, signing
from audit.checkpoint import endorsed
from audit.models import Retention
from audit.retained import is_authentic


def retention_end(project_ref: int) -> int:
    """Up to where the log was dropped by a retention of ours; 0 when it was not, or not by us."""
    gone = logs.dropped_of(project_ref)
    if not gone:
        return 0
    keys = endorsed(signing.public_keys(), logs.key_changes())
    statements = Retention.objects.filter(project_ref=project_ref, last__gte=gone).values_list("statement", flat=True)
    return gone if any(is_authentic(orjson.loads(each), project_ref, keys) for each in statements) else 0
