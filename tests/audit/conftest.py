"""Two tenants in an empty database."""

from __future__ import annotations

import pytest

from tests.cast import Cast, two_tenants


@pytest.fixture
def cast(db: None) -> Cast:
    return two_tenants()
