"""Months of the log that are still to come: each has its partition before its first event (PostgreSQL)."""

from __future__ import annotations

from django.db import connection

_MONTHS = 4


def prepare() -> int:
    """Makes the partitions of this month and the next ones, where they are missing. How many were made."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        # Who waits for the log's lock keeps those waiting who write to it.
        cursor.execute("SET lock_timeout = '2s'")
        try:
            cursor.execute("SELECT audit_prepare_partitions(now()::date, %s)", [_MONTHS])
            return int(cursor.fetchone()[0])
        finally:
            cursor.execute("SET lock_timeout = DEFAULT")
