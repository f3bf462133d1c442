"""The running gateway against its own document, as each role, and what only a server shows."""

from __future__ import annotations

import http.client
import io
import json
import time
import zipfile
from collections.abc import Iterator

import pytest

from tests.rest.canaries import canary_of
from tests.rest.contract import ROLES, run
from tests.rest.live import Live, live


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("rest") / "gateway") as made:
        yield made


@pytest.mark.claim("rest.contract")
@pytest.mark.claim("rest.tenancy")
@pytest.mark.parametrize("role", ROLES)
def test_what_answers_is_what_the_document_says(stage: Live, role: str) -> None:
    """With few examples; `python -m tests.rest.contract` has many, and goes through every keyword of the document."""
    result = run(stage, role, "--phases", "fuzzing", "--max-examples", "1", "--workers", "2")
    assert result.returncode == 0, result.stdout


def ask(stage: Live, method: str, path: str, body: bytes | None, token: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", stage.gateway.port, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json",
               "Accept": "application/json, text/event-stream"}  # fmt: skip
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.claim("rest.two-kinds")
def test_an_admin_token_is_any_bad_credential_to_mcp(stage: Live) -> None:
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    answers = [ask(stage, "POST", "/mcp/acme", message, token) for token in (stage.tokens["operator"], "mgw_no", "x")]
    assert [status for status, _, _ in answers] == [401] * 3
    assert len({headers["www-authenticate"] for _, headers, _ in answers}) == 1
    said = [json.loads(body)["error"] for _, _, body in answers]
    assert len({(each["code"], each["message"]) for each in said}) == 1


@pytest.mark.claim("rest.administration")
def test_a_log_is_verified_by_a_worker_and_what_it_found_is_told(stage: Live) -> None:
    token = stage.tokens["auditor"]
    status, _, _ = ask(stage, "POST", "/api/v1/projects/acme/verify", None, token)
    assert status == 202
    deadline = time.monotonic() + 60
    while (answer := ask(stage, "GET", "/api/v1/projects/acme/verification", None, token))[0] == 404:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    found = json.loads(answer[2])
    assert (answer[0], found["result"], found["damages"]) == (200, "intact", [])
    assert found["events"] > 10
    own = json.loads(ask(stage, "GET", "/api/v1/projects/acme/checkpoints", None, token)[2])["items"]
    every = json.loads(ask(stage, "GET", "/api/v1/checkpoints", None, stage.tokens["operator"])[2])["items"]
    assert len({each["project_ref"] for each in own}) == 1
    assert len({each["project_ref"] for each in every}) > 1


@pytest.mark.claim("rest.administration")
def test_an_export_is_made_and_downloaded(stage: Live) -> None:
    token = stage.tokens["auditor"]
    status, headers, _ = ask(stage, "POST", "/api/v1/projects/acme/exports", b'{"form": "jsonl"}', token)
    assert status == 202
    deadline = time.monotonic() + 60
    while json.loads(ask(stage, "GET", headers["location"], None, token)[2])["state"] == "waiting":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    status, headers, content = ask(stage, "GET", f"{headers['location']}/file", None, token)
    assert (status, headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        text = b"".join(file.read(name) for name in file.namelist())
    assert canary_of("acme").encode() in text
    assert canary_of("globex").encode() not in text


@pytest.mark.claim("rest.problems")
def test_a_body_that_is_too_large_is_refused_with_a_problem(stage: Live) -> None:
    status, headers, body = ask(stage, "POST", "/api/v1/projects", b" " * 3_000_000, stage.tokens["operator"])
    assert (status, headers["content-type"]) == (413, "application/problem+json")
    assert json.loads(body)["type"] == "urn:mcpgw:problem:too-large"
    assert headers["x-request-id"]
