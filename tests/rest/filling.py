"""One row of everything in a project, with a canary in every text, and the names that addresses need."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from audit import forwarders
from audit.models import DeadLetter, Export, ExportSchedule
from guardrails import services as guardrails
from guardrails.models import FindingException
from projects import jobs
from projects import services as projects
from projects.models import Invitation, Job, Membership, Project, User
from projects.rest.references import reference
from projects.scoping import with_project
from projects.signin import invitations
from servers import observing
from servers import services as servers
from servers.models import Grant, Overlay, Server, Tool
from tests.audit.payload import call_of
from tests.rest.canaries import canary_of


def fill(project: Project) -> dict[str, str]:
    """By the names of the parameters in addresses. The project has an owner already."""
    canary, until = canary_of(project.slug), timezone.now() + timedelta(days=30)
    with with_project(project.pk):
        projects.update_project(project=project, name=canary)
        person = User.objects.create_user(f"{canary}@{project.slug}.test")
        member = projects.set_member(project=project, user=person, role="member")
        key, _ = projects.issue_key(project=project, user=person, label=canary)
        invitation, _ = invitations.invite(project=project, email=f"new-{canary}@{project.slug}.test", role="member")
        server = servers.save_server(
            server=servers.new_server(project=project, slug=f"docs-{canary}", url=f"http://127.0.0.1:9/{canary}"),
            headers={"X-Team": f"secret-{canary}"},
        )
        _list_a_tool(server, canary)
        grant = servers.save_grant(grant=Grant(project=project, server=server, reason=canary))
        overlay = servers.save_overlay(
            overlay=Overlay(project=project, server=server, tool=f"other-{canary}", title=canary)
        )
        policy = guardrails.create_policy(project=project, slug=f"own-{canary}", name=canary)
        exception = guardrails.add_exception(
            project=project, detector="keywords", text=canary, reason=canary, tool=canary, expires_at=until
        )
        job = jobs.enqueue(project=project, kind="rest.nothing", subject_ref=1, label=canary)
        Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED, error=canary)
        tool = Tool.objects.get(server=server)
        event = call_of(project, person, canary, canary_of(project.slug))
        export = Export.objects.create(project=project, form="jsonl", state=Export.State.FAILED, error=canary)
        schedule = ExportSchedule(
            project=project, form="jsonl", destination="s3", bucket=canary, prefix=canary, next_at=until
        )
        schedule.secret = f"secret-{canary}"
        schedule.save()
        forwarder, _ = forwarders.create_forwarder(
            project=project, name=canary, kind="webhook", address=f"https://{canary}.example.com/in",
            authorization=f"secret-{canary}",
        )  # fmt: skip
        DeadLetter.objects.create(
            state=forwarders.state_of(forwarder), project_ref=project.pk, first=1, last=2, reason=canary,
            at=timezone.now(),
        )  # fmt: skip
        return {
            "forwarder": str(forwarder.uid),
            "export": str(export.uid), "schedule": str(schedule.uid), "project": project.slug, "server": server.slug,
            "key_id": key.key_id, "policy": policy.slug, "version": "1",
            "member": _name("member", member), "user": reference("user", person.pk), "job": _name("job", job),
            "invitation": _name("invitation", invitation),
            "tool": _name("tool", tool), "digest": tool.digest, "grant": _name("grant", grant),
            "overlay": _name("overlay", overlay), "exception": _name("exception", exception), "event": str(event.id),
        }  # fmt: skip


def _list_a_tool(server: Server, canary: str) -> None:
    definition = {"name": f"search-{canary}", "description": canary, "inputSchema": {"type": "object"}}
    listed = [observing.Listed("tool", f"search-{canary}", definition)]
    observing.observe(server=server, era="modern", listed=listed, whole=["tool"])


def _name(kind: str, row: Invitation | Membership | Job | Tool | Grant | Overlay | FindingException) -> str:
    return reference(kind, row.pk, row.project_id)
