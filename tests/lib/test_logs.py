"""What a log line may hold."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from gateway_site.lib import logs
from gateway_site.lib.logs import redact
from projects import keys

pytestmark = pytest.mark.claim("secrets.logs")
KEY = keys.generate().text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key {KEY} was used", KEY),
        (f"cut {KEY[:40]}", KEY[15:40]),
        ("Authorization: Bearer canary-9.x_y~z+/=", "canary-9"),
        ("bearer   canary-9", "canary-9"),
        ("BEARER canary-9", "canary-9"),
        ("https://ada:canary-9@example.test/mcp", "canary-9"),
        ("postgres://user:canary-9@db:5432/x failed", "canary-9"),
    ],
    ids=["key", "cut key", "header", "bearer", "capitals", "address", "database"],
)
def test_what_looks_like_a_credential_is_taken_out_of_texts(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "[redacted]" in redact(text)


def test_it_is_found_at_any_depth() -> None:
    value = {"a": [{"b": (f"x {KEY}", {"c": f"Bearer {KEY}"})}], "headers": {"Authorization": "canary", "Accept": "x"}}
    assert KEY[15:] not in repr(redact(value))
    assert redact(value)["headers"] == {"Authorization": "[redacted]", "Accept": "x"}


@pytest.mark.parametrize("name", ["authorization", "X-Api-Key", "apikey", "client_secret", "password", "Set-Cookie"])
def test_values_under_telling_names_are_taken_out(name: str) -> None:
    assert redact({name: "canary"}) == {name: "[redacted]"}


@pytest.mark.parametrize("value", ["a plain text", 7, None, 1.5, True, {"status": 200}, ["x"]])
def test_everything_else_passes_as_it_is(value: Any) -> None:
    assert redact(value) == value


def test_texts_are_bounded() -> None:
    assert len(redact("x" * 100_000)) == 4096


PROGRAM = """
import logging, sys, structlog
from gateway_site.lib import logs
logs.configure("INFO")
key = sys.argv[1]
log = structlog.get_logger("test")
log.info("call", note=f"with {key}", headers={"authorization": "canary-1"}, url="http://ada:canary-2@host/x")
logging.getLogger("library").error("failed with %s at %s", key, "http://ada:canary-3@host/x")
try:
    raise ValueError(f"bad {key}")
except ValueError:
    log.exception("crashed")
    logging.getLogger("library").exception("crashed too")
"""


def test_log_lines_are_json_without_secrets_from_every_logger() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, KEY], capture_output=True, text=True, timeout=30, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(lines) == 4
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    assert KEY[15:] not in done.stderr
    assert "canary" not in done.stderr
    assert all("ValueError" in line["exception"] for line in lines[2:])


@pytest.mark.claim("store.recovers")
def test_a_log_that_cannot_be_written_ends_no_work() -> None:
    program = PROGRAM + 'print("goes on")'
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-c", program, KEY]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, timeout=30, check=False)
    assert done.stdout.split("\n")[0] == "goes on"


@pytest.mark.claim("observability.logs")
def test_what_becomes_a_text_only_in_the_line_is_redacted_too() -> None:
    key = "mgw_0123456789_" + "a" * 49
    line = logs._render(None, "info", {"event": "x", "error": ValueError(key), "raw": key.encode()}).decode()
    assert key not in line and "[redacted]" in line
    assert "tok3n" not in logs._render(None, "info", {"event": "https://tok3n@docs.example/x"}).decode()


def test_where_an_error_came_from_is_told_without_its_words() -> None:
    def breaks(text: str) -> None:
        raise ValueError(f"bad {text}")

    with pytest.raises(ValueError) as caught:
        breaks("canary")
    told = logs.whereabouts(caught.value)
    assert told["error"] == "ValueError"
    assert told["at"][-1].endswith(" breaks") and __file__ in told["at"][-1]
    assert "canary" not in repr(told)
