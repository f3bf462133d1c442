"""A test of a connection, as it weighs on the worker that makes it: no connection of the database, and few at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections

from projects.scoping import with_project
from servers import conversation, trying
from servers.discovery import Discovered
from servers.models import Server
from tests.cast import two_tenants

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.claim("pages.waiting")]


def attempt(server: Server) -> trying.Trial:
    with with_project(server.project_id):
        return trying.try_server(server=server)


def test_a_server_that_takes_its_time_keeps_no_connection_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    server, here, held = two_tenants().server(), connections["default"], []

    async def discover(*_: Any, **__: Any) -> Discovered:
        held.append(here.connection)
        return Discovered({})

    monkeypatch.setattr(conversation, "discover", discover)
    assert attempt(server).error == ""
    assert held == [None]
    # What comes after it has one again.
    with with_project(server.project_id):
        assert Server.objects.count() == 1


def test_one_project_has_few_tests_at_once_and_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    cast = two_tenants()
    server, other = cast.server(), cast.server("vault", project=cast.globex)
    inner: list[str] = []

    async def discover(*_: Any, **__: Any) -> Discovered:
        return await asyncio.to_thread(again)

    def again() -> Discovered:
        """While one waits the next comes, until there is no room."""
        try:
            attempt(server)
        except ValidationError as error:
            inner.append(" ".join(error.messages))
            monkeypatch.setattr(conversation, "discover", answered)
            inner.append(attempt(other).error)
        finally:
            connections.close_all()
        return Discovered({})

    async def answered(*_: Any, **__: Any) -> Discovered:
        return Discovered({})

    monkeypatch.setattr(conversation, "discover", discover)
    attempt(server)
    assert inner == ["Other servers of the project are being tried: try again in a minute.", ""]
    # The places are given back.
    assert attempt(server).error == ""
