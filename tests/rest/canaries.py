"""What stands in every text of one tenant and in none of the other."""

from __future__ import annotations


def canary_of(slug: str) -> str:
    return f"canary-of-{slug}"
