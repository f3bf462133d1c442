"""Open streams hear of what changed of what their key may see, and of nothing else; in both eras, on both servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.conformance.gateway import Gateway
from tests.databases import own_database, own_redis
from tests.e2e.acts import Acts
from tests.e2e.client import Client, Stream
from tests.e2e.scene import Scene
from tests.e2e.upstream import Seen, Upstream, running
from tests.waiting import wait_until

pytestmark = pytest.mark.claim("changes.heard")
LIMIT = 1.0
CHANGED = "notifications/tools/list_changed"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}
BLOCK_ECHO = {
    "detector": "keywords", "directions": ["definition"], "action": "block", "config": {"words": ["zugzwang"]},
}  # fmt: skip
BLOCK_NOTHING = {**BLOCK_ECHO, "config": {"words": ["nobody-says-this"]}}


def declarations(upstream: Upstream) -> dict[str, Any]:
    def project(slug: str) -> dict[str, Any]:
        return {
            "slug": slug,
            "members": [{"email": f"doomed@{slug}.test"}, {"email": f"owner@{slug}.test", "role": "owner"}],
            "policies": [{"slug": "no-echo", "guardrails": [BLOCK_ECHO]},
                         {"slug": "harmless", "guardrails": [BLOCK_NOTHING]}],
            "servers": [{"slug": "docs", "url": upstream.url(f"{slug}/docs")},
                        {"slug": "other", "url": upstream.url(f"{slug}/other")}],
            "keys": [{"user": f"doomed@{slug}.test", "label": "doomed"}],
        }  # fmt: skip

    return {"version": 1, "projects": [project("acme"), project("globex")]}


@pytest.fixture(scope="module", params=["uvicorn", "daphne", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Both web servers on the embedded topology, and uvicorn on PostgreSQL and Redis."""
    home = tmp_path_factory.mktemp(request.param)
    if request.param == "postgresql":
        with own_database() as database, own_redis() as redis:
            yield from made("uvicorn", home, database, {"DATABASE_URL": database, "REDIS_URL": redis})
        return
    yield from made(request.param, home, f"sqlite:///{home / 'gateway.sqlite3'}", {})


def made(
    server: Literal["uvicorn", "daphne"], home: Path, database: str, environment: dict[str, str]
) -> Iterator[Scene]:
    settings = {"GATEWAY_KEY_RATE": "0", "GATEWAY_LOG_LEVEL": "WARNING", **environment}
    with running() as upstream:
        tools = [{"name": "echo", "description": "Says zugzwang.", "inputSchema": SCHEMA},
                 {"name": "stream", "inputSchema": SCHEMA}]  # fmt: skip
        upstream.tools = {f"/{project}/{slug}": tools for project in ("acme", "globex") for slug in ("docs", "other")}
        with (
            Gateway(home, declarations(upstream), server, environment=settings) as gateway,
            Acts(gateway) as acts,
        ):
            yield Scene(gateway, upstream, acts, database)


@pytest.fixture
def listening(scene: Scene) -> Iterator[Listening]:
    made = Listening(scene)
    yield made
    made.leave()


class Listening:
    """A client of acme with an open stream in each era, and one of globex that must hear nothing."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.client = scene.client("acme/docs", "acme", "doomed")
        self.session = self.client.open()
        # In both eras, so that the catalogue knows what either lists.
        self.client.modern("tools/list")
        self.client.legacy("tools/list", session=self.session)
        self.streams = [self._opened(self.client.get_stream(self.session)), self._opened(self.client.listen())]
        theirs = scene.client("globex/docs", "globex", "doomed")
        theirs.modern("tools/list")
        theirs.legacy("tools/list", session=(session := theirs.open()))
        self.strangers = [self._opened(theirs.get_stream(session)), self._opened(theirs.listen())]
        # Nobody asked for this one's tools.
        self.deaf = self._opened(self.client.listen("prompts"))

    def _opened(self, stream: Stream) -> Stream:
        assert stream.status == 200, stream.received
        stream.wait_for_bytes(b": open")
        return stream

    def leave(self) -> None:
        for stream in (*self.streams, *self.strangers, self.deaf):
            if stream.ended_at is None:
                stream.close()

    def do(self, act: str) -> float:
        return self.scene.acts.do(act, "acme")

    def wait_for(self, number: int) -> None:
        """Until both streams have heard of the tools so many times."""
        for stream in self.streams:
            stream.wait_until(partial(has_heard, stream, number))

    def hears(self, act: str) -> None:
        """Once, within a second, on both streams and no other."""
        before = [heard(stream) for stream in self.streams]
        started = self.do(act)
        self.wait_for(before[0] + 1)
        assert time.time() - started <= LIMIT, act
        assert [heard(stream) for stream in self.streams] == [number + 1 for number in before], act

    def hears_nothing_of(self, *acts: str) -> None:
        """Everything is told in order, so that what comes next would come after what came of these."""
        before = heard(self.streams[0])
        for act in acts:
            self.do(act)
        # The workers have seen it when a key that was changed after it is.
        self.hears("narrow the key to stream")
        assert heard(self.streams[0]) == before + 1, acts
        self.hears("widen the key")

    def tools(self) -> list[str]:
        return [tool["name"] for tool in listed(self.client)]


def heard(stream: Stream) -> int:
    return sum(message.get("method") == CHANGED for message in stream.messages)


def has_heard(stream: Stream, number: int) -> bool:
    return heard(stream) >= number


@pytest.mark.parametrize(
    ("act", "undone"),
    [
        ("deny echo", "lift the denials"),
        ("reject echo", "approve echo"),
        ("narrow the key to stream", "widen the key"),
        ("attach the policy that blocks echo", "attach no policy"),
    ],
)
def test_what_changes_what_a_key_may_see_is_heard_within_a_second(
    listening: Listening, act: str, undone: str
) -> None:
    assert listening.tools() == ["echo", "stream"]
    listening.hears(act)
    assert listening.tools() == ["stream"], "and then it is so"
    listening.hears(undone)
    assert listening.tools() == ["echo", "stream"]
    assert [heard(stream) for stream in (*listening.strangers, listening.deaf)] == [0, 0, 0]


def test_nothing_is_heard_when_nothing_that_is_seen_has_changed(listening: Listening) -> None:
    listening.hears_nothing_of("deny nothing that there is", "add a server", "allow the key from here only")
    listening.hears_nothing_of("attach a policy that blocks nothing", "attach no policy", "lift the denials")
    assert [heard(stream) for stream in (*listening.strangers, listening.deaf)] == [0, 0, 0]


def test_a_subscription_is_told_by_its_id_after_its_acknowledgement(listening: Listening) -> None:
    """A server that does not honour what we can tell is acknowledged for us."""
    listening.scene.upstream.honours = ()
    try:
        stream = listening._opened(listening.client.listen())
        listening.hears("deny echo")
    finally:
        listening.scene.upstream.honours = ("toolsListChanged",)
    stream.wait_for_bytes(CHANGED.encode())
    first, second = stream.messages
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"]["notifications"] == {"toolsListChanged": True}
    assert second == {
        "jsonrpc": "2.0", "method": CHANGED, "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": 1}},
    }  # fmt: skip
    listening.hears("lift the denials")


def test_what_a_server_says_at_the_same_moment_stays_whole(listening: Listening) -> None:
    """A hundred messages of the server, with changes among them: each arrives once, whole and in order."""
    upstream, stream = listening.scene.upstream, listening.streams[0]
    said = [{"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": {"n": number}}}
            for number in range(100)]  # fmt: skip
    for message in said[:50]:
        upstream.push(message)
    listening.do("deny echo")
    for message in said[50:]:
        upstream.push(message)
    listening.wait_for(1)
    stream.wait_for_bytes(b'"n":99', 20)
    assert [message for message in stream.messages if message["method"] != CHANGED] == said
    assert stream.ended_at is None
    listening.hears("lift the denials")


def test_a_client_that_has_left_is_told_nothing_and_leaves_nothing_behind(listening: Listening) -> None:
    listening.leave()
    again = Listening(listening.scene)
    again.hears("deny echo")
    again.hears("lift the denials")
    again.leave()
    log = again.scene.gateway.log.read_text()
    assert "Task exception was never retrieved" not in log
    assert "could not be told" not in log


@pytest.mark.claim("changes.upstream")
@pytest.mark.parametrize(("era", "project"), [("modern", "acme"), ("legacy", "globex")])
def test_a_servers_own_list_changed_is_passed_on_and_has_it_read_again(scene: Scene, era: str, project: str) -> None:
    """The changed definition then waits for review, which the streams hear of as of any change.

    Each era with a server of its own, since one is read again once in five seconds.
    """
    client, path = scene.client(f"{project}/other", project, "doomed"), f"/{project}/other"
    # What the first reading finds is trusted, and a worker may only just have started.
    read = "SELECT 1 FROM servers_server s JOIN projects_project p ON p.id = s.project_id WHERE s.slug = 'other'"
    scene.wait_for_rows(f"{read} AND p.slug = '{project}' AND discovered_at IS NOT NULL", 60)
    session = client.open()
    listed = client.legacy("tools/list", session=session) if era == "legacy" else client.modern("tools/list")
    before = {tool["name"] for tool in listed.message["result"]["tools"]}
    stream = client.get_stream(session) if era == "legacy" else client.listen()
    stream.wait_for_bytes(b": open")
    tools = scene.upstream.tools[path]
    scene.upstream.tools[path] = [*tools, {"name": f"new-{era}", "inputSchema": SCHEMA}]
    asked = lists_of(scene, path)
    scene.upstream.push({"jsonrpc": "2.0", "method": CHANGED})
    stream.wait_for_bytes(CHANGED.encode())
    scene.upstream.wait_for(lambda: lists_of(scene, path) > asked, 20)
    waiting = f"SELECT 1 FROM servers_tool WHERE name = 'new-{era}' AND state = 'waiting'"
    assert scene.wait_for_rows(waiting, 20)
    again = client.modern("tools/list").message["result"]["tools"]
    assert before == {tool["name"] for tool in again}
    stream.close()


def lists_of(scene: Scene, path: str) -> int:
    return sum(seen.path == path and seen.message.get("method") == "tools/list" for seen in list(scene.upstream.seen))


def test_a_change_before_a_stream_was_open_is_told_to_it(scene: Scene) -> None:
    """Between the moment in which a call is let in and its stream's first byte there is time for a change."""
    upstream, client = scene.upstream, scene.client("acme/docs", "acme", "doomed")
    client.modern("tools/list")

    def deny(seen: Seen) -> None:
        if seen.message.get("method") == "subscriptions/listen":
            scene.acts.do("deny echo", "acme")
            wait_until(lambda: [tool["name"] for tool in listed(client)] == ["stream"])

    upstream.before_answer = deny
    try:
        stream = client.listen()
    finally:
        upstream.before_answer = None
    stream.wait_for_bytes(CHANGED.encode())
    stream.close()
    scene.acts.do("lift the denials", "acme")
    wait_until(lambda: [tool["name"] for tool in listed(client)] == ["echo", "stream"])


def listed(client: Client) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = client.modern("tools/list").message["result"]["tools"]
    return tools
