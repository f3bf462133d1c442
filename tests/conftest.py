"""Settings of the whole suite: each run has a database of its own, so that two may run at one time."""

from __future__ import annotations

import os

import pytest
from django.db import connections


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    connections["default"].settings_dict["TEST"]["NAME"] = f"test_mcpgw_{os.getpid()}" if _is_server() else None


def _is_server() -> bool:
    return connections["default"].vendor == "postgresql"
