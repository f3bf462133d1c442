"""What a server is asked for when its lists are read into the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from projects.scoping import with_project
from servers.models import Server, Tool
from tests.cast import Cast
from tests.guardrails.upstream import Message, Upstream
from tests.servers.working import work_off

LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resources",
}
NAMED: dict[str, Message] = {
    "prompts/list": {"prompts": [{"name": "greet"}]},
    "resources/list": {"resources": [{"name": "about", "uri": "docs://about"}]},
    "resources/templates/list": {"resourceTemplates": [{"name": "page", "uriTemplate": "docs://{page}"}]},
}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def answer_with(upstream: Upstream, discovered: Message | None) -> None:
    """`discovered` is what a modern server says of itself; None for a server of the older era."""

    def answer(message: Message) -> Message:
        if message["method"] == "server/discover" and discovered is not None:
            return {"supportedVersions": ["2026-07-28"], **discovered}
        return NAMED.get(message["method"], {"error": {"code": -32601, "message": "Method not found"}})

    upstream.answer = answer


def asked(upstream: Upstream) -> set[str]:
    return {message["method"] for message in upstream.asked} & LISTS.keys()


def catalogued(server: Server) -> set[str]:
    with with_project(server.project_id):
        return set(Tool.objects.filter(server=server).values_list("name", flat=True))


@pytest.mark.claim("discovery.declared")
@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize(
    ("declared", "found"),
    [
        (["tools"], {"act", "read"}),
        (["prompts"], {"greet"}),
        (["resources"], {"docs://about", "docs://{page}"}),
        (["tools", "prompts", "resources"], {"act", "read", "greet", "docs://about", "docs://{page}"}),
        ([], set()),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_server_is_never_asked_for_what_it_does_not_declare(
    cast: Cast, upstream: Upstream, era: str, declared: list[str], found: set[str]
) -> None:
    upstream.capabilities = {name: {} for name in declared}
    answer_with(upstream, {"capabilities": upstream.capabilities} if era == "modern" else None)
    server = cast.server(url=upstream.url)
    assert work_off() == 1
    assert asked(upstream) == {method for method, capability in LISTS.items() if capability in declared}
    assert catalogued(server) == found


@pytest.mark.claim("discovery.declared")
def test_a_server_that_declares_nothing_readable_is_a_failure_and_not_an_empty_list(
    cast: Cast, upstream: Upstream
) -> None:
    answer_with(upstream, {"capabilities": ["tools"]})
    upstream.capabilities = []  # type: ignore[assignment]  # no revision's shape
    server = cast.server(url=upstream.url)
    work_off()
    with with_project(server.project_id):
        server.refresh_from_db()
    assert server.discovery_error == "invalid: speaks neither era"
    assert asked(upstream) == set()
