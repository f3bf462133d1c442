"""The log's pages: a window of time, filters, pages by key, and a call's two lines together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit import storage
from audit.entry import Entry, new_id, now
from audit.models import Event
from audit.naming import digest_name
from projects.models import Project

pytestmark = [pytest.mark.django_db, pytest.mark.claim("admin.log")]

LIST = "/admin/audit/event/"


def write(kind: str = "test.made", ago: timedelta = timedelta(), **fields: Any) -> Entry:
    entry = Entry(id=new_id(), at=now() - ago, kind=kind, **fields)
    storage.insert([entry])
    return entry


def listed(pages: Client, query: str = "") -> list[str]:
    response = pages.get(LIST + query)
    assert response.status_code == 200, response
    return [event.subject for event in response.context["page"].events]


def call(**outcome: Any) -> tuple[Event, Event | None]:
    call_id = new_id()
    write("mcp.call.intent", call_id=call_id, subject="echo", params_digest="a" * 64)
    intent = Event.objects.latest("ord")
    if not outcome:
        return intent, None
    write("mcp.call.outcome", call_id=call_id, subject="echo", **outcome)
    return intent, Event.objects.latest("ord")


def test_only_the_last_day_is_listed_unless_asked_otherwise(pages: Client) -> None:
    write(subject="fresh")
    write(subject="old", ago=timedelta(days=2))
    write(subject="ancient", ago=timedelta(days=400))
    assert listed(pages, "?kind=test.made") == ["fresh"]
    assert listed(pages, "?kind=test.made&within=1h") == ["fresh"]
    assert listed(pages, "?kind=test.made&within=7d") == ["fresh", "old"]
    assert listed(pages, "?kind=test.made&within=all") == ["fresh", "old", "ancient"]
    assert listed(pages, "?kind=test.made&within=15m") == ["fresh"]


def test_a_window_may_be_from_and_to(pages: Client) -> None:
    for days in (1, 5, 9):
        write(subject=str(days), ago=timedelta(days=days))
    start, end = (f"{now() - timedelta(days=days):%Y-%m-%dT%H:%M:%S}" for days in (7, 3))
    assert listed(pages, f"?from={start}&to={end}") == ["5"]
    assert listed(pages, f"?kind=test.made&from={start}") == ["1", "5"]
    assert listed(pages, f"?kind=test.made&to={end}") == ["5", "9"]


@pytest.mark.parametrize(
    "query",
    ["?within=x", "?before=x", "?before=-1", f"?before={'9' * 30}", "?before=²", "?before=", "?before=1", "?before=1.x",
     f"?before={'9' * 18}.1", "?from=x", "?from=9999-99-99", "?to=0001-01-01T00:00%2B23:00", "?rpc_code=x",
     f"?upstream_status={10**9}", f"?rpc_code={10**30}", "?policy_version=--1", "?kind=%00", f"?kind={'x' * 600}"],
)  # fmt: skip
def test_nonsense_in_the_address_leads_back_to_the_list(pages: Client, query: str) -> None:
    response = pages.get(LIST + query)
    assert response.status_code == 302
    assert response["Location"] == LIST + "?e=1"


def test_events_are_filtered_by_kind_decision_project_and_server(pages: Client) -> None:
    project = Project.objects.create(slug="acme")
    write(subject="one", project_ref=project.pk, project="acme", server="docs", decision="ok")
    write("test.other", subject="two", project="gone", server="clock", decision="refused")
    assert listed(pages, "?kind=test.other") == ["two"]
    assert listed(pages, "?decision=ok") == ["one"]
    assert listed(pages, "?project=acme") == ["one"]
    assert listed(pages, "?project=-&server=clock") == ["two"]
    assert listed(pages, f"?project={project.pk}") == ["one"]
    assert listed(pages, "?project=nothing") == []
    assert listed(pages, "?server=clock") == ["two"]
    assert listed(pages, "?server=nothing") == []
    assert listed(pages, "?kind=test.other&decision=ok") == []


def test_a_project_is_found_under_the_name_it_had_before(pages: Client) -> None:
    project = Project.objects.create(slug="new-name")
    write(subject="one", project_ref=project.pk, project="old-name")
    assert listed(pages, "?project=new-name") == ["one"]


def test_pages_follow_one_another_without_gap_or_count(pages: Client) -> None:
    for number in range(250):
        write(subject=str(number), server="docs")
    seen, query = [], "?server=docs"
    with CaptureQueriesContext(connection) as queries:
        while query:
            response = pages.get(LIST + query)
            seen += [event.subject for event in response.context["page"].events]
            query = response.context["older"]
    assert seen == [str(number) for number in reversed(range(250))]
    asked = [query["sql"].upper() for query in queries.captured_queries if "audit_event" in query["sql"]]
    assert len(asked) >= 3
    assert not [sql for sql in asked if "COUNT(" in sql or "OFFSET" in sql]


def test_an_older_page_leads_back_to_the_newest(pages: Client) -> None:
    for number in range(101):
        write(subject=str(number), server="docs")
    response = pages.get(LIST + pages.get(LIST + "?server=docs").context["older"])
    assert response.context["newest"] == "?server=docs"
    assert [event.subject for event in response.context["page"].events] == ["0"]


def test_a_call_is_found_by_its_id_however_old(pages: Client) -> None:
    entry = write(subject="old", ago=timedelta(days=90), call_id=new_id(), request_id="r-1", actor="ada@acme.test")
    write(subject="other")
    assert listed(pages, f"?q={entry.call_id}") == ["old"]
    assert listed(pages, f"?q={entry.id}") == ["old"]
    assert listed(pages, "?q=r-1") == ["old"]
    assert listed(pages, "?q=nobody") == []


def test_a_request_and_a_trace_are_found_by_their_ids_with_the_intent(pages: Client) -> None:
    ids = {"call_id": new_id(), "request_id": "ab" * 16, "trace_id": "cd" * 16}
    for kind in ("mcp.call.intent", "mcp.part", "mcp.call.outcome"):
        write(kind, ago=timedelta(days=40), subject=kind, **ids)
    for text in ("ab" * 16, "cd" * 16):
        assert listed(pages, f"?q={text}") == ["mcp.call.outcome", "mcp.part", "mcp.call.intent"]


@pytest.mark.claim("audit.names")
def test_a_subject_that_is_not_written_down_is_found_by_its_name(pages: Client) -> None:
    project, other = Project.objects.create(slug="acme"), Project.objects.create(slug="globex")
    shown = []
    for each in (project, other):
        shown.append(digest_name(settings.KEYRING.project_digest_key(each.pk), "docs://secret"))
        write(subject=shown[-1], project_ref=each.pk)
        write(subject=digest_name(b"x", "docs://secret"), project_ref=each.pk)
    assert len(set(shown)) == 2, "equal names differ between tenants"
    assert listed(pages, "?q=docs://secret") == [*reversed(shown)]
    assert listed(pages, "?subject=docs://secret") == [*reversed(shown)]
    assert listed(pages, "?subject=docs://secret&project=acme") == shown[:1]


def test_intent_and_outcome_stand_side_by_side_on_both_pages(pages: Client) -> None:
    intent, outcome = call(decision="ok", http_status=200, duration_us=1500, result_digest="b" * 64)
    assert outcome is not None
    for event in (intent, outcome):
        body = pages.get(reverse("admin:audit_event_change", args=[event.pk])).content.decode()
        assert "mcp.call.intent" in body
        assert "mcp.call.outcome" in body
        assert "a" * 64 in body
        assert "b" * 64 in body


def test_a_call_without_an_outcome_says_so(pages: Client) -> None:
    intent, _ = call()
    body = pages.get(reverse("admin:audit_event_change", args=[intent.pk])).content.decode()
    assert "No outcome is on record" in body


def test_other_events_have_no_call(pages: Client) -> None:
    write(subject="plain")
    body = pages.get(reverse("admin:audit_event_change", args=[Event.objects.latest("ord").pk])).content.decode()
    assert "The whole call" not in body
