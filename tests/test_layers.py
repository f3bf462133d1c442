"""Imports go down only, and each door is the only one."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from importlinter.cli import lint_imports

pytestmark = pytest.mark.claim("layers.contracts")
ROOT = Path(__file__).resolve().parents[1]
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in CONFIG["contracts"]}


def test_the_code_keeps_every_contract(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_no_contract_was_dropped() -> None:
    assert set(CONTRACTS) >= {
        "imports go down only",
        "the protocol library stays behind proxy.protocol and servers",
        "stages and the pipeline know no ORM",
        "the audit log has one door",
        "outbound HTTP has one door",
    }


def test_the_layers_stand_in_their_order() -> None:
    layers = CONTRACTS["imports go down only"]["layers"]
    assert [layer for layer in layers if " " not in layer] == [
        "proxy", "servers", "guardrails", "audit", "projects", "gateway_site.lib",
    ]  # fmt: skip


def test_every_part_of_the_composition_root_stands_above_all_others() -> None:
    top = {name.strip() for name in re.split("[|:]", CONTRACTS["imports go down only"]["layers"][0])}
    parts = {
        f"gateway_site.{path.stem}"
        for path in (ROOT / "gateway_site").iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or path.name == "management"
    }
    assert parts <= top


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_a_contract_speaks_of_is_there(name: str) -> None:
    """A contract about a module that was renamed would hold for ever."""
    for module in CONTRACTS[name].get("source_modules", []):
        assert importlib.util.find_spec(module) is not None, module
