"""REST: command templates, servers, the catalogue and its review, and caches."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from ninja import Query

from guardrails.models import Policy
from projects.models import Project
from projects.permissions import CONFIG_READ, CONFIG_WRITE, GATEWAY_READ, GATEWAY_WRITE
from projects.rest.etags import matching
from projects.rest.paging import Page, Paging, Search, page
from projects.rest.places import place_of
from projects.rest.requests import RestRequest, made_at
from projects.rest.routes import Routes
from projects.rest.rows import by_reference, locked, narrowed, one
from projects.schemas import JobOut
from servers import evidence, freshness, review, services, trying
from servers.models import CommandTemplate, Server, Tool, ToolVersion
from servers.rest_rows import changed, named, servers_of_project
from servers.rest_schemas import (
    Approval,
    Approved,
    CacheClearing,
    CacheClearingOfAll,
    CacheStatus,
    Decision,
    EraTest,
    KindName,
    ServerChanges,
    ServerIn,
    ServerOut,
    ServerTest,
    StateName,
    TemplateChanges,
    TemplateIn,
    TemplateOut,
    TemplateSlots,
    ToolOut,
    ToolWhole,
    VersionOut,
    VersionWhole,
    server_etag,
)
from servers.rights_api import overlay_routes, right_routes

template_routes = Routes("command templates")
server_routes = Routes("servers")
tool_routes = Routes("tools")
cache_routes = Routes("caches")

_ACTS = {"approve": review.approve, "reject": review.reject, "roll-back": review.roll_back}


# --- command templates -----------------------------------------------------------------------------------------


@template_routes.get("/templates", GATEWAY_READ, Page[TemplateOut])
def list_templates(request: RestRequest, filters: Query[Search]) -> Page[TemplateOut]:
    rows = narrowed(CommandTemplate.objects.all(), slug__icontains=filters.search)
    return page(request, filters, rows, TemplateOut.of, ("slug",))


@template_routes.post("/templates", GATEWAY_WRITE, TemplateOut)
def create_template(request: RestRequest, body: TemplateIn) -> TemplateOut:
    template = services.save_template(template=CommandTemplate(**body.model_dump()))
    made_at(request, "templates", template.slug)
    return TemplateOut.of(template)


@template_routes.get("/templates/{template}", GATEWAY_READ, TemplateOut)
def read_template(request: RestRequest, template: str) -> TemplateOut:
    return TemplateOut.of(one(CommandTemplate.objects.all(), slug=template))


@template_routes.patch("/templates/{template}", GATEWAY_WRITE, TemplateOut)
def update_template(request: RestRequest, template: str, body: TemplateChanges) -> TemplateOut:
    with transaction.atomic():
        row = one(locked(CommandTemplate.objects.all()), slug=template)
        changes = body.given()
        return TemplateOut.of(services.save_template(template=changed(row, changes)) if changes else row)


@template_routes.delete("/templates/{template}", GATEWAY_WRITE)
def delete_template(request: RestRequest, template: str) -> None:
    """409 while a server uses it."""
    services.delete_template(template=one(CommandTemplate.objects.all(), slug=template))


@template_routes.get("/projects/{project}/templates", CONFIG_READ, Page[TemplateSlots])
def list_usable_templates(request: RestRequest, project: str, filters: Query[Paging]) -> Page[TemplateSlots]:
    """Those that a server of the project may name, with their slots."""
    return page(request, filters, CommandTemplate.objects.filter(enabled=True), TemplateSlots.of, ("slug",))


# --- servers ---------------------------------------------------------------------------------------------------


_SERVER_COLUMNS = ServerOut.columns(
    Server, "uid", "sealed", "template__slug", "input_policy__slug", "output_policy__slug"
)


@server_routes.get("/projects/{project}/servers", CONFIG_READ, Page[ServerOut])
def list_servers(request: RestRequest, project: str, filters: Query[Search]) -> Page[ServerOut]:
    """`search` is in the slug."""
    rows = narrowed(servers_of_project(), slug__icontains=filters.search)
    return page(request, filters, rows, ServerOut.of, ("slug",), _SERVER_COLUMNS)


@server_routes.post("/projects/{project}/servers", CONFIG_WRITE, ServerOut, tagged=True)
def create_server(request: RestRequest, project: str, body: ServerIn) -> ServerOut:
    """Nobody may use it until a rule allows that. It is read soon."""
    fields = body.model_dump(exclude={"headers", "params"})
    row = services.new_server(project=request.project, **_resolved(fields))
    row = services.save_server(server=row, headers=body.headers, params=body.params)
    made_at(request, "projects", project, "servers", row.slug)
    return _tagged(request, row)


@server_routes.get("/projects/{project}/servers/{server}", CONFIG_READ, ServerOut, tagged=True)
def read_server(request: RestRequest, project: str, server: str) -> ServerOut:
    return _tagged(request, one(servers_of_project(), slug=server))


@server_routes.patch("/projects/{project}/servers/{server}", CONFIG_WRITE, ServerOut, matched=True)
def update_server(request: RestRequest, project: str, server: str, body: ServerChanges) -> ServerOut:
    """Who moves it to another host gives its headers again."""
    with transaction.atomic():
        row, changes = _matching(request, server), body.given()
        if changes:
            headers, params = changes.pop("headers", None), changes.pop("params", None)
            row = services.save_server(server=changed(row, _resolved(changes)), headers=headers, params=params)
        return _tagged(request, row)


@server_routes.delete("/projects/{project}/servers/{server}", CONFIG_WRITE, matched=True)
def delete_server(request: RestRequest, project: str, server: str) -> None:
    with transaction.atomic():
        services.delete_server(server=_matching(request, server))


@server_routes.post("/projects/{project}/servers/{server}/discover", CONFIG_WRITE, JobOut, 202)
def discover_server(request: RestRequest, project: str, server: str) -> JobOut:
    """Has its lists read now; the job says how far it is. Who asks twice gets the same job."""
    return JobOut.of(services.rediscover(server=one(servers_of_project(), slug=server)))


@server_routes.post("/projects/{project}/servers/{server}/test", CONFIG_WRITE, ServerTest, 200, kept=False)
def test_server(request: RestRequest, project: str, server: str) -> ServerTest:
    """Whether it answers, and what it lists; waits for a minute at most and changes nothing."""
    with place_of(request.project.pk):
        trial = trying.try_server(server=one(servers_of_project(), slug=server))
    eras = [
        EraTest(era=era, versions=list(found.versions), server_info=found.server_info,  # type: ignore[arg-type]  # an era
                listed=dict(Counter(str(each.kind) for each in found.entries)))
        for era, found in trial.found.eras.items()
    ]  # fmt: skip
    return ServerTest(answered=not trial.error, error=trial.error, milliseconds=trial.milliseconds, eras=eras)


@server_routes.post("/projects/{project}/servers/{server}/approve-waiting", CONFIG_WRITE, Approved, 200)
def approve_waiting(request: RestRequest, project: str, server: str, body: Approval) -> Approved:
    """Everything of the server that waits for review and can be offered."""
    return Approved(approved=review.approve_waiting(server=one(servers_of_project(), slug=server), reason=body.reason))


def _tagged(request: RestRequest, row: Server) -> ServerOut:
    shown = ServerOut.of(row)
    request.answer_headers["ETag"] = server_etag(row, shown)
    return shown


def _matching(request: RestRequest, slug: str) -> Server:
    return matching(request, servers_of_project(), lambda row: server_etag(row, ServerOut.of(row)), slug=slug)


def _resolved(fields: dict[str, Any]) -> dict[str, Any]:
    """Names become rows. Raises ValidationError for one that there is not."""
    found = dict(fields)
    for name in ("input_policy", "output_policy"):
        if found.get(name) is not None:
            found[name] = named(Policy.objects.all(), name, found[name])
    if found.get("template") is not None:
        found["template"] = named(CommandTemplate.objects.filter(enabled=True), "template", found["template"])
    return found


# --- the catalogue ---------------------------------------------------------------------------------------------


class ToolFilters(Paging):
    server: str | None = None
    kind: KindName | None = None
    state: StateName | None = None
    search: str | None = None


_TOOL_COLUMNS = ToolOut.columns(Tool, "pk", "project_id", "server__slug", "modern_digest", "legacy_digest")


def _tools() -> QuerySet[Tool]:
    return Tool.objects.select_related("server", "project")


@tool_routes.get("/projects/{project}/tools", CONFIG_READ, Page[ToolOut])
def list_tools(request: RestRequest, project: str, filters: Query[ToolFilters]) -> Page[ToolOut]:
    """Tools, prompts, resources and resource templates. `search` is in the name."""
    rows = narrowed(
        Tool.objects.all(), server__slug=filters.server, kind=filters.kind, state=filters.state,
        name__icontains=filters.search,
    )  # fmt: skip
    return page(request, filters, rows, ToolOut.of, columns=_TOOL_COLUMNS)


@tool_routes.get("/projects/{project}/tools/{tool}", CONFIG_READ, ToolWhole)
def read_tool(request: RestRequest, project: str, tool: str) -> ToolWhole:
    return ToolWhole.of(_tool(request, tool))


@tool_routes.get("/projects/{project}/tools/{tool}/versions", CONFIG_READ, Page[VersionOut])
def list_versions(request: RestRequest, project: str, tool: str, filters: Query[Paging]) -> Page[VersionOut]:
    """The definitions that it was seen with, the newest first."""
    rows = ToolVersion.objects.filter(tool=_tool(request, tool))
    return page(request, filters, rows, VersionOut.of, ("-pk",), VersionOut.columns(ToolVersion))


@tool_routes.get("/projects/{project}/tools/{tool}/versions/{digest}", CONFIG_READ, VersionWhole)
def read_version(request: RestRequest, project: str, tool: str, digest: str) -> VersionWhole:
    """What a reviewer looks at: the definition, the one approved before it, and what differs that matters."""
    version = _version(request, tool, digest)
    before = evidence.approved_before(version)
    notes = evidence.notes_on(version, before, evidence.names_elsewhere(version.tool))
    return VersionWhole.with_evidence(version, before, notes)


@tool_routes.post("/projects/{project}/tools/{tool}/decisions", CONFIG_WRITE, ToolOut, 200)
def decide(request: RestRequest, project: str, tool: str, body: Decision) -> ToolOut:
    """On one definition: approve, reject, or roll back to it so that it is the only one approved."""
    _ACTS[body.act](version=_version(request, tool, body.digest), reason=body.reason)
    return ToolOut.of(_tool(request, tool))


def _tool(request: RestRequest, name: str) -> Tool:
    return by_reference(_tools(), "tool", name, request.project.pk)


def _version(request: RestRequest, tool: str, digest: str) -> ToolVersion:
    rows = ToolVersion.objects.select_related("tool__server", "tool__project")
    return one(rows, tool=_tool(request, tool), digest=digest)


# --- caches ----------------------------------------------------------------------------------------------------


@cache_routes.get("/projects/{project}/cache", CONFIG_READ, CacheStatus)
def read_cache(request: RestRequest, project: str) -> CacheStatus:
    """What is kept of each server, since when, and until when."""
    return CacheStatus.model_validate(freshness.cache_status(request.project).as_json())


@cache_routes.post("/projects/{project}/cache/clear", CONFIG_WRITE, CacheStatus, 200)
def clear_cache(request: RestRequest, project: str, body: CacheClearing) -> CacheStatus:
    """Every worker drops it within a second; of one server only its tools can be cleared."""
    server = named(servers_of_project(), "server", body.server) if body.server is not None else None
    freshness.clear_cache(project=request.project, server=server, kind=body.kind)
    return CacheStatus.model_validate(freshness.cache_status(request.project).as_json())


@cache_routes.post("/cache/clear", GATEWAY_WRITE, None, 204)
def clear_all_caches(request: RestRequest, body: CacheClearingOfAll) -> None:
    """Of every project."""
    with transaction.atomic():
        for project in Project.objects.all():
            freshness.clear_cache(project=project, kind=body.kind)


ROUTES = (template_routes, server_routes, tool_routes, right_routes, overlay_routes, cache_routes)
