"""The forms of exports, a line at a time: every kind of event, and what a caller might have put into one."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ocsf.v1_7_0.events import ApiActivity

from audit.entry import new_id
from audit.exporters import registry
from tests.audit.sealing import entry

ROOT = Path(__file__).resolve().parents[2]
_KIND = re.compile(r'"((?:mcp|auth|audit|[a-z]+)\.[a-z_]+(?:\.[a-z_]+)?)"')
_TELLS = re.compile(r"(record|announce|_say|acted\.send|kind=|kind = |INTENT|OUTCOME|PART|LATE)")


def kinds_in_the_source() -> set[str]:
    """What stands as an event's kind beside a call that records, or in a constant for one."""
    found = set()
    for app in ("audit", "projects", "guardrails", "servers", "proxy"):
        for path in (ROOT / app).rglob("*.py"):
            for line in path.read_text().splitlines():
                if _TELLS.search(line):
                    found |= set(_KIND.findall(line))
    return found


def odd_records() -> Iterator[dict[str, Any]]:
    """As rows.record_of() gives them: with everything, with next to nothing, and with what no reader likes."""
    for kind in sorted(kinds_in_the_source()):
        yield {"at": "2026-03-04T05:06:07.123456Z", "id": str(new_id()), "kind": kind, "actor_kind": "system"}
        yield {**_full(), "kind": kind}
    yield {**_full(), "subject": "a\nb\r\t\"'|\\,;=\u2028\u202e\U0001f600", "reason": "=1+1", "actor": "-x\ny"}
    yield {**_full(), "detail": {"deep": [{"a": [1.5, None, True, "\n"]}], "\U0001f600": "\u0085"}}
    yield {**_full(), "detail": {"numbers": [2**53 - 1, 1e300, -0.0, 0.1]}, "rpc_code": -32000, "policy_version": 2**60}


def _full() -> dict[str, Any]:
    made = entry(1, project_ref=7, project="acme")._asdict()
    made["at"] = "2026-03-04T05:06:07.123456Z"
    return {name: value if isinstance(value, (int, dict, str)) else str(value) for name, value in made.items() if value}


@pytest.mark.claim("exports.forms")
class TestTheForms:
    def test_know_the_kinds_of_events_that_there_are(self) -> None:
        assert {"mcp.call.intent", "mcp.call.outcome", "auth.signed_in", "audit.exported"} <= kinds_in_the_source()
        assert len(kinds_in_the_source()) > 40

    def test_write_every_event_as_an_api_activity_that_the_schema_takes(self) -> None:
        lines = registry.get("ocsf")()
        for seq, record in enumerate(odd_records(), 1):
            line = lines.line(record, seq)
            assert line.endswith(b"\n") and line.count(b"\n") == 1
            event = ApiActivity.model_validate_json(line)
            assert (event.class_uid, event.category_uid) == (6003, 6)
            assert event.type_uid == 600300 + int(event.activity_id)
            assert event.api.operation == record.get("method", record["kind"])
            assert event.model_extra == {}, record
            assert event.metadata.version == "1.7.0"
            assert event.metadata.uid == record["id"]
            assert event.time == 1772600767123

    @pytest.mark.parametrize(
        ("kind", "fields", "activity", "status"),
        [
            ("server.created", {}, 1, 0),
            ("server.changed", {}, 3, 0),
            ("key.revoked", {}, 4, 0),
            ("audit.exported", {}, 2, 0),
            ("auth.sign_in_failed", {"decision": "refused"}, 99, 2),
            ("mcp.call.outcome", {"method": "tools/call", "decision": "ok"}, 99, 1),
            ("mcp.call.outcome", {"method": "tools/list", "decision": "ok"}, 2, 1),
            ("mcp.call.outcome", {"method": "resources/read", "decision": "interrupted"}, 2, 2),
        ],
    )
    def test_say_what_an_event_did_and_how_it_ended(
        self, kind: str, fields: dict[str, Any], activity: int, status: int
    ) -> None:
        record = {"at": "2026-03-04T05:06:07.123456Z", "id": "1", "kind": kind, "actor_kind": "user", **fields}
        event = json.loads(registry.get("ocsf")().line(record, 1))
        assert (event["activity_id"], event["status_id"]) == (activity, status)

    @pytest.mark.parametrize("form", registry.names())
    def test_keep_one_event_on_one_record(self, form: str) -> None:
        lines = registry.get(form)()
        for seq, record in enumerate(odd_records(), 1):
            line = lines.line(record, seq)
            if form == "csv":
                rows = list(csv.reader(io.StringIO((lines.header() + line).decode(), newline="")))
                assert [len(row) for row in rows] == [len(rows[0])] * 2
            else:
                assert line.count(b"\n") == 1 and line.endswith(b"\n")


@pytest.mark.claim("exports.formulas")
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_begins_like_a_formula(start: str) -> None:
    texts = ("subject", "method", "actor", "reason", "server", "project", "session", "actor_id", "request_id", "kind")
    record = {**_full(), **dict.fromkeys(texts, f'{start}cmd|"/c calc"!A0,x')}
    lines = registry.get("csv")()
    table = io.StringIO((lines.header() + lines.line(record, 1)).decode(), newline="")
    (row,) = csv.DictReader(table)
    for name in texts:
        assert row[name] == f"'{record[name]}"
    assert row["rpc_code"] == "'-32000"
    assert not [cell for cell in row.values() if cell.startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))]


@pytest.mark.claim("exports.formulas")
@pytest.mark.parametrize(
    "text", ["x;=cmd", "x;-1", 'x;"=cmd', 'x;""+cmd"', "x\t@cmd", "x\n=cmd", ";=cmd", "x;y;\uff1dcmd"]
)
def test_no_cell_begins_like_a_formula_where_cells_end_elsewhere(text: str) -> None:
    """Spreadsheets of half of Europe read the same file with ; between cells, and text imports with tabs."""
    lines = registry.get("csv")()
    line = lines.line({**_full(), "subject": text, "detail": {"of": text}}, 1).decode()
    for separator in ";\t":
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            assert not [cell for cell in row if cell.lstrip('"').startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20"))]
