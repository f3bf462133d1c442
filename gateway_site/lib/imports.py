"""Keeps what libraries import, and a process of ours does not use, out of its memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_OFFERED = ("rich", "twisted")


def import_structlog() -> None:
    """Without Twisted and Rich, which it only offers: 5 MB and 0.07 s of CPU in each process.

    To be called before anything else imports it. What is imported already stays, and can be imported later.
    """
    hidden = [name for name in _OFFERED if name not in sys.modules]
    # An entry of None lets the import fail with ImportError, which structlog is prepared for.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is what the import system looks for
    try:
        import structlog  # noqa: F401  to have it imported
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def used_later(*modules: str) -> Iterator[None]:
    """Inside, what is imported from these modules is a stand-in, which imports the real thing once it is used.

    For functions, classes and modules that the importing code calls, or asks for something, and does not derive from.
    A module that is imported already is itself.
    """
    absent = [name for name in modules if name not in sys.modules]
    sys.modules.update({name: _ModuleLater(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


class _ModuleLater(ModuleType):
    def __getattr__(self, name: str) -> _Later:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Later(self.__name__, name)


class _Later:
    def __init__(self, module: str, name: str) -> None:
        self._place = (module, name)

    def _real(self) -> Any:
        module, name = self._place
        return getattr(import_module(module), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)
