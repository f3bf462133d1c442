"""The second wall: PostgreSQL itself shows a bounded request the rows of its projects only, also to raw SQL.

A connection says whose rows it may see in the setting `gateway.projects`: an array of project numbers, or nothing,
which is every project. Nothing is what workers and the data plane say, who serve no person and have the first wall
(projects.scoping) only. On SQLite, which has no row security, the first wall stands alone, and so it does for a role
of PostgreSQL that row security does not hold for (`is_in_force`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from django.apps import AppConfig
from django.db import DatabaseError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate

SETTING = "gateway.projects"
# What the running request may see at all, or None for no bound (projects.scoping.within).
bound: ContextVar[frozenset[int] | None] = ContextVar("bound_projects", default=None)

# --- a request's bound --------------------------------------------------------------------------------------


@contextmanager
def bounded(projects: frozenset[int] | None) -> Iterator[None]:
    """The bound inside, also the database's; None is none. Enter it in the thread that the queries run in."""
    token = bound.set(projects)
    try:
        _tell(connection)
        yield
    finally:
        bound.reset(token)
        _tell_at_the_end(connection)


def _tell(to: BaseDatabaseWrapper) -> None:
    """Says the bound to a connection that has another one; to one that is not open yet it is said as it opens.

    Raises django.db.Error, and then nobody goes on with a connection that says something else.
    """
    if to.vendor != "postgresql" or to.connection is None:
        return
    raw: Any = to.connection
    wanted = _as_array(bound.get())
    if getattr(raw, "gateway_projects", "") == wanted:
        return
    raw.gateway_projects = None
    try:
        with to.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, false)", [SETTING, wanted])
    except DatabaseError:
        if not to.in_atomic_block:
            to.close()
        raise
    raw.gateway_projects = wanted


def _tell_at_the_end(to: BaseDatabaseWrapper) -> None:
    """A broken transaction takes back what it was told as it is rolled back; what fails here is told again later."""
    if to.vendor != "postgresql" or to.connection is None:
        return
    raw: Any = to.connection
    if to.needs_rollback or raw.info.transaction_status.name == "INERROR":
        raw.gateway_projects = _as_array(bound.get())
        return
    try:
        _tell(to)
    except DatabaseError:
        # The answer is made by now, and the connection is either closed or will be told again before it is used.
        return


def _as_array(projects: frozenset[int] | None) -> str:
    return "" if projects is None else "{" + ",".join(str(each) for each in sorted(projects)) + "}"


def _opened(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Also for one that comes from the pool, however it was left there."""
    _tell(connection)


# --- the tables and their policies --------------------------------------------------------------------------


class Table(NamedTuple):
    """`column` has the project's number. Of a table `of_log` only reading is bounded: who acts anywhere may add."""

    name: str
    column: str
    of_log: bool = False


_tables: dict[str, Table] = {}
_POLICY = "of_these_projects"
# Asked once for each statement, and not for each row.
_SAID = f"NULLIF(current_setting('{SETTING}', true), '')"


def protect(name: str, column: str, *, of_log: bool = False) -> None:
    """Every tenant model is protected by itself (projects.scoping)."""
    _tables[name] = Table(name, column, of_log)


def protected() -> list[Table]:
    return sorted(_tables.values())


def connect(app: AppConfig) -> None:
    connection_created.connect(_opened, dispatch_uid="row-security-opened")
    # At the end of all migrations, whichever they are, so that no new table is forgotten.
    post_migrate.connect(install, sender=app, dispatch_uid="row-security-install")


def install(using: str = "default", **_: Any) -> None:
    """Makes the policies that are missing. Needs the tables' owner."""
    if connections[using].vendor != "postgresql":
        return
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname = ANY(%s)"
            " AND relnamespace = current_schema()::regnamespace AND NOT (relforcerowsecurity AND relrowsecurity"
            " AND EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = pg_class.oid AND polname = %s))",
            [list(_tables), _POLICY],
        )
        for (name,) in cursor.fetchall():
            for statement in _statements(_tables[name]):
                cursor.execute(statement)


def _statements(table: Table) -> Iterator[str]:
    name = f'"{table.name}"'
    is_theirs = f"(SELECT {_SAID}) IS NULL OR {table.column} = ANY (COALESCE((SELECT {_SAID}::bigint[]), '{{}}'))"
    yield f"DROP POLICY IF EXISTS {_POLICY} ON {name}"
    if table.of_log:
        yield f"CREATE POLICY {_POLICY} ON {name} FOR SELECT USING ({is_theirs})"
        for act, clause in (("insert", "WITH CHECK"), ("update", "USING"), ("delete", "USING")):
            yield f"DROP POLICY IF EXISTS any_{act} ON {name}"
            yield f"CREATE POLICY any_{act} ON {name} FOR {act.upper()} {clause} (true)"
    else:
        yield f"CREATE POLICY {_POLICY} ON {name} USING ({is_theirs})"
    # The tables are the gateway's own, and an owner is exempt unless it is forced.
    yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"


def is_in_force() -> bool:
    """Whether the database holds to it for the role that we are: not on SQLite, and not for a superuser."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = current_user")
        return bool(cursor.fetchone()[0])
