"""A project that uses all that a file can say, and what an export of it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from audit.models import ExportSchedule, Forwarder, SavedFilter
from guardrails import services as guardrail_services
from guardrails.models import FindingException, FloorGuardrail, Guardrail, Policy
from projects.models import ApiKey, Membership, Project
from projects.scoping import unscoped, with_project
from servers import declared, exporting
from servers.models import CommandTemplate, Grant, Overlay, Server

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
