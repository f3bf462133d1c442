"""Acts on servers and templates."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import ProtectedError

from audit.models import Event
from gateway_site.lib.secrets import Unsealable
from projects.scoping import unscoped, with_project
from servers import services
from servers.models import CommandTemplate, Grant, Server
from tests.cast import Cast

SLOTS = {"zone": {"pattern": "[A-Za-z_/]+"}, "token": {"pattern": ".*", "secret": True, "default": ""}}


def template(slug: str = "clock", **fields: Any) -> CommandTemplate:
    made = CommandTemplate(slug=slug, executable="{python}", args=["-c", "{zone}"], params=SLOTS, **fields)
    return services.save_template(template=made)


def stored(server: Server) -> Server:
    with with_project(server.project_id):
        return Server.objects.select_related("template", "project").get(pk=server.pk)


@pytest.mark.claim("secrets.upstream")
def test_upstream_headers_are_sealed_and_come_back(cast: Cast) -> None:
    server = cast.server(headers={"Authorization": "Bearer canary-token"})
    again = stored(server)
    assert again.secrets["headers"] == {"Authorization": "Bearer canary-token"}
    with unscoped("the whole row"):
        assert "canary" not in repr(Server.objects.values().get(pk=server.pk))


@pytest.mark.claim("secrets.upstream")
def test_a_sealed_value_moved_to_another_row_does_not_open(cast: Cast) -> None:
    mine, theirs = cast.server(headers={"X-Key": "canary"}), cast.server("spy", project=cast.globex)
    theirs.sealed = mine.sealed
    with pytest.raises(Unsealable):
        _ = theirs.secrets


@pytest.mark.claim("services.validation")
def test_headers_have_a_size(cast: Cast) -> None:
    for headers in ({"X-Key": "a" * 40_000}, {f"X-{number}": "" for number in range(10_000)}):
        with pytest.raises(ValidationError, match="32 KiB"):
            cast.server(headers=headers)


@pytest.mark.claim("secrets.upstream")
def test_headers_are_kept_until_they_are_replaced(cast: Cast) -> None:
    server = cast.server(headers={"X-Key": "one"})
    services.save_server(server=stored(server))
    assert stored(server).secrets["headers"] == {"X-Key": "one"}
    services.save_server(server=stored(server), headers={})
    assert stored(server).sealed == ""


ELSEWHERE = {
    "host": {"url": "https://evil.example/mcp"},
    "host that begins alike": {"url": "https://tools.example.evil.example/mcp"},
    "subdomain": {"url": "https://a.tools.example/mcp"},
    "port": {"url": "https://tools.example:8443/mcp"},
    "scheme": {"url": "http://tools.example:443/mcp"},
    "no address": {"transport": "stdio", "url": ""},
}


@pytest.mark.claim("secrets.same-host")
@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE)
def test_headers_do_not_follow_to_another_host(cast: Cast, settings: Any, change: dict[str, Any]) -> None:
    settings.EGRESS_ALLOW = ["tools.example", "a.tools.example"]
    server = cast.server(url="https://tools.example/mcp", headers={"X-Key": "canary"})
    moved = stored(server)
    template_of = {"template": template()} if "transport" in change else {}
    for field, value in {**change, **template_of}.items():
        setattr(moved, field, value)
    with pytest.raises(ValidationError, match="Give the headers again") as caught:
        services.save_server(server=moved, params={"zone": "UTC"} if template_of else None)
    assert "headers" in caught.value.message_dict and "canary" not in str(caught.value)
    assert stored(server).url == "https://tools.example/mcp"


@pytest.mark.claim("secrets.same-host")
@pytest.mark.parametrize("headers", [{}, {"X-Key": "new"}], ids=["forgotten", "given again"])
def test_a_server_moves_with_headers_that_are_given_again(cast: Cast, headers: dict[str, str]) -> None:
    moved = stored(cast.server(headers={"X-Key": "old"}))
    moved.url = "https://tools.example/mcp"
    services.save_server(server=moved, headers=headers)
    assert (stored(moved).url, stored(moved).secrets["headers"]) == ("https://tools.example/mcp", headers)


@pytest.mark.claim("secrets.same-host")
@pytest.mark.parametrize(
    "url", ["https://tools.example/other?tenant=1", "https://TOOLS.example/mcp", "https://tools.example:443/mcp"]
)
def test_headers_stay_at_the_same_host_however_it_is_spelled(cast: Cast, url: str) -> None:
    server = cast.server(url="https://tools.example/mcp", headers={"X-Key": "one"})
    changed = stored(server)
    changed.url = url
    services.save_server(server=changed)
    assert (stored(server).url, stored(server).secrets["headers"]) == (url, {"X-Key": "one"})


@pytest.mark.claim("secrets.same-host")
def test_headers_read_before_the_server_moved_are_not_written_back(cast: Cast) -> None:
    server = cast.server(headers={"X-Key": "canary"})
    early, moved = stored(server), stored(server)
    for row in (early, moved):
        row.url = "https://evil.example/mcp"
    services.save_server(server=moved, headers={})
    with pytest.raises(ValidationError, match="Give the headers again"):
        services.save_server(server=early)
    assert stored(server).secrets["headers"] == {}


@pytest.mark.claim("secrets.same-host")
def test_a_way_round_by_a_server_without_address_is_closed(cast: Cast) -> None:
    server = stored(cast.server(headers={"X-Key": "canary"}))
    server.transport, server.url, server.template = "stdio", "", template()
    services.save_server(server=server, headers={"X-Key": "canary"}, params={"zone": "UTC"})
    back = stored(server)
    back.transport, back.url, back.template, back.params = "http", "https://evil.example/mcp", None, {}
    with pytest.raises(ValidationError, match="Give the headers again"):
        services.save_server(server=back)


@pytest.mark.claim("secrets.upstream")
def test_values_of_secret_slots_are_sealed_and_others_are_not(cast: Cast) -> None:
    server = services.new_server(project=cast.acme, slug="clock", transport="stdio", template=template())
    services.save_server(server=server, params={"zone": "Europe/Paris", "token": "canary-token"})
    again = stored(server)
    assert again.params == {"zone": "Europe/Paris"}
    assert again.secrets["params"] == {"token": "canary-token"}
    assert "canary-token" not in repr(list(Event.objects.values()))


@pytest.mark.claim("secrets.upstream")
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"}, {"content-length": "1"}, {"Mcp-Session-Id": "x"}, {"Connection": "x"}, {"Accept-Encoding": "x"},
        {"X Y": "1"}, {"X:Y": "1"}, {"": "1"}, {"X-Key": "a\r\nX-Evil: 1"}, {"X-Key": "é"}, {"X-Key": 5},
    ],
    ids=str,
)  # fmt: skip
def test_headers_that_could_break_a_request_are_refused_without_their_value(
    cast: Cast, headers: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as caught:
        cast.server(headers=headers)
    assert "X-Evil" not in str(caught.value)
    with with_project(cast.acme.pk):
        assert Server.objects.count() == 0


@pytest.mark.claim("servers.validation")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "http://10.0.0.1/mcp"}, "url"),
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"url": "https://user:canary@example.com/mcp"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": ""}, "url"),
        ({"slug": "Bad Slug"}, "slug"),
        ({"transport": "carrier-pigeon"}, "transport"),
        ({"transport": "stdio", "url": ""}, "template"),
        ({"transport": "sse", "url": "http://10.0.0.1/sse"}, "url"),
    ],
    ids=str,
)
def test_a_server_that_may_not_be_is_not_made(cast: Cast, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        cast.server(**{"slug": "docs", **fields})
    assert field in caught.value.message_dict
    assert "canary" not in str(caught.value)


@pytest.mark.claim("servers.validation")
def test_a_stdio_server_has_a_template_and_no_url_and_others_the_reverse(cast: Cast) -> None:
    made = template()
    with pytest.raises(ValidationError):
        cast.server(transport="stdio", template=made, url="http://127.0.0.1:9001/mcp", params={"zone": "UTC"})
    with pytest.raises(ValidationError):
        cast.server(transport="http", template=made)


@pytest.mark.claim("servers.validation")
@pytest.mark.parametrize(
    "params", [{}, {"zone": "a;b"}, {"zone": "-rf"}, {"zone": "UTC", "other": "x"}, {"zone": "canary 1"}], ids=str
)
def test_values_that_do_not_fit_their_slot_are_refused_unseen(cast: Cast, params: dict[str, str]) -> None:
    server = services.new_server(project=cast.acme, slug="clock", transport="stdio", template=template())
    with pytest.raises(ValidationError, match="template_slot_invalid") as caught:
        services.save_server(server=server, params=params)
    assert "canary" not in str(caught.value)


@pytest.mark.claim("servers.validation")
def test_slugs_are_unique_inside_a_project_only(cast: Cast) -> None:
    cast.server("docs")
    cast.server("docs", project=cast.globex)
    with pytest.raises(ValidationError):
        cast.server("docs")


@pytest.mark.claim("servers.validation")
def test_a_template_in_use_cannot_be_deleted(cast: Cast) -> None:
    made = template()
    services.save_server(
        server=services.new_server(project=cast.acme, slug="clock", transport="stdio", template=made),
        params={"zone": "UTC"},
    )
    with pytest.raises(ProtectedError):
        services.delete_template(template=made)
    assert CommandTemplate.objects.count() == 1
    assert not Event.objects.filter(kind="template.deleted").exists()


@pytest.mark.claim("sessions.sealed")
@pytest.mark.parametrize(
    "change",
    [{"url": "http://127.0.0.1:9001/other"}, {"headers": {"X-Key": "two"}}],
    ids=["address", "credentials"],
)
def test_what_matters_to_a_session_changes_the_configurations_hash(cast: Cast, change: dict[str, Any]) -> None:
    server = cast.server(headers={"X-Key": "one"})
    before = server.config_hash
    headers = change.pop("headers", None)
    for field, value in change.items():
        setattr(server, field, value)
    services.save_server(server=server, headers=headers)
    assert stored(server).config_hash != before


@pytest.mark.claim("sessions.sealed")
def test_what_does_not_matter_to_a_session_leaves_the_hash(cast: Cast) -> None:
    server = cast.server(headers={"X-Key": "one"})
    before = server.config_hash
    server.timeout_seconds = 5
    services.save_server(server=server, headers={"X-Key": "one"})
    services.set_server_enabled(server=server, enabled=False)
    assert stored(server).config_hash == before


@pytest.mark.claim("sessions.sealed")
def test_a_changed_template_changes_the_hash_of_its_servers(cast: Cast) -> None:
    made = template()
    server = services.new_server(project=cast.acme, slug="clock", transport="stdio", template=made)
    services.save_server(server=server, params={"zone": "UTC"})
    before = stored(server).config_hash
    made.args = ["-c", "pass"]
    services.save_template(template=made)
    assert stored(server).config_hash != before


@pytest.mark.claim("authorize.many")
def test_a_project_has_so_many_rules_and_no_more(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_GRANTS", 3)
    monkeypatch.setattr(services, "MAX_GRANTS_OF_PROJECT", 5)
    server, other = cast.server(), cast.server("other")
    with with_project(cast.acme.pk):
        Grant.objects.all().delete()
    rules = [services.GrantSpec("deny", f"t{number}") for number in range(4)]
    with pytest.raises(ValidationError, match="at most 3 rules"):
        services.set_grants(server=server, grants=rules)
    services.set_grants(server=server, grants=rules[:3])
    with pytest.raises(ValidationError, match="A server has at most 3 rules"):
        services.save_grant(grant=Grant(project=cast.acme, server=server, pattern="t9"))
    with pytest.raises(ValidationError, match="For all its servers a project has at most 3 rules"):
        services.set_project_grants(project=cast.acme, grants=rules)
    services.set_project_grants(project=cast.acme, grants=rules[:2])
    with pytest.raises(ValidationError, match="A project has at most 5 rules"):
        services.save_grant(grant=Grant(project=cast.acme, server=other, pattern="t9"))
    with with_project(cast.acme.pk):
        kept = Grant.objects.order_by("id").first()
        assert kept is not None and Grant.objects.count() == 5
    kept.pattern = "other"
    services.save_grant(grant=kept)
    services.save_grant(grant=Grant(project=cast.globex, pattern="theirs"))
