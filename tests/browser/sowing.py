"""Fills a gateway for the browser's tests, and lists its pages. Run by the gateway's own manage.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, reverse

from audit import storage
from audit.entry import Entry, new_id, now
from audit.models import Event, Export, SavedFilter
from gateway_site.lib.actor import Actor, acting_as
from projects import services
from projects.models import ApiKey, Job, Project, User
from projects.scoping import unscoped
from servers.models import Server, State, Tool, ToolVersion
from tests.admin.rows import Stored, store
from tests.browser import hostile
from tests.browser.signing import session_of
from tests.signing_in import signed_in

# Pages of an operator's own that need no row, and what answers otherwise than with a page.
_MORE = ("index", "password_change_done", "account", "account_password", "second_factor", "second_factor_set_up",
         "recovery_codes", "invitations")
_OUTSIDE = ("rest:openapi-view",)


def sow() -> dict[str, Any]:
    """`{"sessions": {role: session}, "addresses": [[path, model, status, content type]]}`."""
    with unscoped("rows of any project"), acting_as(Actor("command")):
        stored = store(hostile.TEXT)
        people = _people(stored.project)
        _deface(stored)
        _log(stored)
        sessions = {role: session_of(user) for role, user in people.items()}
        operator = Client(headers={"host": "localhost"})
        signed_in(operator, people["operator"])
        addresses = [[path, model, *_ask(operator, path)] for path, model in _addresses()]
    return {"sessions": sessions, "addresses": addresses}


def _people(acme: Project) -> dict[str, User]:
    operator = User.objects.create_superuser("operator@gateway.test", first_name=hostile.short(0, 150))
    people = {"operator": operator, "owner": User.objects.get(email="ada@acme.test")}
    for role in ("admin", "member", "auditor"):
        people[role] = User.objects.create_user(f"{role}@acme.test", last_name=hostile.short(1, 150))
        services.set_member(project=acme, user=people[role], role=role)
    people["outsider"] = User.objects.create_user("mallory@globex.test")
    globex = services.create_project(slug="globex")
    services.set_member(project=globex, user=people["outsider"], role="owner")
    return people


def _deface(stored: Stored) -> None:
    """Rows as nobody's form would take them, so that no page leans on what another one lets in."""
    Project.objects.update(name=hostile.short(2, 100))
    ApiKey.objects.update(label=hostile.short(3, 100))
    Job.objects.update(state=Job.State.FAILED, error=hostile.TEXT[:500], progress_text=hostile.short(4, 100))
    # What is being made asks for its page again, which is no page that stands still.
    Export.objects.update(state=Export.State.FAILED, error=hostile.TEXT[:200])
    said = {"server_info": {"name": hostile.TEXT}, "instructions": hostile.TEXT, "capabilities": {hostile.TEXT: {}}}
    Server.objects.update(discovery_error=hostile.TEXT[:200], about={"modern": said})
    ToolVersion.objects.update(problems=[hostile.TEXT], reason=hostile.short(5, 200))
    before = {"description": "Before.", "inputSchema": {"type": "object"}}
    ToolVersion.objects.create(
        project=stored.project, tool=stored.tool, digest="1" * 64, definition=before, state=State.APPROVED
    )
    stored.grant.reason = stored.overlay.title = hostile.TEXT[:200]
    stored.overlay.description = hostile.TEXT
    stored.grant.save()
    stored.overlay.save()


def _log(stored: Stored) -> None:
    call, project = new_id(), stored.project
    said: dict[str, Any] = {"project_ref": project.pk, "project": project.slug, "actor_kind": "key",
            "actor": hostile.TEXT[:250], "server": stored.server.slug, "subject": hostile.TEXT[:250],
            "method": "tools/call", "call_id": call}  # fmt: skip
    word = ["keywords", "word", 1.0, f"/{hostile.TEXT}", "block", "digest-1", "digest-2"]
    found = [{"direction": "input", "policy": "tools", "policy_version": 1, "findings": [word],
              "failures": [["keywords", hostile.TEXT, "block"]]}]  # fmt: skip
    storage.insert(
        [
            Entry(id=new_id(), at=now(), kind="mcp.call.intent", detail={hostile.TEXT: hostile.TEXT}, **said),
            Entry(id=new_id(), at=now(), kind="mcp.call.outcome", decision="blocked", reason=hostile.short(6, 60),
                  duration_us=12_345, detail={"guardrails": found}, **said),
        ]
    )  # fmt: skip
    SavedFilter.objects.create(
        project=project, user=User.objects.get(email="operator@gateway.test"), name=hostile.short(7, 60),
        query={"project": project.slug}, is_shared=True,
    )  # fmt: skip


def _addresses() -> Iterator[tuple[str, str]]:
    """Every page of the admin: those of each model, and all others that need nothing or a row of their model."""
    for name in _MORE:
        yield reverse(f"admin:{name}"), ""
    for name in _OUTSIDE:
        yield reverse(name), ""
    yield from ((path, "") for path in _of_servers())
    for model, page in dict(admin.site._registry).items():
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        rows = model._default_manager.order_by("pk")
        row = (rows.filter(kind="mcp.call.outcome") if model is Event else rows).first()
        for pattern in page.get_urls():
            called = pattern.name if isinstance(pattern, URLPattern) else None
            for arguments in ([], [row.pk] if row is not None else None):
                address = _path(f"admin:{called}", arguments) if called and arguments is not None else None
                if address is not None:
                    yield address, label


def _of_servers() -> Iterator[str]:
    """Pages that are more than a table."""
    tool = Tool.objects.select_related("server__project").order_by("pk")[0]
    server = [tool.server.project.slug, tool.server.slug]
    named: dict[str, list[Any]] = {
        "servers-inbox": [], "servers-start": [], "playground": [], "servers-start-server": server[:1],
        "servers-start-key": server[:1], "servers-start-reading": server, "servers-caches": server[:1],
        "servers-server": server, "servers-tool": [*server, tool.pk],
    }  # fmt: skip
    for name, arguments in named.items():
        yield reverse(name, args=arguments)
    for name in ("admin:index", "playground"):
        yield f"{reverse(name)}?project={server[0]}"


def _path(name: str, arguments: list[Any]) -> str | None:
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return None


def _ask(client: Client, path: str) -> tuple[int, str]:
    client.raise_request_exception = False
    response = client.get(path)
    return response.status_code, response.get("Content-Type", "")
