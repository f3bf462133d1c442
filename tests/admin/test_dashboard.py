"""The first page: numbers that lead to exactly what was counted, servers with trouble first, and what to do next."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit import storage
from audit.entry import Entry, new_id, now
from projects import services
from projects.models import ApiKey, Project
from projects.scoping import unscoped
from servers.models import Server, Tool
from tests.admin.conftest import HOSTILE
from tests.admin.people import People, two_tenants_of_every_role
from tests.audit.sealing import index_all

pytestmark = [pytest.mark.claim("pages.dashboard"), pytest.mark.django_db(transaction=True)]
INDEX = reverse("admin:index")
FIGURES = reverse("servers-figures")


@pytest.fixture
def people(transactional_db: None) -> People:
    return two_tenants_of_every_role()


def call(project: Project, count: int = 1, **fields: Any) -> None:
    given: dict[str, Any] = {
        "kind": "mcp.call.outcome", "project_ref": project.pk, "project": project.slug, "actor_kind": "key",
        "server": "docs", "method": "tools/call", "subject": "search", "decision": "ok", "duration_us": 9_000,
        **fields,
    }  # fmt: skip
    storage.insert([Entry(id=new_id(), at=now(), **given) for _ in range(count)])


def board(client: Client, query: str = "") -> Any:
    response = client.get(FIGURES + query)
    assert response.status_code == 200, response
    return response.json()


def figures_of(shown: Any) -> dict[str, dict[str, str]]:
    return {each["id"]: each for top in shown["figures"] for each in (top, *top["parts"])}


def test_every_number_is_what_the_log_lists_under_its_address(people: People) -> None:
    call(people.acme, 6)
    call(people.acme, 2, decision="refused", reason="blocked_input")
    call(people.acme, 1, decision="refused", reason="blocked_output")
    call(people.acme, 3, decision="failed", reason="timeout", server="clock", subject="tell")
    call(people.acme, 1, decision="tool_error")
    call(people.globex, 40)
    index_all()
    owner = people.browser("owner")
    for window in ("1h", "24h", "7d"):
        shown = board(owner, f"?project=acme&window={window}")
        found = figures_of(shown)
        wanted = {"calls": 13, "refused": 3, "blocked_in": 2, "blocked_out": 1, "errors": 4}
        assert {name: found[name]["text"] for name in wanted} == {name: str(count) for name, count in wanted.items()}
        rows = [*shown["tools"], *shown["servers"]]
        numbers = [(found[name]["address"], count) for name, count in wanted.items()]
        numbers += [(each["address"], int(each["text"])) for row in rows for each in row["figures"]]
        numbers += [(bar["address"], bar["calls"]) for bar in shown["bars"] if bar["calls"]]
        assert len(numbers) >= len(wanted) + 3 * 2 + 1
        for address, count in numbers:
            listed = owner.get(address).context["page"].events
            assert len(listed) == count, (window, address)
            assert {event.project_ref for event in listed} <= {people.acme.pk}
        answered = owner.get(found["p95"]["address"]).context["page"].events
        assert len(answered) == 7
        assert found["p50"]["text"].endswith(" ms")
    body = owner.get(f"{INDEX}?project=acme").content.decode()
    assert re.search('data-figure="calls"[^>]*>13<', body)


@pytest.mark.claim("pages.readers")
def test_everybody_sees_the_numbers_of_logs_that_they_may_read(people: People) -> None:
    call(people.acme, 5)
    call(people.globex, 7)
    index_all()
    for name in ("owner", "admin", "auditor"):
        assert figures_of(board(people.browser(name)))["calls"]["text"] == "5", name
    assert figures_of(board(people.browser("outsider")))["calls"]["text"] == "7"
    everything = board(people.browser("operator"))
    assert figures_of(everything)["calls"]["text"] == "12"
    assert [(row["name"], row["figures"][0]["text"]) for row in everything["of_projects"]] == [
        ("globex", "7"), ("acme", "5")]  # fmt: skip
    assert figures_of(board(people.browser("operator"), "?project=acme"))["calls"]["text"] == "5"
    member = board(people.browser("member"), "?project=acme")
    assert member["figures"] == member["tools"] == member["bars"] == []
    for name in ("owner", "outsider", "auditor"):
        foreign = "globex" if name != "outsider" else "acme"
        first, second = (people.browser(name).get(f"{FIGURES}?project={slug}") for slug in (foreign, "nothing"))
        assert (first.status_code, first.content) == (404, second.content), name
    assert people.browser("nobody").get(FIGURES).status_code == 302


def test_servers_with_trouble_come_first_and_say_what_it_is(people: People) -> None:
    for slug in ("alpha", "broken", "off"):
        people.server(slug)
    people.server("foreign", project=people.globex)
    with unscoped("the test changes what discovery would"):
        Server.objects.filter(slug="broken").update(discovery_error=f"timeout {HOSTILE}")
        Server.objects.filter(slug="off").update(enabled=False)
        broken = Server.objects.get(slug="broken")
        for number in range(3):
            Tool.objects.create(project=people.acme, server=broken, name=f"tool-{number}", digest="0" * 64)
    shown = board(people.browser("admin"), "?project=acme")
    assert [(row["slug"], row["state"], row["waiting"]) for row in shown["servers"]] == [
        ("broken", "failing", 3), ("alpha", "unread", 0), ("off", "off", 0)]  # fmt: skip
    assert shown["waiting"] == 3
    body = people.browser("admin").get(f"{INDEX}?project=acme").content.decode()
    assert "&lt;script&gt;alert" in body and "<script>alert" not in body
    assert board(people.browser("member"), "?project=acme")["waiting"] == 0, "who decides on nothing"
    assert board(people.browser("auditor"), "?project=acme")["servers"] == []


def test_an_empty_project_says_what_to_do_next(people: People) -> None:
    def steps(name: str) -> list[tuple[str, bool]]:
        shown = board(people.browser(name), "?project=acme")["steps"]
        return [(step["title"], bool(step["address"])) for step in shown]

    assert steps("owner") == [("No server yet", True)]
    assert steps("member") == [("No server yet", False)], "it is not theirs to do"
    people.server()
    assert steps("owner") == steps("member") == [("You have no key yet", True)]
    services.issue_key(project=people.acme, user=people.users["owner"], label="laptop")
    assert steps("owner") == [("No call in this window", True)]
    assert steps("member") == [("You have no key yet", True)], "another's is none of theirs"
    with unscoped("a key whose time is over"):
        ApiKey.objects.update(expires_at=timezone.now())
    assert steps("owner") == [("You have no key yet", True)]
    services.issue_key(project=people.acme, user=people.users["member"], label="laptop")
    assert steps("member") == [("Use a tool", True)], "whether there were calls is not theirs to know"
    call(people.acme)
    index_all()
    assert steps("owner") == []


def test_without_a_call_in_any_project_the_way_to_the_first_is_shown(people: People) -> None:
    (step,) = board(people.browser("operator"))["steps"]
    assert (step["title"], step["address"]) == ("No call in this window", reverse("servers-start"))
    call(people.acme)
    index_all()
    assert board(people.browser("operator"))["steps"] == []


def test_without_any_project_an_operator_is_led_to_the_first(people: People) -> None:
    for project in (people.acme, people.globex):
        services.delete_project(project=project)
    (step,) = board(people.browser("operator"))["steps"]
    assert (step["title"], step["address"]) == ("No project yet", reverse("servers-start"))


def test_the_page_takes_few_statements_whatever_there_is(people: People) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert people.browser("owner").get(f"{INDEX}?project=acme").status_code == 200
        return len(queries)

    people.server("first")
    call(people.acme)
    index_all()
    few = statements()
    for number in range(15):
        people.server(f"server-{number}")
        call(people.acme, server=f"server-{number}", subject=f"tool-{number}")
    index_all()
    assert statements() <= few + 2


def test_links_lead_to_the_window_that_was_asked_for(people: People) -> None:
    call(people.acme)
    index_all()
    shown = board(people.browser("owner"), "?project=acme&window=1h")
    query = parse_qs(urlsplit(figures_of(shown)["calls"]["address"]).query)
    assert query["project"] == ["acme"] and query["kind"] == ["mcp.call.outcome"] and "from" in query
    assert board(people.browser("owner"), "?project=acme&window=nonsense")["window"] == "24h"
