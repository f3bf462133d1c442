"""The playground against a running gateway: what it offers and calls is what a key of the same person could."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from proxy.playground.finding import MOST
from tests.e2e.scene import Scene, scene
from tests.e2e.test_tail import PASSWORD, set_up_second_factor, sign_in
from tests.e2e.upstream import Upstream

pytestmark = pytest.mark.claim("pages.playground")
PEOPLE = {"ada": "owner", "bob": "member", "carla": "auditor"}
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
# More than are offered at once.
MANY = 150
HOSTILE = "<img src=x onerror=alert(1)>"
MAKE = (
    "from projects.models import User;"
    f"[(u.set_password('{PASSWORD}'), u.save()) for u in User.objects.filter(is_superuser=False)];"
    f"User.objects.create_superuser('operator@gateway.test', '{PASSWORD}')"
)


def declarations(upstream: Upstream) -> dict[str, Any]:
    def project(slug: str, people: dict[str, str], servers: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "slug": slug, "members": [{"email": f"{name}@{slug}.test", "role": role} for name, role in people.items()],
            "servers": servers, "keys": [{"user": f"{name}@{slug}.test", "label": name} for name in people],
            "policies": [{"slug": "strict", "guardrails": [
                {"detector": "pii", "directions": ["input", "output"], "action": "redact", "threshold": 0.5},
                {"detector": "keywords", "directions": ["input", "output"], "action": "block", "config":
                    {"words": ["forbidden-word"]}}]}],
        }  # fmt: skip

    open_: dict[str, Any] = {"slug": "open", "url": upstream.url("open")}
    strict: dict[str, Any] = {"slug": "strict", "url": upstream.url("strict")}
    strict |= {"input_policy": "strict", "output_policy": "strict"}
    # The rules of the member leave one tool out.
    open_["grants"] = [{"allow": "*"}, {"deny": "secret", "role": "member"}]
    legacy = {"slug": "old", "url": upstream.url("legacy-old")}
    return {"version": 1, "projects": [
        project("acme", PEOPLE, [open_, strict, legacy, {"slug": "zoo", "url": upstream.url("zoo")}]),
        project("globex", {"mallory": "owner"}, [{"slug": "vault", "url": upstream.url("vault")}]),
    ]}  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home: Path = tmp_path_factory.mktemp("playground")
    with scene("sqlite", home, _with_tools) as made:
        made.gateway.manage("shell", "-c", MAKE)
        yield made


def _with_tools(upstream: Upstream) -> dict[str, Any]:
    upstream.tools["/zoo"] = [{"name": f"tool-{number}", "inputSchema": SCHEMA} for number in range(MANY)]
    listed = [{"name": name, "description": f"{name} {HOSTILE}", "inputSchema": SCHEMA} for name in ("echo", "secret")]
    upstream.tools["/open"] = listed
    return declarations(upstream)


_signed_in: dict[tuple[int, str], dict[str, str]] = {}


@contextmanager
def browser(stage: Scene, email: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{stage.gateway.port}", timeout=30) as site:
        place = (stage.gateway.port, email)
        if place in _signed_in:
            site.cookies.update(_signed_in[place])
        else:
            sign_in(site, email)
            # A code works once in half a minute, so that a person signs in once for all tests.
            if site.get("/admin/account/").status_code != httpx.codes.OK:
                set_up_second_factor(site)
            _signed_in[place] = dict(site.cookies)
        yield site


def offered(site: httpx.Client, project: str = "acme", typed: str = "") -> dict[str, dict[str, Any]]:
    answer = site.get("/admin/playground/tools/", params={"project": project, "q": typed})
    assert answer.status_code == 200, answer.text
    return {f"{tool['server']}/{tool['tool']}": tool for tool in answer.json()["tools"]}


def describe(site: httpx.Client, name: str, project: str = "acme") -> httpx.Response:
    return site.get("/admin/playground/tool/", params={"project": project, "name": name})


def play(site: httpx.Client, name: str, text: str, project: str = "acme", **more: Any) -> httpx.Response:
    token = site.cookies["csrftoken"]
    body = {"project": project, "name": name, "arguments": {"text": text, **more}}
    return site.post("/admin/playground/run/", json=body, headers={"X-CSRFToken": token, "Referer": str(site.base_url)})


def lines(stage: Scene, call_id: str) -> list[tuple[Any, ...]]:
    return stage.wait_for_rows(
        "SELECT kind, actor_kind, actor, actor_id, server, subject, decision, reason FROM audit_event"
        f" WHERE REPLACE(CAST(call_id AS TEXT), '-', '') = '{call_id.replace('-', '')}' ORDER BY ord"
    )


def stages(said: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in said["stages"]:
        found.setdefault(each["stage"], each["verdict"])
    return found


def test_what_is_offered_is_what_a_key_of_the_same_person_is_listed(stage: Scene) -> None:
    with browser(stage, "ada@acme.test") as ada, browser(stage, "bob@acme.test") as bob:
        assert {"open/echo", "open/secret"} <= offered(ada).keys()
        assert "open/secret" not in offered(bob) and "open/echo" in offered(bob)
        for name, site in (("ada", ada), ("bob", bob)):
            listed = stage.client("acme", label=name).modern("tools/list").message["result"]["tools"]
            assert [tool["name"] for tool in listed][:MOST] == [tool["name"] for tool in offered(site).values()]
        found = describe(ada, offered(ada)["open/echo"]["name"]).json()
        assert HOSTILE in found["description"], "for the page to put into a text node"
        assert found["schema"] == SCHEMA


def test_a_call_goes_through_every_stage_and_is_on_record_as_the_persons(stage: Scene) -> None:
    with browser(stage, "ada@acme.test") as ada:
        said = play(ada, offered(ada)["open/echo"]["name"], "hello-playground").json()
    assert said["outcome"] == "answered"
    assert said["answer"]["result"]["content"][0]["text"] == "hello-playground"
    seen = stages(said)
    for stage_name in ("record", "authorize", "limit", "conform", "guard", "forward"):
        assert seen[stage_name] == "passed", stage_name
    assert all(each["milliseconds"] >= 0 for each in said["stages"])
    (sent,) = stage.upstream.saw("hello-playground")
    assert sent.path == "/open" and not {"cookie", "authorization", "x-csrftoken"} & sent.headers.keys()
    kinds = lines(stage, said["event"])
    ours = ("user", "ada@acme.test", "open", "echo")
    assert [(row[0], row[1], row[2], row[4], row[5]) for row in kinds] == [
        ("mcp.call.intent", *ours), ("mcp.call.outcome", *ours)]  # fmt: skip
    assert kinds[1][6] == "ok" and kinds[0][3].isdigit()
    assert said["log"].startswith("/admin/audit/event/")


def test_a_server_of_sessions_is_called_too(stage: Scene) -> None:
    with browser(stage, "ada@acme.test") as ada:
        said = play(ada, offered(ada)["old/echo"]["name"], "hello-legacy").json()
    assert said["outcome"] == "answered", said
    assert len(stage.upstream.saw("hello-legacy")) == 1


def test_what_the_guardrails_replace_is_shown_and_does_not_leave(stage: Scene) -> None:
    text = "write to ada.lovelace@example.com please"
    with browser(stage, "ada@acme.test") as ada:
        said = play(ada, offered(ada)["strict/echo"]["name"], text).json()
    assert not stage.upstream.saw(text)
    assert "ada.lovelace@example.com" not in json.dumps(said["sent"])
    assert said["redacted"]["input"] == ["/params/arguments/text"]
    assert stages(said)["guard"] == "rewritten"
    assert any(found["detector"] == "pii" for each in said["guardrails"] for found in each["findings"])


def test_what_is_blocked_never_reaches_a_server_and_is_on_record(stage: Scene) -> None:
    with browser(stage, "ada@acme.test") as ada:
        said = play(ada, offered(ada)["strict/echo"]["name"], "a forbidden-word").json()
    assert said["outcome"] == "blocked" and said["has_left"] is False and said["sent"] is None
    assert stages(said)["guard"] == "stopped" and "forward" not in stages(said)
    assert not stage.upstream.saw("a forbidden-word")
    outcome = lines(stage, said["event"])[-1]
    assert (outcome[6], outcome[7]) == ("refused", "blocked_input")


def test_what_is_not_listed_is_not_called(stage: Scene) -> None:
    with browser(stage, "bob@acme.test") as bob, browser(stage, "ada@acme.test") as ada:
        name = offered(ada)["open/secret"]["name"]
        denied, unknown = (play(bob, each, "try-the-secret").json() for each in (name, "open__nothing"))
        gone = [describe(bob, each) for each in (name, "open__nothing")]
    assert [each.status_code for each in gone] == [404, 404] and gone[0].content == gone[1].content
    assert denied["outcome"] == unknown["outcome"] == "refused"
    assert denied["text"].replace(name, "x") == unknown["text"].replace("open__nothing", "x")
    assert not stage.upstream.saw("try-the-secret")
    assert denied["log"] == "", "a member reads no log"


def test_arguments_that_do_not_fit_are_refused_before_they_leave(stage: Scene) -> None:
    with browser(stage, "ada@acme.test") as ada:
        said = play(ada, offered(ada)["open/echo"]["name"], 7).json()  # type: ignore[arg-type]  # on purpose
        token = ada.cookies["csrftoken"]
        for body in (b"", b"[]", b"{", b'{"name": 1}', b'{"project": "acme", "name": "x", "arguments": []}'):
            answer = ada.post("/admin/playground/run/", content=body,
                              headers={"X-CSRFToken": token, "Content-Type": "application/json"})  # fmt: skip
            assert answer.status_code == 400, body
        assert ada.post("/admin/playground/run/", json={}).status_code == 403, "without the token"
        assert ada.get("/admin/playground/run/").status_code == 405
    assert said["outcome"] == "tool_error" and stages(said)["conform"] == "stopped"
    assert said["has_left"] is False


@pytest.mark.claim("pages.growth")
def test_of_many_tools_the_first_are_offered_and_the_others_found_by_name(stage: Scene) -> None:
    with browser(stage, "ada@acme.test") as ada, browser(stage, "bob@acme.test") as bob:
        first = offered(ada)
        assert len(first) == MOST and list(first) == sorted(first), "in their order"
        wanted = "zoo/tool-99"
        assert wanted not in first
        (only,) = offered(ada, typed="ZOO tool-99")
        assert only == wanted
        assert play(ada, offered(ada, typed=only)[only]["name"], "one-of-many").json()["outcome"] == "answered"
        assert offered(ada, typed="nothing-is-called-so") == {}
        # What the rules keep from somebody is not found either.
        assert "open/secret" in offered(ada, typed="secret") and offered(bob, typed="secret") == {}
    with browser(stage, "mallory@globex.test") as mallory:
        assert offered(mallory, "globex", "zoo") == {}


@pytest.mark.claim("pages.readers")
def test_nobody_calls_in_a_project_of_others(stage: Scene) -> None:
    with browser(stage, "ada@acme.test") as ada:
        name = offered(ada)["open/echo"]["name"]
    with browser(stage, "mallory@globex.test") as mallory:
        assert {name.split("/")[0] for name in offered(mallory, "globex")} == {"vault"}
        for project in ("acme", "nothing"):
            assert mallory.get(f"/admin/playground/tools/?project={project}").status_code == 404
            assert mallory.get(f"/admin/playground/?project={project}").status_code == 404
            assert play(mallory, name, "from-outside", project).status_code == 404
            assert describe(mallory, name, project).status_code == 404
        assert describe(mallory, name, "globex").status_code == 404
        refused = play(mallory, name, "from-outside", "globex").json()
        assert refused["outcome"] == "refused"
    with browser(stage, "carla@acme.test") as carla:
        assert carla.get("/admin/playground/").status_code == 404, "an auditor calls nothing"
        assert play(carla, name, "from-outside").status_code == 404
    with browser(stage, "operator@gateway.test") as operator:
        assert operator.get("/admin/playground/?project=acme").status_code == 200
        assert operator.get("/admin/playground/tools/?project=acme").json()["tools"] == []
        assert play(operator, name, "from-outside").status_code == 404, "who is no member has no role to call with"
    assert not stage.upstream.saw("from-outside")
