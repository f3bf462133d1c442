"""One text for each value: as the standard has it, and the same from every database and from an export."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import example, given
from hypothesis import strategies as st

from audit import rows, storage, verify_audit
from audit.canonical import NotCanonical, canonical, canonical_record
from audit.models import Event
from tests.audit.sealing import DETAILS, entry

pytestmark = pytest.mark.claim("audit.canonical")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


# RFC 8785 appendix B, and the edges of ECMAScript's notation.
@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000000", "0"), ("8000000000000000", "0"), ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"), ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"), ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"), ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"), ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"), ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"), ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"), ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"), ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"), ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_standard_says(bits: str, text: str) -> None:
    value = struct.unpack(">d", bytes.fromhex(bits))[0]
    assert canonical(value) == text.encode()
    assert verify_audit.canonical(value) == text.encode()


def test_the_standards_own_example_comes_out() -> None:
    value = json.loads(
        '{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        ' "string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/", "literals": [null, true, false]}'
    )
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(value) == expected.encode()


def test_names_are_sorted_by_utf_16() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    assert list(json.loads(canonical(dict.fromkeys(names, 1)))) == [
        "\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33",
    ]  # fmt: skip


@given(JSON)
@example({"\ue000": 1, "\U0001f600": 2})
@example([1e16, 1e-5, 0.0001, 5.0, 2**53, 2**64, -(2**70)])
def test_two_writers_that_know_nothing_of_one_another_agree(value: Any) -> None:
    assert canonical(value) == verify_audit.canonical(value)
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=4))
def test_the_quick_way_and_the_thorough_way_agree(detail: dict[str, Any]) -> None:
    record = {"id": "x", "n": 5, "subject": "é"}
    text = json.dumps(detail, ensure_ascii=False)
    whole = {**record, "detail": detail} if detail else record
    assert canonical_record(record, text) == canonical(whole)


@pytest.mark.parametrize("text", ["{", "[1e999]", "", "nothing", '{"a":1}}', "\x00"])
def test_what_is_no_json_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NotCanonical):
        canonical_record({"id": "x"}, text)


def test_numbers_that_not_every_reader_would_take_are_written_as_text() -> None:
    assert canonical_record({"bytes_in": 2**60}, "{}") == b'{"bytes_in":"1152921504606846976"}'


OTHER_DATABASE = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_site.settings"
import django
django.setup()
from django.core.management import call_command
from django.db import connection, transaction
from audit import rows, storage
call_command("migrate", verbosity=0)
from tests.audit.test_canonical import fixed, stored_canonical
storage.insert([fixed(number) for number in range(int(sys.argv[1]))])
print(connection.vendor)
for line in stored_canonical():
    print(line.decode())
"""


def fixed(number: int) -> Any:
    """The same entry in every process."""
    import uuid

    ids = {name: uuid.UUID(int=number + 1) for name in ("id", "call_id", "payload_ref", "writer")}
    return entry(number, request_id=f"r-{number}", **ids)


def stored_canonical() -> list[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {rows.columns('event')} FROM audit_event AS event ORDER BY ord")
        return [rows.canonical_of(row) for row in cursor.fetchall()]


@pytest.mark.django_db
def test_an_event_reads_the_same_from_both_databases_and_from_a_line(tmp_path: Path) -> None:
    count = 2 * len(DETAILS)
    storage.insert([fixed(number) for number in range(count)])
    here = stored_canonical()
    done = subprocess.run(
        [sys.executable, "-c", OTHER_DATABASE, str(count)], capture_output=True, text=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", "GATEWAY_HOME": str(tmp_path)}, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    vendor, *there = done.stdout.splitlines()
    assert vendor == "sqlite"
    assert [line.decode() for line in here] == there
    for line in here:
        assert canonical(json.loads(line)) == line == verify_audit.canonical(json.loads(line))


@pytest.mark.django_db
def test_every_column_of_an_event_is_sealed() -> None:
    storage.insert([entry(1, writer=entry().id)])
    record, _ = next(iter([rows.record_of(row) for row in _raw()]))
    assert set(record) | {"detail"} == {field.name for field in Event._meta.concrete_fields} - {"ord"}


def _raw() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {rows.columns('event')} FROM audit_event AS event")
        return list(cursor.fetchall())


@pytest.mark.django_db
@given(detail=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=4))
def test_whatever_a_detail_holds_it_is_read_back_as_it_was_given(detail: dict[str, Any]) -> None:
    with transaction.atomic():
        storage.insert([entry(detail=detail)])
        line = stored_canonical()[-1]
        transaction.set_rollback(True)
    assert verify_audit.canonical(json.loads(line)) == line
    assert canonical(json.loads(line).get("detail", {})) == canonical(_storable(detail))


def _storable(value: Any) -> Any:
    """Null characters cannot be stored, and whole numbers that readers of JSON would round are kept as texts."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return str(value) if isinstance(value, int) and abs(value) >= 2**53 else value
