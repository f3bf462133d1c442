"""Waits in a request's thread for what runs on the event loop, and holds no database connection meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from asgiref.sync import async_to_sync
from django.db import connection

T = TypeVar("T")


def wait_for(work: Callable[..., Awaitable[T]], *given: Any, **named: Any) -> T:
    """What it gives; raises what it raises.

    A worker has few connections, which the data plane needs too, and whoever is waited for, such as somebody's server
    or provider, may take its time. Inside of a transaction the connection stays, since the transaction is its.
    """
    if not connection.in_atomic_block:
        connection.close()
    return async_to_sync(work)(*given, **named)
