"""Tools found by their words: ranked, bounded, and by nothing that the key may not use."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import orjson
import pytest

from projects.authentication import KeyRecord
from proxy.aggregate.meta import shown
from proxy.aggregate.meta.definitions import DEFINITIONS, listed_name
from proxy.aggregate.meta.index import MAX_WORDS, rank, words_of
from proxy.aggregate.meta.names import _OURS, Ours
from proxy.aggregate.meta.search import describe_tool, search_tools
from proxy.aggregate.names import shown_name
from servers.definitions import problems
from servers.models import State
from servers.offers import Offered
from servers.rights import Rule
from tests.growth import Work, assert_in_proportion
from tests.proxy.aggregate.test_lists import ALL, KEY, Asker, snapshot


def tool(name: str, description: str = "", title: str = "", arguments: tuple[str, ...] = (), **more: Any) -> Offered:
    schema = {"type": "object", "properties": {each: {"type": "string"} for each in arguments}}
    text = orjson.dumps({"name": name, "title": title, "description": description, "inputSchema": schema})
    state = more.get("state", State.APPROVED)
    return Offered("tool", name, state, frozenset({"d"}), definitions={"modern": text}, current={"modern": "d"})


class Searcher(Asker):
    def found(self, query: str, key: KeyRecord = KEY, **arguments: Any) -> list[str]:
        result = asyncio.run(search_tools(self.call("tools/call", key), {"query": query, **arguments}))
        assert [each["score"] for each in result["tools"]] == sorted(
            (each["score"] for each in result["tools"]), reverse=True
        )
        return [each["name"] for each in result["tools"]]


SERVERS = {
    "mail": [
        tool("send_message", "Sends an e-mail to somebody.", arguments=("recipient", "subject")),
        tool("searchInbox", "Looks through messages that came.", arguments=("query",)),
        tool("delete_message", "Deletes one.", state=State.WAITING),
    ],
    "files": [
        tool("read_file", "Reads a whole file.", arguments=("path",)),
        tool("list_files", "Names what is in a folder, such as message files.", arguments=("path",)),
        tool("run", "Does something else.", title="Send anything anywhere"),
    ],
}


@pytest.mark.claim("meta.search")
@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("send", ["mail__send_message", "files__run"]),
        ("search the inbox", ["mail__searchInbox"]),
        ("read files", ["files__read_file", "files__list_files"]),
        ("recipient", ["mail__send_message"]),
        ("FOLDER", ["files__list_files"]),
        ("run", ["files__run"]),
        ("mail__searchInbox", ["mail__searchInbox"]),
        ("list_files", ["files__list_files"]),
        ("e-mail", ["mail__send_message"]),
        ("nothing of this kind", []),
        ("!!!", []),
    ],
)
def test_what_fits_best_comes_first(query: str, first: list[str]) -> None:
    found = Searcher(snapshot(SERVERS)).found(query)
    assert found[: len(first)] == first
    assert bool(found) == bool(first)


@pytest.mark.claim("meta.rights")
def test_what_the_key_may_not_use_is_not_found_and_changes_no_score() -> None:
    searcher = Searcher(snapshot(SERVERS, (ALL, Rule("deny", "files", "", "run"))))
    assert searcher.found("delete send anything") == ["mail__send_message"]
    mail_only = dataclasses.replace(KEY, servers=("mail",))

    def scores(held: dict[str, list[Offered]], key: KeyRecord) -> list[dict[str, Any]]:
        asker = Searcher(snapshot(held))
        result = asyncio.run(search_tools(asker.call("tools/call", key), {"query": "message"}))
        return list(result["tools"])

    assert scores(SERVERS, mail_only) == scores({"mail": SERVERS["mail"]}, KEY)


@pytest.mark.claim("meta.search")
def test_a_name_that_two_servers_have_is_none_without_its_server() -> None:
    searcher = Searcher(snapshot({"a": [tool("x")], "b": [tool("x"), tool("a__x")]}))

    def described(**arguments: Any) -> str:
        result = asyncio.run(describe_tool(searcher.call("tools/call"), arguments))
        return f"{result['server_name']}/{result['tool_name']}"

    assert described(name="x", server_name="b") == "b/x"
    assert described(name="b__x") == "b/x"
    assert described(name="a__x") == "a/x"
    with pytest.raises(Exception, match="x"):
        described(name="x")


@pytest.mark.claim("meta.search")
def test_a_search_takes_time_in_proportion_to_the_tools() -> None:
    def searching(servers: int) -> Work:
        held = {f"s{number}": [tool(f"do_{each}_of_{number}", "What it does. " * 20, arguments=("a", "b"))
                               for each in range(50)] for number in range(servers)}  # fmt: skip
        searcher = Searcher(snapshot(held))
        # By the first search the index is made.
        assert len(searcher.found("what does of 17", limit=50)) == 50
        return lambda: searcher.found("do 17 of 23")

    assert_in_proportion(searching, 15)


@pytest.mark.claim("meta.search")
def test_a_query_has_so_many_words_and_others_have_their_turn_while_it_is_answered() -> None:
    words = [chr(0x4E00 + number) for number in range(250)]
    held = {f"s{number}": [tool(f"t{each}", " ".join(words)) for each in range(200)] for number in range(10)}
    held["last"] = [tool("found", words[MAX_WORDS])]
    searcher = Searcher(snapshot(held))
    assert "last__found" not in searcher.found(" ".join(words), server_name="last")
    assert searcher.found(words[MAX_WORDS], server_name="last") == ["last__found"]
    turns = 0

    async def search() -> None:
        nonlocal turns
        entries = [each for slug in held for each in await searcher.aggregate.index.entries(searcher.call(), slug)]
        searching = asyncio.create_task(rank(entries, " ".join(words)))
        while not searching.done():
            turns += 1
            await asyncio.sleep(0)

    asyncio.run(search())
    assert turns > 3


@pytest.mark.claim("meta.search")
def test_others_have_their_turn_while_it_is_decided_which_tools_of_a_large_server_a_key_may_use() -> None:
    searcher = Searcher(snapshot({"large": [tool(f"t{number}") for number in range(5_000)]}))
    turns = 0

    async def look() -> None:
        nonlocal turns
        call = searcher.call()
        # The index is made, and the words of it, before it is counted.
        assert len(await shown.tools(call, "large")) == 5_000
        looking = asyncio.create_task(shown.tools(call, "large"))
        while not looking.done():
            turns += 1
            await asyncio.sleep(0)

    asyncio.run(look())
    assert turns > 3


def test_words_that_are_grown_together_are_taken_apart() -> None:
    assert words_of("getHTTPPages list_of-files v2Class") == ["get", "httppage", "list", "of", "file", "v2", "class"]


@pytest.mark.claim("meta.names")
def test_no_tool_of_a_server_is_called_like_one_of_ours() -> None:
    for name in _OURS:
        for cut in range(1, len(name)):
            assert shown_name(name[:cut].replace("_", "-"), name[cut:]) != name
            assert shown_name(name[:cut].replace("_", "-"), name[cut:] * 40) not in _OURS


@pytest.mark.claim("meta.names")
@pytest.mark.parametrize("ours", Ours)
def test_a_listed_definition_is_one_that_we_would_let_through(ours: Ours) -> None:
    listed = DEFINITIONS[ours].listed(listed_name(ours))
    assert list(problems("tool", listed)) == []
    assert DEFINITIONS[ours].check.violation({}) is None or DEFINITIONS[ours].required
