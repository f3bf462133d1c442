"""People, one of each kind, and a gateway with one row of everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from projects.models import User
from tests.admin.rows import HOSTILE, PASSWORD, Stored, store
from tests.admin.tenants import ROLES, Tenants, tenants
from tests.cast import Cast

__all__ = ["HOSTILE", "PASSWORD", "Stored"]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("operator@gateway.test", PASSWORD)


@pytest.fixture
def pages(operator: User) -> Client:
    """The operator's browser."""
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def staff(db: None) -> User:
    """May enter the admin and holds no operator's rights, though Django would give every permission."""
    from django.contrib.auth.models import Permission

    user = User.objects.create_user("staff@gateway.test", PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    return user


@pytest.fixture
def cast(cast: Cast) -> Cast:
    """Whose people have passwords."""
    for person in (cast.ada, cast.bob, cast.carla, cast.mallory):
        person.set_password(PASSWORD)
        person.save()
    return cast


@pytest.fixture
def stored(db: None) -> Stored:
    return store()


def everything_stored() -> str:
    """All rows of all tables as text."""
    with connection.cursor() as cursor:
        parts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            parts.append(f"{table}: {cursor.fetchall()!r}")
    return "\n".join(parts)


@pytest.fixture(scope="module")
def _tenants(django_db_setup: None, django_db_blocker: Any) -> Iterator[Tenants]:
    """Once for all tests of a file: each takes back what it does, and the last one leaves nothing."""
    with django_db_blocker.unblock(), transaction.atomic():
        made = tenants()
        for role in ROLES:
            made.client(role)
        yield made
        transaction.set_rollback(True)


@pytest.fixture
def two(_tenants: Tenants, db: None) -> Tenants:
    return _tenants.anew()
