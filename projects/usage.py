"""When keys were last used, written behind: the data path only notes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from projects.models import ApiKey
from projects.scoping import unscoped


def store(uses: Mapping[str, float]) -> None:
    """Key ids with POSIX times. Raises django.db.Error."""
    with unscoped("keys of all projects were used"):
        for key_id, moment in uses.items():
            ApiKey.objects.filter(key_id=key_id).update(last_used_at=datetime.fromtimestamp(moment, UTC))
