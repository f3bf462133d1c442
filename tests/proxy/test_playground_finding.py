"""The playground finds tools by name, a bounded part of them, in one order, and none that may not be called."""

from __future__ import annotations

import asyncio

import pytest

from proxy.playground import finding
from proxy.playground.finding import MOST, Found
from servers.models import State
from servers.rights import Rule
from tests.proxy.aggregate.test_lists import ALL, Asker, offered, snapshot

pytestmark = pytest.mark.claim("pages.growth")


def find(asker: Asker, typed: str = "") -> Found:
    return asyncio.run(finding.find(asker.call(), typed))


def paths(found: Found) -> list[str]:
    return [f"{each.server}/{each.name}" for each in found.tools]


@pytest.fixture(scope="module")
def crowd() -> Asker:
    names = [f"s{number:04}" for number in range(2_000)]
    return Asker(snapshot({slug: [offered(f"read_{slug}"), offered("write")] for slug in names}))


def test_where_there_are_thousands_the_first_come_in_their_order(crowd: Asker) -> None:
    found = find(crowd)
    assert found.more and len(found.tools) == MOST
    assert paths(found) == sorted(paths(found)) and paths(found)[:2] == ["s0000/read_s0000", "s0000/write"]


def test_what_is_typed_finds_any_and_what_begins_so_comes_first(crowd: Asker) -> None:
    assert paths(find(crowd, "READ s1999")) == ["s1999/read_s1999"]
    assert paths(find(crowd, " s1999/ ")) == ["s1999/read_s1999", "s1999/write"]
    assert paths(find(crowd, "write"))[0] == "s0000/write"
    assert find(crowd, "nothing").tools == [] and not find(crowd, "nothing").more
    few = Asker(snapshot({"a": [offered("b/c")], "b": [offered("c")]}))
    assert paths(find(few, "b/c")) == ["b/c", "a/b/c"]


def test_it_is_what_a_client_would_be_listed() -> None:
    asker = Asker(snapshot(
        {"a": [offered("one"), offered("waits", State.WAITING), offered("no")], "closed": [offered("one")]},
        (ALL, Rule("deny", "closed", "", "*"), Rule("deny", "", "", "no")),
    ))  # fmt: skip
    found = find(asker)
    assert [each.definition["name"] for each in found.tools] == asker.names() == ["a__one"]
    assert not found.more

    def named(name: str) -> finding.Tool | None:
        return asyncio.run(finding.named(asker.call(), name))

    one = named("a__one")
    assert one is not None and one.definition["inputSchema"]["type"] == "object"
    for other in ("a__waits", "a__no", "closed__one", "nothing", ""):
        assert named(other) is None
