"""A project written down and applied: nothing changes here, and elsewhere the same comes about."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import Model
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from audit.declaring import DeclaredFilter, DeclaredForwarder, DeclaredSchedule
from audit.models import Event, ExportSchedule, Forwarder, SavedFilter
from guardrails.models import FindingException, FloorGuardrail, Guardrail, Policy
from projects import services as project_services
from projects.models import ApiKey, Membership, Project
from projects.scoping import TenantModel, unscoped, with_project
from servers import declaration, declared, exporting, services
from servers.models import CommandTemplate, Grant, Overlay, Server
from tests.cli.exported import CANARIES, SIGNING_KEY, rich, rows, write


@pytest.mark.django_db
@pytest.mark.claim("export.round-trip")
def test_applying_an_export_changes_nothing_and_writes_no_event() -> None:
    project = rich()
    before, events = rows(), Event.objects.count()
    outcome = declared.apply(declared.read(write(project, whole=True)), prune=True)
    assert outcome.difference() == {"create": [], "update": [], "delete": []}
    assert (rows(), Event.objects.count()) == (before, events)


@pytest.mark.django_db
@pytest.mark.claim("export.round-trip")
def test_elsewhere_an_export_makes_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    project = rich()
    with with_project(project.pk):
        opened = {server.slug: server.secrets for server in Server.objects.all()}
        sealed = secrets_of_audit()
    here = write(project, whole=True)
    references = exporting.References(by_environment=True)
    text = exporting.write([project], references, whole=True)
    values = {"ACME_DOCS_AUTHORIZATION": "Bearer canary-bearer", "ACME_DOCS_X_TEAM": "yes",
              "ACME_CLOCK_TOKEN": "canary-slot", "ACME_OWN_3_API_KEY": "canary-provider",
              "ACME_SIEM_AUTHORIZATION": "Bearer canary-siem", "ACME_SIEM_SIGNING_KEY": SIGNING_KEY,
              "ACME_EXPORT_1_SECRET": "canary-bucket", "FLOOR_2_API_KEY": "canary-floor"}  # fmt: skip
    assert sorted(references.names) == sorted(values)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    project_services.delete_project(project=project)
    with unscoped("a template may serve any project"):
        CommandTemplate.objects.all().delete()
    FloorGuardrail.objects.all().delete()
    made = declared.apply(declared.read(text))
    assert {key["label"] for key in made.keys} == {"laptop", "short lived", "off"}
    assert made.signing_keys == []
    again = Project.objects.get(slug="acme")
    with with_project(again.pk):
        assert {server.slug: server.secrets for server in Server.objects.all()} == opened
        assert secrets_of_audit() == sealed
    assert [row.secrets for row in FloorGuardrail.objects.all()] == [{}, {"api_key": "canary-floor"}]
    # Their digests are the project's own, and this is another project with the same name.
    assert without_exceptions(write(again, whole=True)) == without_exceptions(here)


def secrets_of_audit() -> list[Any]:
    return [[row.secrets for row in Forwarder.objects.all()], [row.secret for row in ExportSchedule.objects.all()]]


@pytest.mark.django_db
@pytest.mark.claim("export.secrets")
def test_two_secrets_never_share_a_name() -> None:
    acme, globex = (project_services.create_project(slug=slug) for slug in ("acme", "acme-docs"))
    for project, slug in ((acme, "docs-x"), (globex, "x")):
        server = services.new_server(project=project, slug=slug, url="https://mcp.example.com/mcp")
        services.save_server(server=server, headers={"X-Key": project.slug})
    references = exporting.References(by_environment=True)
    exporting.write([acme, globex], references)
    assert list(references.names) == ["ACME_DOCS_X_X_KEY", "ACME_DOCS_X_X_KEY_2"]


def without_exceptions(text: str) -> Any:
    document = yaml.safe_load(text)
    assert len(document["projects"][0].pop("exceptions")) == 2
    return document


@pytest.mark.django_db
@pytest.mark.claim("export.secrets")
def test_no_secret_and_no_other_tenant_is_in_an_export() -> None:
    project = rich()
    for text in (write(project, whole=True), write(project, whole=True, by_environment=True)):
        assert not [canary for canary in CANARIES if canary in text]
        assert "globex" not in text
        assert "vault" not in text


@pytest.mark.django_db
@pytest.mark.claim("export.secrets")
@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("https://docs.example.com/mcp", "https://evil.example.com/mcp", "for another host"),
        ("X-Team: 'stored:'", "X-Other: 'stored:'", "Nothing is stored for X-Other"),
        ("slug: docs\n", "slug: elsewhere\n", "Nothing is stored for Authorization"),
        ("https://siem.example.com/in", "https://evil.example.com/in", "for another host"),
        ("name: siem\n", "name: elsewhere\n", "Nothing is stored for authorization"),
        ("https://s3.example.com", "https://evil.example.com", "Nothing is stored for secret"),
        ("key_id: AKIA\n", "key_id: OTHER\n", "does not go to another place"),
    ],
)
def test_a_stored_secret_stays_where_it_is(old: str, new: str, reason: str) -> None:
    text = write(rich())
    assert old in text
    before = rows()
    with pytest.raises(declared.DeclarationError, match=reason):
        declared.apply(declared.read(text.replace(old, new)))
    assert rows() == before


@pytest.mark.claim("export.round-trip")
@settings(max_examples=50)
@given(st.data())
def test_any_text_comes_back_as_it_was(data: Any) -> None:
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
    document = {"reason": data.draw(texts), "pinned": data.draw(st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=5,
    ))}  # fmt: skip
    assert yaml.safe_load(exporting.as_yaml(document)) == document


# --- all of it -----------------------------------------------------------------------------------------------


# What a declaration does not say, and why. All else that a row has must be said.
LEFT_OUT = {
    ("Project", "created_at"): "when it was made here",
    ("Membership", "created_at"): "when it was made here",
    ("Server", "created_at"): "when it was made here",
    ("Grant", "created_at"): "when it was made here",
    ("ApiKey", "created_at"): "when it was made here",
    ("Policy", "created_at"): "when it was made here",
    ("Policy", "changed_at"): "when it was changed here",
    ("FindingException", "created_at"): "when it was made here",
    ("FindingException", "created_by"): "who made it here",
    ("Server", "uid"): "what sealed values are bound to",
    ("ApiKey", "uid"): "what the log calls it",
    ("Guardrail", "uid"): "what the log calls it",
    ("Server", "sealed"): "a secret; references stand for it",
    ("Guardrail", "sealed"): "a secret; references stand for it",
    ("ApiKey", "key_id"): "made with the key",
    ("ApiKey", "pepper_id"): "made with the key",
    ("ApiKey", "digest"): "a secret; keys are issued anew elsewhere",
    ("ApiKey", "disabled_at"): "said as `enabled`",
    ("ApiKey", "revoked_at"): "revoked keys are not declared",
    ("ApiKey", "last_used_at"): "learnt",
    ("Policy", "version"): "counted here",
    ("Policy", "is_default"): "said as `default`",
    ("Guardrail", "order"): "said by the order",
    ("Grant", "effect"): "said as `allow` or `deny`",
    ("Grant", "pattern"): "said as `allow` or `deny`",
    ("FindingException", "server_ref"): "said as `server`",
    ("Server", "approved_ahead"): "said as `approved`",
    ("Forwarder", "uid"): "what sealed values are bound to",
    ("Forwarder", "sealed"): "secrets; references stand for them",
    ("Forwarder", "created_at"): "when it was made here",
    ("ExportSchedule", "uid"): "what sealed values are bound to",
    ("ExportSchedule", "sealed"): "a secret; a reference stands for it",
    ("ExportSchedule", "next_at"): "follows from `every`",
    ("ExportSchedule", "next_seq"): "how far it came in this log",
    ("ExportSchedule", "last_at"): "what became of it here",
    ("ExportSchedule", "last_error"): "what became of it here",
    ("ExportSchedule", "created_by"): "who made it here",
    ("ExportSchedule", "created_at"): "when it was made here",
    ("SavedFilter", "is_shared"): "those that are not shared are a person's own",
    ("SavedFilter", "created_at"): "when it was made here",
    ("FloorGuardrail", "uid"): "what the log calls it",
    ("FloorGuardrail", "sealed"): "a secret; references stand for it",
    ("FloorGuardrail", "order"): "said by the order",
    ("Server", "first_lists"): "learnt from the server",
    ("Server", "catalogue_version"): "learnt from the server",
    ("Server", "about"): "learnt from the server",
    ("Server", "discovered_hash"): "learnt from the server",
    ("Server", "discovered_at"): "learnt from the server",
    ("Server", "discovery_due_at"): "learnt from the server",
    ("Server", "discovery_error"): "learnt from the server",
}
DECLARED: dict[type[Model], type[BaseModel]] = {
    Project: declaration.DeclaredProject, Membership: declaration.DeclaredMember, ApiKey: declaration.DeclaredKey,
    Server: declaration.DeclaredServer, Grant: declaration.DeclaredGrant, Overlay: declaration.DeclaredOverlay,
    CommandTemplate: declaration.DeclaredTemplate, Policy: declaration.DeclaredPolicy,
    Guardrail: declaration.DeclaredGuardrail, FindingException: declaration.DeclaredException,
    FloorGuardrail: declaration.DeclaredGuardrail, Forwarder: DeclaredForwarder, ExportSchedule: DeclaredSchedule,
    SavedFilter: DeclaredFilter,
}  # fmt: skip
# Rows of projects that no declaration has.
NOT_DECLARED = {
    "Job": "work, not configuration",
    "Tool": "learnt from servers",
    "ToolVersion": "learnt from servers; which are approved is said of the server",
    "Export": "a file that was asked for, not configuration",
    "PolicyVersion": "history",
    "Invitation": "a link that works once, not configuration",
}


@pytest.mark.claim("export.whole")
def test_every_field_of_every_row_is_declared_or_left_out_for_a_reason() -> None:
    missing = []
    for model, shape in DECLARED.items():
        said = set(shape.model_fields)
        for name, section in exporting._sections().items():
            said |= set(section.model_fields) if name in shape.model_fields else set()
        for field in model._meta.concrete_fields:
            place = (model.__name__, field.name)
            if not (field.primary_key or field.is_relation or field.name in said or place in LEFT_OUT):
                missing.append(place)
    assert missing == []


@pytest.mark.claim("export.whole")
def test_every_kind_of_row_that_a_project_has_is_declared_or_left_out_for_a_reason() -> None:
    kinds = {model.__name__ for model in apps.get_models() if issubclass(model, TenantModel)}
    assert len(kinds) > 15
    assert kinds - {model.__name__ for model in DECLARED} == set(NOT_DECLARED)


# --- the commands --------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.claim("export.round-trip")
def test_the_command_writes_what_apply_takes(tmp_path: Path) -> None:
    project = rich()
    path, printed = tmp_path / "acme.yaml", io.StringIO()
    call_command("export", str(project.pk), "--output", str(path))
    call_command("export", "acme", "--json", stdout=printed)
    assert json.loads(printed.getvalue()) == yaml.safe_load(path.read_text())
    done = io.StringIO()
    call_command("apply", str(path), stdout=done)
    assert done.getvalue().strip() == "Nothing to change."
    with pytest.raises(CommandError, match="There is no project nowhere"):
        call_command("export", "nowhere")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.django_db
@pytest.mark.claim("apply.asks")
@pytest.mark.parametrize(("reply", "is_done"), [("n\n", False), ("", False), ("y\n", True)])
def test_on_a_terminal_apply_shows_its_plan_and_does_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: str, is_done: bool
) -> None:
    path, printed, shown = tmp_path / "gateway.yaml", io.StringIO(), Terminal()
    path.write_text("{version: 1, projects: [{slug: acme}]}")
    monkeypatch.setattr("sys.stdin", Terminal(reply))
    monkeypatch.setattr("sys.stderr", shown)
    if is_done:
        call_command("apply", str(path), stdout=printed)
    else:
        with pytest.raises(CommandError) as refused:
            call_command("apply", str(path), stdout=printed)
        assert refused.value.returncode == 4
    assert Project.objects.filter(slug="acme").exists() == is_done
    assert (printed.getvalue().strip() == "create  project acme") == is_done
    assert "create  project acme\nApply this? [y/N] " in shown.getvalue()


@pytest.mark.django_db
@pytest.mark.claim("export.secrets")
def test_headers_of_a_server_that_are_not_mentioned_and_slots_that_are_secret_stay() -> None:
    project = rich()
    text = write(project)
    document = yaml.safe_load(text)
    clock = next(each for each in document["projects"][0]["servers"] if each["slug"] == "clock")
    assert clock["params"] == {"zone": "b", "token": "stored:"}
    del clock["params"]["token"]
    assert declared.apply(declared.read(yaml.safe_dump(document))).difference()["update"] == []
    with with_project(project.pk):
        assert Server.objects.get(slug="clock").secrets["params"] == {"token": "canary-slot"}
