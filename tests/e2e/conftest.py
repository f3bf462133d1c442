"""The scene of tenancy and revocation: once on PostgreSQL and Redis, once embedded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.scene import Scene, scene


@pytest.fixture(scope="package", params=["postgresql", "sqlite"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made
