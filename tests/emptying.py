"""Empties what a test wrote outside of a transaction of its own: only the tables that have rows.

Django's flush truncates every table and then fills permissions and content types again, for which PostgreSQL makes and
removes many files. Those two tables are left as the migrations have filled them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.core.management.commands import flush
from django.core.management.sql import emit_post_migrate_signal
from django.db import connections, transaction

_FILLED_BY_MIGRATIONS = {"django_content_type", "auth_permission"}


@contextmanager
def only_what_has_rows(otherwise: Callable[[list[str]], None]) -> Iterator[None]:
    """While it lasts, flush does this; `otherwise`, with flush's own statements, where it is not possible."""
    fill = emit_post_migrate_signal

    def empty(statements: list[str]) -> None:
        if _is_possible():
            _empty(sorted(_tables()))
        else:
            otherwise(statements)

    def fill_what_is_empty(verbosity: int, interactive: bool, database: str) -> None:
        if not _is_possible():
            fill(verbosity, interactive, database)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections["default"].ops, "execute_sql_flush", empty)
        patch.setattr(flush, "emit_post_migrate_signal", fill_what_is_empty)
        yield


@functools.cache
def _is_possible() -> bool:
    """On PostgreSQL, as a role that triggers and row security do not hold."""
    if connections["default"].vendor != "postgresql":
        return False
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
        return bool(cursor.fetchone()[0])


def _tables() -> set[str]:
    names = connections["default"].introspection.django_table_names(only_existing=True, include_views=False)
    return {connections["default"].ops.quote_name(name) for name in set(names) - _FILLED_BY_MIGRATIONS}


def _empty(tables: list[str]) -> None:
    with transaction.atomic(), connections["default"].cursor() as cursor:
        # As TRUNCATE does: who still writes ends first, and his rows go too.
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE")
        cursor.execute(" UNION ALL ".join(f"SELECT '{each}' WHERE EXISTS (SELECT FROM {each})" for each in tables))
        written = [table for (table,) in cursor.fetchall()]
        if written:
            # The log's triggers would refuse it. With all rows gone, none is left that refers to another.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("; ".join(f"DELETE FROM {table}" for table in written))
