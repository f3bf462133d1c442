"""Settings of the whole suite: each run has a database of its own, so that two may run at one time."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections, transaction
from django.test import Client

from audit import append_only
from gateway_site.static import CompressedStaticMiddleware
from tests import emptying, parallel

if TYPE_CHECKING:
    from tests.cast import Cast


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is made while thousands of tests are collected stays until the end: to look through it again and again
    takes two thirds of the time of collecting, and some of each test's.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if parallel.is_one_of_several():
        parallel.in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):  # type: ignore[misc]  # the library has no types
        def _split_scope(self, nodeid: str) -> str:
            return parallel.unit_of(nodeid)

    config.option.loadscopereorder = False
    return Units(config, log)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    settings = connections["default"].settings_dict
    settings["TEST"]["NAME"] = f"test_mcpgw_{os.getpid()}" if _is_server() else None
    if _is_server():
        # Nobody cuts the power of this server; who does has one of his own (tests.reliability.postgresql).
        settings["OPTIONS"]["options"] = "-c synchronous_commit=off"


def _is_server() -> bool:
    return connections["default"].vendor == "postgresql"


@pytest.fixture(scope="session", autouse=True)
def _tests_may_empty_the_log() -> Iterator[None]:
    """Between tests the tables are emptied, which the log's triggers would refuse to anybody."""
    empty = connections["default"].ops.execute_sql_flush

    def empty_the_log_too(statements: list[str]) -> None:
        with log_may_change():
            empty(statements)

    with emptying.only_what_has_rows(otherwise=empty_the_log_too):
        yield


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_looked_for_once() -> Iterator[None]:
    """Each client of Django's tests loads the middleware anew, which looks at every one of them."""
    served: Any = CompressedStaticMiddleware
    look = served.add_files_from_finders
    found: dict[str, dict[str, Any]] = {}

    def look_once(middleware: Any) -> None:
        if not found:
            look(middleware)
            found.update(files=dict(middleware.files), untouched=dict(middleware._untouched))
        middleware.files.update(found["files"])
        middleware._untouched.update(found["untouched"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served, "add_files_from_finders", look_once)
        yield


@pytest.fixture(autouse=True)
def _browsers_give_all_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Second factors too; tests of the sign-in itself have tests.signing_in.password_only."""
    from tests.signing_in import signed_in

    monkeypatch.setattr(Client, "force_login", signed_in)


@pytest.fixture
def cast(db: None) -> Cast:
    """Two tenants in an empty database."""
    from tests.cast import two_tenants

    return two_tenants()


@contextmanager
def log_may_change() -> Iterator[None]:
    """As somebody could who owns the tables, and whom the chain is for."""
    with transaction.atomic(), connections["default"].cursor() as cursor:
        if not _is_server():
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP TRIGGER {name}")
            yield
            append_only.install()
            return
        cursor.execute("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'audit_no_%%'")
        tables = [row[0] for row in cursor.fetchall()]
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
