"""Plug-ins register themselves by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway_site.lib.registry import Named, Registry
from servers.upstream import transports

pytestmark = pytest.mark.claim("plugins.registry")


class Red:
    name = "red"


class AlsoRed:
    name = "red"


def test_every_module_of_the_package_is_loaded_on_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "plugins_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from gateway_site.lib.registry import Registry\nregistry = Registry('plugins_of_a_test')\n"
    )
    for name in ("blue", "green"):
        (package / f"{name}.py").write_text(
            f"from plugins_of_a_test import registry\n@registry.add\nclass Plugin:\n    name = {name!r}\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    import plugins_of_a_test  # type: ignore[import-not-found]  # made above

    assert "plugins_of_a_test.blue" not in sys.modules
    registry = plugins_of_a_test.registry
    assert registry.names() == ["blue", "green"]
    assert registry.get("green").__module__ == "plugins_of_a_test.green"
    assert {plugin.name for plugin in registry} == {"blue", "green"}


def test_a_name_is_taken_once() -> None:
    registry: Registry[Named] = Registry("tests.lib")
    registry.add(Red)
    with pytest.raises(ValueError, match="already registered"):
        registry.add(AlsoRed)


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        transports.get("carrier-pigeon")


def test_the_three_transports_are_there() -> None:
    assert transports.names() == ["http", "sse", "stdio"]
