"""A bounded store of what projects have in this process, in which none can take the place of another's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Shares(Generic[Key, Value]):
    """What a project has used least recently goes first; where all is full, of the project that has most."""

    def __init__(self, of_project: int, in_all: int) -> None:
        self._of_project, self._in_all = of_project, in_all
        self._held: dict[int, OrderedDict[Key, Value]] = {}
        self._project_of: dict[Key, int] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._project_of

    def get(self, key: Key) -> Value | None:
        """Counts as use."""
        project = self._project_of.get(key)
        if project is None:
            return None
        held = self._held[project]
        held.move_to_end(key)
        return held[key]

    def put(self, project: int, key: Key, value: Value) -> list[tuple[Key, Value]]:
        """What had to go for it."""
        self.pop(key)
        own = self._held.setdefault(project, OrderedDict())
        own[key] = value
        self._project_of[key] = project
        gone = []
        while len(own) > self._of_project:
            gone.append(self._pop_oldest(project))
        while len(self._project_of) > self._in_all:
            gone.append(self._pop_oldest(self._largest_beside(project)))
        return gone

    def pop(self, key: Key) -> Value | None:
        project = self._project_of.pop(key, None)
        if project is None:
            return None
        held = self._held[project]
        value = held.pop(key)
        if not held:
            del self._held[project]
        return value

    def items(self) -> list[tuple[Key, Value]]:
        return [each for held in self._held.values() for each in held.items()]

    def _pop_oldest(self, project: int) -> tuple[Key, Value]:
        held = self._held[project]
        key, value = next(iter(held.items()))
        self.pop(key)
        return key, value

    def _largest_beside(self, project: int) -> int:
        """The project itself among equals, but never for the one thing that it has just been given."""
        has_more = len(self._held[project]) > 1
        return max(self._held, key=lambda each: (len(self._held[each]), (each == project) is has_more))
