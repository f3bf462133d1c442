"""What calls leave behind at each level, in gateways with two workers; decrypted by code of the test's own."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway_site.lib.secrets import load_or_create
from tests.conformance.gateway import Gateway
from tests.databases import own_database
from tests.proxy.caller import Caller, Reply
from tests.proxy.recorder import Recorder

PEOPLE = ("ada", "bob", "grace", "vera")
LEVELS = {"plain": None, "redacted": "redacted", "full": "full"}
LIMIT = 4_096


def declarations(upstream: Recorder, levels: dict[str, str | None]) -> dict[str, Any]:
    return {
        "version": 1,
        "projects": [
            {
                "slug": slug,
                "policies": [{"slug": "open", "guardrails": [], "default": True}],
                "members": [{"email": f"{name}@{slug}.test", "role": "owner"} for name in PEOPLE],
                "servers": [
                    {"slug": path, "url": upstream.url(path)} for path in ("any", "stream-twice", "broken")
                ],
                "keys": [{"user": f"{name}@{slug}.test", "label": name} for name in PEOPLE],
                **({"audit": {"payloads": level}} if level else {}),
            }
            for slug, level in levels.items()
        ],
    }  # fmt: skip


@dataclass
class Person(Caller):
    """Keys have the names of their people in every project."""

    @property
    def text(self) -> str:
        return self.gateway.key(self.project, str(self.key))


@dataclass
class Stage:
    gateway: Gateway
    upstream: Recorder
    database: Any

    def person(self, project: str, name: str = "ada", server: str = "any") -> Person:
        return Person(self.gateway, "modern", name, project, server)

    def rows(self, question: str, *values: Any) -> list[dict[str, Any]]:
        cursor = self.database.execute(question, values)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def events(self, reply: Reply) -> dict[str, dict[str, Any]]:
        """Intent and outcome of the call."""
        found = self.rows("SELECT * FROM audit_event WHERE request_id = %s", reply.header("x-request-id"))
        return {each["kind"].rpartition(".")[2]: each for each in found}

    def payload(self, event: dict[str, Any]) -> dict[str, Any]:
        """Decrypted by what docs/audit.md says of it."""
        [row] = self.rows("SELECT * FROM audit_payload WHERE id = %s", event["payload_ref"])
        [key] = self.rows("SELECT * FROM audit_subjectkey WHERE id = %s", row["subject_key"])
        assert event["payload_digest"] == hashlib.sha256(row["nonce"] + row["ciphertext"]).hexdigest()
        ring = load_or_create(self.gateway.home / "keys" / "keyring.json")
        place = f"audit_subjectkey:{event['project_ref']}:{key['subject']}"
        secret = ring.unseal(bytes(key["wrapped"]).decode(), place)
        binding = f"audit_payload:{event['project_ref']}:{row['id']}:{event['id']}".encode()
        content: dict[str, Any] = json.loads(AESGCM(secret).decrypt(row["nonce"], row["ciphertext"], binding))
        return content


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Recorder() as upstream, own_database() as url:
        environment = {
            "DATABASE_URL": url, "GATEWAY_AUDIT_PAYLOAD_BYTES": str(LIMIT), "GATEWAY_KEY_RATE": "0",
            "GATEWAY_DISCOVERY_SECONDS": "0", "GATEWAY_LOG_LEVEL": "WARNING",
        }  # fmt: skip
        gateway = Gateway(
            tmp_path_factory.mktemp("payloads"), declarations(upstream, LEVELS), workers=2, environment=environment
        )
        with gateway, psycopg.connect(url, autocommit=True) as database:
            yield Stage(gateway, upstream, database)


@pytest.mark.claim("audit.payload-levels")
def test_without_a_level_there_are_no_payloads_and_no_keys(stage: Stage) -> None:
    reply = stage.person("plain").tool(arguments={"text": "hello"})
    assert reply.status == 200
    for event in stage.events(reply).values():
        assert (event["payload_ref"], event["payload_digest"], event["detail"]) == (None, "", {})
    project = stage.events(reply)["intent"]["project_ref"]
    for table in ("audit_payload", "audit_subjectkey"):
        assert stage.rows(f"SELECT * FROM {table} WHERE project_ref = %s", project) == []


@pytest.mark.claim("audit.payload-levels")
@pytest.mark.claim("audit.payload-with-event")
def test_a_full_payload_is_what_was_sent_and_what_came_back(stage: Stage) -> None:
    given = {"text": "canary ada@acme.test", "n": 2**63, "nested": [{"é": None}]}
    reply = stage.person("full").tool(arguments=given)
    events = stage.events(reply)
    sent, answered = stage.payload(events["intent"]), stage.payload(events["outcome"])
    assert sent["params"]["arguments"] == given
    assert answered == {"result": reply.message["result"]}
    assert b"canary" not in stage.rows("SELECT ciphertext FROM audit_payload WHERE id = %s",
                                       events["intent"]["payload_ref"])[0]["ciphertext"]  # fmt: skip
    failed = stage.events(stage.person("full", server="broken").tool())
    assert failed["outcome"]["payload_ref"] is None, "what the gateway says itself is no payload"


@pytest.mark.claim("audit.payload-levels")
def test_of_a_stream_the_message_that_answers_is_kept(stage: Stage) -> None:
    reply = stage.person("full", server="stream-twice").tool()
    [outcome] = stage.rows("SELECT * FROM audit_event WHERE request_id = %s AND kind = 'mcp.call.outcome'",
                           reply.header("x-request-id"))  # fmt: skip
    assert stage.payload(outcome)["result"]["content"] == [{"type": "text", "text": "done"}]


@pytest.mark.claim("audit.payload-levels")
def test_a_redacted_payload_has_marks_for_what_is_personal_or_secret_in_texts_and_names(stage: Stage) -> None:
    """Also though the project's own policy looks at nothing; the server is sent everything."""
    token = "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"
    given = {"text": "Write to jane.doe@example.com.", "jane.doe@example.com": 1, "deep": [{"token": token}], "n": 5}
    reply = stage.person("redacted").tool(arguments=given)
    events = stage.events(reply)
    sent, answered = stage.payload(events["intent"]), stage.payload(events["outcome"])
    kept = sent["params"]["arguments"]
    assert kept["text"] == "Write to [EMAIL]."
    assert (kept["[EMAIL]"], kept["n"]) == (1, 5)
    assert kept["deep"][0]["token"].startswith("[")
    assert json.loads(stage.upstream.forwarded[-1].body)["params"]["arguments"] == given
    for stored in (json.dumps(sent), json.dumps(answered)):
        assert "jane.doe" not in stored
        assert token not in stored
    assert "jane.doe" in json.dumps(reply.message)


@pytest.mark.claim("audit.payload-levels")
def test_what_is_too_large_is_said_to_be_and_not_kept(stage: Stage) -> None:
    for text, at_least in (("x" * LIMIT, LIMIT), ("y" * 40 * LIMIT, 40 * LIMIT)):
        reply = stage.person("full").tool(arguments={"text": text})
        assert reply.status == 200
        for event in stage.events(reply).values():
            assert event["payload_ref"] is None
            assert event["detail"]["payload"]["omitted"] == "too_large"
            assert at_least < event["detail"]["payload"]["bytes"] < at_least + 1_000


@pytest.mark.claim("audit.payload-with-event")
def test_a_call_whose_payload_cannot_be_sealed_is_refused_before_anything_leaves(stage: Stage) -> None:
    """Grace's key is one that the ring cannot open, as when the ring was lost."""
    [user] = stage.rows("SELECT id FROM projects_user WHERE email = 'grace@full.test'")
    [project] = stage.rows("SELECT id FROM projects_project WHERE slug = 'full'")
    stage.database.execute(
        "INSERT INTO audit_subjectkey (project_ref, subject, address, wrapped, created_at)"
        " VALUES (%s, %s, '', 'v1.gone.AAAA', now())", [project["id"], str(user["id"])],
    )  # fmt: skip
    before = len(stage.upstream.forwarded)
    reply = stage.person("full", "grace").tool()
    assert (reply.status, reply.error["code"]) == (503, -31006)
    assert len(stage.upstream.forwarded) == before
    until = time.monotonic() + 5
    while not (events := stage.events(reply)) and time.monotonic() < until:
        pass
    assert {kind: event["decision"] for kind, event in events.items()} == {"outcome": "refused"}
    assert stage.person("full", "ada").tool().status == 200
    assert stage.person("plain", "grace").tool().status == 200


@pytest.mark.claim("audit.payload-levels")
def test_a_change_of_the_level_takes_effect_in_every_worker_within_a_second(stage: Stage) -> None:
    stage.gateway.apply(declarations(stage.upstream, {"plain": "full"}))
    changed = time.monotonic()
    kept: list[float] = []
    # Each call has a connection of its own, so that both workers have their share.
    while len(kept) < 20:
        events = stage.events(stage.person("plain", "vera").tool())
        kept = [*kept, time.monotonic()] if all(each["payload_ref"] for each in events.values()) else []
        assert time.monotonic() - changed < 10
    assert kept[0] - changed < 1.0
    [event] = stage.rows("SELECT * FROM audit_event WHERE kind = 'project.changed' AND project = 'plain'")
    assert (event["detail"]["before"], event["detail"]["after"]) == ({"payloads": "metadata"}, {"payloads": "full"})


@pytest.mark.claim("audit.erasure")
def test_an_erased_person_has_another_key_in_every_worker_and_the_log_stays_intact(stage: Stage) -> None:
    bob, other = stage.person("full", "bob"), stage.person("redacted", "bob")
    ours = [stage.events(bob.tool(arguments={"text": "canary-of-bob"})) for _ in range(6)]
    theirs = stage.events(other.tool(arguments={"text": "canary-of-bob"}))
    said = stage.gateway.manage("audit", "erase", "--project", "full", "--subject", "bob@full.test")
    assert "1 keys destroyed, 12 payloads emptied" in said
    for event in (each for events in ours for each in events.values()):
        [row] = stage.rows("SELECT * FROM audit_payload WHERE id = %s", event["payload_ref"])
        assert (bytes(row["nonce"]), bytes(row["ciphertext"])) == (b"", b"")
    [key] = stage.rows("SELECT * FROM audit_subjectkey WHERE id = %s", row["subject_key"])
    assert key["wrapped"] is None
    assert stage.payload(theirs["intent"])["params"]["arguments"] == {"text": "canary-of-bob"}
    deadline = time.monotonic() + 5
    fresh = 0
    while fresh < 10:
        events = stage.events(bob.tool())
        [row] = stage.rows("SELECT * FROM audit_payload WHERE id = %s", events["outcome"]["payload_ref"])
        fresh = fresh + 1 if row["subject_key"] != key["id"] else 0
        assert time.monotonic() < deadline
    assert stage.payload(events["outcome"])
    assert json.loads(stage.gateway.manage("audit", "verify", "--json"))["result"] == "intact"


@pytest.mark.claim("audit.payload-with-event")
def test_no_payload_is_without_its_event_nor_named_in_vain(stage: Stage) -> None:
    """Every payload is named by the event that it was made for, and every name has its payload."""
    assert stage.rows("SELECT count(*) AS n FROM audit_event AS event FULL JOIN audit_payload AS payload"
                      " ON payload.id = event.payload_ref AND payload.event_id = event.id"
                      " WHERE (event.payload_ref IS NOT NULL OR event.id IS NULL)"
                      " AND (event.id IS NULL OR payload.id IS NULL)") == [{"n": 0}]  # fmt: skip
