"""The nouns of the log: forwarders, and schedules of exports."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from audit import forwarders
from audit.models import DeadLetter, Event, ExportSchedule, Forwarder
from projects.scoping import unscoped
from tests.audit.receivers import hook
from tests.cast import Cast, two_tenants
from tests.cli.test_commands import refused, run

pytestmark = pytest.mark.claim("cli.verbs")
CANARY = "canary-authorization"
SIEM = ("siem", "--kind", "webhook", "--address", "https://siem.example.com/in", "-p", "acme")


@pytest.fixture
def cast(db: None, monkeypatch: pytest.MonkeyPatch) -> Cast:
    monkeypatch.setenv("SIEM_AUTHORIZATION", CANARY)
    return two_tenants()


def only_forwarder() -> Forwarder:
    with unscoped("the test looks"):
        return Forwarder.objects.select_related("project").get()


@pytest.mark.claim("cli.secrets")
def test_a_forwarder_is_made_changed_switched_and_deleted(cast: Cast, tmp_path: Path) -> None:
    made = run("forwarder", "create", *SIEM, "--authorization", "env:SIEM_AUTHORIZATION")
    key = made.pop("signing_key")
    assert (made["secret"], made["format"], made["waiting"]) == (["authorization", "signing_key"], "jsonl", 0)
    assert run("forwarder", "show", "siem", "-p", "acme") == made
    assert run("forwarder", "list", "-p", "acme") == [made]
    assert only_forwarder().secrets == {"authorization": CANARY, "signing_key": key}
    assert run("forwarder", "disable", "siem", "-p", "acme")["enabled"] is False
    assert run("forwarder", "enable", str(made["id"]), "-p", "acme")["enabled"] is True
    moved = ["update", "siem", "-p", "acme", "--address", "https://other.example.com/in"]
    assert "authorization" in str(refused("forwarder", *moved))
    changed = run("forwarder", *moved, "--forget-authorization", "--new-signing-key", "--format", "cef")
    assert changed.pop("signing_key") not in ("", key)
    assert (changed["secret"], changed["format"]) == (["signing_key"], "cef")
    assert refused("forwarder", "update", "siem", "-p", "acme").returncode == 2
    assert refused("forwarder", "delete", "siem", "-p", "acme").returncode == 4
    assert run("forwarder", "delete", "siem", "-p", "acme", "--yes")["name"] == "siem"
    assert run("forwarder", "list", "-p", "acme") == []
    written = repr(list(Event.objects.values()))
    assert "manage.py forwarder create" in written
    assert not {word for word in (CANARY, key) if word in written}


@pytest.mark.claim("cli.exit-codes")
@pytest.mark.claim("cli.secrets")
def test_what_cannot_be_is_refused_without_saying_a_secret(cast: Cast) -> None:
    run("forwarder", "create", *SIEM)
    in_clear = refused("forwarder", "create", "more", *SIEM[1:], "--authorization", CANARY)
    assert (in_clear.returncode, CANARY in str(in_clear)) == (2, False)
    assert "of this name" in str(refused("forwarder", "create", *SIEM))
    assert refused("forwarder", "create", "more", *SIEM[1:], "--ca-file", "/nowhere").returncode == 2
    # Another project's is as one that there never was.
    texts = [str(refused("forwarder", "show", name, "-p", "globex")) for name in ("siem", "none")]
    assert texts == ["There is no forwarder siem.", "There is no forwarder none."]
    number = only_forwarder().pk
    assert refused("forwarder", "delete", str(number), "-p", "globex", "-y").returncode == 3


@pytest.mark.claim("cli.exit-codes")
@pytest.mark.django_db(transaction=True)
def test_a_test_line_is_taken_or_the_command_fails(cast: Cast, settings: Any) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    with hook() as receiver:
        receiver.script = [200, 403]
        run("forwarder", "create", "siem", "--kind", "webhook", "--address", receiver.url, "-p", "acme")
        assert run("forwarder", "test", "siem", "-p", "acme") == {"taken": True}
        error = refused("forwarder", "test", "siem", "-p", "acme")
    assert (error.returncode, "not taken" in str(error), receiver.url in str(error)) == (1, True, False)


def test_dead_letters_are_listed_and_sent_again(cast: Cast) -> None:
    run("forwarder", "create", *SIEM)
    state = forwarders.state_of(only_forwarder())
    for first in (1, 5):
        DeadLetter.objects.create(
            state=state, project_ref=cast.acme.pk, first=first, last=first + 1, reason="refused", at=timezone.now()
        )  # fmt: skip
    letters = run("forwarder", "dead-letters", "siem", "-p", "acme")
    assert [(each["first_seq"], each["last_seq"]) for each in letters] == [(1, 2), (5, 6)]
    assert refused("forwarder", "resend", "siem", "-p", "acme", "--only", "999999").returncode == 3
    assert run("forwarder", "resend", "siem", "-p", "acme", "--only", str(letters[0]["id"])) == {"dead_letters": 1}
    assert run("forwarder", "resend", "siem", "-p", "acme") == {"dead_letters": 1}
    assert run("forwarder", "show", "siem", "-p", "acme")["dead"] == 4


@pytest.mark.claim("cli.secrets")
def test_a_schedule_of_exports_is_made_switched_and_deleted(
    cast: Cast, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXPORT_DIRECTORIES = [tmp_path]
    folder = tmp_path / "acme"
    made = run("export_schedule", "create", "csv", "--directory", str(folder), "--every", "week", "--server", "docs",
               "-p", "acme")  # fmt: skip
    assert (made["filters"], made["to"], made["has_secret"]) == ({"server": "docs"}, str(folder), False)
    assert run("export_schedule", "list", "-p", "acme") == [made]
    monkeypatch.setenv("BUCKET_SECRET", "canary-of-the-bucket")
    bucket = ["create", "jsonl", "--bucket", "logs", "--endpoint", "https://s3.example.com", "--key-id", "AK",
              "-p", "acme"]  # fmt: skip
    in_clear = refused("export_schedule", *bucket, "--secret", "canary-of-the-bucket")
    assert (in_clear.returncode, "canary" in str(in_clear)) == (2, False)
    assert "needs the secret" in str(refused("export_schedule", *bucket))
    other = run("export_schedule", *bucket, "--secret", "env:BUCKET_SECRET", "--prefix", "audit/")
    assert (other["to"], other["has_secret"], "canary" in json.dumps(other)) == ("logs/audit/", True, False)
    assert run("export_schedule", "disable", other["id"], "-p", "acme")["enabled"] is False
    assert run("export_schedule", "enable", other["id"], "-p", "acme")["enabled"] is True
    assert run("export_schedule", "show", other["id"], "-p", "acme")["has_secret"] is True
    for name in (other["id"], "none"):
        assert refused("export_schedule", "show", name, "-p", "globex").returncode == 3
    assert run("export_schedule", "delete", made["id"], "-p", "acme", "-y")["id"] == made["id"]
    with unscoped("the test looks"):
        assert str(ExportSchedule.objects.get().uid) == other["id"]
    assert "canary" not in repr(list(Event.objects.values()))


def test_lists_are_tables_for_people(cast: Cast) -> None:
    run("forwarder", "create", *SIEM)
    printed = io.StringIO()
    call_command("forwarder", "list", "-p", "acme", stdout=printed)
    assert printed.getvalue().splitlines()[0].split()[:3] == ["id", "name", "kind"]
