"""A stage of its own for each test."""

from __future__ import annotations

from typing import Any

import pytest

from projects.rest.meter import Meter
from tests.rest.callers import Stage, stage


@pytest.fixture
def rest(db: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Stage:
    monkeypatch.setattr("projects.rest.tokens.meter", Meter())
    return stage()
