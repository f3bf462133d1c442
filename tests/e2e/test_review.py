"""A server that changes what it says of its tools, after all was well: what is new waits, and is refused meanwhile."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.conformance.gateway import Gateway
from tests.databases import own_database
from tests.e2e.client import Client, Reply
from tests.e2e.upstream import Upstream, running
from tests.waiting import wait_until

TOOL: dict[str, Any] = {
    "name": "echo",
    "title": "Echo",
    "description": "Gives the text back.",
    "inputSchema": {
        "type": "object",
        "properties": {"text": {"type": "string", "description": "What to say.", "default": "a"}},
        "required": [],
        "additionalProperties": True,
    },
    "outputSchema": {"type": "object", "properties": {"said": {"type": "string"}}},
    "annotations": {"readOnlyHint": True, "title": "Echo"},
    "icons": [{"src": "https://example.test/a.png"}],
    "_meta": {"vendor": "a"},
    "execution": {"taskSupport": "a"},
    "x-vendor": "a",
}
Change = Callable[[dict[str, Any]], None]


def _set(*path: str | int, to: Any) -> Change:
    def change(tool: dict[str, Any]) -> None:
        place: Any = tool
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


CHANGES: dict[str, Change] = {
    "title": _set("title", to="Echp"),
    "description": _set("description", to="Gives the text back!"),
    "argument-name": lambda tool: tool["inputSchema"]["properties"].update(texu={"type": "string"}),
    "argument-description": _set("inputSchema", "properties", "text", "description", to="What to say!"),
    "argument-default": _set("inputSchema", "properties", "text", "default", to="b"),
    "argument-type": _set("inputSchema", "properties", "text", "type", to=["string"]),
    "required": _set("inputSchema", "required", to=["text"]),
    "additional": _set("inputSchema", "additionalProperties", to=False),
    "output-schema": _set("outputSchema", "properties", "said", "type", to="number"),
    "annotation": _set("annotations", "readOnlyHint", to=False),
    "icon": _set("icons", 0, "src", to="https://example.test/b.png"),
    "meta": _set("_meta", "vendor", to="b"),
    "execution": _set("execution", "taskSupport", to="b"),
    "unknown-member": _set("x-vendor", to="b"),
}
ERAS = ("modern", "legacy")
# How the gateway comes to see it: a client lists, or the server says on a stream that its list has changed.
HOW = {"list": list(CHANGES), "notice": ["description", "argument-type"]}
MODES = {"reviewed": "review", "trusted": "trust"}


class Stage:
    def __init__(self, gateway: Gateway, upstream: Upstream, database: str) -> None:
        self.gateway, self.upstream, self.database = gateway, upstream, database

    def caller(self, server: str, era: str) -> Caller:
        return Caller(Client(self.gateway, f"/mcp/acme/{server}", self.gateway.key("acme", "ada")), era)

    def events(self, server: str, kind: str) -> list[Any]:
        with psycopg.connect(self.database) as connection:
            rows = connection.execute(
                "SELECT detail FROM audit_event WHERE server = %s AND kind = %s ORDER BY id", [server, kind]
            )
            return [row[0] for row in rows]


class Caller:
    """One client of one era."""

    def __init__(self, client: Client, era: str) -> None:
        self._client, self._era = client, era
        self._session = client.open() if era == "legacy" else None

    def ask(self, method: str, params: dict[str, Any] | None = None) -> Reply:
        if self._era == "modern":
            return self._client.modern(method, params)
        return self._client.legacy(method, params, self._session)

    def call(self, text: str) -> Reply:
        return self.ask("tools/call", {"name": "echo", "arguments": {"text": text}})

    def names(self) -> list[str]:
        return [tool["name"] for tool in self.ask("tools/list").message["result"]["tools"]]


def of_all(place: str) -> str:
    """A server that is called at the address of all servers, by a key for it alone."""
    return f"all-{place}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    slugs = [f"{how}-{era}-{place}" for how, places in HOW.items() for era in ERAS for place in places]
    with running() as upstream, own_database() as database:
        servers: list[dict[str, Any]] = [{"slug": slug, "url": upstream.url(slug)} for slug in slugs]
        alone = [of_all(place) for place in CHANGES]
        servers += [{"slug": slug, "url": upstream.url(slug)} for slug in alone]
        servers += [{"slug": slug, "url": upstream.url(slug), "review": mode} for slug, mode in MODES.items()]
        for server in servers:
            upstream.tools[f"/{server['slug']}"] = [copy.deepcopy(TOOL)]
        config = {
            "version": 1,
            "projects": [
                {
                    "slug": "acme",
                    "members": [{"email": "ada@acme.test", "role": "owner"}],
                    "servers": servers,
                    "keys": [
                        {"user": "ada@acme.test", "label": "ada"},
                        *({"user": "ada@acme.test", "label": slug, "servers": [slug]} for slug in alone),
                    ],
                }
            ],
        }
        environment = {"DATABASE_URL": database, "GATEWAY_KEY_RATE": "0"}
        home = tmp_path_factory.mktemp("review")
        with Gateway(home, config, environment=environment) as gateway:
            yield Stage(gateway, upstream, database)


@pytest.mark.claim("review.rug-pull")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("how", "place"), [(how, place) for how, places in HOW.items() for place in places])
def test_a_changed_definition_is_refused_from_the_next_call_on(stage: Stage, how: str, era: str, place: str) -> None:
    server = f"{how}-{era}-{place}"
    caller = stage.caller(server, era)
    for number in range(3):
        assert caller.call(f"{server} {number}").text == f"{server} {number}"
    CHANGES[place](stage.upstream.tools[f"/{server}"][0])
    if how == "list":
        assert caller.names() == []
    else:
        _announce(stage, server, era)
    reply = caller.call(f"{server} after")
    assert (reply.status, reply.message["error"]["code"]) == (400, -32602)
    assert reply.message["error"]["message"] == "Unknown tool: echo"
    assert not stage.upstream.saw(f"{server} after")
    (event,) = stage.events(server, "definition.changed")
    detail = event if isinstance(event, dict) else json.loads(event)
    assert detail["before"] != detail["digest"]


def _announce(stage: Stage, server: str, era: str) -> None:
    """The server says on an open stream that its list has changed."""
    client = Client(stage.gateway, f"/mcp/acme/{server}", stage.gateway.key("acme", "ada"))
    stream = client.listen() if era == "modern" else client.get_stream(client.open())
    stage.upstream.wait_for(lambda: f"/{server}" in stage.upstream.streams)
    stage.upstream.push({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    stream.wait_for_bytes(b"list_changed")


@pytest.mark.claim("review.waiting")
@pytest.mark.parametrize("era", ERAS)
def test_under_review_nothing_is_offered_before_somebody_approves(stage: Stage, era: str) -> None:
    caller = stage.caller("reviewed", era)
    assert caller.names() == []
    reply = caller.call("unreviewed")
    assert reply.message["error"]["message"] == "Unknown tool: echo"
    assert not stage.upstream.saw("unreviewed")


@pytest.mark.claim("review.trusted")
def test_changes_of_a_trusted_server_pass_and_are_recorded(stage: Stage) -> None:
    caller = stage.caller("trusted", "modern")
    assert caller.names() == ["echo"]
    CHANGES["description"](stage.upstream.tools["/trusted"][0])
    assert caller.names() == ["echo"]
    assert caller.call("still trusted").text == "still trusted"
    assert len(stage.events("trusted", "definition.changed")) == 1


@pytest.mark.claim("review.rug-pull")
@pytest.mark.parametrize("place", CHANGES)
def test_a_changed_definition_is_refused_at_the_address_of_all_servers_too(stage: Stage, place: str) -> None:
    server, tool = of_all(place), f"{of_all(place)}__echo"
    client = Client(stage.gateway, "/mcp/acme", stage.gateway.key("acme", server))

    def names() -> list[str]:
        return [each["name"] for each in client.modern("tools/list").message["result"]["tools"]]

    def call(text: str) -> Reply:
        return client.modern("tools/call", {"name": tool, "arguments": {"text": text}})

    stage.upstream.ttl = 0
    try:
        assert names() == [tool]
        for number in range(3):
            assert call(f"{tool} {number}").text == f"{tool} {number}"
        CHANGES[place](stage.upstream.tools[f"/{server}"][0])
        # The list is good for this once, so that whoever asks for it has the server asked again.
        wait_until(lambda: names() == [])
    finally:
        stage.upstream.ttl = 60_000
    reply = call(f"{tool} after")
    assert (reply.status, reply.message["error"]["message"]) == (400, f"Unknown tool: {tool}")
    assert not stage.upstream.saw(f"{tool} after")
    assert len(stage.events(server, "definition.changed")) == 1
