"""The first day in the browser: project, server, key with settings for each client, and the first call."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from django.urls import reverse

from audit import storage
from audit.entry import Entry, new_id, now
from audit.models import Event
from projects import services
from projects.models import ApiKey, Membership, Project
from projects.scoping import unscoped
from servers import services as servers
from servers.models import CommandTemplate, Grant, Review, Server
from tests.admin.conftest import HOSTILE, everything_stored
from tests.admin.people import People, two_tenants_of_every_role

pytestmark = [pytest.mark.django_db, pytest.mark.claim("pages.start")]


@pytest.fixture
def people(db: None) -> People:
    return two_tenants_of_every_role()


def server_of(slug: str) -> Server:
    with unscoped("the test looks"):
        return Server.objects.select_related("project", "template").get(slug=slug)


def test_an_operator_makes_a_project_and_owns_it(people: People) -> None:
    operator, begin = people.browser("operator"), reverse("servers-start")
    for slug in ("UPPER", "acme", ""):
        assert operator.post(begin, {"slug": slug}).status_code == 422, slug
    answer = operator.post(begin, {"slug": "new", "name": f"New {HOSTILE}"})
    assert answer["Location"] == reverse("servers-start-server", args=["new"])
    with unscoped("the test looks"):
        assert Membership.objects.get(project__slug="new").user == people.users["operator"]
    assert list(Event.objects.filter(project="new").order_by("ord").values_list("kind", flat=True)) == [
        "project.created", "member.set"]  # fmt: skip


def test_nobody_else_makes_one(people: People) -> None:
    for name in ("owner", "member", "auditor", "outsider", "nobody"):
        people.browser(name).post(reverse("servers-start"), {"slug": "stolen"})
    assert not Project.objects.filter(slug="stolen").exists()


def test_a_server_is_added_by_its_address_and_may_be_used_at_once(people: People) -> None:
    owner, address = people.browser("owner"), reverse("servers-start-server", args=["acme"])
    form = {"slug": "docs", "url": "https://203.0.114.1/mcp", "bearer": "canary-bearer", "trust": "on", "allow": "on"}
    answer = owner.post(address, form)
    assert answer["Location"] == reverse("servers-start-reading", args=["acme", "docs"])
    row = server_of("docs")
    assert (row.project, row.review, row.secrets["headers"]) == (
        people.acme, Review.TRUST_FIRST, {"Authorization": "Bearer canary-bearer"})  # fmt: skip
    with unscoped("the test looks"):
        assert Grant.objects.filter(server=row, effect="allow", pattern="*").count() == 1
    assert "canary-bearer" not in everything_stored()
    assert owner.get(answer["Location"]).status_code == 200
    again = owner.post(address, {**form, "slug": "docs"})
    assert again.status_code == 422 and "canary-bearer" not in again.content.decode()
    owner.post(address, {"slug": "careful", "url": "https://203.0.114.1/mcp"})
    assert server_of("careful").review == Review.REVIEW
    with unscoped("the test looks"):
        assert not Grant.objects.filter(server__slug="careful").exists()


def test_a_command_is_filled_in_and_never_typed(people: People) -> None:
    servers.save_template(
        template=CommandTemplate(
            slug="clock", executable="{python}", args=["-m", "clock", "--zone={zone}"], env={"TOKEN": "{token}"},
            params={"zone": {"pattern": "[A-Za-z_/]+"}, "token": {"pattern": ".+", "secret": True}},
        )
    )  # fmt: skip
    owner, address = people.browser("owner"), reverse("servers-start-server", args=["acme"])
    given = {"slug": "clock", "template": "clock", "params": "zone=Europe/Paris\ntoken=canary-token"}
    assert owner.post(address, given).status_code == 302
    assert server_of("clock").params == {"zone": "Europe/Paris"}
    assert "canary-token" not in everything_stored()
    for wrong in ({**given, "slug": "b", "url": "https://203.0.114.1/mcp"}, {"slug": "b"}, {**given, "slug": "B"},
                  {**given, "slug": "b", "params": "zone=a b\ntoken=canary-token"},
                  {"slug": "b", "url": "file:///etc/passwd"}):  # fmt: skip
        answer = owner.post(address, wrong)
        assert answer.status_code == 422, wrong
        assert "canary-token" not in answer.content.decode()


@pytest.mark.claim("pages.readers")
def test_steps_are_for_who_may_take_them(people: People) -> None:
    people.server("docs")
    add, key = (reverse(f"servers-start-{step}", args=["acme"]) for step in ("server", "key"))
    may_add, may_issue = {"operator", "owner", "admin"}, {"operator", "owner", "admin", "member"}
    for name in people.users:
        assert (people.browser(name).get(add).status_code == 200) is (name in may_add), name
        assert (people.browser(name).get(key).status_code == 200) is (name in may_issue), name
        unknown = people.browser(name).get(add.replace("acme", "nothing"))
        if name not in may_add:
            assert people.browser(name).get(add).content == unknown.content
    form = {"slug": "intruder", "url": "https://203.0.114.1/mcp"}
    for name in ("member", "auditor", "outsider"):
        assert people.browser(name).post(add, form).status_code == 404
    people.browser("outsider").post(key, {"label": "stolen"})
    people.browser("auditor").post(key, {"label": "stolen"})
    with unscoped("the test looks"):
        assert not Server.objects.filter(slug="intruder").exists() and not ApiKey.objects.exists()


def issue(people: People, name: str = "member", label: str = "my laptop") -> Any:
    return people.browser(name).post(reverse("servers-start-key", args=["acme"]), {"label": label})


@pytest.mark.claim("pages.kits")
def test_a_key_comes_once_with_settings_for_each_client(people: People) -> None:
    people.server("docs")
    people.server("clock")
    response = issue(people, label=f"lap {HOSTILE}"[:100])
    ((key, text, snippets),) = response.context["issued"]
    body = response.content.decode()
    assert text in body and "no-store" in response["Cache-Control"]
    assert "<script>alert" not in body and "<img src=x" not in body
    assert text not in everything_stored()
    assert text.removeprefix("mgw_") not in str(response.headers)
    assert key.user == people.users["member"] and key.project == people.acme
    kits = {each.client: each for each in snippets}
    assert set(kits) == {"Claude Code", "Claude Code, for a project", "Claude Desktop", "Cursor", "VS Code", "Codex",
                         "Python", "curl"}  # fmt: skip
    url, bearer = "http://testserver/mcp/acme/docs", f"Bearer {text}"
    project = json.loads(kits["Claude Code, for a project"].text)["mcpServers"]
    assert project["docs"] == {"type": "http", "url": url, "headers": {"Authorization": bearer}}
    assert set(project) == {"docs", "clock"}
    assert json.loads(kits["Cursor"].text)["mcpServers"]["docs"] == {"url": url, "headers": {"Authorization": bearer}}
    code = json.loads(kits["VS Code"].text)
    assert code["servers"]["docs"]["headers"] == {"Authorization": f"Bearer ${{input:{code['inputs'][0]['id']}}}"}
    assert text not in kits["VS Code"].text, "it asks for the key"
    desktop = json.loads(kits["Claude Desktop"].text)["mcpServers"]["docs"]
    assert desktop["command"] == "mcp-gateway" and desktop["args"][:3] == ["connect", "--url", url]
    assert desktop["env"] == {"GATEWAY_KEY": text} and text not in str(desktop["args"])
    codex = tomllib.loads(kits["Codex"].text)["mcp_servers"]["docs"]
    assert codex == {"url": url, "http_headers": {"Authorization": bearer}}
    compile(kits["Python"].text, "kit", "exec")
    assert len({each.name for each in snippets}) >= 6 and all("/" not in each.name for each in snippets)


@pytest.mark.claim("pages.kits")
def test_the_keys_page_has_the_same_kits(people: People) -> None:
    people.server("docs")
    form = {"project": people.acme.pk, "email": "owner@gateway.test", "label": "x", "servers": "*", "tools": "*",
            "surface": "native"}  # fmt: skip
    response = people.browser("operator").post(reverse("admin:projects_apikey_add"), form)
    ((key, _, snippets),) = response.context["issued"]
    assert {"Codex", "Python", "curl"} <= {each.client for each in snippets}
    assert reverse("servers-key-used", args=["acme", key.key_id]) in response.content.decode()


@pytest.mark.claim("pages.kits")
def test_the_first_call_is_seen_by_who_may_see_the_key(people: People) -> None:
    key, _ = services.issue_key(project=people.acme, user=people.users["member"], label="laptop")
    address = reverse("servers-key-used", args=["acme", key.key_id])
    member = people.browser("member")
    assert member.get(address).json() == {"used": False, "text": ""}
    shared: dict[str, Any] = {"at": now(), "kind": "mcp.call.intent", "project": "acme", "actor_kind": "key"}
    storage.insert([
        Entry(id=new_id(), project_ref=people.globex.pk, actor_id=key.key_id, **shared),
        Entry(id=new_id(), project_ref=people.acme.pk, actor_id="another", **shared),
    ])  # fmt: skip
    assert member.get(address).json()["used"] is False
    storage.insert([
        Entry(id=new_id(), project_ref=people.acme.pk, actor_id=key.key_id, method=HOSTILE, server="docs", **shared)
    ])  # fmt: skip
    said = member.get(address).json()
    assert said["used"] is True and said["text"].startswith(f"{HOSTILE} at docs")
    sees = {"operator": 200, "owner": 200, "admin": 200, "member": 200, "auditor": 404, "outsider": 404}
    for name, status in sees.items():
        assert people.browser(name).get(address).status_code == status, name
    other, _ = services.issue_key(project=people.acme, user=people.users["owner"], label="owner's")
    assert member.get(reverse("servers-key-used", args=["acme", other.key_id])).status_code == 404


def test_who_is_no_member_gets_no_key(people: People) -> None:
    response = issue(people, "operator")
    assert response.status_code == 422
    assert "is not a member" in response.content.decode()
