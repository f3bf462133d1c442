"""CEF and syslog lines: nothing that an event holds can break out of its place."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import rows
from audit.canonical import canonical, canonical_record
from audit.exporters import registry
from audit.exporters.syslog import SD_ID
from tests.audit.parsers import Malformed, read_cef, read_syslog
from tests.audit.sealing import entry

NASTY = [*"\\|=\"]['\n\r\t\x00\x0b\x0c\x1b\x7f\x85\u2028\u2029\u202e\ufeff\U0001f600 é漢", "\\n", " key=", "CEF:0|"]
TEXT = st.lists(st.one_of(st.sampled_from(NASTY), st.characters(exclude_categories=["Cs"])), max_size=12).map("".join)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53), 2**53), TEXT,
        st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
RECORDS = st.fixed_dictionaries(
    {"at": st.datetimes().map(lambda at: at.isoformat(timespec="microseconds") + "Z"), "kind": TEXT},
    optional={
        "id": st.uuids().map(str), "project": TEXT, "project_ref": st.integers(0, 2**63 - 1), "actor": TEXT,
        "actor_id": TEXT, "subject": TEXT, "method": TEXT, "server": TEXT, "decision": TEXT, "reason": TEXT,
        "bytes_in": st.integers(0, 2**60), "duration_us": st.integers(), "rpc_code": st.integers(),
        "detail": st.dictionaries(TEXT, JSON, max_size=3),
    },
)  # fmt: skip


def line(name: str, record: dict[str, Any], seq: int = 7) -> bytes:
    return registry.get(name)().line(record, seq)


def on_one_line(text: str, keep: str = "") -> str:
    """What a reader gets of a text: characters that end lines stand there as escapes."""
    return "".join(
        f"\\u{ord(char):04x}" if (char < " " or "\x7f" <= char <= "\x9f" or char in "\u2028\u2029") and char not in keep
        else char
        for char in text
    )  # fmt: skip


CEF_KEYS = {"project": "cs1", "server": "cs2", "subject": "cs3", "actor": "suser", "actor_id": "suid",
            "id": "externalId", "method": "requestMethod", "decision": "act", "reason": "reason",
            "bytes_in": "in", "duration_us": "cn3",
            "rpc_code": "mcpgwRpcCode", "project_ref": "mcpgwProjectRef", "at": "mcpgwAt"}  # fmt: skip


@pytest.mark.claim("formats.cef")
@given(RECORDS, st.integers(0, 2**62))
def test_cef_gives_back_what_the_event_holds(record: dict[str, Any], seq: int) -> None:
    read = read_cef(line("cef", record, seq))
    assert (read.vendor, read.product, read.version) == ("Secure MCP Gateway", "audit", "1")
    assert read.signature == read.name == on_one_line(record["kind"])
    assert read.extension["cn1"] == str(seq)
    for name, key in CEF_KEYS.items():
        value = record.get(name)
        expected = None if value in (None, "") else on_one_line(str(value), keep="\n\r")
        assert read.extension.get(key) == expected, name
    detail = read.extension.get("mcpgwDetail")
    assert detail == (on_one_line(canonical(record["detail"]).decode()) if record.get("detail") else None)
    labels = {key: read.extension[f"{key}Label"] for key in read.extension if re.fullmatch(r"c[sn]\d", key)}
    assert labels["cn1"] == "seq"
    assert all(CEF_KEYS.get(label, key) == key for key, label in labels.items())


@pytest.mark.claim("formats.syslog")
@given(RECORDS, st.integers(0, 2**62))
def test_syslog_gives_back_what_the_event_holds(record: dict[str, Any], seq: int) -> None:
    whole = line("syslog", record, seq)
    assert whole.endswith(b"\n")
    read = read_syslog(whole[:-1])
    assert (read.facility, read.app, read.process, list(read.data)) == (13, "mcp-gateway", "-", [SD_ID])
    assert read.timestamp in (record["at"], "-")
    shown = read.data[SD_ID]
    assert shown["seq"] == str(seq)
    assert shown["log"] == str(record.get("project_ref", 0))
    for name in ("id", "project", "actor", "actor_id", "server", "method", "subject", "decision", "reason"):
        value = record.get(name)
        assert shown.get(name) == (on_one_line(value) if value else None), name
    # The text is the event whole: its leaf can be made of it.
    rest = {name: value for name, value in record.items() if name != "detail"}
    sealed = canonical_record(rest, json.dumps(record.get("detail", {})))
    assert read.text.isascii()
    assert json.loads(read.text) == json.loads(sealed)


@pytest.mark.claim("formats.syslog")
@pytest.mark.claim("formats.cef")
@pytest.mark.parametrize(
    ("decision", "syslog", "cef"),
    [("ok", 6, 3), ("refused", 4, 6), ("failed", 3, 5), ("interrupted", 3, 7), ("tool_error", 5, 4), ("", 6, 3)],
)
def test_the_decision_makes_the_severity(decision: str, syslog: int, cef: int) -> None:
    record = {"kind": "mcp.call.outcome", "at": "2026-03-04T05:06:07.123456Z", "decision": decision}
    assert read_syslog(line("syslog", record).rstrip()).severity == syslog
    assert read_cef(line("cef", record)).severity == cef
    assert read_cef(line("cef", record)).extension["rt"] == "1772600767123"


@pytest.mark.claim("formats.cef")
@pytest.mark.claim("formats.syslog")
def test_no_column_of_an_event_is_lost() -> None:
    whole = {name: value for name, value in entry(1)._asdict().items() if value is not None}
    record = {name: str(value) for name, value in whole.items() if name not in ("at", "detail")}
    record |= {"at": rows.stamp(whole["at"]), "detail": whole["detail"]}
    shown = [*read_cef(line("cef", record)).extension.values(), record["kind"]]
    for name, value in record.items():
        assert (value if isinstance(value, str) else canonical(value).decode()) in [*shown, read_cef(
            line("cef", record)).name], name  # fmt: skip
    assert json.loads(read_syslog(line("syslog", record)[:-1]).text) == record


@pytest.mark.parametrize(
    "bad", [b"CEF:0|a|b|c|d|e|3|k=v", b"CEF:0|a|b|c|d|e|3|k=v\\x\n", b"CEF:0|a|b|c|d|3|k=v\n",
            b"CEF:0|a|b|c|d|e|11|k=v\n", b"CEF:0|a|b|c|d|e|3|k=v\x0bx\n", b"CEF:0|a|b|c|d|e|3|k=a=b\n",
            b"CEF:0|a|b|c|d|e|3|k=v k=w\n"],
)  # fmt: skip
def test_the_reader_of_cef_is_strict(bad: bytes) -> None:
    with pytest.raises(Malformed):
        read_cef(bad)


@pytest.mark.parametrize(
    "bad", [b"<192>1 - - - - - -", b"<13>1 - - - - - ", b'<13>1 - - - - - [a@1 b="]"]',
            b'<13>1 - - - - - [a@1 b="\\n"]', b'<13>1 - - - - - [a@1 b="x"', b"<13>1 - - - - - - \xc3\xa9",
            b"<13>1 2026-13-01T00:00:00Z - - - - -",
            b'<13>1 - - - - - [a b="x"]', b"<13>1 - - - - - -x"],
)  # fmt: skip
def test_the_reader_of_syslog_is_strict(bad: bytes) -> None:
    with pytest.raises(Malformed):
        read_syslog(bad)
