"""The OpenAPI document, as a file and as a page."""

from __future__ import annotations

import json
import re
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pydantic import BaseModel

from projects.models import User
from projects.rest.schemas import Given, Shown
from tests.rest.callers import Caller, Stage
from tests.rest.operations import document, operations

FILE = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


@pytest.mark.claim("rest.document")
def test_the_document_in_the_repository_is_the_live_one(rest: Stage) -> None:
    live = rest.member.get("/openapi.json").json()
    assert json.loads(FILE.read_text()) == live, "run: mcp-gateway openapi > docs/openapi.json"
    printed = StringIO()
    call_command("openapi", stdout=printed)
    assert printed.getvalue() == FILE.read_text()


@pytest.mark.claim("rest.document")
def test_every_operation_says_how_it_can_be_refused_and_what_its_answers_are() -> None:
    described: dict[str, Any] = document()
    shared = described["components"]["responses"]
    assert described["openapi"].startswith("3.1")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            place = f"{method} {path}"
            answers = operation["responses"]
            assert {"401", "422", "429", "500", "503"} <= set(answers), place
            assert ("403" in answers) == ("x-action" in operation), place
            for status, named in answers.items():
                answer = shared[named["$ref"].split("/")[-1]] if "$ref" in named else named
                assert "X-Request-ID" in answer["headers"], place
                kinds = list(answer.get("content", {}))
                assert kinds == (["application/problem+json"] if int(status) >= 400 else kinds), place
            if method == "post" and "Idempotency-Key" not in [each["name"] for each in operation["parameters"]]:
                assert path.endswith(("/test", "/try", "/erasures")), place


@pytest.mark.claim("rest.document")
def test_no_two_shapes_have_one_name() -> None:
    """In the document the second would stand for both."""
    waiting: list[type[BaseModel]] = [Given, Shown]
    names: list[str] = []
    while waiting:
        shape = waiting.pop()
        names.append(shape.__name__)
        waiting += shape.__subclasses__()
    assert len(names) > 80
    assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.claim("rest.administration")
def test_the_table_of_what_the_reference_system_has_names_operations_that_there_are() -> None:
    page = (FILE.parent / "rest.md").read_text()
    named = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*)", page))
    known = {(each.method, each.path.removeprefix("/api/v1")) for each in operations()}
    assert len(named) > 50
    assert named <= known, named - known


@pytest.mark.claim("rest.page")
def test_the_page_needs_a_session_and_its_document_a_session_or_a_token(rest: Stage, client: Client) -> None:
    assert client.get("/api/v1/docs").status_code == 302
    answer = client.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
    assert Caller(rest.member.token, "").get("/openapi.json").status_code == 200
    assert Caller(rest.member.token, "").get("/docs").status_code == 302
    client.force_login(User.objects.get(email=rest.operator.email))
    assert client.get("/api/v1/docs").status_code == 200
    assert client.get("/api/v1/openapi.json").status_code == 200


@pytest.mark.claim("rest.page")
def test_the_page_takes_nothing_from_outside_and_runs_nothing_that_stands_in_it(rest: Stage, client: Client) -> None:
    client.force_login(User.objects.get(email=rest.operator.email))
    answer = client.get("/api/v1/docs")
    page = answer.content.decode()
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert all(each.startswith("/static/") for each in sources)
    assert [client.get(each).status_code for each in sources] == [200] * len(sources)
    inline = re.findall(r"<script(?![^>]*src=)([^>]*)>", page)
    assert all("application/json" in each for each in inline)
    assert not re.findall(r"\son\w+=|style=", page)
