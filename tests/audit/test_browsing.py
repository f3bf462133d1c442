"""Pages of the log as they are found: exact while others write, by every filter, by words, and within a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from audit import browsing, narrowing, storage, terms
from audit.browsing import TooWide
from audit.entry import Entry, new_id, now
from audit.indexing import Indexer
from audit.models import Event, FindingMark, IndexState, Term
from audit.question import FILTERS, Cursor, Question
from audit.sealed import walk_along_indexes
from projects.access import Reach
from tests.audit.sealing import index_all

ALL, ACME = Reach(is_all=True), Reach(projects=frozenset({1}))
FOUND = {"guardrails": [{"findings": [["pii", "email", 0.9, "/a", "redact"], ["pii", "iban", 0.9, "/b", "redact"]]}]}
FAILED = {"guardrails": [{"findings": [], "failures": [["lakera", "timeout", "block"]]}]}
LIKE_A_CALL: dict[str, Any] = {
    "kind": "mcp.call.outcome", "project_ref": 1, "project": "acme", "actor_kind": "key", "actor_id": "mgw0000001",
    "actor": "ada@acme.test", "server": "docs", "method": "tools/call", "subject": "search_documents",
    "decision": "ok", "policy_version": 4, "upstream_status": 200,
}  # fmt: skip


def write(count: int = 1, ago: timedelta = timedelta(), **fields: Any) -> list[str]:
    """The ids of new events, newest first."""
    made = [
        Entry(**{"id": new_id(), "at": now() - ago + timedelta(microseconds=number), **LIKE_A_CALL, **fields})
        for number in range(count)
    ]
    storage.insert(made)
    return [str(each.id) for each in reversed(made)]


def found(question: Question, size: int = 100) -> list[str]:
    """The ids on all pages."""
    ids, after = [], None
    while True:
        page = browsing.page_of(question, after, size)
        ids += [str(event.id) for event in page.events]
        if page.older is None:
            return ids
        after = page.older


def ask(reach: Reach = ACME, **fields: Any) -> list[str]:
    names = {"project", "since", "until", "finding", "text"}
    equal = {name: value for name, value in fields.items() if name not in names}
    return found(Question(reach, equal=equal, **{name: fields[name] for name in names & fields.keys()}))


@pytest.mark.claim("browse.pages")
@pytest.mark.django_db(transaction=True)
def test_no_event_is_lost_or_listed_twice_while_others_write() -> None:
    before = write(300, ago=timedelta(minutes=5)) + write(1, ago=timedelta(minutes=10))
    stop = threading.Event()

    def keep_writing() -> None:
        # Now, in between, and at the very moment of what is there already.
        try:
            while not stop.is_set():
                for minutes in (0, 5, 7):
                    # SQLite in memory locks whole tables, and then the writer comes too late.
                    with contextlib.suppress(OperationalError):
                        write(5, ago=timedelta(minutes=minutes))
        finally:
            connection.close()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        listed = found(Question(ACME), size=7)
    finally:
        stop.set()
        writer.join()
    assert Event.objects.count() > len(before), "others wrote"
    assert len(listed) == len(set(listed))
    assert [each for each in listed if each in set(before)] == before


@pytest.mark.claim("browse.pages")
@pytest.mark.django_db
def test_events_of_one_moment_are_told_apart_by_their_numbers() -> None:
    at = now()
    made = [Entry(**{"id": new_id(), "at": at, **LIKE_A_CALL}) for _ in range(25)]
    storage.insert(made)
    assert found(Question(ACME), size=4) == [str(each.id) for each in reversed(made)]
    cursor = Cursor(at, 7)
    assert Cursor.read(str(cursor)) == cursor


@pytest.mark.claim("browse.filters")
@pytest.mark.django_db
def test_each_filter_finds_its_own_alone_and_with_others() -> None:
    write(3)
    others: dict[str, Any] = {
        "kind": "tool.approved", "decision": "refused", "reason": "guardrail", "server": "clock", "method": "ping",
        "subject": "tell_time", "actor": "bob@acme.test", "actor_id": "mgw0000002", "policy_version": 5,
        "upstream_status": 502, "rpc_code": -32602,
    }  # fmt: skip
    assert set(others) == set(FILTERS)
    for name, value in others.items():
        other = write(**{name: value})
        foreign = write(**{name: value, "project_ref": 2})
        assert ask(**{name: value}) == other, name
        assert ask(ALL, **{name: value}) == foreign + other, name
        assert ask(ALL, project=2, **{name: value}) == foreign, name
        assert ask(**{name: value}, project=2) == [], name
    every = write(**others)
    assert ask(**others) == every
    assert ask(**{**others, "subject": "search_documents"}) == []
    assert len(ask(decision="ok", kind="mcp.call.outcome")) == 3 + len(others) - 2


@pytest.mark.claim("browse.filters")
@pytest.mark.django_db(transaction=True)
def test_filters_over_many_logs_look_only_where_the_values_have_been_and_miss_nothing_that_is_new() -> None:
    there = write(2, project_ref=1, server="docs") + write(2, project_ref=2, server="docs")
    write(2, project_ref=3, server="clock")
    index_all()
    logs = Reach(projects=frozenset({1, 2, 3}))
    with CaptureQueriesContext(connection) as asked:
        assert sorted(ask(logs, server="docs")) == sorted(there)
    [walked] = [each["sql"] for each in asked if "UNION ALL" in each["sql"]]
    assert walked.count("UNION ALL") == 1, "two of the three logs"
    with CaptureQueriesContext(connection) as asked:
        assert sorted(ask(logs, text="docs")) == sorted(there)
    [walked] = [each["sql"] for each in asked if "UNION ALL" in each["sql"]]
    assert walked.count("UNION ALL") == 1, "nobody and nothing hidden is called so in any log"
    new = write(1, project_ref=3, actor_id="mgw0000009", server="clock")
    assert ask(logs, text="mgw0000009") == new
    # While the index is behind, every log is looked into.
    IndexState.objects.update(checkpoint_id=0)
    there += write(1, project_ref=3, server="docs")
    assert sorted(ask(logs, server="docs")) == sorted(there)


@pytest.mark.claim("browse.search")
@pytest.mark.claim("browse.filters")
@pytest.mark.django_db(transaction=True)
def test_words_and_findings_are_found_once_the_log_is_sealed() -> None:
    plain = write(2)
    both = write(detail=FOUND, subject="send_mail", server="mail")
    failed = write(detail=FAILED, subject="send_search", actor="bob@acme.test")
    foreign = write(detail=FOUND, project_ref=2, subject="search_secrets")
    of_none = write(project_ref=None, kind="auth.signed_in", subject="ada@acme.test", actor="ada@acme.test")
    assert ask(text="send") == [], "not before"
    index_all()

    assert ask(text="search") == failed + plain
    assert ask(text="SEARCH_doc") == plain
    assert ask(text="ocuments") == [], "words are found by how they begin"
    assert ask(text="send bob") == failed
    assert ask(text="send ada mail") == both
    assert ask(text="email") == both
    assert ask(text="pii") == both, "once, though it has two of these"
    assert ask(text="mgw0000001") == failed + both + plain
    assert ask(ALL, text="search") == foreign + failed + plain
    assert ask(ALL, text="signed") == []
    assert ask(ALL, text="ada", project=0) == of_none
    for code, events in (("pii", both), ("pii/iban", both), ("lakera/timeout", failed), ("lakera", failed)):
        assert ask(finding=code) == events, code
    assert ask(finding="pii", server="mail", text="send") == both
    assert ask(finding="pii", server="docs") == []
    assert ask(ALL, finding="pii") == foreign + both
    assert browsing.suggestions(ACME, None, "subject", "se") == ["search_documents", "send_mail", "send_search"]
    assert browsing.choices(ACME, None)["server"] == ["docs", "mail"]


@pytest.mark.claim("browse.search")
@pytest.mark.django_db(transaction=True)
def test_what_is_searched_by_is_made_once_and_made_again_from_the_log() -> None:
    write(30, detail=FOUND)
    index_all()

    def kept() -> tuple[list[Any], list[Any]]:
        columns = ("project_ref", "column", "word", "value")
        return sorted(Term.objects.values_list(*columns)), sorted(FindingMark.objects.values_list("code", "event_ord"))

    before = kept()
    assert len(before[1]) == 30 * 3
    assert Indexer().take_turn() == 0
    for rows in (Term, FindingMark, IndexState):
        rows.objects.all().delete()
    while Indexer().take_turn():
        pass
    assert kept() == before


@pytest.mark.claim("browse.search")
def test_hostile_names_and_details_have_words_and_codes_within_bounds() -> None:
    assert terms.words_of("Search_Documents") == ["search_documents", "search", "documents"]
    long = "x" * 512
    assert [len(word) for word in terms.words_of(long)] == [64]
    assert len(terms.words_of(" ".join(f"word{number}" for number in range(100)))) == 8
    assert list(terms.rows_of("subject", "#0123456789abcdef")) == [("subject", "", "#0123456789abcdef")]
    shapes: list[Any] = [None, [], "x", {"guardrails": 1}, {"guardrails": [1, {"findings": 3}, {"findings": [1, []]}]}]
    for shape in shapes:
        assert terms.codes_of(shape) == []


@pytest.mark.claim("browse.bounded")
@pytest.mark.django_db
def test_what_takes_too_long_is_ended_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any) -> QuerySet[Any]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_sleep(30)" if connection.vendor == "postgresql"
                else "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
            )  # fmt: skip
        raise AssertionError("it was waited for")

    monkeypatch.setattr(browsing, "PATIENCE", 0.2)
    with pytest.raises(TooWide), browsing.in_time(0.2):
        slow()
    assert Event.objects.count() == 0, "the connection goes on"


@pytest.mark.claim("browse.filters")
@pytest.mark.django_db(transaction=True)
def test_every_walk_follows_an_index() -> None:
    """On SQLite too, where a statement has to repeat an index's condition."""
    write(3)
    index_all()
    rare: dict[str, Any] = {
        "kind": "x", "decision": "refused", "reason": "x", "server": "x", "method": "x", "subject": "x", "actor": "x",
        "actor_id": "x", "policy_version": 9, "upstream_status": 502, "rpc_code": 1,
    }  # fmt: skip
    for name, value in rare.items():
        plan = explained(partial(ask, **{name: value}))
        assert f"event_{name}" in plan or f"{name}_at" in plan, (name, plan)


@pytest.mark.claim("browse.filters")
@pytest.mark.django_db(transaction=True)
def test_what_has_a_value_in_which_log_is_told_along_an_index() -> None:
    write(3)
    write(1, ago=timedelta(days=3), project_ref=2, actor_id="x")
    for column in FILTERS:
        value = 9 if column in ("policy_version", "upstream_status", "rpc_code") else "x"
        present = partial(narrowing.present, Question(ALL), column, {1: value, 2: value, 3: value})
        assert present() == ({2} if column == "actor_id" else set())
        plan = explained(present)
        assert f"event_{column}" in plan or f"{column}_at" in plan, (column, plan)
    recent = Question(ALL, since=now() - timedelta(days=2))
    assert narrowing.present(recent, "actor_id", {1: "x", 2: "x"}) == set(), "not in this window of time"


def explained(work: Callable[[], Any]) -> str:
    with CaptureQueriesContext(connection) as queries:
        work()
    (statement,) = [each["sql"] for each in queries.captured_queries if "FROM audit_event AS event" in each["sql"]]
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            walk_along_indexes(cursor)
            cursor.execute("EXPLAIN " + statement.replace("%", "%%"))
        else:
            cursor.execute("EXPLAIN QUERY PLAN " + statement)
        return "\n".join(str(row) for row in cursor.fetchall())
