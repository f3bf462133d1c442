"""One row of everything in a gateway, with canaries where secrets are, and markup where others' text may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from audit import exports, forwarders
from audit.models import DeadLetter, ExportSchedule, Forwarder
from audit.payloads import key_of_subject
from gateway_site.lib.actor import Actor, acting_as
from guardrails import services as guardrails
from guardrails.models import Policy
from guardrails.specs import Spec
from projects import jobs
from projects import services as projects
from projects.models import ApiKey, Membership, Project, User
from projects.scoping import unscoped
from servers import services as servers
from servers.models import CommandTemplate, Grant, Overlay, Server, Tool, ToolVersion, Transport

PASSWORD = "a long enough passphrase"
HOSTILE = '<script>alert("tool")</script><img src=x onerror=alert(1)>'


@dataclass
class Stored:
    project: Project
    user: User
    membership: Membership
    key: ApiKey
    text: str
    template: CommandTemplate
    server: Server
    stdio: Server
    tool: Tool
    version: ToolVersion
    grant: Grant
    overlay: Overlay
    policy: Policy
    forwarder: Forwarder
    signing_key: str


def store(hostile: str = HOSTILE) -> Stored:
    with unscoped("the test makes rows of any project"), acting_as(Actor("command")):
        project = projects.create_project(slug="acme")
        user = User.objects.create_user("ada@acme.test", PASSWORD)
        membership = projects.set_member(project=project, user=user, role="owner")
        key, text = projects.issue_key(project=project, user=user, label="laptop")
        key_of_subject(project.pk, user.pk, user.email)
        template = servers.save_template(
            template=CommandTemplate(
                slug="clock",
                executable="{python}",
                args=["-m", "clock", "--zone={zone}"],
                params={"zone": {"pattern": "[A-Za-z_/]+"}, "token": {"pattern": ".+", "secret": True}},
                env={"API_TOKEN": "{token}"},
            )
        )
        server = servers.save_server(
            server=Server(project=project, slug="docs", url="http://127.0.0.1:9001/mcp"),
            headers={"Authorization": "Bearer canary-bearer", "X-Team": "canary-team"},
        )
        stdio = servers.save_server(
            server=Server(project=project, slug="clock", transport=Transport.STDIO, template=template),
            params={"zone": "Europe/Paris", "token": "canary-token"},
        )
        tool = Tool.objects.create(
            project=project,
            server=server,
            name=f"echo {hostile}",
            definition={"description": hostile, "hidden": "safe\u202etxt.exe\u200b"},
            digest="0" * 64,
        )
        jobs.enqueue(project=project, kind="tests.nothing", subject_ref=1, label=f"nothing {hostile}")
        version = ToolVersion.objects.create(
            project=project, tool=tool, digest=tool.digest, definition=tool.definition, modern=True
        )
        grant = servers.save_grant(grant=Grant(project=project, server=server, pattern="read*"))
        overlay = Overlay.objects.create(project=project, server=server, tool="echo", title="Echo")
        words = Spec("keywords", config={"words": [hostile[:500]]})
        exports.request_export(project=project, form="csv")
        exports.schedule_export(
            schedule=ExportSchedule(
                project=project, form="csv", destination="s3", endpoint="https://203.0.114.1", bucket="logs",
                key_id="AKID",
            ),
            secret="canary-secret-access-key",
        )  # fmt: skip
        policy = guardrails.create_policy(project=project, slug="tools", guardrails=[words])
        guardrails.save_floor_guardrail(spec=words)
        forwarder, signing_key = forwarders.create_forwarder(
            project=project, name="siem", kind="webhook", format="cef", address="http://127.0.0.1:9002/in",
            authorization="Bearer canary-siem",
        )  # fmt: skip
        DeadLetter.objects.create(
            state=forwarders.state_of(forwarder), project_ref=project.pk, first=1, last=9, reason="status 400",
            at=timezone.now(),
        )  # fmt: skip
        guardrails.add_exception(
            project=project, detector="keywords", text="canary-text", reason=hostile[:200],
            expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
    return Stored(
        project, user, membership, key, text, template, server, stdio, tool, version, grant, overlay, policy, forwarder,
        signing_key,
    )  # fmt: skip
