"""What tools and prompts of a server are called at the address of all servers: `<server>__<name>`, or a short form."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

SEPARATOR = "__"
MAX_LENGTH = 64
# What every client takes as the name of a tool.
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_ODD = re.compile(r"[^A-Za-z0-9_.-]+")
_SLUG_KEPT = 20
_HASH_DIGITS = 24


def shown_name(slug: str, name: str) -> str:
    """The same for the same two at all times, at most 64 characters of [A-Za-z0-9_.-].

    Slugs hold no "_". So the first "_" of a whole name is followed by another one, and that of a shortened name by a
    digit of its hash: no name of the one kind is one of the other.
    """
    whole = f"{slug}{SEPARATOR}{name}"
    if len(whole) <= MAX_LENGTH and _NAME.fullmatch(name):
        return whole
    digest = hashlib.sha256(f"{slug}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    head = f"{slug[:_SLUG_KEPT]}_{digest}_"
    return head + _ODD.sub("-", name)[: MAX_LENGTH - len(head)]


def by_shown_name(places: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Servers and names by what they are called. Two that are called the same are both left out."""
    found: dict[str, tuple[str, str]] = {}
    doubled: set[str] = set()
    for place in places:
        shown = shown_name(*place)
        if found.setdefault(shown, place) != place:
            doubled.add(shown)
    return {shown: place for shown, place in found.items() if shown not in doubled}
