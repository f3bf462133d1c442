"""Takes new checkpoints to the anchors: the newest of each log, each anchor at its own pace."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.db import connection
from prometheus_client import Gauge

from audit import logs
from audit.anchors import AnchorFailed, registry
from audit.entry import now
from audit.models import AnchorPosition, Checkpoint

logger = structlog.get_logger("audit.anchoring")
FAILING = Gauge("mcpgw_audit_anchor_failing", "1 while an anchor takes no checkpoints.", ["anchor"])


def publish() -> int:
    """Publishes what is new, unless that was done just before, here or elsewhere. How many anchors took something."""
    return sum(_publish_to(name) for name in settings.AUDIT_ANCHORS if _is_ours(name))


def _is_ours(name: str) -> bool:
    """Of any number that try at one time one is right, until the next time."""
    before = now() - timedelta(seconds=settings.AUDIT_ANCHOR_SECONDS)
    rows = AnchorPosition.objects.filter(pk=name)
    if rows.filter(at__lt=before).exists():
        return bool(rows.filter(at__lt=before).update(at=now()))
    return not rows.exists() and AnchorPosition.objects.get_or_create(pk=name, defaults={"at": now()})[1]


def _publish_to(name: str) -> bool:
    row = AnchorPosition.objects.get(pk=name)
    newest = _newest_of_each_log(row.checkpoint_id)
    if not newest:
        return False
    try:
        registry.get(name)().publish([logs.statement_of(each).to_line() for each in newest])
    except (AnchorFailed, OSError) as error:
        FAILING.labels(name).set(1)
        logger.error("an anchor took no checkpoints", anchor=name, error=str(error) or type(error).__name__)
        return False
    FAILING.labels(name).set(0)
    AnchorPosition.objects.filter(pk=name).update(checkpoint_id=max(each.pk for each in newest))
    return True


def _newest_of_each_log(after: int) -> list[Checkpoint]:
    new = Checkpoint.objects.filter(pk__gt=after)
    if connection.vendor == "postgresql":
        return sorted(new.order_by("project_ref", "-pk").distinct("project_ref"), key=lambda each: each.pk)
    return list({each.project_ref: each for each in new.order_by("pk")}.values())
