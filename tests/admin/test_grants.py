"""Who may use what: rules in the admin pages, on a server's own and for all servers, and why."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event
from projects import services as projects
from projects.models import Project
from projects.scoping import unscoped, with_project
from servers import observing, services
from servers.models import Grant, Server
from servers.observing import Listed
from tests.admin.conftest import HOSTILE, Stored
from tests.admin.test_pages import SERVER, act, add, change, delete, errors_of

pytestmark = [pytest.mark.django_db, pytest.mark.claim("admin.grants")]
NOBODY = "Nobody may use this server yet"


def rules(server: Server) -> list[tuple[str, str, str, str]]:
    with with_project(server.project_id):
        rows = Grant.objects.filter(server=server).order_by("id")
        return [(row.effect, row.role, row.pattern, row.reason) for row in rows]


def row(index: int, grant: Grant | None = None, **fields: Any) -> dict[str, Any]:
    """One rule of a server's page, as a browser sends it."""
    known = {"effect": grant.effect, "role": grant.role, "pattern": grant.pattern, "reason": grant.reason,
             "id": grant.pk} if grant else {"effect": "allow", "role": "", "pattern": "*", "reason": ""}  # fmt: skip
    return {f"grants-{index}-{name}": value for name, value in {**known, **fields}.items()}


def post(pages: Client, server: Server, *rows: dict[str, Any]) -> Any:
    initial = sum(any(name.endswith("-id") for name in each) for each in rows)
    data = {**SERVER, "grants-TOTAL_FORMS": len(rows), "grants-INITIAL_FORMS": initial}
    for each in rows:
        data |= each
    return change(pages, "servers_server", server.pk, **data)


def page_of(pages: Client, server: Server) -> str:
    return pages.get(reverse("admin:servers_server_change", args=[server.pk])).content.decode()


@pytest.fixture
def elsewhere(stored: Stored) -> Server:
    """A server of another project."""
    globex = projects.create_project(slug="globex")
    return services.save_server(server=Server(project=globex, slug="theirs", url="http://127.0.0.1:9001/mcp"))


# --- on the page of a server ----------------------------------------------------------------------------


def test_a_server_added_by_hand_is_nobodys_until_one_click_allows_it(pages: Client, stored: Stored) -> None:
    response = add(pages, "servers_server", **{**SERVER, "project": stored.project.pk, "slug": "new"})
    assert NOBODY in pages.get(response.url).content.decode()
    with unscoped("the test looks"):
        server = Server.objects.get(slug="new")
    assert server.review == "review"
    assert rules(server) == []
    assert NOBODY in page_of(pages, server)
    for _ in range(2):
        assert pages.post(reverse("admin:servers_server_allow", args=[server.pk])).status_code == 302
    assert rules(server) == [("allow", "", "*", "")]
    assert NOBODY not in page_of(pages, server)
    event = Event.objects.filter(kind="grant.created").latest("ord")
    assert (event.actor, event.server, event.detail["effect"]) == ("operator@gateway.test", "new", "allow")


def test_a_denial_alone_still_leaves_it_nobodys_and_a_rule_for_all_servers_does_not(
    pages: Client, stored: Stored
) -> None:
    services.set_grants(server=stored.stdio, grants=[services.GrantSpec("deny")])
    assert NOBODY in page_of(pages, stored.stdio)
    add(pages, "servers_grant", project=stored.project.pk, effect="allow", pattern="*", role="member")
    body = page_of(pages, stored.stdio)
    assert NOBODY not in body and "allow * (member)" in body


def test_rules_are_made_changed_and_deleted_on_the_servers_page(pages: Client, stored: Stored) -> None:
    assert post(
        pages, stored.server, row(0, stored.grant, pattern="read_*"),
        row(1, effect="deny", role="member", pattern="*_all", reason="too much"),
    ).status_code == 302  # fmt: skip
    assert rules(stored.server) == [("allow", "", "read_*", ""), ("deny", "member", "*_all", "too much")]
    changed = Event.objects.get(kind="grant.changed")
    assert (changed.detail["before"]["pattern"], changed.detail["after"]["pattern"]) == ("read*", "read_*")
    with unscoped("the test looks"):
        first, second = Grant.objects.filter(server=stored.server).order_by("id")
    assert post(pages, stored.server, row(0, first, DELETE="on"), row(1, second)).status_code == 302
    assert rules(stored.server) == [("deny", "member", "*_all", "too much")]
    kinds = Event.objects.filter(kind__startswith="grant.").order_by("ord").values_list("kind", "actor")
    by = "operator@gateway.test"
    assert list(kinds)[1:] == [("grant.changed", by), ("grant.created", by), ("grant.deleted", by)]


def test_a_rule_that_another_page_made_meanwhile_stays(pages: Client, stored: Stored) -> None:
    services.save_grant(grant=Grant(project=stored.project, server=stored.server, effect="deny", pattern="meanwhile"))
    post(pages, stored.server, row(0, stored.grant, pattern="read_*"))
    assert rules(stored.server) == [("allow", "", "read_*", ""), ("deny", "", "meanwhile", "")]


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"effect": "maybe"}, "effect"), ({"role": "king"}, "role"), ({"pattern": ""}, "pattern"),
     ({"pattern": "x" * 501}, "pattern"), ({"reason": "a\0b"}, "reason")],
    ids=str,
)  # fmt: skip
def test_a_rule_that_cannot_be_is_an_error_of_its_field(
    pages: Client, stored: Stored, fields: dict[str, str], field: str
) -> None:
    response = post(pages, stored.server, row(0, stored.grant), row(1, None, **{"effect": "deny", **fields}))
    assert response.status_code == 200
    assert field in response.context["inline_admin_formsets"][0].formset.errors[1]
    assert len(rules(stored.server)) == 1
    own = {"project": stored.project.pk, "effect": "allow", "pattern": "*", **fields}
    assert field in errors_of(add(pages, "servers_grant", **own))


# --- rules of all servers -------------------------------------------------------------------------------


def test_a_rule_of_every_server_has_a_page_of_its_own(pages: Client, stored: Stored) -> None:
    fields = {"effect": "deny", "role": "", "pattern": "delete_*", "reason": HOSTILE}
    assert add(pages, "servers_grant", project=stored.project.pk, **fields).status_code == 302
    with unscoped("the test looks"):
        rule = Grant.objects.get(server=None)
    body = pages.get(reverse("admin:servers_grant_changelist")).content.decode()
    assert "every server" in body and "every role" in body and "<script>alert" not in body
    wanted = {**fields, "role": "member", "server": stored.server.pk}
    assert change(pages, "servers_grant", rule.pk, **wanted).status_code == 302
    assert ("deny", "member", "delete_*", HOSTILE) in rules(stored.server)
    assert delete(pages, "servers_grant", rule.pk).status_code == 302
    act(pages, "servers_grant", "delete_selected", stored.grant.pk, post="yes")
    assert rules(stored.server) == []
    assert Event.objects.filter(kind="grant.deleted").count() == 2


@pytest.mark.claim("admin.tenants")
def test_a_rule_names_a_server_of_its_own_project_only(pages: Client, stored: Stored, elsewhere: Server) -> None:
    fields = {"effect": "allow", "pattern": "*", "server": elsewhere.pk}
    refused = add(pages, "servers_grant", project=stored.project.pk, **fields)
    assert "no such server" in str(errors_of(refused)["server"])
    assert "server" in errors_of(change(pages, "servers_grant", stored.grant.pk, **fields))
    assert rules(elsewhere) == []


@pytest.mark.claim("admin.tenants")
def test_a_rule_stays_in_its_project(pages: Client, stored: Stored, elsewhere: Server) -> None:
    change(pages, "servers_grant", stored.grant.pk, project=elsewhere.project_id, effect="deny", pattern="x",
           server=stored.server.pk)  # fmt: skip
    with unscoped("the test looks"):
        assert Grant.objects.get(pk=stored.grant.pk).project_id == stored.project.pk


@pytest.mark.claim("admin.tenants")
def test_a_rule_of_another_server_cannot_be_changed_from_a_servers_page(
    pages: Client, stored: Stored, elsewhere: Server
) -> None:
    data = {**SERVER, "slug": "theirs", "grants-TOTAL_FORMS": 1, "grants-INITIAL_FORMS": 1}
    for fields in ({"effect": "deny"}, {"DELETE": "on"}):
        change(pages, "servers_server", elsewhere.pk, **data, **row(0, stored.grant, **fields))
        assert (rules(stored.server), rules(elsewhere)) == ([("allow", "", "read*", "")], [])


# --- why ------------------------------------------------------------------------------------------------


@pytest.fixture
def serving(stored: Stored) -> Stored:
    """The server lists two tools, and everyone may use one."""
    with with_project(stored.project.pk):
        Server.objects.filter(pk=stored.server.pk).update(review="trust")
    names = ["read", "write", f"{HOSTILE[:60]}"]
    listed = [Listed("tool", name, {"name": name, "inputSchema": {"type": "object"}}) for name in names]
    observing.observe(server=stored.server, era="modern", listed=listed, whole=["tool"])
    services.set_grants(server=stored.server, grants=[services.GrantSpec("allow", "read"),
                                                      services.GrantSpec("allow", "<*")])  # fmt: skip
    return stored


def why(pages: Client, **fields: Any) -> Any:
    asked = {"project": "acme", "server": "docs", "kind": "tool", "name": "read", "ask": "Ask", **fields}
    return pages.post(reverse("admin:servers_grant_why"), asked)


@pytest.mark.claim("rights.why")
def test_the_page_says_why_and_what_may_be_used(pages: Client, serving: Stored) -> None:
    for spelled in (serving.key.key_id, f"mgw_{serving.key.key_id}"):
        reply = why(pages, key=spelled).context["reply"]
        assert (reply["allowed"], reply["why"][:28]) == (True, "Allowed by the rule 'read', ")
        assert ("tool", "read") in reply["usable"] and ("tool", "write") not in reply["usable"]
    refused = why(pages, user="ADA@acme.test", name="write")
    assert refused.context["reply"]["why"] == "No rule allows it to the role owner at docs."
    assert "<script>alert" not in refused.content.decode()
    services.set_grants(server=serving.server, grants=[])
    assert why(pages, key=serving.key.key_id, name="").context["reply"]["why"] == (
        "Nobody has granted docs to the role owner."
    )
    assert Event.objects.latest("ord").kind == "grants.changed", "to ask changes nothing"


def test_what_can_be_chosen_is_of_the_chosen_project_only(pages: Client, serving: Stored, elsewhere: Server) -> None:
    path = reverse("admin:servers_grant_why")
    assert pages.get(path).context["offered"] == {}
    ours = pages.get(f"{path}?project=acme&server=docs").context["offered"]
    assert ours["server"] == [("clock", ""), ("docs", "")]
    assert (ours["key"][0][0], ours["user"][0][0]) == (f"mgw_{serving.key.key_id}", "ada@acme.test")
    assert ("read", "tool") in ours["name"]
    assert pages.post(path, {"project": "acme", "look": "x"}).context["reply"] is None
    theirs = pages.get(f"{path}?project=globex&server=docs").context["offered"]
    assert theirs == {"key": [], "user": [], "server": [("theirs", "")], "name": []}


@pytest.mark.claim("admin.tenants")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "key"), ({"key": "x", "user": "y"}, "key"), ({"key": "none"}, "key"), ({"user": "none"}, "user"),
        ({"key": "x" * 64}, "key"), ({"user": "ada@acme.test", "project": "none"}, "project"),
        ({"user": "ada@acme.test", "kind": "spell"}, "kind"), ({"user": "ada@acme.test", "server": ""}, "server"),
        ({"user": "ada@acme.test", "project": "globex"}, ""),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_asked_is_a_form_error(
    pages: Client, serving: Stored, elsewhere: Server, fields: dict[str, str], field: str
) -> None:
    response = why(pages, **fields)
    assert response.status_code == 200
    if field:
        assert response.context["reply"] is None and field in response.context["form"].errors
    else:
        assert "no active member" in response.context["reply"]["why"]


@pytest.mark.claim("admin.tenants")
def test_a_key_of_another_project_is_not_found(pages: Client, serving: Stored, elsewhere: Server) -> None:
    response = why(pages, key=serving.key.key_id, project="globex", server="theirs")
    assert "no such key" in str(response.context["form"].errors["key"])
    assert Project.objects.count() == 2
