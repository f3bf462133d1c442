"""The README says of each variable of the environment that there is, and of none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.databases import ROOT

_READ = re.compile(r"""\("((?:GATEWAY|DATABASE|REDIS)_[A-Z_]+)"|^    "(GATEWAY_[A-Z_]+)", default""", re.M)


def read_by_the_settings() -> set[str]:
    text = (ROOT / "gateway_site" / "settings.py").read_text()
    return {first or second for first, second in _READ.findall(text)}


def in_the_table() -> set[str]:
    """A name that begins with `_` is the one before it, from its last words on."""
    names: set[str] = set()
    for line in Path(ROOT / "README.md").read_text().splitlines():
        found = re.findall(r"`([A-Z_]+)`", line.split("|")[1]) if line.startswith("| `") else []
        for each in found:
            names.add(_continued(found[0], each) if each.startswith("_") else each)
    return {name for name in names if not name.startswith("OTEL_")}


def _continued(first: str, ending: str) -> str:
    """The one name that the settings read which begins as the first does and ends so."""
    words = first.split("_")
    for count in range(len(words) - 1, 0, -1):
        name = "_".join(words[:count]) + ending
        if name in read_by_the_settings():
            return name
    return first + ending


@pytest.mark.claim("settings.documented")
def test_each_variable_is_in_the_table_and_each_of_the_table_is_read() -> None:
    assert len(read_by_the_settings()) > 40
    assert in_the_table() == read_by_the_settings()
