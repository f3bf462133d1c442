"""What can be administered, from an empty project to a working key, and what goes in and never comes out."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Event, Export
from projects.models import ApiKey, User
from projects.scoping import unscoped, with_project
from servers.models import Server
from tests.rest.callers import Stage, stage
from tests.rest.filling import fill
from tests.servers.working import work_off
from tests.threads import at_one_time

pytestmark = pytest.mark.claim("rest.administration")
SERVER = {"slug": "docs", "url": "http://127.0.0.1:9/mcp"}


def made(answer: Any) -> Any:
    assert answer.status_code == 201, answer.content
    assert answer.headers["Location"]
    return answer.json()


def done(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def test_an_operator_makes_a_project_its_people_and_its_end(rest: Stage) -> None:
    operator = rest.operator
    made(operator.post("/projects", {"slug": "initech", "name": "Initech"}))
    person = made(operator.post("/users", {"email": "Peter@initech.test"}))
    assert person["email"] == "peter@initech.test"
    member = made(operator.post("/projects/initech/members", {"email": "peter@initech.test", "role": "owner"}))
    made(operator.post("/projects/initech/members", {"email": "new@initech.test", "role": "member"}))
    assert not User.objects.get(email="new@initech.test").has_usable_password()
    refused = operator.patch(f"/projects/initech/members/{member['id']}", {"role": "member"})
    assert refused.status_code == 422, "the last owner stays"
    listed = done(operator.get(f"/users/{person['id']}/memberships"))["items"]
    assert [(each["project"], each["role"]) for each in listed] == [("initech", "owner")]
    done(operator.patch("/projects/initech", {"enabled": False, "keep_months": 12}))
    assert [each["slug"] for each in done(operator.get("/projects?search=INIT"))["items"]] == ["initech"]
    done(operator.patch(f"/users/{person['id']}", {"is_active": False}))
    done(operator.delete("/projects/initech"), 204)
    done(operator.delete(f"/users/{person['id']}"), 204)
    assert operator.get(f"/users/{person['id']}").status_code == 404


def test_the_last_operator_stays_and_nobody_deletes_themselves(rest: Stage) -> None:
    own = next(each for each in done(rest.operator.get("/users"))["items"] if each["email"] == rest.operator.email)
    for refused in (
        rest.operator.patch(f"/users/{own['id']}", {"is_operator": False}),
        rest.operator.patch(f"/users/{own['id']}", {"is_active": False}),
        rest.operator.delete(f"/users/{own['id']}"),
    ):
        assert refused.status_code == 422, refused.content


def test_an_owner_changes_the_name_and_nothing_that_is_the_operators(rest: Stage) -> None:
    assert done(rest.owner.patch("/projects/acme", {"name": "Acme"}))["name"] == "Acme"
    for change in ({"enabled": False}, {"payloads": "full"}, {"keep_months": 1}):
        assert rest.owner.patch("/projects/acme", change).json()["action"] == "gateway.write"


def test_a_key_lives_its_life(rest: Stage) -> None:
    key = made(rest.member.post("/projects/acme/keys", {"label": "laptop", "tools": ["search_*"]}))
    assert key["user"] == rest.member.email
    address = f"/projects/acme/keys/{key['key_id']}"
    assert "key" not in done(rest.member.get(address))
    done(rest.member.patch(address, {"label": "desktop", "networks": ["192.0.2.0/24"]}))
    assert done(rest.member.post(f"{address}/disable"))["disabled_at"]
    assert rest.member.post(f"{address}/rotate", {}).status_code == 422
    assert done(rest.member.post(f"{address}/enable"))["disabled_at"] is None
    successor = made(rest.member.post(f"{address}/rotate", {"overlap_hours": 1}))
    assert successor["tools"] == ["search_*"]
    assert done(rest.member.get(address))["expires_at"] is not None
    assert done(rest.member.post(f"{address}/revoke"))["revoked_at"]
    live = done(rest.member.get("/projects/acme/keys?live=true"))["items"]
    assert [each["key_id"] for each in live] == [successor["key_id"]]
    with unscoped("a key whose time is over"):
        ApiKey.objects.filter(key_id=successor["key_id"]).update(expires_at=timezone.now())
    assert done(rest.member.get("/projects/acme/keys?live=true"))["items"] == []
    ended = done(rest.member.get("/projects/acme/keys?live=false"))["items"]
    assert {each["key_id"] for each in ended} == {key["key_id"], successor["key_id"]}


def test_a_member_sees_and_makes_no_keys_of_others(rest: Stage) -> None:
    key, _ = rest.cast.key(label="of the owner")
    assert done(rest.member.get("/projects/acme/keys"))["items"] == []
    assert rest.member.get(f"/projects/acme/keys/{key.key_id}").status_code == 404
    assert rest.member.post(f"/projects/acme/keys/{key.key_id}/revoke").status_code == 404
    refused = rest.member.post("/projects/acme/keys", {"label": "x", "user": "ada@acme.test"})
    assert (refused.status_code, refused.json()["action"]) == (403, "keys.all")
    made(rest.admin.post("/projects/acme/keys", {"label": "x", "user": "bob@acme.test"}))
    stranger = rest.admin.post("/projects/acme/keys", {"label": "x", "user": "mallory@globex.test"})
    nobody = rest.admin.post("/projects/acme/keys", {"label": "x", "user": "nobody@globex.test"})
    assert stranger.content == nobody.content


@pytest.mark.claim("rest.secrets")
def test_secrets_of_servers_go_in_and_never_out(rest: Stage) -> None:
    body = {**SERVER, "headers": {"Authorization": "Bearer canary-secret"}}
    server = rest.owner.post("/projects/acme/servers", body)
    assert made(server)["secrets"] == {"headers": ["Authorization"], "params": [], "is_readable": True}
    tag = server.headers["ETag"]
    kept = rest.owner.patch("/projects/acme/servers/docs", {"timeout_seconds": 7}, If_Match=tag)
    assert done(kept)["secrets"]["headers"] == ["Authorization"]
    elsewhere = {"url": "http://127.0.0.1:10/mcp"}
    moved = rest.owner.patch("/projects/acme/servers/docs", elsewhere, If_Match=kept.headers["ETag"])
    assert (moved.status_code, moved.json()["errors"][0]["at"]) == (422, "/headers")
    forgotten = rest.owner.patch("/projects/acme/servers/docs", {"headers": {}}, If_Match=kept.headers["ETag"])
    assert done(forgotten)["secrets"]["headers"] == []
    with with_project(rest.cast.acme.pk):
        assert Server.objects.get().secrets["headers"] == {}
    seen = [answer.content for answer in (server, kept, moved, forgotten)]
    seen += [rest.owner.get(f"/projects/acme/{each}").content for each in ("servers", "servers/docs", "cache")]
    assert b"canary-secret" not in b"".join(seen)
    assert "canary-secret" not in repr(list(Event.objects.values_list()))


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({**SERVER, "url": "http://169.254.169.254/"}, "/url"),
        ({**SERVER, "url": "https://user:word@example.com/"}, "/url"),
        ({**SERVER, "transport": "stdio", "url": ""}, "/template"),
        ({**SERVER, "template": "none"}, "/template"),
        ({**SERVER, "input_policy": "none"}, "/input_policy"),
        ({**SERVER, "headers": {"Host": "x"}}, "/headers"),
        ({**SERVER, "argument_kinds": {"a": {"b": "sql"}}}, "/argument_kinds"),
    ],
)
def test_a_server_that_may_not_be_is_refused_by_its_field(rest: Stage, body: dict[str, Any], at: str) -> None:
    refused = rest.owner.post("/projects/acme/servers", body)
    assert refused.status_code == 422, refused.content
    assert refused.json()["type"] == "urn:mcpgw:problem:refused-by-rule"
    assert refused.json()["errors"][0]["at"] == at


def test_a_template_is_the_operators_and_its_slots_the_projects(rest: Stage) -> None:
    template = {"slug": "clock", "executable": "{python}", "args": ["-m", "clock", "--zone={zone}"],
                "params": {"zone": {"pattern": "[A-Za-z_/]+"}, "token": {"pattern": ".+", "secret": True}},
                "env": {"API_TOKEN": "{token}"}}  # fmt: skip
    made(rest.operator.post("/templates", template))
    assert rest.owner.get("/templates").status_code == 403
    slots = done(rest.member.get("/projects/acme/templates"))["items"]
    assert slots == [{"slug": "clock", "params": template["params"]}]
    body = {"slug": "clock", "transport": "stdio", "template": "clock",
            "params": {"zone": "Europe/Paris", "token": "canary-secret"}}  # fmt: skip
    server = made(rest.owner.post("/projects/acme/servers", body))
    assert (server["params"], server["secrets"]["params"]) == ({"zone": "Europe/Paris"}, ["token"])
    assert rest.operator.delete("/templates/clock").status_code == 409
    done(rest.operator.patch("/templates/clock", {"enabled": False, "memory_mb": 64}))
    assert done(rest.operator.get("/templates/clock"))["memory_mb"] == 64
    assert done(rest.member.get("/projects/acme/templates"))["items"] == []


def test_a_definition_is_looked_at_and_decided_on(rest: Stage) -> None:
    names = fill(rest.cast.acme)
    listed = done(rest.member.get("/projects/acme/tools?state=waiting&kind=tool&search=canary"))["items"]
    assert [each["id"] for each in listed] == [names["tool"]]
    address = f"/projects/acme/tools/{names['tool']}"
    version = done(rest.member.get(f"{address}/versions/{names['digest']}"))
    assert version["definition"] == done(rest.member.get(address))["definition"]
    assert version["approved_before"] is None
    decided = {"digest": names["digest"], "act": "approve", "reason": "looked at"}
    assert rest.member.post(f"{address}/decisions", decided).status_code == 403
    assert done(rest.admin.post(f"{address}/decisions", decided))["state"] == "approved"
    assert done(rest.admin.get(f"{address}/versions"))["items"][0]["decided_by"] == rest.admin.email
    assert rest.admin.post(f"{address}/decisions", {**decided, "digest": "1" * 64}).status_code == 404
    assert done(rest.admin.post(f"{address}/decisions", {**decided, "act": "reject"}))["state"] == "rejected"
    server = names["server"]
    assert done(rest.admin.post(f"/projects/acme/servers/{server}/approve-waiting", {}))["approved"] == 0


def test_rules_say_who_may_and_why(rest: Stage) -> None:
    names = fill(rest.cast.acme)
    server = names["server"]
    denial = {"effect": "deny", "pattern": "search-*", "role": "member", "reason": "Ask an admin.", "server": server}
    grant = made(rest.admin.post("/projects/acme/grants", denial))
    question = f"/projects/acme/why?server={server}&name=search-canary-of-acme"
    answer = done(rest.admin.get(f"{question}&user=bob@acme.test"))
    assert (answer["allowed"], answer["code"]) == (False, "denied")
    assert "Ask an admin." in answer["why"]
    done(rest.admin.patch(f"/projects/acme/grants/{grant['id']}", {"role": "auditor"}))
    assert done(rest.admin.get(f"{question}&user=bob@acme.test"))["code"] == "waiting"
    assert done(rest.admin.get(f"{question}&key={names['key_id']}"))["code"] == "waiting"
    for who in ("user=mallory@globex.test", "user=nobody@globex.test", "key=0123456789", "", "user=a&key=b"):
        assert rest.admin.get(f"{question}&{who}").status_code == 422
    done(rest.admin.delete(f"/projects/acme/grants/{grant['id']}"), 204)
    rules = {"rules": [{"effect": "allow", "pattern": "a*"}, {"effect": "deny", "pattern": "b*"}]}
    stored = done(rest.admin.put(f"/projects/acme/servers/{server}/grants", rules))["rules"]
    assert [each["pattern"] for each in stored] == ["a*", "b*"]
    assert len(done(rest.admin.get(f"/projects/acme/grants?server={server}"))["items"]) == 2
    foreign = {**denial, "server": "docs-canary-of-globex"}
    assert rest.admin.post("/projects/acme/grants", foreign).status_code == 422


def test_an_overlay_is_laid_and_shown(rest: Stage) -> None:
    names = fill(rest.cast.acme)
    body = {"server": names["server"], "tool": "search-canary-of-acme", "rename": "find", "pinned": {"big": 10**30}}
    decision = {"digest": names["digest"], "act": "approve"}
    done(rest.admin.post(f"/projects/acme/tools/{names['tool']}/decisions", decision))
    refused = rest.admin.post("/projects/acme/overlays", body)
    assert refused.status_code == 422, "the tool has no such argument"
    overlay = made(rest.admin.post("/projects/acme/overlays", {**body, "pinned": {}}))
    address = f"/projects/acme/overlays/{overlay['id']}"
    preview = done(rest.member.get(f"{address}/preview"))
    assert preview["problems"] == []
    assert [each["models_see"]["name"] for each in preview["shown"]] == ["find"]
    assert done(rest.admin.patch(address, {"title": "Find"}))["rename"] == "find"
    assert len(done(rest.admin.get(f"/projects/acme/overlays?tool={body['tool']}"))["items"]) == 1
    done(rest.admin.delete(address), 204)


def test_numbers_beyond_the_codec_come_back_as_they_are(rest: Stage) -> None:
    names = fill(rest.cast.acme)
    body = {"server": names["server"], "tool": "unseen", "pinned": {"big": 10**30}}
    overlay = made(rest.admin.post("/projects/acme/overlays", body))
    assert overlay["pinned"] == {"big": 10**30}
    assert done(rest.admin.get(f"/projects/acme/overlays/{overlay['id']}"))["pinned"] == {"big": 10**30}


def test_a_policy_has_versions_and_is_tried(rest: Stage) -> None:
    words = {"detector": "keywords", "config": {"words": ["swordfish"]}}
    answer = rest.admin.post("/projects/acme/policies", {"slug": "own", "guardrails": [words]})
    policy, tag = made(answer), answer.headers["ETag"]
    kept = policy["guardrails"][0]
    changes = {"is_default": True, "guardrails": [{**words, "id": kept["id"], "action": "flag"}]}
    changed = rest.admin.patch("/projects/acme/policies/own", changes, If_Match=tag)
    assert done(changed)["is_default"] is True
    assert changed.json()["guardrails"][0]["id"] == kept["id"]
    sample = {"text": "the word is swordfish", "policy": "own"}
    tried = done(rest.member.post("/projects/acme/guardrails/try", sample))
    assert [(each["detector"], each["action"]) for each in tried["findings"]] == [("keywords", "flag")]
    rolled = done(rest.admin.post("/projects/acme/policies/own/roll-back", {"version": 1}))
    assert rolled["guardrails"][0]["action"] == "block"
    tried = done(rest.member.post("/projects/acme/guardrails/try", sample))
    assert (tried["outcome"], tried["let_through"]) == ("blocked", None)
    versions = done(rest.member.get("/projects/acme/policies/own/versions"))["items"]
    assert [each["version"] for each in versions] == list(range(len(versions), 0, -1))
    content = done(rest.member.get("/projects/acme/policies/own/versions/1"))["content"]
    assert content["guardrails"][0]["detector"] == "keywords"
    refused = rest.admin.delete("/projects/acme/policies/own", If_Match="*")
    assert refused.status_code == 422, "it is the default"
    preset = done(rest.member.post("/projects/acme/guardrails/try", {"text": "hello", "preset": "strict"}))
    assert preset["outcome"] == "passed"


@pytest.mark.claim("rest.secrets")
def test_secrets_of_guardrails_go_in_and_never_out(rest: Stage) -> None:
    asks = {"detector": "openai_moderation", "directions": ["input"], "config": {"api_key": "canary-secret"}}
    policy = rest.admin.post("/projects/acme/policies", {"slug": "own", "guardrails": [asks]})
    assert made(policy)["guardrails"][0]["secrets"] == ["api_key"]
    floor = rest.operator.post("/floor", {**asks, "order": 3})
    assert made(floor)["secrets"] == ["api_key"]
    address = f"/floor/{floor.json()['id']}"
    replaced = rest.operator.put(address, {**asks, "config": {}, "action": "flag"})
    assert (done(replaced)["secrets"], replaced.json()["action"]) == (["api_key"], "flag")
    seen = [answer.content for answer in (policy, floor, replaced, rest.operator.get("/floor"))]
    seen.append(rest.admin.get("/projects/acme/policies/own/versions/1").content)
    assert b"canary-secret" not in b"".join(seen)
    done(rest.operator.delete(address), 204)


def test_a_false_positive_is_said_to_be_none_for_a_while(rest: Stage) -> None:
    until = (timezone.now() + timedelta(days=5)).isoformat()
    body = {"detector": "keywords", "text": "canary-text", "reason": "harmless", "expires_at": until}
    exception = made(rest.admin.post("/projects/acme/exceptions", body))
    assert exception["of"] == "a value"
    assert "canary-text" not in json.dumps(done(rest.member.get("/projects/acme/exceptions?detector=keywords")))
    place = {"detector": "keywords", "pointer": "/q", "reason": "harmless", "expires_at": until}
    assert rest.admin.post("/projects/acme/exceptions", place).json()["errors"][0]["at"] == "/tool"
    assert rest.admin.post("/projects/acme/exceptions", {**body, "server": "none"}).status_code == 422
    done(rest.admin.delete(f"/projects/acme/exceptions/{exception['id']}"), 204)


def test_what_can_be_checked_is_told_to_everyone(rest: Stage) -> None:
    detectors = {each["name"]: each for each in done(rest.auditor.get("/guardrails/detectors"))["detectors"]}
    assert not detectors["keywords"]["is_provider"]
    assert detectors["openai_moderation"]["is_provider"]
    assert {each["name"] for each in done(rest.auditor.get("/guardrails/presets"))["presets"]} == {
        "observe", "balanced", "strict"
    }  # fmt: skip


def test_reading_a_server_is_a_job_that_can_be_watched(rest: Stage) -> None:
    made(rest.admin.post("/projects/acme/servers", SERVER))
    work_off()
    job = done(rest.admin.post("/projects/acme/servers/docs/discover"), 202)
    again = done(rest.admin.post("/projects/acme/servers/docs/discover"), 202)
    assert job["id"] == again["id"]
    assert job["requested_by"] in (rest.admin.email, "schedule")
    work_off()
    seen = done(rest.member.get(f"/projects/acme/jobs/{job['id']}"))
    assert seen["error"]
    assert done(rest.member.get("/projects/acme/jobs?kind=servers.discovery"))["items"]
    assert seen["state"] == "queued"
    assert rest.admin.post(f"/projects/acme/jobs/{job['id']}/retry").status_code == 409, "it is tried again anyway"
    status = done(rest.member.get("/projects/acme/cache"))["servers"]["docs"]
    assert status["error"]


def test_trying_a_server_says_whether_it_answers_and_no_more(rest: Stage) -> None:
    made(rest.admin.post("/projects/acme/servers", SERVER))
    assert rest.member.post("/projects/acme/servers/docs/test").status_code == 403
    tried = done(rest.admin.post("/projects/acme/servers/docs/test"))
    assert (tried["answered"], tried["error"], tried["eras"]) == (False, "unavailable", [])
    assert Event.objects.filter(kind="server.tried", server="docs").count() == 1


def test_caches_are_cleared_by_server_by_kind_and_all(rest: Stage) -> None:
    made(rest.admin.post("/projects/acme/servers", SERVER))
    assert rest.member.post("/projects/acme/cache/clear", {}).status_code == 403
    cleared = done(rest.admin.post("/projects/acme/cache/clear", {"server": "docs", "kind": "tools"}))["cleared"]
    assert [each.partition(":")[0] for each in cleared] == ["tools"]
    assert set(done(rest.admin.post("/projects/acme/cache/clear", {}))["cleared"]) == {"tools", "config", "verdicts"}
    assert rest.admin.post("/projects/acme/cache/clear", {"server": "docs", "kind": "config"}).status_code == 422
    assert rest.admin.post("/cache/clear", {}).status_code == 403
    done(rest.operator.post("/cache/clear", {"kind": "verdicts"}), 204)
    assert Event.objects.filter(kind="cache.cleared").count() == 4


def test_the_log_is_verified_as_a_job(rest: Stage) -> None:
    assert rest.auditor.get("/projects/acme/verification").status_code == 404
    job = done(rest.auditor.post("/projects/acme/verify"), 202)
    work_off()
    found = done(rest.auditor.get("/projects/acme/verification"))
    assert (found["result"], found["found"], found["damages"]) == ("intact", 0, [])
    assert done(rest.owner.get(f"/projects/acme/jobs/{job['id']}"))["progress"]["text"] == "intact"
    assert done(rest.auditor.get("/health"))["database"] == "ok"


def test_an_export_is_asked_for_watched_and_deleted(rest: Stage) -> None:
    forms = [each["name"] for each in done(rest.member.get("/exports/forms"))["forms"]]
    assert {"jsonl", "csv"} <= set(forms)
    assert rest.member.post("/projects/acme/exports", {"form": "jsonl"}).status_code == 403
    answer = rest.auditor.post("/projects/acme/exports", {"form": "jsonl", "server": "docs"})
    export = done(answer, 202)
    assert (export["state"], export["filters"], export["requested_by"]) == (
        "waiting", {"server": "docs"}, rest.auditor.email
    )  # fmt: skip
    address = answer.headers["Location"]
    assert done(rest.auditor.get(address))["id"] == export["id"]
    assert rest.auditor.get(f"{address}/file").status_code == 409
    with with_project(rest.cast.acme.pk):
        Export.objects.update(state=Export.State.EXPIRED)
    assert rest.auditor.get(f"{address}/file").json()["type"] == "urn:mcpgw:problem:gone"
    assert rest.auditor.post("/projects/acme/exports", {"form": "none"}).json()["errors"][0]["at"] == "/form"
    done(rest.auditor.delete(address), 204)


@pytest.mark.claim("rest.secrets")
def test_a_schedule_keeps_its_secret_to_itself_and_its_place(rest: Stage) -> None:
    body = {"form": "jsonl", "destination": "s3", "endpoint": "https://s3.example.com", "bucket": "logs",
            "key_id": "AKIA", "secret": "canary-secret", "filters": {"server": "docs"}}  # fmt: skip
    assert rest.auditor.post("/projects/acme/export-schedules", body).status_code == 403
    answer = rest.admin.post("/projects/acme/export-schedules", body)
    schedule = made(answer)
    assert (schedule["has_secret"], schedule["filters"]) == (True, {"server": "docs"})
    address = f"/projects/acme/export-schedules/{schedule['id']}"
    changed = rest.admin.patch(address, {"every": "week"})
    assert (done(changed)["every"], changed.json()["has_secret"]) == ("week", True)
    moved = rest.admin.patch(address, {"endpoint": "https://elsewhere.example.com"})
    assert moved.status_code == 422
    seen = [each.content for each in (answer, changed, moved, rest.admin.get("/projects/acme/export-schedules"))]
    assert b"canary-secret" not in b"".join(seen)
    done(rest.admin.delete(address), 204)


@pytest.mark.claim("rest.idempotency")
@pytest.mark.django_db(transaction=True)
def test_two_that_are_sent_at_one_time_do_one_thing() -> None:
    rest = stage()

    def send() -> int:
        answer = rest.owner.post("/projects/acme/keys", {"label": "one"}, Idempotency_Key="one")
        return int(answer.status_code)

    assert sorted(at_one_time(*[send] * 4)) == [201, 409, 409, 409]
    with unscoped("the test counts"):
        assert ApiKey.objects.count() == 1
