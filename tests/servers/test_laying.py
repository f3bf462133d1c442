"""Which name stands for which tool, once a project has laid overlays over some of a server's tools."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.laying import Overlays
from servers.overlays import Overlay

pytestmark = pytest.mark.claim("overlays.everywhere")
NAMES = st.sampled_from("abcde")
OVERLAYS = st.dictionaries(
    NAMES, st.builds(lambda rename, hidden: Overlay("", rename=rename, hidden=hidden),
                     st.one_of(st.just(""), NAMES), st.booleans()), max_size=4
)  # fmt: skip
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}


@given(OVERLAYS)
def test_a_name_leads_to_the_tool_that_is_shown_under_it(by_tool: dict[str, Overlay]) -> None:
    held = Overlays(by_tool)
    renamed = [each.rename for each in by_tool.values() if each.rename and not each.hidden]
    for tool in "abcde":
        name = held.name(tool)
        if tool in by_tool and by_tool[tool].hidden:
            assert name is None
        elif name is not None and renamed.count(name) <= 1:
            assert held.tool(name) == tool
    for name in "abcde":
        found = held.tool(name)
        assert found is None or held.name(found) == name


def test_an_overlay_that_does_not_fit_any_more_hides_the_tool() -> None:
    held = Overlays({"echo": Overlay("echo", rename="say", rename_arguments={"text": "words"})})
    laid = held.lay("echo", {"name": "echo", "inputSchema": TEXT})
    assert laid is not None
    assert (laid.shown["name"], set(laid.shown["inputSchema"]["properties"])) == ("say", {"words"})
    changed = {"type": "object", "properties": {"other": {"type": "string"}}}
    assert held.lay("echo", {"name": "echo", "inputSchema": changed}) is None


def test_a_hidden_argument_that_must_be_given_is_pinned_to_its_default() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}, "required": ["a"]}
    laid = Overlays({"t": Overlay("t", hide_arguments=("a",))}).lay("t", {"name": "t", "inputSchema": schema})
    assert laid is not None
    assert laid.overlay.pinned == {"a": "x"}
