"""What may be killed is each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import own_database, own_redis


@pytest.fixture
def database() -> Iterator[str]:
    with own_database() as url:
        yield url


@pytest.fixture
def broker() -> Iterator[str]:
    """A Redis database of the test's own, since workers of another run would take its messages."""
    with own_redis() as url:
        yield url
