"""Functions as Celery's tasks, with types, which Celery has none of."""

from __future__ import annotations

from collections.abc import Callable

from celery import shared_task


def task(name: str) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Makes a function a task of this name. Called as a function it does the same, here and at once."""
    decorate: Callable[[Callable[[], int]], Callable[[], int]] = shared_task(name=name)
    return decorate
