"""Exports of a running gateway, in both topologies: a worker makes every form, and no form holds a secret."""

from __future__ import annotations

import zipfile
from typing import Any

import pytest

from projects import keys
from tests.audit.exporting import readable
from tests.e2e.client import Client
from tests.e2e.scene import BEARERS, Scene

FORMS = ("jsonl", "csv", "ocsf", "parquet")
ARGUMENT, TOOL = "export-canary-argument-5520", "export-canary-tool-5521"
_ASK = """
from audit import exports
from gateway_site.lib.actor import Actor, acting_as
from projects.models import Project
with acting_as(Actor("command")):
    for form in {forms!r}:
        print(exports.request_export(project=Project.objects.get(slug="acme"), form=form).uid)
"""


@pytest.mark.claim("exports.secrets")
@pytest.mark.claim("exports.forms")
def test_every_form_is_made_by_a_worker_and_holds_no_secret(stage: Scene) -> None:
    key = stage.gateway.key("acme", "ada")
    client, hidden = stage.client("acme/docs"), keys.generate().text
    assert client.call(ARGUMENT).text == ARGUMENT
    # What comes back of it is the caller's own text, and is not kept with the other answers.
    Client(stage.gateway, "/mcp/acme/docs", key).call(ARGUMENT, tool=f"{TOOL}-{key}")
    stage.client("acme/down").call(ARGUMENT)
    Client(stage.gateway, "/mcp/acme/docs", hidden).send("POST", {}, {})
    Client(stage.gateway, f"/mcp/acme/docs?api_key={key}", key).send("POST", {}, {"Cookie": f"key={key}"})
    calls = "FROM audit_event WHERE kind = 'mcp.call.outcome' AND project = 'acme' AND server = 'down'"
    stage.wait_for_rows(f"SELECT 1 {calls}")
    stage.wait_for_no_rows(f"SELECT 1 {calls} AND NOT EXISTS (SELECT 1 FROM audit_seal WHERE event_ord = ord)", 30)
    asked = stage.gateway.manage("shell", "-v", "0", "-c", _ASK.format(forms=FORMS)).split()
    assert len(asked) == len(FORMS)
    stage.wait_for_no_rows("SELECT 1 FROM audit_export WHERE state = 'waiting'", 60)
    secrets = [text[15:] for text in (*stage.gateway.keys.values(), hidden)]
    secrets += [*BEARERS.values(), "canary-bearer", ARGUMENT, TOOL]
    rows: list[tuple[Any, ...]] = stage.rows("SELECT uid, form, state, events FROM audit_export")
    assert sorted(row[1] for row in rows) == sorted(FORMS)
    for uid, form, state, events in rows:
        assert (state, events > 10) == ("ready", True), form
        number = str(uid) if "-" in str(uid) else next(each for each in asked if each.replace("-", "") == uid)
        with zipfile.ZipFile(stage.gateway.home / "exports" / f"{number}.zip") as archive:
            names = archive.namelist()
            content = b"\n".join(readable(name, archive.read(name)) for name in names)
        assert b"acme" in content, form
        assert [secret[:14] for secret in secrets if secret.encode() in content] == [], form
