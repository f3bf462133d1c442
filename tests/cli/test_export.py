"""A project written down and applied: nothing changes here, and elsewhere the same comes about."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from audit.declaring import DeclaredFilter, DeclaredForwarder, DeclaredSchedule
from audit.models import Event, ExportSchedule, Forwarder, SavedFilter
from guardrails import services as guardrail_services
from guardrails.models import FindingException, FloorGuardrail, Guardrail, Policy
from projects import services as project_services
from projects.models import ApiKey, Membership, Project
from projects.scoping import TenantModel, unscoped, with_project
from servers import declaration, declared, exporting, observing, offers, review, services
from servers.models import CommandTemplate, Grant, Overlay, Server, ToolVersion
from servers.observing import Listed

SIGNING_KEY = "canary-signing-key-0123456789"
CANARIES = ("canary-bearer", "canary-slot", "canary-provider", "canary-siem", "canary-bucket", "canary-floor",
            SIGNING_KEY)  # fmt: skip
RICH = """
version: 1
floor:
  - {detector: secrets, directions: [output], action: redact}
  - {detector: openai_moderation, directions: [input], action: flag, config: {api_key: canary-floor}}
command_templates:
  - slug: tool
    executable: "{python}"
    args: ["-m", "tool", "--zone={zone}"]
    params: {zone: {enum: [a, b], default: a}, token: {pattern: ".+", secret: true}}
    env: {TOKEN: "{token}"}
    memory_mb: 256
projects:
  - slug: acme
    name: "Acme: Ü & co"
    members: [{email: ada@acme.test, role: owner}, {email: bob@acme.test}, {email: carla@acme.test, role: auditor}]
    policies:
      - {slug: plain, preset: strict, default: true}
      - slug: own
        name: "Our own"
        mode: observe
        max_characters: 2048
        over_limit: flag
        guardrails:
          - {detector: keywords, directions: [output], action: flag, threshold: 0.25, config: {words: ["yes", "1.0"]}}
          - {detector: pii, categories: [EMAIL], action: tokenise, enabled: false, on_error: flag, timeout: 1.5}
          - {detector: openai_moderation, config: {api_key: canary-provider}}
    audit: {payloads: redacted, keep_months: 12}
    grants: [{allow: "read_*"}, {deny: "delete_*", role: member, reason: "no: never"}]
    servers:
      - slug: docs
        url: https://docs.example.com/mcp
        headers: {Authorization: "Bearer canary-bearer", X-Team: "yes"}
        timeout_seconds: 7
        input_policy: own
        argument_kinds: {query: {/statement: sql}}
        restore_tokens: true
        discovery_seconds: 3600
        review: review
        grants: [{deny: "*", role: auditor}, {allow: "*"}]
        overlays:
          - tool: search
            rename: find
            title: "Find: it"
            description: |
              Finds.
              Really.
            pinned: {region: eu, deep: {a: [1, 2.5, null]}}
            hide_arguments: [debug]
            rename_arguments: {q: query}
            describe_arguments: {q: "what: to look for"}
            constraint: {properties: {q: {maxLength: 10}}}
          - {tool: off, hidden: true}
      - {slug: clock, transport: stdio, template: tool, params: {zone: b, token: canary-slot}, enabled: false}
      - {slug: old, transport: sse, url: "https://old.example.com/sse", grants: [], overlays: []}
    forwarders:
      - name: siem
        kind: webhook
        address: https://siem.example.com/in
        authorization: Bearer canary-siem
        signing_key: canary-signing-key-0123456789
      - {name: syslog, kind: syslog, address: "syslog+tls://siem.example.com:6514", format: cef, enabled: false}
    schedules:
      - form: jsonl
        every: week
        filters: {server: docs, outcome: refused}
        destination: s3
        endpoint: https://s3.example.com
        region: eu-west-1
        bucket: audit
        prefix: acme/
        key_id: AKIA
        secret: canary-bucket
    filters: [{user: ada@acme.test, name: "What was refused", query: {decision: refused, within: 7d}}]
    keys:
      - {user: ada@acme.test, label: laptop, servers: [docs], tools: ["prompt:*"], networks: ["10.0.0.0/8"]}
      - {user: ada@acme.test, label: "short lived", expires_in_days: 3, surface: meta}
      - {user: bob@acme.test, label: off, enabled: false}
"""


def rich() -> Project:
    """A project that uses every field, and one more of which nothing may show."""
    declared.apply(declared.read(RICH.replace("label: off,", 'label: "off",').replace("tool: off,", 'tool: "off",')))
    project = Project.objects.get(slug="acme")
    ends = timezone.now() + timedelta(days=9)
    guardrail_services.add_exception(
        project=project, detector="pii", expires_at=ends, reason="known", text="ada@acme.test", category="EMAIL"
    )
    with with_project(project.pk):
        docs = Server.objects.get(slug="docs")
    guardrail_services.add_exception(
        project=project, detector="secrets", expires_at=ends, reason="an example", tool="search", pointer="/q",
        server="docs", server_ref=docs.pk,
    )  # fmt: skip
    declared.apply(declared.read(
        "{version: 1, projects: [{slug: globex, members: [{email: mallory@globex.test, role: owner}], "
        "servers: [{slug: vault, url: 'https://vault.example.com/mcp'}]}]}"
    ))  # fmt: skip
    return project


def write(project: Project, *, whole: bool = False, **options: Any) -> str:
    return exporting.write([project], exporting.References(**options), whole=whole)


def rows() -> str:
    with unscoped("the test compares"):
        return repr([list(model._default_manager.order_by("pk").values()) for model in
                     (Project, Membership, ApiKey, Server, Grant, Overlay, CommandTemplate, Policy, Guardrail,
                      FloorGuardrail, FindingException, Forwarder, ExportSchedule, SavedFilter)])  # fmt: skip


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


# --- the log's parts ------------------------------------------------------------------------------------


def changed(change: Callable[[dict[str, Any]], Any], **options: Any) -> declared.Outcome:
    """What becomes of the export of acme after a change of it."""
    document = yaml.safe_load(write(Project.objects.get(slug="acme"), whole=True))
    change(document)
    return declared.apply(declared.read(yaml.safe_dump(document)), **options)


def acme_of(document: dict[str, Any]) -> Any:
    return document["projects"][0]


@pytest.mark.django_db
@pytest.mark.claim("apply.log")
@pytest.mark.parametrize(
    ("part", "number", "name", "value", "said", "kind"),
    [
        ("forwarders", 0, "enabled", False, "forwarder acme/siem", "audit.forwarder_changed"),
        ("forwarders", 0, "address", "https://siem.example.com/v2", "forwarder acme/siem", "audit.forwarder_changed"),
        ("forwarders", 0, "authorization", "Bearer other", "forwarder acme/siem", "audit.forwarder_changed"),
        ("forwarders", 0, "signing_key", "another-key-of-more-than-22", "forwarder acme/siem",
         "audit.forwarder_changed"),
        ("schedules", 0, "every", "day", "schedule acme/jsonl", "audit.schedule_changed"),
        ("schedules", 0, "secret", "another", "schedule acme/jsonl", "audit.schedule_changed"),
        ("filters", 0, "query", {"decision": "failed"}, "shared filter acme/ada@acme.test/What was refused",
         "filter.changed"),
    ],
)  # fmt: skip
def test_a_changed_line_of_the_logs_parts_is_one_update_and_one_event(
    part: str, number: int, name: str, value: Any, said: str, kind: str
) -> None:
    rich()
    last = Event.objects.latest("ord").ord
    outcome = changed(lambda document: acme_of(document)[part][number].update({name: value}))
    assert outcome.difference() == {"create": [], "update": [said], "delete": []}
    assert list(Event.objects.filter(ord__gt=last).values_list("kind", flat=True)) == [kind]


@pytest.mark.django_db
@pytest.mark.claim("apply.log")
def test_parts_of_the_log_go_only_when_the_file_has_that_part_and_is_to_prune() -> None:
    project = rich()
    parts = ("forwarders", "schedules", "filters")
    emptied: dict[str, list[Any]] = {part: [] for part in parts}
    nothing: dict[str, list[str]] = {"create": [], "update": [], "delete": []}
    assert changed(lambda document: [acme_of(document).pop(part) for part in parts], prune=True).difference() == nothing
    assert changed(lambda document: acme_of(document).update(emptied)).difference() == nothing
    outcome = changed(lambda document: acme_of(document).update(emptied), prune=True)
    assert outcome.difference() == nothing | {"delete": [
        "forwarder acme/siem", "forwarder acme/syslog", "schedule acme/jsonl",
        "shared filter acme/ada@acme.test/What was refused",
    ]}  # fmt: skip
    with with_project(project.pk):
        assert (Forwarder.objects.count(), ExportSchedule.objects.count()) == (0, 0)
        assert [row.is_shared for row in SavedFilter.objects.all()] == [False], "it stays its person's"


@pytest.mark.django_db
@pytest.mark.claim("apply.log")
def test_a_new_forwarder_without_a_signing_key_gets_one_that_is_shown_once(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("""{version: 1, projects: [{slug: acme, forwarders: [
        {name: siem, kind: webhook, address: 'https://siem.example.com/in'}]}]}""")
    printed = io.StringIO()
    call_command("apply", str(path), "--dry-run", "--json", stdout=printed)
    assert json.loads(printed.getvalue())["signing_keys"] == []
    printed = io.StringIO()
    call_command("apply", str(path), "--json", stdout=printed)
    [made] = json.loads(printed.getvalue())["signing_keys"]
    with unscoped("the test looks"):
        assert Forwarder.objects.get().secrets["signing_key"] == made["signing_key"]
    assert made["signing_key"] not in repr(list(Event.objects.values())) + write(Project.objects.get())
    printed = io.StringIO()
    call_command("apply", str(path), stdout=printed)
    assert printed.getvalue().strip() == "Nothing to change."


@pytest.mark.django_db
@pytest.mark.claim("apply.log")
@pytest.mark.parametrize(
    ("part", "row", "place"),
    [
        ("forwarders", {"name": "a", "kind": "pigeon", "address": "https://a.example"}, "There is no such kind"),
        ("forwarders", {"name": "a", "kind": "webhook", "address": "https://169.254.1.1/"}, "egress_denied"),
        ("forwarders", {"name": "a", "kind": "webhook", "address": "https://a.example", "signing_key": "short"},
         "22 to 256"),
        ("schedules", {"form": "jsonl", "directory": "/etc"}, "allows no folder"),
        ("schedules", {"form": "novel", "directory": "/etc"}, "novel"),
        ("filters", {"user": "mallory@globex.test", "name": "x"}, "is not a member"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_part_of_the_log_is_said_with_its_place(
    part: str, row: dict[str, Any], place: str
) -> None:
    rich()
    before = rows()
    with pytest.raises(declared.DeclarationError, match=place) as refused:
        changed(lambda document: acme_of(document)[part].append(row))
    assert str(refused.value).startswith(f"projects.acme.{part}: ")
    assert rows() == before


# --- the floor ------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.claim("apply.floor")
def test_the_floor_is_in_the_gateways_export_and_in_no_projects() -> None:
    project = rich()
    assert "floor" not in yaml.safe_load(write(project))
    assert len(yaml.safe_load(write(project, whole=True))["floor"]) == 2
    assert changed(lambda document: document.pop("floor"), prune=True).difference()["delete"] == []
    last = Event.objects.latest("ord").ord
    outcome = changed(lambda document: document["floor"].reverse())
    assert outcome.update == ["floor openai_moderation", "floor secrets"]
    outcome = changed(lambda document: document["floor"].pop(0))
    assert (outcome.create, outcome.update, outcome.delete) == ([], [], ["floor openai_moderation"])
    kinds = Event.objects.filter(ord__gt=last).order_by("ord").values_list("kind", flat=True)
    assert list(kinds) == ["floor.changed", "floor.changed", "floor.deleted"]


# --- what is approved -----------------------------------------------------------------------------------


def saying(name: str, text: str = "Does.") -> Listed:
    return Listed("tool", name, {"name": name, "description": text, "inputSchema": {"type": "object"}})


def a_server(slug: str = "docs") -> Server:
    with unscoped("the test looks"):
        return Server.objects.select_related("project").get(slug=slug, project__slug="acme")


def see(*listed: Listed) -> None:
    observing.observe(server=a_server(), era="modern", listed=listed, whole=["tool"])


def states() -> dict[tuple[str, str], str]:
    with unscoped("the test looks"):
        return {(row.tool.name, row.definition["description"]): str(row.state)
                for row in ToolVersion.objects.select_related("tool")}  # fmt: skip


def version(name: str, text: str = "Does.") -> ToolVersion:
    with unscoped("the test looks"):
        return next(row for row in ToolVersion.objects.select_related("tool", "project")
                    if (row.tool.name, row.definition["description"]) == (name, text))  # fmt: skip


SERVED = """{version: 1, projects: [{slug: acme, servers: [{slug: docs, url: 'https://docs.example.com/mcp'}]}]}"""


def served() -> str:
    """The export of a project with a server of which one tool is approved, one was rejected, and one waits."""
    declared.apply(declared.read(SERVED))
    see(saying("read"), saying("drop"))
    review.reject(version=version("drop"))
    see(saying("read"), saying("drop"), saying("new"))
    return write(Project.objects.get(slug="acme"))


@pytest.mark.django_db
@pytest.mark.claim("export.approved")
def test_elsewhere_exactly_what_was_approved_here_is_approved() -> None:
    text = served()
    [server] = yaml.safe_load(text)["projects"][0]["servers"]
    assert [each["name"] for each in server["approved"]] == ["read"]
    project_services.delete_project(project=Project.objects.get(slug="acme"))
    declared.apply(declared.read(text))
    with with_project(a_server().project_id):
        [offer] = offers.load([a_server()]).values()
    assert not offer.is_first_sight("tool"), "nothing is let through before the server has been read"
    see(saying("read"), saying("drop"), saying("new"), saying("extra"))
    assert states() == {("read", "Does."): "approved", ("drop", "Does."): "waiting", ("new", "Does."): "waiting",
                        ("extra", "Does."): "waiting"}  # fmt: skip
    assert a_server().approved_ahead == [], "what was waited for is waited for no more"
    assert write(Project.objects.get(slug="acme")) == text
    assert not any(declared.apply(declared.read(text)).difference().values())
    see(saying("read", "Does something else."))
    assert states()["read", "Does something else."] == "waiting"


@pytest.mark.django_db
@pytest.mark.claim("export.approved")
def test_here_it_changes_nothing_and_brings_back_nothing_that_was_rejected() -> None:
    text = served()
    before, events = states(), Event.objects.count()
    assert not any(declared.apply(declared.read(text), prune=True).difference().values())
    assert (states(), Event.objects.count()) == (before, events)
    review.reject(version=version("read"))
    assert not any(declared.apply(declared.read(text)).difference().values())
    assert states()["read", "Does."] == "rejected"


@pytest.mark.django_db
@pytest.mark.claim("export.approved")
def test_what_waits_is_approved_by_a_file_that_says_so() -> None:
    text = served()
    new = version("new")
    line = {"kind": "tool", "name": "new", "digest": new.digest}
    document = yaml.safe_load(text)
    document["projects"][0]["servers"][0]["approved"].append(line)
    last = Event.objects.latest("ord").ord
    assert declared.apply(declared.read(yaml.safe_dump(document))).update == ["server acme/docs"]
    assert states()["new", "Does."] == "approved"
    [event] = Event.objects.filter(ord__gt=last)
    assert (event.kind, event.subject, event.detail["reason"]) == ("definition.approved", "new", "declared in a file")
    assert not any(declared.apply(declared.read(yaml.safe_dump(document))).difference().values())


@pytest.mark.django_db
@pytest.mark.claim("export.approved")
def test_a_server_that_was_never_read_is_trusted_at_first_sight_elsewhere_too() -> None:
    declared.apply(declared.read(SERVED))
    text = write(Project.objects.get(slug="acme"))
    assert "approved" not in text
    project_services.delete_project(project=Project.objects.get(slug="acme"))
    declared.apply(declared.read(text))
    see(saying("read"))
    assert states() == {("read", "Does."): "approved"}


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


# --- the commands ---------------------------------------------------------------------------------------


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
