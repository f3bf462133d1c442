"""What the product promises: every sentence here is proven by a test that names its id, and by test_claims.py."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Claim:
    """`source` says where the promise comes from: a standard, or the page of ours that makes it."""

    id: str
    sentence: str
    source: str


# Those of no one app; the others stand beside the tests that prove them.
_OURS: list[tuple[str, str, str]] = [
    ("settings.documented", "Each variable that the settings read is in the README, and no other.", "README.md"),
    ("plugins.registry", "A plug-in is one file that registers itself by name.", "servers/README.md"),
    ("layers.contracts", "Imports go down only, and each door is the only one.", "pyproject.toml"),
    ("claims.complete", "Every promise has a test, and every file of tests a promise.", "tests/claims.py"),
]


def _collected() -> dict[str, Claim]:
    """Those above, and those in each `claims_*.py`."""
    rows = list(_OURS)
    here = Path(__file__).resolve().parent
    for path in sorted(here.glob("*/claims_*.py")):
        rows += importlib.import_module(f"tests.{path.parent.name}.{path.stem}").CLAIMS
    claims = {row[0]: Claim(*row) for row in rows}
    if len(claims) != len(rows):
        raise ValueError("two claims have one id")
    return claims


CLAIMS: dict[str, Claim] = _collected()
