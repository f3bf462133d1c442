"""What became of each part of a file that is imported; whatever nobody speaks of is reported too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["mapped", "changed", "left out"]
_WORDS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Node:
    """A value of the file and where it stands; one that is not there has the value None."""

    value: Any
    path: str = ""

    def __getitem__(self, name: str) -> Node:
        value = self.value.get(name) if isinstance(self.value, dict) else None
        return Node(value, f"{self.path}.{name}" if self.path else name)

    def __bool__(self) -> bool:
        return self.value is not None

    def members(self) -> Iterator[tuple[str, Node]]:
        """Of an object; comments ("_doc…") are none."""
        for name in self.value if isinstance(self.value, dict) else ():
            if isinstance(name, str) and not name.startswith("_"):
                yield name, self[name]

    def numbered_members(self) -> Iterator[tuple[str, Node]]:
        """Of an object whose names are secrets, so that their places are numbers."""
        for number, (name, value) in enumerate(self.value.items() if isinstance(self.value, dict) else ()):
            yield str(name), Node(value, f"{self.path}[{number}]")

    def items(self) -> Iterator[Node]:
        """Of a list."""
        for number, value in enumerate(self.value if isinstance(self.value, list) else ()):
            yield Node(value, f"{self.path}[{number}]")

    def text(self) -> str:
        return self.value if isinstance(self.value, str) else ""

    def is_on(self) -> bool:
        return self.value is True or self["enabled"].value is True


@dataclass(frozen=True)
class Line:
    """`path` stands for itself, and with `whole` for all that is in it."""

    path: str
    outcome: Outcome
    text: str
    whole: bool = False


@dataclass
class Report:
    """Holds no value of the file that may be a secret: only places, names and words of ours."""

    lines: list[Line] = field(default_factory=list)
    _said: set[Line] = field(default_factory=set, repr=False)

    def mapped(self, node: Node, text: str, whole: bool = False) -> None:
        self._add(node, "mapped", text, whole)

    def changed(self, node: Node, text: str, whole: bool = False) -> None:
        self._add(node, "changed", text, whole)

    def left_out(self, node: Node, text: str, whole: bool = True) -> None:
        self._add(node, "left out", text, whole)

    def finish(self, root: Node, numbered: tuple[str, ...] = ()) -> None:
        """Adds a line for each leaf of which nothing is said. `numbered` are members whose names are secrets."""
        spoken = {line.path for line in self.lines}
        wholes = {line.path for line in self.lines if line.whole}
        for leaf in _leaves(root, numbered):
            if leaf.path not in spoken and not any(each in wholes for each in _above(leaf.path)):
                self.left_out(leaf, "not understood")

    def counts(self) -> dict[str, int]:
        names: tuple[Outcome, ...] = ("mapped", "changed", "left out")
        return {name: sum(line.outcome == name for line in self.lines) for name in names}

    def as_json(self) -> list[dict[str, str]]:
        return [{"place": line.path, "outcome": line.outcome, "text": line.text} for line in self.lines]

    def _add(self, node: Node, outcome: Outcome, text: str, whole: bool) -> None:
        """Nothing of what is not there, and nothing twice."""
        line = Line(node.path, outcome, text, whole)
        if node and line not in self._said:
            self._said.add(line)
            self.lines.append(line)


def _leaves(node: Node, numbered: tuple[str, ...]) -> Iterator[Node]:
    """What is empty says nothing."""
    if isinstance(node.value, dict):
        members = node.numbered_members() if node.path in numbered else node.members()
        for _, inner in members:
            yield from _leaves(inner, numbered)
    elif isinstance(node.value, list):
        for inner in node.items():
            yield from _leaves(inner, numbered)
    elif node:
        yield node


def _above(path: str) -> Iterator[str]:
    for place in range(len(path) - 1, 0, -1):
        if path[place] in ".[":
            yield path[:place]


class Names:
    """Slugs made from names, each once."""

    def __init__(self, fallback: str) -> None:
        self._fallback = fallback
        self._taken: set[str] = set()

    def slug(self, name: str) -> str:
        base = _WORDS.sub("-", name.lower()).strip("-")[:60].strip("-") or self._fallback
        slug, number = base, 1
        while slug in self._taken:
            number += 1
            slug = f"{base[:55].strip('-')}-{number}"
        self._taken.add(slug)
        return slug
