"""What is kept of servers: clearing it is an act, and everybody can see how old it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from gateway_site.lib.caching import Key, key_of
from projects import versions
from projects.scoping import with_project
from servers import offers
from servers.freshness import cache_status, clear_cache
from servers.models import Server, Tool
from servers.observing import Listed, observe
from tests.cast import Cast


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("cache", *arguments, stdout=out)
    return out.getvalue()


def stored(server: Server) -> Server:
    with with_project(server.project_id):
        return Server.objects.get(pk=server.pk)


def read(server: Server, at: datetime, *tools: str) -> None:
    """As if the server had been discovered then."""
    entries = [Listed(Tool.Kind.TOOL, name, {"name": name, "inputSchema": {"type": "object"}}) for name in tools]
    observe(server=server, era="modern", listed=entries, whole=["tool"])
    with with_project(server.project_id):
        Server.objects.filter(pk=server.pk).update(
            discovered_at=at, discovered_hash=server.config_hash, discovery_due_at=timezone.now() + timedelta(hours=1)
        )


@pytest.mark.claim("cache.cleared")
def test_clearing_tools_has_the_servers_of_that_project_read_again_and_no_others(cast: Cast) -> None:
    docs, wiki, theirs = cast.server("docs"), cast.server("wiki"), cast.server("vault", project=cast.globex)
    for server in (docs, wiki, theirs):
        read(server, timezone.now(), "a")
    clear_cache(project=cast.acme, server=docs)
    assert [stored(each).discovery_due_at is None for each in (docs, wiki, theirs)] == [True, False, False]
    clear_cache(project=cast.acme, kind="verdicts")
    assert stored(wiki).discovery_due_at is not None, "these are not read from anywhere"
    clear_cache(project=cast.acme)
    assert [stored(each).discovery_due_at is None for each in (docs, wiki, theirs)] == [True, True, False]


@pytest.mark.claim("cache.cleared")
def test_workers_see_what_was_cleared_with_the_version_at_which(cast: Cast) -> None:
    docs = cast.server("docs")
    before = versions.current()
    clear_cache(project=cast.acme, server=docs)
    clear_cache(project=cast.acme, kind="verdicts")
    standing = versions.standing(cast.acme.pk)
    assert standing.cleared == {f"tools:{docs.pk}": before + 1, "verdicts": before + 2}
    assert versions.changed_since(before) == (before + 2, [cast.acme.pk])
    clear_cache(project=cast.acme, kind="tools")
    assert versions.standing(cast.acme.pk).cleared == {"tools": before + 3, "verdicts": before + 2}
    assert versions.standing(cast.globex.pk).cleared == {}


@pytest.mark.claim("cache.cleared")
def test_a_catalogue_in_memory_is_read_again_once_it_was_cleared(cast: Cast) -> None:
    docs = cast.server("docs")
    read(docs, timezone.now(), "a")

    def load() -> offers.Offer:
        with with_project(cast.acme.pk):
            return offers.load([Server.objects.get(pk=docs.pk)], versions.standing(cast.acme.pk).cleared)["docs"]

    kept = load()
    assert load() is kept
    clear_cache(project=cast.acme, kind="config")
    assert load() is kept
    clear_cache(project=cast.acme, server=docs)
    assert load() is not kept
    assert load() == kept


@pytest.mark.claim("cache.cleared")
@pytest.mark.parametrize(
    ("kind", "slug"), [("everything", None), ("config", "docs"), ("verdicts", "docs"), ("all", "vault")]
)
def test_what_cannot_be_cleared_is_refused_and_clears_nothing(cast: Cast, kind: str, slug: str | None) -> None:
    servers = {"docs": cast.server("docs"), "vault": cast.server("vault", project=cast.globex)}
    before = versions.current()
    with pytest.raises(ValidationError):
        clear_cache(project=cast.acme, server=servers[slug] if slug else None, kind=kind)
    assert versions.current() == before


@pytest.mark.claim("cache.cleared")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--project", "nobody"),
        ("--project", "acme", "--server", "vault"),
        ("--project", "acme", "--server", "docs", "--type", "verdicts"),
        ("--server", "docs"),
        ("--type", "everything"),
    ],
)
def test_the_command_says_what_it_cannot_clear(cast: Cast, arguments: tuple[str, ...]) -> None:
    cast.server("docs")
    cast.server("vault", project=cast.globex)
    before = versions.current()
    with pytest.raises(CommandError):
        printed("clear", *arguments)
    assert versions.current() == before


@pytest.mark.claim("cache.status")
def test_the_status_tells_what_is_there_and_what_is_expired(cast: Cast, settings: Any) -> None:
    settings.CACHE_TOOLS_SECONDS = 3600
    fresh, old, changed, unread = (cast.server(slug) for slug in ("fresh", "old", "changed", "unread"))
    now = timezone.now()
    read(fresh, now, "a", "b", "c")
    read(old, now - timedelta(hours=2), "a")
    read(changed, now, "a")
    with with_project(cast.acme.pk):
        Server.objects.filter(pk=changed.pk).update(url="http://127.0.0.1:9002/mcp")
        Tool.objects.filter(server=fresh, name="c").update(modern_digest="")
        Server.objects.filter(pk=unread.pk).update(discovery_error="unavailable: refused")
    found = {each.slug: each for each in cache_status(cast.acme).servers}
    assert {slug: each.is_expired for slug, each in found.items()} == {
        "fresh": False, "old": True, "changed": True, "unread": True,
    }  # fmt: skip
    assert found["fresh"].tool_count == 2, "the third is listed no more"
    assert found["fresh"].expires_at == now + timedelta(hours=1)
    assert (found["unread"].needs_discovery, found["unread"].error) == (True, "unavailable: refused")
    clear_cache(project=cast.acme, server=fresh)
    assert {each.slug: each.is_expired for each in cache_status(cast.acme).servers}["fresh"]


@pytest.mark.claim("cache.status")
def test_the_command_shows_every_project_or_the_one_that_is_named(cast: Cast) -> None:
    read(cast.server("docs"), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "a", "b")
    cast.server("vault", project=cast.globex)
    shown = json.loads(printed("status", "--json"))
    assert set(shown) == {"acme", "globex"}
    assert shown["acme"]["servers"]["docs"]["read_at"] == "2026-01-02T03:04:05+00:00"
    assert shown["acme"]["servers"]["docs"]["expires_at"] == "2026-01-02T07:04:05+00:00"
    assert shown["acme"]["servers"]["docs"]["is_expired"] is True
    assert set(json.loads(printed("status", "--project", "acme", "--json"))) == {"acme"}
    text = printed("status", "--project", "acme")
    assert "docs: 2 tools, read 2026-01-02T03:04:05+00:00" in text
    assert "vault" not in text


CONTEXTS = st.builds(
    Key, st.integers(0, 20), st.sampled_from(["", "a", "ab", "b"]), st.integers(0, 20),
    st.sampled_from(["", "1", "11", "a1"]), st.sampled_from(["", "tools/list", "tools"]), st.text(max_size=4),
)  # fmt: skip


@pytest.mark.claim("cache.keys")
@given(CONTEXTS, CONTEXTS)
def test_two_contexts_that_differ_in_anything_never_share_a_key(one: Key, other: Key) -> None:
    made = [key_of(**each._asdict()) for each in (one, other)]
    assert (made[0] == made[1]) == (one == other)
    assert (made[0].digest() == made[1].digest()) == (one == other)
