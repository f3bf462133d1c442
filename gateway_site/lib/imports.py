"""Has libraries imported as our processes need them: without what they only offer, and with what they ask for first.

structlog offers Twisted and Rich, where they happen to be installed: 5 MB and 0.07 s of CPU. The protocol library
offers its clients and servers, with all that these are made of: 0.4 s of CPU to who needs its tables alone. NumPy asks
the kernel for pages of 2 MB.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_OFFERED = ("rich", "twisted")
_PROTOCOL = "mcp"


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


def put_off_protocol() -> None:
    """`mcp.shared.inbound` can be imported without what `mcp` itself offers, which comes when it is asked for.

    Nothing happens where `mcp` is imported already, or is not installed.
    """
    spec = find_spec(_PROTOCOL) if _PROTOCOL not in sys.modules else None
    if spec is not None:
        sys.modules[_PROTOCOL] = _put_off(spec)


def ask_for_small_pages() -> None:
    """To be called before NumPy is imported; who has said otherwise in the environment is heard.

    With huge pages the first touch of an array has the kernel clear 2 MB at once, at times with the interpreter held:
    where a host has yet to find the memory, that was 5 ms in which no other call went on.
    """
    os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")


def _put_off(spec: ModuleSpec) -> ModuleType:
    """A package as it is before its __init__.py has run; the first name that it does not have yet runs that."""
    module = module_from_spec(spec)
    turn = threading.RLock()
    started = False

    def load(name: str) -> Any:
        nonlocal started
        with turn:
            # What the package itself asks for while it runs is there, or is not.
            if not started and spec.loader is not None:
                started = True
                spec.loader.exec_module(module)
                del module.__getattr__
            if name in module.__dict__:
                return module.__dict__[name]
        raise AttributeError(f"module {spec.name!r} has no attribute {name!r}")

    module.__getattr__ = load  # type: ignore[method-assign]  # as PEP 562 has it
    return module


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
