"""How a long-lived thread leaves its database connection between two pieces of work."""

from __future__ import annotations

import time

from django.db import close_old_connections, connection


def give_back() -> None:
    """Call after each piece of work of a thread that will ask again.

    On PostgreSQL the connection goes back to the pool, for others to use. On SQLite there is no pool, and to open the
    file anew takes ten times as long as the thread's usual query: there it stays, unless it has seen an error.
    """
    if connection.vendor == "sqlite":
        connection.close_at = time.monotonic() if connection.errors_occurred else None
    close_old_connections()
