"""REST: command templates, servers, the catalogue and its review, rights, overlays and caches."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from ninja import Query
from pydantic import BaseModel, Field

from guardrails.models import Policy
from projects.models import ApiKey, Membership, Project, User
from projects.permissions import CONFIG_READ, CONFIG_WRITE, GATEWAY_READ, GATEWAY_WRITE, KEYS_ALL
from projects.rest.etags import matching
from projects.rest.paging import Page, Paging, Search, page
from projects.rest.places import place_of
from projects.rest.requests import RestRequest, made_at
from projects.rest.routes import Routes
from projects.rest.rows import by_reference, locked, narrowed, one
from projects.schemas import JobOut
from servers import evidence, freshness, overlaying, review, services, trying
from servers.models import CommandTemplate, Grant, Overlay, Server, Tool, ToolVersion
from servers.rest_schemas import (
    Approval,
    Approved,
    CacheClearing,
    CacheClearingOfAll,
    CacheStatus,
    Decision,
    EraTest,
    GrantChanges,
    GrantOut,
    KindName,
    Laid,
    OverlayChanges,
    OverlayIn,
    OverlayOut,
    OverlayPreview,
    Rules,
    RulesOut,
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
    UsableOut,
    VersionOut,
    VersionWhole,
    WhyOut,
    server_etag,
)

template_routes = Routes("command templates")
server_routes = Routes("servers")
tool_routes = Routes("tools")
right_routes = Routes("rights")
overlay_routes = Routes("overlays")
cache_routes = Routes("caches")

_ACTS = {"approve": review.approve, "reject": review.reject, "roll-back": review.roll_back}


# --- command templates ------------------------------------------------------------------------------------


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
        return TemplateOut.of(services.save_template(template=_changed(row, changes)) if changes else row)


@template_routes.delete("/templates/{template}", GATEWAY_WRITE)
def delete_template(request: RestRequest, template: str) -> None:
    """409 while a server uses it."""
    services.delete_template(template=one(CommandTemplate.objects.all(), slug=template))


@template_routes.get("/projects/{project}/templates", CONFIG_READ, Page[TemplateSlots])
def list_usable_templates(request: RestRequest, project: str, filters: Query[Paging]) -> Page[TemplateSlots]:
    """Those that a server of the project may name, with their slots."""
    return page(request, filters, CommandTemplate.objects.filter(enabled=True), TemplateSlots.of, ("slug",))


def _changed(row: Any, changes: dict[str, Any]) -> Any:
    for name, value in changes.items():
        setattr(row, name, value)
    return row


# --- servers ----------------------------------------------------------------------------------------------


def _servers() -> QuerySet[Server]:
    return Server.objects.select_related("project", "template", "input_policy", "output_policy")


@server_routes.get("/projects/{project}/servers", CONFIG_READ, Page[ServerOut])
def list_servers(request: RestRequest, project: str, filters: Query[Search]) -> Page[ServerOut]:
    """`search` is in the slug."""
    return page(request, filters, narrowed(_servers(), slug__icontains=filters.search), ServerOut.of, ("slug",))


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
    return _tagged(request, one(_servers(), slug=server))


@server_routes.patch("/projects/{project}/servers/{server}", CONFIG_WRITE, ServerOut, matched=True)
def update_server(request: RestRequest, project: str, server: str, body: ServerChanges) -> ServerOut:
    """Who moves it to another host gives its headers again."""
    with transaction.atomic():
        row, changes = _matching(request, server), body.given()
        if changes:
            headers, params = changes.pop("headers", None), changes.pop("params", None)
            row = services.save_server(server=_changed(row, _resolved(changes)), headers=headers, params=params)
        return _tagged(request, row)


@server_routes.delete("/projects/{project}/servers/{server}", CONFIG_WRITE, matched=True)
def delete_server(request: RestRequest, project: str, server: str) -> None:
    with transaction.atomic():
        services.delete_server(server=_matching(request, server))


@server_routes.post("/projects/{project}/servers/{server}/discover", CONFIG_WRITE, JobOut, 202)
def discover_server(request: RestRequest, project: str, server: str) -> JobOut:
    """Has its lists read now; the job says how far it is. Who asks twice gets the same job."""
    return JobOut.of(services.rediscover(server=one(_servers(), slug=server)))


@server_routes.post("/projects/{project}/servers/{server}/test", CONFIG_WRITE, ServerTest, 200, kept=False)
def test_server(request: RestRequest, project: str, server: str) -> ServerTest:
    """Whether it answers, and what it lists; waits for a minute at most and changes nothing."""
    with place_of(request.project.pk):
        trial = trying.try_server(server=one(_servers(), slug=server))
    eras = [
        EraTest(era=era, versions=list(found.versions), server_info=found.server_info,  # type: ignore[arg-type]  # an era
                listed=dict(Counter(str(each.kind) for each in found.entries)))
        for era, found in trial.found.eras.items()
    ]  # fmt: skip
    return ServerTest(answered=not trial.error, error=trial.error, milliseconds=trial.milliseconds, eras=eras)


@server_routes.post("/projects/{project}/servers/{server}/approve-waiting", CONFIG_WRITE, Approved, 200)
def approve_waiting(request: RestRequest, project: str, server: str, body: Approval) -> Approved:
    """Everything of the server that waits for review and can be offered."""
    return Approved(approved=review.approve_waiting(server=one(_servers(), slug=server), reason=body.reason))


def _tagged(request: RestRequest, row: Server) -> ServerOut:
    shown = ServerOut.of(row)
    request.answer_headers["ETag"] = server_etag(row, shown)
    return shown


def _matching(request: RestRequest, slug: str) -> Server:
    return matching(request, _servers(), lambda row: server_etag(row, ServerOut.of(row)), slug=slug)


def _resolved(fields: dict[str, Any]) -> dict[str, Any]:
    """Names become rows. Raises ValidationError for one that there is not."""
    found = dict(fields)
    for name in ("input_policy", "output_policy"):
        if found.get(name) is not None:
            found[name] = _named(Policy.objects.all(), name, found[name])
    if found.get("template") is not None:
        found["template"] = _named(CommandTemplate.objects.filter(enabled=True), "template", found["template"])
    return found


def _named(rows: QuerySet[Any], field: str, slug: str) -> Any:
    row = rows.filter(slug=slug).first()
    if row is None:
        raise ValidationError({field: f"There is no {slug}."})
    return row


# --- the catalogue ----------------------------------------------------------------------------------------


class ToolFilters(Paging):
    server: str | None = None
    kind: KindName | None = None
    state: StateName | None = None
    search: str | None = None


def _tools() -> QuerySet[Tool]:
    return Tool.objects.select_related("server", "project")


@tool_routes.get("/projects/{project}/tools", CONFIG_READ, Page[ToolOut])
def list_tools(request: RestRequest, project: str, filters: Query[ToolFilters]) -> Page[ToolOut]:
    """Tools, prompts, resources and resource templates. `search` is in the name."""
    rows = narrowed(
        _tools().defer("definition"), server__slug=filters.server, kind=filters.kind, state=filters.state,
        name__icontains=filters.search,
    )  # fmt: skip
    return page(request, filters, rows, ToolOut.of)


@tool_routes.get("/projects/{project}/tools/{tool}", CONFIG_READ, ToolWhole)
def read_tool(request: RestRequest, project: str, tool: str) -> ToolWhole:
    return ToolWhole.of(_tool(request, tool))


@tool_routes.get("/projects/{project}/tools/{tool}/versions", CONFIG_READ, Page[VersionOut])
def list_versions(request: RestRequest, project: str, tool: str, filters: Query[Paging]) -> Page[VersionOut]:
    """The definitions that it was seen with, the newest first."""
    rows = ToolVersion.objects.filter(tool=_tool(request, tool)).defer("definition")
    return page(request, filters, rows, VersionOut.of, ("-pk",))


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


# --- rights -----------------------------------------------------------------------------------------------


class GrantFilters(Paging):
    server: str | None = None


def _grants() -> QuerySet[Grant]:
    return Grant.objects.select_related("server", "project")


@right_routes.get("/projects/{project}/grants", CONFIG_READ, Page[GrantOut])
def list_grants(request: RestRequest, project: str, filters: Query[GrantFilters]) -> Page[GrantOut]:
    """Rules of one server and of all. Deny wins, and what nothing allows is denied."""
    return page(request, filters, narrowed(_grants(), server__slug=filters.server), GrantOut.of)


@right_routes.post("/projects/{project}/grants", CONFIG_WRITE, GrantOut)
def create_grant(request: RestRequest, project: str, body: GrantChanges) -> GrantOut:
    fields = _with_server(body.model_dump())
    grant = GrantOut.of(services.save_grant(grant=Grant(project=request.project, **fields)))
    made_at(request, "projects", project, "grants", grant.id)
    return grant


@right_routes.get("/projects/{project}/grants/{grant}", CONFIG_READ, GrantOut)
def read_grant(request: RestRequest, project: str, grant: str) -> GrantOut:
    return GrantOut.of(_grant(request, grant))


@right_routes.patch("/projects/{project}/grants/{grant}", CONFIG_WRITE, GrantOut)
def update_grant(request: RestRequest, project: str, grant: str, body: GrantChanges) -> GrantOut:
    row, changes = _grant(request, grant), body.given()
    return GrantOut.of(services.save_grant(grant=_changed(row, _with_server(changes))) if changes else row)


@right_routes.delete("/projects/{project}/grants/{grant}", CONFIG_WRITE)
def delete_grant(request: RestRequest, project: str, grant: str) -> None:
    services.delete_grant(grant=_grant(request, grant))


@right_routes.put("/projects/{project}/servers/{server}/grants", CONFIG_WRITE, RulesOut)
def set_grants(request: RestRequest, project: str, server: str, body: Rules) -> RulesOut:
    """These are then all the rules of the server."""
    row = one(_servers(), slug=server)
    services.set_grants(server=row, grants=[services.GrantSpec(**each.model_dump()) for each in body.rules])
    return RulesOut(rules=[GrantOut.of(each) for each in _grants().filter(server=row).order_by("pk")])


def _grant(request: RestRequest, name: str) -> Grant:
    return by_reference(_grants(), "grant", name, request.project.pk)


def _with_server(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("server") is not None:
        return {**fields, "server": _named(_servers(), "server", fields["server"])}
    return fields


class Question(BaseModel):
    """Who, and what."""

    server: str = Field(max_length=63)
    key: str | None = Field(default=None, max_length=20, description="The visible id of a key.")
    user: str | None = Field(default=None, max_length=254, description="Or a member, as with a key without limits.")
    kind: KindName = "tool"
    name: str = Field(default="", max_length=500, description="At its server; without it, the server itself.")


@right_routes.get("/projects/{project}/why", KEYS_ALL, WhyOut)
def why(request: RestRequest, project: str, question: Query[Question]) -> WhyOut:
    """May this key or this member use it, and why."""
    who = _who(question.key, question.user)
    reply = services.why(
        project=request.project, who=who, server=question.server, kind=question.kind, name=question.name
    )
    return WhyOut.read(reply.decision, usable=[UsableOut.read(each) for each in reply.usable])


def _who(key: str | None, email: str | None) -> ApiKey | User:
    """Raises ValidationError; who is no member is told from nobody by nobody."""
    if (key is None) == (email is None):
        raise ValidationError({"key": "Give either a key or a user."})
    if key is not None:
        found = ApiKey.objects.select_related("user").filter(key_id=key.removeprefix("mgw_")).first()
        if found is None:
            raise ValidationError({"key": "The project has no such key."})
        return found
    membership = Membership.objects.select_related("user").filter(user__email=str(email).lower()).first()
    if membership is None:
        raise ValidationError({"user": "The project has no such member."})
    return membership.user


# --- overlays ---------------------------------------------------------------------------------------------


class OverlayFilters(Paging):
    server: str | None = None
    tool: str | None = None


def _overlays() -> QuerySet[Overlay]:
    return Overlay.objects.select_related("server", "project")


@overlay_routes.get("/projects/{project}/overlays", CONFIG_READ, Page[OverlayOut])
def list_overlays(request: RestRequest, project: str, filters: Query[OverlayFilters]) -> Page[OverlayOut]:
    rows = narrowed(_overlays(), server__slug=filters.server, tool=filters.tool)
    return page(request, filters, rows, OverlayOut.of)


@overlay_routes.post("/projects/{project}/overlays", CONFIG_WRITE, OverlayOut)
def create_overlay(request: RestRequest, project: str, body: OverlayIn) -> OverlayOut:
    row = Overlay(project=request.project, **_with_server(body.model_dump()))
    overlay = OverlayOut.of(services.save_overlay(overlay=row))
    made_at(request, "projects", project, "overlays", overlay.id)
    return overlay


@overlay_routes.get("/projects/{project}/overlays/{overlay}", CONFIG_READ, OverlayOut)
def read_overlay(request: RestRequest, project: str, overlay: str) -> OverlayOut:
    return OverlayOut.of(_overlay(request, overlay))


@overlay_routes.patch("/projects/{project}/overlays/{overlay}", CONFIG_WRITE, OverlayOut)
def update_overlay(request: RestRequest, project: str, overlay: str, body: OverlayChanges) -> OverlayOut:
    row, changes = _overlay(request, overlay), body.given()
    return OverlayOut.of(services.save_overlay(overlay=_changed(row, changes)) if changes else row)


@overlay_routes.delete("/projects/{project}/overlays/{overlay}", CONFIG_WRITE)
def delete_overlay(request: RestRequest, project: str, overlay: str) -> None:
    services.delete_overlay(overlay=_overlay(request, overlay))


@overlay_routes.get("/projects/{project}/overlays/{overlay}/preview", CONFIG_READ, OverlayPreview)
def preview_overlay(request: RestRequest, project: str, overlay: str) -> OverlayPreview:
    """How the tool is shown with it, for each definition that is approved."""
    row = _overlay(request, overlay)
    shown = [Laid(server_says=said, models_see=seen) for said, seen in overlaying.shown(row)]
    return OverlayPreview(problems=overlaying.problems(row), shown=shown)


def _overlay(request: RestRequest, name: str) -> Overlay:
    return by_reference(_overlays(), "overlay", name, request.project.pk)


# --- caches -----------------------------------------------------------------------------------------------


@cache_routes.get("/projects/{project}/cache", CONFIG_READ, CacheStatus)
def read_cache(request: RestRequest, project: str) -> CacheStatus:
    """What is kept of each server, since when, and until when."""
    return CacheStatus.model_validate(freshness.cache_status(request.project).as_json())


@cache_routes.post("/projects/{project}/cache/clear", CONFIG_WRITE, CacheStatus, 200)
def clear_cache(request: RestRequest, project: str, body: CacheClearing) -> CacheStatus:
    """Every worker drops it within a second; of one server only its tools can be cleared."""
    server = _named(_servers(), "server", body.server) if body.server is not None else None
    freshness.clear_cache(project=request.project, server=server, kind=body.kind)
    return CacheStatus.model_validate(freshness.cache_status(request.project).as_json())


@cache_routes.post("/cache/clear", GATEWAY_WRITE, None, 204)
def clear_all_caches(request: RestRequest, body: CacheClearingOfAll) -> None:
    """Of every project."""
    with transaction.atomic():
        for project in Project.objects.all():
            freshness.clear_cache(project=project, kind=body.kind)


ROUTES = (template_routes, server_routes, tool_routes, right_routes, overlay_routes, cache_routes)
