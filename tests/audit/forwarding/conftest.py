"""A receiver, and no thread that outlives its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from audit import forward_work
from tests.audit.forwarding.sending import join_threads
from tests.audit.receivers import Hook, hook


@pytest.fixture
def receiver() -> Iterator[Hook]:
    with hook() as played:
        yield played


@pytest.fixture(autouse=True)
def _no_threads_are_left() -> Iterator[None]:
    yield
    join_threads()
    forward_work._running.clear()
    forward_work._begun.clear()
