"""Calls counted where the log is indexed: once each, by minute and hour, apart for servers and tools, within bounds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import browsing, figures, storage
from audit.entry import Entry, new_id, now
from audit.figures import WINDOWS, Counting
from audit.indexing import Indexer
from audit.models import CallFigure, IndexState
from audit.question import Question
from projects.access import Reach
from tests.audit.sealing import index_all

ACME = Reach(projects=frozenset({1}))
LIKE_A_CALL: dict[str, Any] = {
    "kind": "mcp.call.outcome", "project_ref": 1, "project": "acme", "actor_kind": "key", "server": "docs",
    "method": "tools/call", "subject": "search", "decision": "ok", "duration_us": 12_000,
}  # fmt: skip


def write(count: int = 1, ago: timedelta = timedelta(), **fields: Any) -> None:
    storage.insert([Entry(**{"id": new_id(), "at": now() - ago, **LIKE_A_CALL, **fields}) for _ in range(count)])


def a_busy_hour() -> None:
    write(5)
    write(2, subject="read", duration_us=900_000)
    write(1, decision="refused", reason="blocked_input")
    write(2, decision="refused", reason="blocked_output")
    write(3, decision="refused", reason="not_permitted", server="", subject="#0123456789abcdef")
    write(1, decision="tool_error")
    write(1, decision="failed", reason="timeout: late", server="clock", subject="tell")
    write(1, decision="interrupted", reason="process_gone")
    write(1, decision="cancelled")
    write(4, method="tools/list", subject="")
    # No calls, and no calls of this project.
    write(3, kind="mcp.call.intent")
    write(7, project_ref=2)
    write(2, project_ref=None, kind="auth.signed_in")


@pytest.mark.claim("figures.exact")
@pytest.mark.django_db(transaction=True)
def test_each_call_is_counted_once_and_the_log_lists_what_was_counted() -> None:
    a_busy_hour()
    index_all()
    assert Indexer().take_turn() == 0, "another process finds nothing more to count"
    write(1)
    index_all()
    moment = timezone.now()
    for name, window in WINDOWS.items():
        found = figures.read([1], window, moment)
        assert found.all == figures.Numbers(("", ""), 22, 6, 1, 2, 3), name
        asked: dict[str, dict[str, Any]] = {
            "calls": {}, "refused": {"decision": "refused"}, "blocked_in": {"reason": "blocked_input"},
            "blocked_out": {"reason": "blocked_output"}, "errors": {"decision": ",".join(figures.ERRORS)},
        }  # fmt: skip
        for number, filters in asked.items():
            listed = browsing.page_of(
                Question(ACME, 1, window.since(moment), None, {"kind": "mcp.call.outcome", **filters}), None, 100
            )
            assert len(listed.events) == getattr(found.all, number), (name, number)
        assert found.servers["clock"].errors == 1 and found.servers["docs"].calls == 18, name
        assert [(each.name, each.calls) for each in found.tools] == [
            (("docs", "search"), 12), (("docs", "read"), 2), (("clock", "tell"), 1)], name  # fmt: skip
        assert sum(each.calls for each in figures.series([1], window, moment)) == 22, name
    assert figures.totals(None, WINDOWS["24h"], moment).all.calls == 22 + 7
    assert figures.totals([2], WINDOWS["24h"], moment).all.calls == 7
    assert list(figures.by_project(None, WINDOWS["24h"], moment, 1)) == [1]


@pytest.mark.claim("figures.exact")
@pytest.mark.django_db(transaction=True)
def test_a_window_has_what_is_in_it() -> None:
    for hours in (0, 2, 30, 24 * 6, 24 * 9 - 1):
        write(1, ago=timedelta(hours=hours))
    index_all()
    moment = timezone.now()
    assert {name: figures.read([1], window, moment).all.calls for name, window in WINDOWS.items()} == {
        "1h": 1, "24h": 2, "7d": 4}  # fmt: skip
    for window in WINDOWS.values():
        assert sum(each.calls for each in figures.series([1], window, moment)) == figures.read(
            [1], window, moment).all.calls  # fmt: skip


@pytest.mark.claim("figures.exact")
@pytest.mark.django_db(transaction=True)
def test_durations_are_known_to_a_quarter() -> None:
    for milliseconds in range(1, 101):
        write(duration_us=milliseconds * 1000)
    write(5, decision="refused", duration_us=9_000_000)
    write(5, method="GET", duration_us=3_600_000_000)
    write(1, server="slow", duration_us=2_000_000)
    index_all()
    found = figures.read([1], WINDOWS["1h"], timezone.now())
    half, most = found.quantile(0.5), found.quantile(0.95)
    assert half is not None and 51 <= half <= 51 * 1.25
    assert most is not None and 96 <= most <= 96 * 1.25
    slow = figures.of_server(1, "slow", WINDOWS["24h"], timezone.now()).quantile(0.5)
    assert slow is not None and 2000 <= slow <= 2500
    assert figures.Figures().quantile(0.5) is None
    for duration in (0, 1, 100, 101, 10**6, 10**12):
        number = figures.class_of(duration)
        assert duration / 1000 <= figures.end_of(number) * 1.0000001 or number == 75, duration


@pytest.mark.claim("figures.remade")
@pytest.mark.django_db(transaction=True)
def test_figures_are_made_again_from_the_log() -> None:
    a_busy_hour()
    index_all()
    columns = ("project_ref", "span", "level", "at", "server", "subject", "calls", "refused", "errors")

    def kept() -> list[Any]:
        return sorted(CallFigure.objects.values_list(*columns))

    before = kept()
    assert before
    for rows in (CallFigure, IndexState):
        rows.objects.all().delete()
    while Indexer().take_turn():
        pass
    assert kept() == before


@pytest.mark.claim("figures.bounded")
@pytest.mark.django_db(transaction=True)
def test_many_names_make_no_more_rows_than_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(figures.MAX_APART, CallFigure.Level.TOOL, 3)
    for number in range(10):
        write(subject=f"tool-{number}")
    index_all()
    found = figures.read([1], WINDOWS["24h"], timezone.now(), tools=100)
    assert found.all.calls == 10, "all are counted together"
    assert [each.name[1] for each in found.tools] == ["tool-0", "tool-1", "tool-2"]


@pytest.mark.claim("figures.bounded")
@pytest.mark.django_db(transaction=True)
def test_reading_asks_only_for_figures_along_their_key() -> None:
    a_busy_hour()
    index_all()
    with CaptureQueriesContext(connection) as queries:
        figures.read([1], WINDOWS["7d"], timezone.now())
    assert len(queries) == 4
    for query in queries.captured_queries:
        assert "audit_callfigure" in query["sql"] and "audit_event" not in query["sql"]


@pytest.mark.claim("figures.bounded")
@pytest.mark.django_db(transaction=True)
def test_what_no_page_asks_for_is_forgotten() -> None:
    write(1)
    index_all()
    moment = timezone.now()
    CallFigure.objects.filter(span="m").update(at=moment - timedelta(hours=4))
    CallFigure.objects.filter(span="d").update(at=moment - timedelta(days=8))
    Counting().forget_old()
    assert not CallFigure.objects.filter(span="m").exists()
    assert CallFigure.objects.filter(span="d").exists() and CallFigure.objects.filter(span="h").exists()


@pytest.mark.claim("browse.filters")
@pytest.mark.django_db(transaction=True)
def test_a_filter_may_name_several_decisions() -> None:
    write(2, decision="failed", server="a")
    write(3, decision="tool_error", server="b")
    write(4)

    def listed(**equal: Any) -> int:
        return len(browsing.page_of(Question(ACME, equal=equal), None, 100).events)

    assert listed(decision="failed,tool_error") == 5
    assert listed(decision="failed, failed") == 2
    assert listed(decision="failed,tool_error", server="b") == 3
    assert listed(decision="failed,tool_error", subject="search") == 5
    many = Reach(projects=frozenset(range(1, 100)))
    assert len(browsing.page_of(Question(many, equal={"decision": "failed,tool_error"}), None, 100).events) == 5
