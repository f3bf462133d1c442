"""Where a log of the database begins by its signed retention, for those who write it out."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from audit import logs, rows, signing
from audit.checkpoint import endorsed
from audit.models import Retention
from audit.retained import is_authentic


def retention_end(project_ref: int) -> int:
    """Up to where the log was dropped by a retention of ours; 0 when it was not, or not by us."""
    gone = logs.dropped_of(project_ref)
    if not gone:
        return 0
    return gone if announced_end(project_ref) >= gone else 0


def announced_end(project_ref: int) -> int:
    """Up to where retentions of ours say that the log is dropped, whether it is already or not; 0 without one."""
    keys = trusted_keys()
    found = Retention.objects.filter(project_ref=project_ref).order_by("-last")
    return next((each.last for each in found.iterator() if is_ours(each, keys)), 0)


def trusted_keys() -> dict[str, bytes]:
    """Public keys by id, with those that followed."""
    return endorsed(signing.public_keys(), logs.key_changes())


def is_ours(retention: Retention, keys: Mapping[str, bytes]) -> bool:
    """Who can write to the database can write a row of that table."""
    try:
        detail = orjson.loads(retention.statement)
    except orjson.JSONDecodeError:
        return False
    stated = {"first_seq": retention.first, "last_seq": retention.last, "before": rows.stamp(retention.before)}
    return is_authentic(detail, retention.project_ref, keys) and stated.items() <= detail.items()
