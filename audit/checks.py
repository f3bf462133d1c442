"""System checks of the log: its anchors exist, and the application's database role cannot change it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from audit.anchors import registry
from audit.append_only import TABLES
from audit.destinations import BadDestination, of_settings


@register()
def the_anchors_are_known(app_configs: Any, **_: Any) -> list[CheckMessage]:
    unknown = sorted(set(settings.AUDIT_ANCHORS) - set(registry.names()))
    if not unknown:
        return []
    hint = f"There are {', '.join(registry.names())}."
    return [Error(f"GATEWAY_AUDIT_ANCHORS names what is no anchor: {', '.join(unknown)}.", hint=hint, id="audit.E001")]


@register()
def the_log_can_be_forwarded(app_configs: Any, **_: Any) -> list[CheckMessage]:
    try:
        of_settings()
    except BadDestination as error:
        return [Error(f"GATEWAY_AUDIT_FORWARD cannot be used: {error}.", id="audit.E002")]
    return []


@register(Tags.database)
def the_role_cannot_change_the_log(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Runs with `check --database default` and before migrations."""
    found: list[CheckMessage] = []
    for name in databases or ():
        if connections[name].vendor == "postgresql":
            found += _look(name)
    return found


def _look(name: str) -> list[CheckMessage]:
    with connections[name].cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_has_role(current_user, relowner, 'USAGE'),"
            " has_table_privilege(oid, 'UPDATE') OR has_table_privilege(oid, 'DELETE')"
            " OR has_table_privilege(oid, 'TRUNCATE') FROM pg_class"
            " WHERE relname = ANY(%s) AND relnamespace = current_schema()::regnamespace",
            [list(TABLES)],
        )
        risky = [(table, owns) for table, owns, may_change in cursor.fetchall() if owns or may_change]
    if not risky:
        return []
    owned = any(owns for _, owns in risky)
    return [
        Warning(
            f"The database role of the application {'owns' if owned else 'may change'} "
            f"{', '.join(sorted(table for table, _ in risky))}: only triggers keep it from changing the log.",
            hint="Run the application with a role of its own; docs/audit.md has the statements.",
            id="audit.W001",
        )
    ]
