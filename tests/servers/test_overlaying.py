"""Overlays and rules as acts: checked against what is approved, on record, each in its own project."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from audit.models import Event
from projects import versions
from projects.scoping import unscoped, with_project
from servers import observing, overlaying, review, services
from servers.models import Grant, Overlay, Server, State, ToolVersion
from servers.observing import Listed
from tests.cast import Cast

pytestmark = pytest.mark.django_db
SEND = {
    "name": "send", "description": "Sends a mail.",
    "inputSchema": {
        "type": "object", "required": ["to"],
        "properties": {"to": {"type": "string"}, "region": {"type": "string"}, "debug": {"type": "boolean"}},
    },
}  # fmt: skip


def see(server: Server, *definitions: dict[str, Any]) -> None:
    listed = [Listed("tool", each["name"], each) for each in definitions]
    observing.observe(server=server, era="modern", listed=listed, whole=["tool"])


@pytest.fixture
def server(cast: Cast) -> Server:
    made = cast.server(review="trust-first")
    see(made, SEND, {**SEND, "name": "read"})
    return made


def overlay(server: Server, **fields: Any) -> Overlay:
    return Overlay(project_id=server.project_id, server=server, **{"tool": "send", **fields})


def stored(server: Server) -> list[Overlay]:
    with with_project(server.project_id):
        return list(Overlay.objects.filter(server=server))


def events(kind: str) -> list[Event]:
    return list(Event.objects.filter(kind=kind).order_by("ord"))


# --- overlays -------------------------------------------------------------------------------------------


@pytest.mark.claim("overlays.acts")
def test_an_overlay_is_made_changed_and_deleted_on_record(server: Server) -> None:
    current = versions.current()
    made = services.save_overlay(overlay=overlay(server, rename="mail", pinned={"region": "eu"}))
    assert versions.changed_since(current)[1] == [server.project_id]
    [created] = events("overlay.created")
    assert (created.subject, created.server, created.detail["rename"]) == ("send", "docs", "mail")
    made.rename = "post"
    services.save_overlay(overlay=made)
    [changed] = events("overlay.changed")
    assert (changed.detail["before"]["rename"], changed.detail["after"]["rename"]) == ("mail", "post")
    services.delete_overlay(overlay=made)
    assert (len(events("overlay.deleted")), stored(server)) == (1, [])


@pytest.mark.claim("overlays.acts")
def test_what_models_see_is_the_approved_definition_under_the_overlay(server: Server) -> None:
    row = overlay(server, title="Mail", hide_arguments=["debug"], rename_arguments={"to": "address"})
    with with_project(server.project_id):
        [(said, seen)] = overlaying.shown(row)
    assert said == SEND
    assert seen["title"] == "Mail"
    assert set(seen["inputSchema"]["properties"]) == {"address", "region"}


@pytest.mark.claim("overlays.acts")
@pytest.mark.parametrize(
    ("fields", "field", "text"),
    [
        ({"hide_arguments": ["gone"]}, "__all__", "no argument “gone”"),
        ({"hide_arguments": ["to"]}, "__all__", "must be given"),
        ({"pinned": {"debug": "yes"}}, "__all__", "does not take the value"),
        ({"rename": "send mail"}, "__all__", "is no name"),
        ({"rename": "read"}, "rename", "Another tool"),
        ({"constraint": {"type": 5}}, "__all__", "no valid JSON Schema"),
        ({"constraint": {"$ref": "https://elsewhere.test"}}, "__all__", "another document"),
        ({"pinned": ["to"]}, "pinned", "Give an object"), ({"hide_arguments": {"to": 1}}, "hide_arguments", "list"),
        ({"hide_arguments": [1]}, "hide_arguments", "texts"),
        ({"rename_arguments": {"to": 1}}, "rename_arguments", "texts"),
        ({"pinned": {"to": "\0"}}, "pinned", "Null"), ({"pinned": {"to": float("nan")}}, "pinned", "JSON"),
        ({"pinned": {"to": "\ud800"}}, "pinned", "JSON"), ({"pinned": {"to": "x" * 2**18}}, "pinned", "bytes"),
        ({"describe_arguments": {"to": "x" * 2**18}}, "describe_arguments", "bytes"),
        ({"tool": ""}, "tool", "blank"), ({"tool": "x" * 129}, "tool", "128"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_an_overlay_that_does_not_fit_is_not_made(
    server: Server, fields: dict[str, Any], field: str, text: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        services.save_overlay(overlay=overlay(server, **fields))
    told = caught.value.message_dict if hasattr(caught.value, "error_dict") else {"__all__": caught.value.messages}
    assert text in " ".join(told[field])
    assert stored(server) == []
    assert not events("overlay.created")


@pytest.mark.claim("overlays.acts")
def test_a_tool_that_nobody_approved_yet_is_not_held_against_an_overlay(cast: Cast) -> None:
    server = cast.server()
    see(server, SEND)
    services.save_overlay(overlay=overlay(server, hide_arguments=["gone"]))
    services.save_overlay(overlay=overlay(server, tool="never-seen", hidden=True))
    with pytest.raises(ValidationError, match="no valid JSON Schema"):
        services.save_overlay(overlay=overlay(server, tool="another", constraint={"type": 5}))
    assert len(stored(server)) == 2


@pytest.mark.claim("overlays.acts")
def test_an_overlay_is_held_against_each_era_that_says_something_else(server: Server) -> None:
    older = {**SEND, "inputSchema": {"type": "object", "properties": {"to": {"type": "string"}}}}
    observing.observe(server=server, era="legacy", listed=[Listed("tool", "send", older)], whole=["tool"])
    review.approve_waiting(server=server)
    with pytest.raises(ValidationError, match="no argument “region”"):
        services.save_overlay(overlay=overlay(server, pinned={"region": "eu"}))
    with with_project(server.project_id):
        assert len(overlaying.definitions(overlay(server))) == 2
        version = ToolVersion.objects.exclude(legacy=False).get()
    review.reject(version=version)
    services.save_overlay(overlay=overlay(server, pinned={"region": "eu"}))
    assert version.state == State.APPROVED, "the row that was held says what it was"


@pytest.mark.claim("overlays.acts")
def test_two_tools_are_not_shown_under_one_name_and_may_change_places(server: Server) -> None:
    services.save_overlay(overlay=overlay(server, rename="mail"))
    with pytest.raises(ValidationError, match="Another tool"):
        services.save_overlay(overlay=overlay(server, tool="read", rename="mail"))
    services.save_overlay(overlay=overlay(server, tool="read", rename="send"))
    assert {row.tool: row.rename for row in stored(server)} == {"send": "mail", "read": "send"}


@pytest.mark.claim("overlays.tenants")
def test_an_overlay_is_of_a_server_of_its_own_project(cast: Cast, server: Server) -> None:
    mixed = Overlay(project=cast.globex, server=server, tool="send")
    with pytest.raises(ValidationError, match="no such server"):
        services.save_overlay(overlay=mixed)
    mine = services.save_overlay(overlay=overlay(server, title="Mail"))
    mine.project_id = cast.globex.pk
    with pytest.raises(ValidationError, match="not there any more"):
        services.save_overlay(overlay=mine)
    [kept] = stored(server)
    assert kept.title == "Mail"


@pytest.mark.claim("overlays.tenants")
def test_overlays_of_two_projects_do_not_meet(cast: Cast, server: Server) -> None:
    theirs = cast.server(project=cast.globex)
    services.save_overlay(overlay=overlay(server, rename="mail"))
    services.save_overlay(overlay=Overlay(project=cast.globex, server=theirs, tool="other", rename="mail"))
    assert services.set_overlays(server=server, overlays={})
    assert [row.tool for row in stored(theirs)] == ["other"]


# --- grants ---------------------------------------------------------------------------------------------


@pytest.mark.claim("grants.acts")
def test_a_rule_is_made_changed_and_deleted_on_record(server: Server) -> None:
    grant = services.save_grant(grant=Grant(project_id=server.project_id, server=server, pattern="send"))
    grant.effect, grant.reason = "deny", "no mails"
    services.save_grant(grant=grant)
    services.delete_grant(grant=grant)
    [changed] = events("grant.changed")
    before = {"effect": "allow", "pattern": "send", "role": "", "reason": "", "server": "docs"}
    assert changed.detail["before"] == before
    assert (changed.detail["after"]["effect"], changed.detail["after"]["reason"]) == ("deny", "no mails")
    assert [len(events(f"grant.{act}")) for act in ("created", "deleted")] == [1, 1]


@pytest.mark.claim("grants.acts")
def test_all_rules_of_a_server_are_replaced_at_once_or_not_at_all(server: Server) -> None:
    wanted = [services.EVERYTHING, services.GrantSpec("deny", "send", "member", "no mails")]
    assert services.set_grants(server=server, grants=wanted)
    assert not services.set_grants(server=server, grants=wanted)
    for wrong in (("maybe",), ("allow", ""), ("allow", "*", "king")):
        with pytest.raises(ValidationError):
            services.set_grants(server=server, grants=[services.EVERYTHING, services.GrantSpec(*wrong)])
    with with_project(server.project_id):
        assert Grant.objects.count() == 2
    [event] = events("grants.changed")
    assert [spec["pattern"] for spec in event.detail["after"]] == ["*", "send"]


@pytest.mark.claim("grants.tenants")
def test_a_rule_is_of_a_server_of_its_own_project(cast: Cast, server: Server) -> None:
    with pytest.raises(ValidationError, match="no such server"):
        services.save_grant(grant=Grant(project=cast.globex, server=server))
    mine = services.save_grant(grant=Grant(project_id=server.project_id, server=server))
    mine.project_id = cast.globex.pk
    with pytest.raises(ValidationError, match="not there any more"):
        services.save_grant(grant=mine)
    with unscoped("the test looks"):
        assert Grant.objects.get().project_id == cast.acme.pk


@pytest.mark.claim("grants.tenants")
def test_a_rule_that_is_gone_is_not_made_again_by_a_late_change(server: Server) -> None:
    early = services.save_grant(grant=Grant(project_id=server.project_id, server=server))
    with with_project(server.project_id):
        services.delete_grant(grant=Grant.objects.get())
    with pytest.raises(ValidationError, match="not there any more"):
        services.save_grant(grant=early)
