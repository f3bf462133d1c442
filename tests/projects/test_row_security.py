"""PostgreSQL's own wall: what a bounded request sees with raw SQL, and what is left of it afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.backends.signals import connection_created
from django.test import Client
from django.urls import path

from audit.recorder import record
from projects import row_security, services
from projects.models import Membership, Project, User
from projects.scoping import NoActiveProject, TenantModel, unscoped, with_project, within
from tests.cast import Cast, two_tenants

pytestmark = pytest.mark.claim("scope.database")
needs_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no row security")


def raw(statement: str, values: Any = ()) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def seen() -> set[int]:
    return {row[0] for row in raw("SELECT project_id FROM projects_membership")}


def said() -> str:
    return str(raw("SELECT coalesce(current_setting('gateway.projects', true), '')")[0][0])


@pytest.fixture
def ordinary_role(db: None) -> None:
    """The suite's role may be a superuser, whom row security never holds for."""
    with connection.cursor() as cursor:
        for statement in as_ordinary(f"ordinary_{uuid.uuid4().hex[:8]}"):
            cursor.execute(statement)


def as_ordinary(name: str) -> list[str]:
    return [
        f"CREATE ROLE {name} NOLOGIN", f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}", f"SET ROLE {name}",
    ]  # fmt: skip


@needs_postgresql
def test_every_table_of_a_tenant_has_its_policy(db: None) -> None:
    wanted = {model._meta.db_table for model in apps.get_models() if issubclass(model, TenantModel)}
    named = {each.name for each in row_security.protected()}
    assert wanted | {Project._meta.db_table} <= named
    forced = {
        row[0] for row in raw(
            "SELECT relname FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid"
            " WHERE relrowsecurity AND relforcerowsecurity AND polname = 'of_these_projects'"
        )
    }  # fmt: skip
    assert forced == named


@needs_postgresql
def test_raw_sql_within_projects_sees_only_theirs(cast: Cast, ordinary_role: None) -> None:
    acme, globex = cast.acme.pk, cast.globex.pk
    assert row_security.is_in_force()
    assert seen() == {acme, globex}
    for chosen in ([acme], [globex], [acme, globex], []):
        with within(chosen):
            assert seen() == set(chosen)
            assert {row[0] for row in raw("SELECT id FROM projects_project")} == set(chosen)
    assert seen() == {acme, globex}
    with within([acme]):
        with unscoped("the test looks at all"):
            assert seen() == {acme, globex}
        assert seen() == {acme}


@needs_postgresql
def test_raw_sql_within_projects_writes_only_theirs(cast: Cast, ordinary_role: None) -> None:
    with within([cast.acme.pk]), connection.cursor() as cursor:
        cursor.execute("UPDATE projects_membership SET role = 'auditor'")
        assert cursor.rowcount == 3
        cursor.execute("DELETE FROM projects_membership WHERE project_id = %s", [cast.globex.pk])
        assert cursor.rowcount == 0
        for statement in (
            "INSERT INTO projects_membership (project_id, user_id, role, created_at) VALUES (%s, %s, 'owner', now())",
            "UPDATE projects_membership SET project_id = %s WHERE user_id = %s",
        ):
            with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
                cursor.execute(statement, [cast.globex.pk, cast.bob.pk])
    with unscoped("the test looks"):
        assert Membership.objects.get(user=cast.mallory).role == "owner"


@needs_postgresql
def test_raw_sql_within_projects_reads_only_their_log_and_may_add_to_any(cast: Cast, ordinary_role: None) -> None:
    """What concerns no project is recorded too, whoever does it."""
    with within([cast.acme.pk]):
        record("test.made", subject="x")
        record("test.made", subject="x", project_ref=cast.globex.pk)
        assert {row[0] for row in raw("SELECT project_ref FROM audit_event")} == {cast.acme.pk}
    assert {None, cast.acme.pk, cast.globex.pk} <= {row[0] for row in raw("SELECT project_ref FROM audit_event")}


@needs_postgresql
def test_a_transaction_that_is_rolled_back_leaves_the_bound_as_it_was(cast: Cast, ordinary_role: None) -> None:
    acme = cast.acme.pk
    with within([acme]):
        with pytest.raises(ZeroDivisionError), transaction.atomic(), unscoped("inside of what is rolled back"):
            raise ZeroDivisionError
        assert seen() == {acme}
        with pytest.raises(DatabaseError), transaction.atomic(), unscoped("inside of what breaks"):
            raw("SELECT 1 / 0")
        assert seen() == {acme}
        with unscoped("around it"):
            with pytest.raises(DatabaseError), transaction.atomic():
                raw("SELECT 1 / 0")
            assert seen() == {acme, cast.globex.pk}
        assert seen() == {acme}
    with pytest.raises(DatabaseError), transaction.atomic(), within([acme]):
        raw("SELECT 1 / 0")
    assert seen() == {acme, cast.globex.pk}


def test_a_scope_inside_of_another_can_only_be_narrower(cast: Cast) -> None:
    acme, globex = cast.acme.pk, cast.globex.pk
    with within([acme]):
        for wider in (with_project(globex), within([acme, globex]), within([globex])):
            with pytest.raises(NoActiveProject), wider:
                pass
        with with_project(acme), within([acme]):
            assert Membership.objects.count() == 3
        with pytest.raises(NoActiveProject):
            services.set_member(project=cast.globex, user=cast.ada, role="owner")
    with within([acme, globex]):
        assert Membership.objects.count() == 4
        with with_project(globex):
            assert Membership.objects.count() == 1
    with within([]):
        assert Membership.objects.count() == 0


# --- on the pool's connections ------------------------------------------------------------------------------


@pytest.fixture
def ordinary_connections(transactional_db: None) -> Iterator[None]:
    """Every connection that is used from now on is an ordinary role's, as the pool hands it out."""
    name = f"ordinary_{uuid.uuid4().hex[:8]}"
    *grants, set_role = as_ordinary(name)
    with connection.cursor() as cursor:
        for statement in grants:
            cursor.execute(statement)

    def become(connection: Any, **_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(set_role)

    connection_created.connect(become)
    connection.close()
    try:
        yield
    finally:
        connection_created.disconnect(become)
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has one
        with connection.cursor() as cursor:
            for statement in (f"DROP OWNED BY {name}", f"DROP ROLE {name}"):
                cursor.execute(statement)


def look(request: Any) -> Any:
    from django.http import JsonResponse

    looks.append((id(connection.connection), seen(), said()))
    return JsonResponse({})


looks: list[tuple[int, set[int], str]] = []
urlpatterns = [path("look/", look)]


@needs_postgresql
@pytest.mark.urls(__name__)
def test_a_request_leaves_nothing_behind_on_its_connection(ordinary_connections: None) -> None:
    cast = two_tenants()
    looks.clear()
    operator = User.objects.create_superuser("operator@gateway.test")
    for person in (cast.ada, operator, cast.mallory, None, cast.ada):
        client = Client()
        if person is not None:
            client.force_login(person)
        client.get("/look/")
    both = {cast.acme.pk, cast.globex.pk}
    assert len({each[0] for each in looks}) == 1, "they had one connection"
    assert [each[1] for each in looks] == [{cast.acme.pk}, both, {cast.globex.pk}, both, {cast.acme.pk}]
    assert said() == ""


@needs_postgresql
def test_a_connection_that_comes_back_in_the_middle_is_told_again(ordinary_connections: None) -> None:
    cast = two_tenants()
    acme, both = {cast.acme.pk}, {cast.acme.pk, cast.globex.pk}
    with within(acme):
        assert seen() == acme
        connection.close()
        assert seen() == acme
        connection.close()
    assert seen() == both
    assert said() == ""
