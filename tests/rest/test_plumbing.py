"""What all operations have in common: problems, pages, preconditions, repeated requests, rates."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Event
from projects import services
from projects.models import ApiKey, Project, StoredAnswer, User
from projects.rest import once
from projects.scoping import with_project
from tests.rest.callers import Caller, Stage
from tests.rest.filling import fill

SERVER = {"slug": "docs", "url": "http://127.0.0.1:9/mcp"}


def problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:mcpgw:problem:{kind}"
    assert document["status"] == status
    return document


@pytest.mark.claim("rest.problems")
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("GET", "/nothing", None, 404, "not-found"),
        ("GET", "/api/v2/projects", None, 404, "not-found"),
        ("GET", "/api/v1", None, 404, "not-found"),
        ("GET", "/api", None, 404, "not-found"),
        ("PUT", "/projects", {}, 405, "method-not-allowed"),
        ("POST", "/projects/acme/keys", b"{", 400, "malformed"),
        ("POST", "/projects/acme/keys", b'{"label": "a", "label": "b"}', 400, "malformed"),
        ("POST", "/projects/acme/keys", b'{"label": NaN}', 400, "malformed"),
        ("POST", "/projects/acme/overlays", b'{"pinned": {"a": 1e999}}', 400, "malformed"),
        ("POST", "/projects/acme/keys", b"[" * 100_000, 400, "malformed"),
        ("POST", "/projects/acme/keys", b'{"label": "\xff"}', 400, "malformed"),
        ("POST", "/projects/acme/keys", b'{"label": ' + b"1" * 5_000 + b"}", 400, "malformed"),
        ("POST", "/projects/acme/keys", b" " * 3_000_000, 413, "too-large"),
        ("POST", "/projects/acme/keys", b'{"label": "a\\u0000"}', 422, "unstorable-text"),
        ("POST", "/projects/acme/keys", b'{"label": "\\ud800"}', 422, "unstorable-text"),
        ("GET", "/projects/acme/keys?label=%00", None, 422, "unstorable-text"),
        ("GET", "/projects/acme/keys?label=a\x00b", None, 422, "unstorable-text"),
        ("POST", "/projects/acme/keys", '{"label": "a"}'.encode("utf-16"), 400, "malformed"),
        ("GET", "/projects/ac%00me", None, 404, "not-found"),
        ("POST", "/projects/acme/keys", None, 422, "invalid-request"),
        ("POST", "/projects/acme/keys", {"label": "a", "lable": "b"}, 422, "invalid-request"),
        ("POST", "/projects/acme/keys", {"label": 7}, 422, "invalid-request"),
        ("POST", "/projects/acme/keys", {"label": "a", "expires_at": "1234567890"}, 422, "invalid-request"),
        ("GET", "/projects/acme/keys?lable=x", None, 422, "invalid-request"),
        ("GET", "/projects/acme/keys?limit=0", None, 422, "invalid-request"),
        ("GET", "/projects/acme/keys?limit=201", None, 422, "invalid-request"),
        ("GET", "/projects/acme/keys?limit=1&limit=2", None, 422, "invalid-request"),
        ("POST", "/projects/acme/keys", {"label": "a", "networks": ["x"]}, 422, "refused-by-rule"),
        ("DELETE", "/projects/acme", None, 403, "forbidden"),
    ],
)
def test_every_refusal_is_a_problem(
    rest: Stage, method: str, path: str, body: Any, status: int, kind: str
) -> None:
    problem(rest.owner.send(method, path, body), status, kind)


@pytest.mark.claim("rest.problems")
def test_a_problem_names_the_place_and_not_what_was_there(rest: Stage) -> None:
    body = {"label": "a", "surface": "canary-value", "networks": [7]}
    document = problem(rest.owner.post("/projects/acme/keys", body), 422, "invalid-request")
    assert {error["at"] for error in document["errors"]} == {"/surface", "/networks/0"}
    assert "canary-value" not in json.dumps(document)


@pytest.mark.claim("rest.problems")
def test_another_media_type_is_refused_and_a_method_that_is_not_there_says_which_are(rest: Stage) -> None:
    answer = rest.owner.post("/projects/acme/keys", {"label": "a"}, Content_Type="text/plain")
    problem(answer, 415, "unsupported-media-type")
    assert rest.owner.put("/projects", {}).headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.claim("rest.problems")
@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [(RuntimeError("canary-word"), 500, "internal"), (OperationalError("canary-word"), 503, "unavailable")],
)
def test_a_fault_of_ours_says_nothing_of_itself(
    rest: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, kind: str
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr("projects.api.services.issue_key", fail)
    answer = rest.owner.post("/projects/acme/keys", {"label": "a"})
    problem(answer, status, kind)
    assert b"canary-word" not in answer.content


@pytest.mark.claim("rest.problems")
@pytest.mark.parametrize("path", ["/projects/acme", "/projects/acme/keys?lable=x", "/projects/globex", "/nothing"])
def test_head_gets_the_head_of_what_get_gets(rest: Stage, path: str) -> None:
    got, head = rest.owner.get(path), rest.owner.send("HEAD", path)
    changing = {"X-Request-ID", "RateLimit"}
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert {name for name in head.headers if name not in changing} >= {*got.headers} - changing
    assert int(head.headers["Content-Length"]) == len(got.content)


@pytest.mark.claim("rest.tokens")
def test_a_browsers_session_opens_nothing(rest: Stage) -> None:
    caller = Caller("", "")
    caller._client.force_login(User.objects.get(email=rest.operator.email))
    problem(caller.get("/projects"), 401, "unauthenticated")


@pytest.mark.claim("rest.paging")
def test_pages_hold_everything_once_in_order(rest: Stage) -> None:
    for number in range(7):
        rest.cast.key(label=f"key {number}")
    seen: list[str] = []
    address = "/projects/acme/keys?limit=3"
    for _ in range(3):
        page = rest.owner.get(address).json()
        seen += [each["label"] for each in page["items"]]
        address = f"/projects/acme/keys?limit=3&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert seen == [f"key {number}" for number in range(7)]


@pytest.mark.claim("rest.paging")
def test_a_cursor_is_for_its_list_its_filters_and_its_token(rest: Stage) -> None:
    for number in range(3):
        rest.cast.key(label=f"key {number}")
    cursor = rest.owner.get("/projects/acme/keys?limit=1").json()["next_cursor"]
    assert rest.owner.get(f"/projects/acme/keys?limit=2&cursor={cursor}").status_code == 200
    elsewhere = [
        rest.owner.get(f"/projects/acme/members?cursor={cursor}"),
        rest.owner.get(f"/projects/acme/keys?live=true&cursor={cursor}"),
        rest.admin.get(f"/projects/acme/keys?cursor={cursor}"),
        *(rest.owner.get(f"/projects/acme/keys?cursor={junk}") for junk in ("x", "v1.s1.AAAA", cursor[:-2], "MTIz")),
    ]
    for answer in elsewhere:
        problem(answer, 422, "invalid-cursor")


@pytest.mark.claim("rest.idempotency")
def test_a_repeated_post_is_done_once_and_answered_the_same(rest: Stage) -> None:
    body = {**SERVER, "headers": {"Authorization": "Bearer canary-secret"}}
    first = rest.owner.post("/projects/acme/servers", body, Idempotency_Key="one")
    again = rest.owner.post("/projects/acme/servers", body, Idempotency_Key='"one"')
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.headers["Location"] == again.headers["Location"]
    assert first.headers["ETag"] == again.headers["ETag"] != ""
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Event.objects.filter(kind="server.created").count() == 1
    assert "canary" not in repr(StoredAnswer.objects.values_list())
    problem(rest.owner.post("/projects/acme/servers", SERVER, Idempotency_Key="one"), 422, "idempotency-mismatch")
    other = rest.admin.post("/projects/acme/servers", {**SERVER, "slug": "more"}, Idempotency_Key="one")
    assert other.status_code == 201, "a key is its token's"
    problem(rest.owner.post("/projects/acme/servers", SERVER, Idempotency_Key="a b"), 422, "invalid-request")


@pytest.mark.claim("rest.idempotency")
def test_what_was_refused_is_tried_anew(rest: Stage) -> None:
    rest.cast.server("docs")
    problem(rest.owner.post("/projects/acme/servers", SERVER, Idempotency_Key="one"), 422, "refused-by-rule")
    assert not StoredAnswer.objects.exists()
    answer = rest.owner.post("/projects/acme/servers", {**SERVER, "slug": "more"}, Idempotency_Key="one")
    assert answer.status_code == 201


@pytest.mark.claim("rest.idempotency")
@pytest.mark.claim("rest.secrets")
def test_a_secret_is_shown_once_also_to_who_asks_twice(rest: Stage) -> None:
    first = rest.owner.post("/projects/acme/keys", {"label": "a"}, Idempotency_Key="one").json()
    again = problem(
        rest.owner.post("/projects/acme/keys", {"label": "a"}, Idempotency_Key="one"), 409, "secret-shown-once"
    )
    assert again["shown_once"] == first["key_id"]
    with with_project(rest.cast.acme.pk):
        assert ApiKey.objects.count() == 1
    assert StoredAnswer.objects.get().sealed == ""


@pytest.mark.claim("rest.idempotency")
def test_a_key_may_be_used_again_after_a_day(rest: Stage) -> None:
    rest.operator.post("/projects", {"slug": "one"}, Idempotency_Key="one")
    StoredAnswer.objects.update(created_at=timezone.now() - once.KEPT - timedelta(seconds=1))
    assert rest.operator.post("/projects", {"slug": "two"}, Idempotency_Key="one").json()["slug"] == "two"
    StoredAnswer.objects.update(created_at=timezone.now() - once.KEPT - timedelta(seconds=1))
    assert once.prune() == 1


@pytest.mark.claim("rest.preconditions")
@pytest.mark.parametrize(
    ("place", "made", "change"),
    [
        ("servers/docs", ("servers", SERVER), {"timeout_seconds": 9}),
        ("policies/own", ("policies", {"slug": "own"}), {"name": "Ours"}),
    ],
)
def test_who_changes_what_has_changed_is_told(rest: Stage, place: str, made: Any, change: dict[str, Any]) -> None:
    collection, body = made
    address = f"/projects/acme/{place}"
    tag = rest.owner.post(f"/projects/acme/{collection}", body).headers["ETag"]
    assert rest.owner.get(address).headers["ETag"] == tag
    problem(rest.owner.patch(address, change), 428, "precondition-required")
    problem(rest.owner.delete(address), 428, "precondition-required")
    problem(rest.owner.patch(address, change, If_Match="docs"), 422, "invalid-request")
    changed = rest.owner.patch(address, change, If_Match=tag)
    assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)
    problem(rest.admin.patch(address, change, If_Match=tag), 412, "precondition-failed")
    problem(rest.admin.delete(address, If_Match=tag), 412, "precondition-failed")
    assert rest.admin.delete(address, If_Match=f'"old", {changed.headers["ETag"]}').status_code == 204
    assert rest.owner.get(address).status_code == 404


@pytest.mark.claim("rest.limits")
def test_a_token_has_its_rate_and_sees_it(rest: Stage, settings: Any) -> None:
    settings.REST_RATE = 2
    first = rest.owner.get("/token")
    assert first.headers["RateLimit-Policy"] == '"requests";q=2;w=60'
    assert first.headers["RateLimit"].startswith('"requests";r=1;t=')
    assert rest.owner.get("/token").status_code == 200
    over = rest.owner.get("/token")
    problem(over, 429, "too-many-requests")
    assert 0 < int(over.headers["Retry-After"]) <= 60
    assert rest.admin.get("/token").status_code == 200
    answers = [Caller("x", "").get("/token").status_code for _ in range(3)]
    assert answers == [401, 401, 429]


@pytest.mark.claim("rest.problems")
def test_a_conflict_in_the_database_is_no_fault(rest: Stage) -> None:
    services.create_project(slug="three")
    problem(rest.operator.post("/projects", {"slug": "three"}), 422, "refused-by-rule")
    assert Project.objects.filter(slug="three").count() == 1


LISTS = ("members", "keys", "servers", "tools", "grants", "overlays", "policies", "exceptions", "jobs")


@pytest.mark.claim("rest.paging")
@pytest.mark.parametrize("name", LISTS)
def test_a_list_shows_of_each_row_what_the_row_shows_of_itself(rest: Stage, name: str) -> None:
    fill(rest.cast.acme)
    (*_, listed) = rest.owner.get(f"/projects/acme/{name}").json()["items"]
    place = listed.get("id") or listed.get("key_id") or listed["slug"]
    alone = rest.owner.get(f"/projects/acme/{name}/{place}").json()
    assert listed.items() <= alone.items()


@pytest.mark.claim("rest.paging")
@pytest.mark.parametrize("name", LISTS)
def test_a_list_asks_the_database_as_often_for_many_rows_as_for_none(rest: Stage, name: str) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert rest.owner.get(f"/projects/acme/{name}").status_code == 200
        return len(queries)

    asked()
    before = asked()
    fill(rest.cast.acme)
    assert asked() == before
