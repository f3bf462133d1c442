"""What can be done about an event, as upper layers know it: each link is an address and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from audit.models import Event

_links: list[Callable[[Event], Iterable[tuple[str, str]]]] = []


def link_events_with(function: Callable[[Event], Iterable[tuple[str, str]]]) -> None:
    """`function` gives an event's links. They are shown to whoever may change the configuration of its project."""
    _links.append(function)


def links_of(event: Event) -> Iterator[tuple[str, str]]:
    for function in _links:
        yield from function(event)
