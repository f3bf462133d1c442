"""The log by REST: filters, pages, and whose events are whose."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.utils import timezone

from audit.browsing import TooWide
from audit.models import Event
from audit.naming import digest_name
from audit.recorder import record
from audit.turns import TooMany, turn_of
from projects.access import Reach
from projects.models import Project
from tests.audit.sealing import index_all
from tests.rest.callers import Caller, Stage

pytestmark = pytest.mark.claim("rest.administration")


def listed(caller: Caller, address: str) -> list[dict[str, Any]]:
    answer = caller.get(address)
    assert answer.status_code == 200, answer.content
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def write(project: Project, subject: str, **more: Any) -> None:
    record("mcp.call.outcome", project_ref=project.pk, project=project.slug, subject=subject, **more)


def test_a_log_is_asked_by_what_stands_in_it(rest: Stage) -> None:
    write(rest.cast.acme, "search", server="docs", decision="ok", detail={"some": "thing"})
    key = settings.KEYRING.project_digest_key(rest.cast.acme.pk)
    write(rest.cast.acme, digest_name(key, "word"), decision="failed")
    write(rest.cast.globex, "search", server="docs", decision="ok")
    base = "/projects/acme/events?kind=mcp.call.outcome"
    assert [each["subject"] for each in listed(rest.auditor, f"{base}&server=docs&decision=ok")] == ["search"]
    found = listed(rest.auditor, f"{base}&subject=search")[0]
    assert found["detail"] == {"some": "thing"}
    assert [each["decision"] for each in listed(rest.auditor, f"{base}&subject=word")] == ["failed"]
    assert listed(rest.auditor, f"{base}&subject=nothing") == []
    assert rest.auditor.get(f"/projects/acme/events/{found['id']}").json() == found
    whole = listed(rest.operator, "/events?kind=mcp.call.outcome&subject=search")
    assert {each["project"] for each in whole} == {"acme", "globex"}
    assert rest.operator.get(f"/events/{found['id']}").json() == found
    assert rest.auditor.get("/events").status_code == 403
    assert rest.member.get("/projects/acme/events").status_code == 403


def test_a_window_has_a_beginning_and_an_end(rest: Stage) -> None:
    write(rest.cast.acme, "now")
    now = timezone.now()
    before, after = (quote((now + timedelta(seconds=seconds)).isoformat()) for seconds in (-60, 60))
    base = "/projects/acme/events?kind=mcp.call.outcome"
    assert len(listed(rest.auditor, f"{base}&since={before}&until={after}")) == 1
    assert listed(rest.auditor, f"{base}&since={after}") == []
    assert listed(rest.auditor, f"{base}&until={before}") == []
    assert listed(rest.auditor, f"{base}&since=0001-01-01T00:00:00%2B10:00") != []
    for wrong in ("2026-01-01", "1700000000", "2026-01-01T00:00:00"):
        assert rest.auditor.get(f"{base}&since={wrong}").status_code == 422


def test_a_log_is_read_to_its_end_while_it_grows(rest: Stage) -> None:
    for number in range(5):
        write(rest.cast.acme, f"call {number}")
    seen: list[str] = []
    address = "/projects/acme/events?kind=mcp.call.outcome&limit=2"
    cursor = ""
    for _ in range(3):
        page = rest.auditor.get(address + cursor).json()
        seen += [each["subject"] for each in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
        write(rest.cast.acme, "meanwhile")
    assert seen == [f"call {number}" for number in (4, 3, 2, 1, 0)]
    assert page["next_cursor"] is None


def test_a_question_that_takes_too_long_ends_with_a_problem(rest: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def over() -> Iterator[None]:
        yield
        raise TooWide

    monkeypatch.setattr("audit.browsing.in_time", over)
    answer = rest.auditor.get("/projects/acme/events")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:mcpgw:problem:too-wide")


@pytest.mark.claim("browse.bounded")
def test_who_asks_too_much_at_one_time_waits_and_nobody_else(rest: Stage) -> None:
    acme = Reach(projects=frozenset({rest.cast.acme.pk}))
    with ExitStack() as asked:
        with suppress(TooMany):
            for _ in range(100):
                asked.enter_context(turn_of(acme))
        answer = rest.auditor.get("/projects/acme/events")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:mcpgw:problem:unavailable")
        assert answer.headers["Retry-After"] == "1"
        assert rest.outsider.get("/projects/globex/events").status_code == 200
    assert rest.auditor.get("/projects/acme/events").status_code == 200


def test_asking_the_log_leaves_it_as_it_is(rest: Stage) -> None:
    before = Event.objects.count()
    listed(rest.auditor, "/projects/acme/events")
    assert Event.objects.count() == before


@pytest.mark.claim("browse.search")
@pytest.mark.django_db(transaction=True)
def test_a_log_is_searched_by_words_findings_and_ids_within_ones_reach(rest: Stage) -> None:
    found = {"guardrails": [{"findings": [["pii", "email", 0.9, "/a", "redact"]]}]}
    call = uuid.uuid4()
    write(rest.cast.acme, "send_mail", server="mail", detail=found, call_id=call, request_id="r-1", upstream_status=502)
    write(rest.cast.acme, "send_letter", server="post", policy_version=4, rpc_code=-32000)
    write(rest.cast.globex, "send_secrets", detail=found, request_id="r-2")
    base = "/projects/acme/events"
    index_all()

    def subjects(query: str, caller: Caller = rest.auditor, address: str = base) -> list[str]:
        return [each["subject"] for each in listed(caller, f"{address}?{query}")]

    assert subjects("q=SEND") == ["send_letter", "send_mail"]
    assert subjects("q=send+mail") == subjects("finding=pii/email") == subjects("finding=pii") == ["send_mail"]
    assert subjects("q=send&finding=pii/email&server=post") == []
    assert subjects("q=secrets") == subjects("q=r-2") == subjects("finding=none") == []
    assert subjects(f"q={call}") == subjects(f"call_id={call}") == subjects("q=r-1") == ["send_mail"]
    assert subjects("q=r-1&kind=nothing") == ["send_mail"]
    assert subjects("upstream_status=502") == ["send_mail"]
    assert subjects("policy_version=4") == subjects("rpc_code=-32000") == ["send_letter"]
    everywhere = subjects("q=send", rest.operator, "/events")
    assert everywhere == ["send_secrets", "send_letter", "send_mail"]
    assert subjects("finding=pii/email", rest.operator, "/events") == ["send_secrets", "send_mail"]
    whole = listed(rest.auditor, f"{base}?q=mail")[0]
    assert whole == rest.auditor.get(f"{base}/{whole['id']}").json()
    assert whole["detail"] == found
    for wrong in ("q=", "q=+", "finding=", "rpc_code=x", "upstream_status=99999"):
        assert rest.auditor.get(f"{base}?{wrong}").status_code == 422, wrong


@pytest.mark.claim("rest.paging")
@pytest.mark.django_db(transaction=True)
def test_what_is_found_comes_in_pages_too(rest: Stage) -> None:
    call = uuid.uuid4()
    for number in range(5):
        write(rest.cast.acme, f"find_{number}", call_id=call)
    index_all()
    for query in ("q=find", f"q={call}"):
        seen, cursor = [], ""
        for _ in range(3):
            page = rest.auditor.get(f"/projects/acme/events?{query}&limit=2{cursor}").json()
            seen += [each["subject"] for each in page["items"]]
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == [f"find_{number}" for number in (4, 3, 2, 1, 0)], query
        assert (page["next_cursor"], page["is_partial"]) == (None, False)
    first = rest.auditor.get("/projects/acme/events?q=find&limit=2").json()["next_cursor"]
    other = rest.auditor.get(f"/projects/acme/events?q=other&limit=2&cursor={first}")
    assert other.json()["type"] == "urn:mcpgw:problem:invalid-cursor"
