"""Plug-ins: a named class registers itself, and a package loads all of its modules once."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import pkgutil
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    name: str


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Classes by their `name`. `package` is the dotted path whose modules register on first use.

    `entry_points` is the group under which installed packages name modules that register theirs too.
    """

    def __init__(self, package: str, *, entry_points: str = "") -> None:
        self._package = package
        self._entry_points = entry_points
        self._classes: dict[str, type[T]] = {}
        self._loaded = False

    def add(self, cls: type[T]) -> type[T]:
        """Class decorator. Raises ValueError when the name is taken."""
        if cls.name in self._classes:
            raise ValueError(f"{cls.name!r} is already registered in {self._package}")
        self._classes[cls.name] = cls
        return cls

    def get(self, name: str) -> type[T]:
        """Raises KeyError for a name that no module registered."""
        self._load()
        return self._classes[name]

    def names(self) -> list[str]:
        self._load()
        return sorted(self._classes)

    def __iter__(self) -> Iterator[type[T]]:
        self._load()
        return iter(self._classes.values())

    def _load(self) -> None:
        if self._loaded:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        for entry_point in importlib.metadata.entry_points(group=self._entry_points) if self._entry_points else ():
            try:
                entry_point.load()
            except Exception:  # whatever another's code raises, its own names stay unknown and all others work
                logging.getLogger(__name__).exception("plug-in %s cannot be loaded", entry_point.name)
        self._loaded = True
