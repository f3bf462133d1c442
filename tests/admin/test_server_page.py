"""A server's page, its test of the connection, its tools' pages, the inbox and the caches, as every role has them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse

from audit.models import Event
from projects import services as projects
from projects.models import Job
from projects.scoping import unscoped, with_project
from servers import children, observing, review, trying
from servers.children import Child
from servers.discovery import Discovered, EraFound
from servers.models import Grant, Overlay, Server, State, Tool, ToolVersion
from servers.observing import Listed
from servers.pages.schema_rows import rows_of
from servers.pages.ways import link_to_why
from servers.steps import Step
from servers.trying import Trial
from tests.admin.conftest import HOSTILE
from tests.admin.people import People, two_tenants_of_every_role

pytestmark = pytest.mark.django_db
SEES = {"operator": 200, "owner": 200, "admin": 200, "member": 200, "auditor": 404, "outsider": 404}
CHANGES = {"operator": 302, "owner": 302, "admin": 302, "member": 404, "auditor": 404, "outsider": 404}


@pytest.fixture
def people(db: None) -> People:
    return two_tenants_of_every_role()


def definition(name: str, description: str = "Reads.", **members: Any) -> dict[str, Any]:
    return {"name": name, "description": description, "inputSchema": {"type": "object"}, **members}


def see(server: Server, *definitions: dict[str, Any]) -> None:
    listed = [Listed("tool", each["name"], each) for each in definitions]
    observing.observe(server=server, era="modern", listed=listed, whole=["tool"])


def tool_of(name: str) -> Tool:
    with unscoped("the test looks"):
        return Tool.objects.select_related("server__project").get(name=name)


def page(server: Server, view: str = "server", **more: Any) -> str:
    return reverse(f"servers-{view}", args=[server.project.slug, server.slug, *more.values()])


@pytest.mark.claim("pages.readers")
def test_pages_of_a_server_open_by_role_and_are_unknown_to_others(people: People) -> None:
    server, foreign = people.server(), people.server("vault", project=people.globex)
    see(server, definition("read"))
    see(foreign, definition("open"))
    for row, seen in ((server, SEES), (foreign, {"operator": 200, "outsider": 200})):
        tool = tool_of("read" if row is server else "open")
        for name in people.users:
            for address in (page(row), page(row, "server-progress"), page(row, "tool", number=tool.pk),
                            reverse("servers-caches", args=[row.project.slug])):  # fmt: skip
                answer = people.browser(name).get(address)
                assert answer.status_code == seen.get(name, 404), (name, address)
                if answer.status_code == 404:
                    unknown = people.browser(name).get(address.replace(row.project.slug, "nothing", 1))
                    assert answer.content == unknown.content, (name, address)
    assert people.browser("nobody").get(page(server)).status_code == 302
    other = page(foreign, "tool", number=tool_of("read").pk)
    assert people.browser("operator").get(other).status_code == 404, "a tool of another server"


@pytest.mark.claim("pages.readers")
def test_acts_are_for_who_may_change_the_configuration(people: People) -> None:
    server = people.server()
    for name in people.users:
        for address in (page(server, "server-read"), reverse("servers-caches-clear", args=["acme"])):
            assert people.browser(name).post(address, {"kind": "all"}).status_code == CHANGES[name], (name, address)
            assert people.browser(name).get(address).status_code in (404, 405), (name, address)
    with unscoped("the test looks"):
        assert Job.objects.filter(subject_ref=server.pk, project=people.acme).count() == 1
    foreign = people.server("vault", project=people.globex)
    cleared = people.browser("owner").post(reverse("servers-caches-clear", args=["acme"]), {"server": foreign.slug})
    assert cleared.status_code == 404


@pytest.mark.claim("pages.server")
def test_the_test_of_the_connection_shows_each_message_in_words(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = people.server()
    asked: list[Server] = []

    def try_server(*, server: Server) -> Trial:
        asked.append(server)
        found = EraFound({"name": HOSTILE}, {"tools": {}}, "", ("2026-07-28",), (Listed("tool", "read", {}),))
        steps = (Step("initialize", 12.5, 0, "timeout"), Step("server/discover", 3.25, 200, ""),
                 Step("tools/list", 1.5, 200, ""))  # fmt: skip
        return Trial("", 17.3, Discovered({"modern": found}), steps)

    monkeypatch.setattr(trying, "try_server", try_server)
    body = people.browser("admin").post(page(server, "server-test")).content.decode()
    assert asked == [server]
    for text in ("initialize", "gave no answer in time", "server/discover", "12.5", "17.3 ms in all", "1 tool"):
        assert text in body, text
    assert people.browser("member").post(page(server, "server-test")).status_code == 404
    assert len(asked) == 1


@pytest.mark.claim("pages.server")
@pytest.mark.django_db(transaction=True)
def test_a_server_that_is_not_there_is_said_to_be_so(people: People, settings: Any) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    server = people.server(url="http://127.0.0.1:9/mcp")
    body = people.browser("owner").post(page(server, "server-test")).content.decode()
    assert "It cannot be reached: see that its address and port are right, and that it runs." in body
    assert "initialize" in body and "server/discover" in body
    assert Event.objects.filter(kind="server.tried", actor="owner@gateway.test").count() == 1


@pytest.mark.claim("pages.server")
def test_a_server_that_refuses_the_token_is_told_from_one_that_is_away(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (Step("initialize", 1.0, 401, "unavailable"),)
    monkeypatch.setattr(trying, "try_server", lambda **_: Trial("unavailable", 1.0, steps=steps))
    body = people.browser("owner").post(page(people.server(), "server-test")).content.decode()
    assert body.count("refused our credentials: see that its token or headers are right") == 2


@pytest.mark.claim("pages.markup")
@pytest.mark.claim("pages.server")
def test_what_servers_and_their_processes_say_is_text(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    server = people.server(transport="sse", url="http://127.0.0.1:9/sse")
    with with_project(people.acme.pk):
        Server.objects.filter(pk=server.pk).update(
            discovery_error=HOSTILE, about={"modern": {"server_info": {"name": HOSTILE}, "versions": [HOSTILE],
                                                       "capabilities": {HOSTILE: {}}}},
        )  # fmt: skip
    schema = {"type": "object", "required": [HOSTILE], "properties": {
        HOSTILE: {"type": HOSTILE, "description": HOSTILE, "enum": [HOSTILE], "default": HOSTILE}}}  # fmt: skip
    broken = definition(f"t {HOSTILE}", HOSTILE, inputSchema=schema, title=HOSTILE, x={"x": HOSTILE})
    # The one cannot be offered at all, the other waits.
    see(server, broken, definition(f"w {HOSTILE}", HOSTILE))
    monkeypatch.setattr(
        "servers.pages.server.children_of", lambda server: [Child(7, HOSTILE, HOSTILE, 2, (HOSTILE,))]
    )
    tool = tool_of(f"t {HOSTILE}")
    for address in (page(server), page(server, "tool", number=tool.pk), reverse("servers-inbox"),
                    reverse("servers-caches", args=["acme"]), f"{reverse('admin:index')}?project=acme"):  # fmt: skip
        body = people.browser("owner").get(address).content.decode()
        assert "&lt;script&gt;alert" in body, address
        assert "<script>alert" not in body and "<img src=x" not in body, address


@pytest.mark.claim("pages.server")
def test_processes_of_other_servers_are_not_shown(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = people.server("own", transport="sse"), people.server("other", transport="sse")

    async def answer() -> list[dict[str, Any]]:
        return [
            {"project_id": people.acme.pk, "server_id": own.pk, "pid": 1, "stderr": ["mine"]},
            {"project_id": people.acme.pk, "server_id": other.pk, "pid": 2, "stderr": ["canary"]},
            {"project_id": people.globex.pk, "server_id": own.pk, "pid": 3, "stderr": ["canary"]},
            {"pid": 4, "state": "closing"},
        ]

    monkeypatch.setattr(children, "_ask", answer)
    found = children.children_of(own)
    assert found is not None and [(each.pid, each.lines) for each in found] == [(1, ("mine",))]
    assert children.children_of(people.server("web")) is None


@pytest.mark.claim("pages.server")
def test_progress_says_how_far_the_reading_is(people: People) -> None:
    server = people.server()
    see(server, definition("one"), definition("two"))
    assert people.browser("owner").post(page(server, "server-read")).status_code == 302
    with with_project(people.acme.pk):
        Job.objects.filter(subject_ref=server.pk).update(
            state=Job.State.RUNNING, progress_done=3, progress_total=8, progress_text="modern tools, 2 so far"
        )
    said = people.browser("member").get(page(server, "server-progress")).json()
    assert (said["state"], said["done"], said["total"], said["is_open"]) == ("running", 3, 8, True)
    assert said["words"] == "Reading: modern tools, 2 so far"
    assert said["tools"] == {"approved": 0, "waiting": 2, "rejected": 0}


@pytest.mark.claim("pages.server")
def test_what_is_not_being_read_is_said_in_words_and_with_no_bar(people: People) -> None:
    server = people.server()
    assert "It has not been read yet." in people.browser("owner").get(page(server, "server")).content.decode()
    people.browser("owner").post(page(server, "server-read"))
    with with_project(people.acme.pk):
        job = Job.objects.filter(subject_ref=server.pk)
        job.update(state=Job.State.QUEUED, error="timeout", run_after=datetime(2026, 3, 4, 5, 6, tzinfo=UTC))
        shown = people.browser("owner").get(page(server, "server")).content.decode()
        assert "It could not be read: timeout. It is tried again at 2026-03-04 05:06 UTC." in shown
        assert re.search(r"<progress [^>]* hidden>", shown)
        job.update(state=Job.State.RUNNING, error="")
        shown = people.browser("owner").get(page(server, "server")).content.decode()
        assert "<progress " in shown and not re.search(r"<progress [^>]* hidden>", shown)


@pytest.mark.claim("pages.tool")
def test_a_tool_shows_its_schema_and_who_may_use_it_and_why(people: People) -> None:
    server = people.server()
    schema = {
        "type": "object", "required": ["path"],
        "properties": {"path": {"type": "string", "maxLength": 20}, "deep": {"type": "object", "properties": {
            "kinds": {"type": "array", "items": {"enum": ["a", "b"]}}}}},
    }  # fmt: skip
    see(server, definition("read", inputSchema=schema))
    key, _ = projects.issue_key(project=people.acme, user=people.users["member"], label="narrow", tools=["other"])
    address = page(server, "tool", number=tool_of("read").pk)
    waiting = people.browser("owner").get(address).content.decode()
    assert "waits for review" in waiting
    with unscoped("the test decides"):
        review.approve_waiting(server=server)
    response = people.browser("owner").get(address)
    rows = {(each["person"], each["label"]): each for each in response.context["people"]}
    assert rows[("member@gateway.test", "without limits")]["allowed"] is True
    assert rows[("member@gateway.test", "narrow")]["allowed"] is False
    assert "narrow" in rows[("member@gateway.test", "narrow")]["why"]
    assert "may not call" in rows[("auditor@gateway.test", "without limits")]["why"]
    assert [(row.name, row.depth, row.is_required) for row in response.context["takes"]] == [
        ("path", 0, True), ("deep", 0, False), ("kinds", 1, False)]  # fmt: skip
    own = {each["person"] for each in people.browser("member").get(address).context["people"]}
    assert own == {"member@gateway.test"}, "what others may do is for administrators"
    with with_project(people.acme.pk):
        Overlay.objects.create(project=people.acme, server=server, tool="read", hidden=True)
    hidden = people.browser("owner").get(address).context["people"]
    assert not any(each["allowed"] for each in hidden)
    assert key.key_id in response.content.decode()


@pytest.mark.claim("pages.tool")
def test_a_tool_is_blocked_from_its_page(people: People) -> None:
    server = people.server()
    see(server, definition("read*me"))
    address = page(server, "tool", number=tool_of("read*me").pk)
    assert "Block it for everybody" not in people.browser("member").get(address).content.decode()
    owner = people.browser("owner")
    form = owner.get(owner.get(address).context["deny"]).context["adminform"].form
    given = {name: form.get_initial_for_field(form.fields[name], name) or "" for name in form.fields}
    assert owner.post(reverse("admin:servers_grant_add"), given).status_code == 302
    with unscoped("the test looks"):
        rule = Grant.objects.get(effect=Grant.Effect.DENY)
    assert (rule.server_id, rule.pattern) == (server.pk, "read[*]me")
    people_who_may = owner.get(address).context["people"]
    assert [each["allowed"] for each in people_who_may] == [False] * len(people_who_may)


@pytest.mark.claim("pages.tool")
def test_a_call_that_no_rule_let_through_leads_to_why(people: People) -> None:
    server = people.server()
    key, _ = projects.issue_key(project=people.acme, user=people.users["member"], label="laptop")
    refused = Event(kind="mcp.call.outcome", reason="not_permitted", actor_kind="key", actor_id=key.key_id,
                    server=server.slug, subject="read", project_ref=people.acme.pk)  # fmt: skip
    ((address, _),) = link_to_why(refused)
    form = people.browser("owner").get(address).context["form"]
    assert [form.initial[name] for name in ("project", "key", "server", "kind", "name")] == [
        "acme", f"mgw_{key.key_id}", server.slug, "tool", "read"]  # fmt: skip
    assert list(link_to_why(Event(kind="mcp.call.outcome", reason="", actor_kind="key"))) == []


@pytest.mark.claim("pages.tool")
def test_any_schema_can_be_read() -> None:
    circle: dict[str, Any] = {"type": "object", "properties": {}}
    deep: dict[str, Any] = circle
    for _ in range(50):
        deep["properties"]["x"] = {"type": "object", "properties": {}}
        deep = deep["properties"]["x"]
    assert len(rows_of(circle)) <= 9
    many: dict[str, Any] = {"properties": {f"p{number}": {} for number in range(5_000)}}
    assert len(rows_of(many)) == 300
    odd: list[Any] = [None, 3, [], {"properties": 3}, {"properties": {"a": True, "b": None, "c": {"type": 3}}},
                      {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
                      {"properties": {"a": {"$ref": "#/$defs/x"}}, "required": {"a": 1}}]  # fmt: skip
    for schema in odd:
        for row in rows_of(schema):
            assert isinstance(row.type, str)


@pytest.mark.claim("pages.inbox")
@pytest.mark.claim("pages.readers")
def test_the_inbox_has_what_waits_in_all_of_ones_projects_and_nothing_else(people: People) -> None:
    own, foreign = people.server(), people.server("vault", project=people.globex)
    see(own, definition("mine"), definition("also-mine"))
    see(foreign, definition("canary-foreign"))
    inbox = reverse("servers-inbox")

    def names(name: str, query: str = "") -> set[str]:
        return {each["name"] for each in people.browser(name).get(inbox + query).context["entries"]}

    for name in ("owner", "admin"):
        assert names(name) == {"mine", "also-mine"}, name
    assert names("outsider") == {"canary-foreign"}
    assert names("operator") == {"mine", "also-mine", "canary-foreign"}
    assert names("operator", "?project=globex") == {"canary-foreign"}
    assert names("owner", "?server=vault") == set()
    for name in ("member", "auditor"):
        for address in (inbox, reverse("servers-inbox-count")):
            assert people.browser(name).get(address).status_code == 404
    assert people.browser("owner").get(f"{inbox}?project=globex").status_code == 404
    assert people.browser("owner").get(reverse("servers-inbox-count")).json() == {"waiting": 2, "badge": "2"}


@pytest.mark.claim("pages.inbox")
def test_decisions_are_about_what_was_shown_and_about_nobody_elses(people: People) -> None:
    own, foreign = people.server(), people.server("vault", project=people.globex)
    see(own, definition("mine"), definition("bad"))
    see(foreign, definition("canary"))
    with unscoped("the test looks"):
        numbers = {each.tool.name: each.pk for each in ToolVersion.objects.select_related("tool")}
    decide = reverse("servers-inbox-decide")

    def state(name: str) -> str:
        return tool_of(name).state

    owner = people.browser("owner")
    for name in ("member", "auditor"):
        assert people.browser(name).post(decide, {"act": "approve", "version": numbers["mine"]}).status_code == 404
    owner.post(decide, {"act": "approve", "version": [numbers["mine"], numbers["canary"]], "reason": "looked at"})
    assert (state("mine"), state("canary")) == (State.APPROVED, State.WAITING)
    owner.post(decide, {"act": "reject", "version": numbers["bad"]})
    assert state("bad") == State.REJECTED
    event = Event.objects.get(kind="definition.approved")
    assert (event.actor, event.project) == ("owner@gateway.test", "acme")
    see(own, definition("mine", "Something else."), definition("bad"))
    owner.post(decide, {"act": "approve", "version": numbers["mine"]})
    assert state("mine") == State.WAITING, "another definition came meanwhile"
    for wrong in ({"act": "roll_back"}, {"act": "approve", "reason": "x" * 501}, {"act": "approve", "reason": "\x00"}):
        owner.post(decide, {**wrong, "version": numbers["canary"]})
    assert state("canary") == State.WAITING
    assert owner.get(decide).status_code == 405


@pytest.mark.claim("pages.caches")
def test_caches_are_shown_and_dropped(people: People) -> None:
    server = people.server()
    owner, address = people.browser("owner"), reverse("servers-caches", args=["acme"])
    assert [each.slug for each, _ in owner.get(address).context["servers"]] == ["docs"]
    clear = reverse("servers-caches-clear", args=["acme"])
    assert owner.post(clear, {"kind": "tools", "server": server.slug}).status_code == 302
    assert owner.post(clear, {"kind": "nonsense"}).status_code == 302
    kinds = list(Event.objects.filter(kind="cache.cleared").values_list("detail", flat=True))
    assert [each["kinds"] for each in kinds] == [["tools"]]
