"""The log by REST: filters, pages, and whose events are whose."""

from __future__ import annotations

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

    monkeypatch.setattr("audit.api.in_time", over)
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
