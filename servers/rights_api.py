"""REST: who may use what, why, and how it is shown: rules and overlays."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from ninja import Query
from pydantic import BaseModel, Field

from projects.models import ApiKey, Membership, User
from projects.permissions import CONFIG_READ, CONFIG_WRITE, KEYS_ALL
from projects.rest.paging import Page, Paging, page
from projects.rest.requests import RestRequest, made_at
from projects.rest.routes import Routes
from projects.rest.rows import by_reference, narrowed, one
from servers import overlaying, services
from servers.models import Grant, Overlay
from servers.rest_rows import changed, named, servers_of_project
from servers.rest_schemas import (
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
    UsableOut,
    WhyOut,
)

right_routes = Routes("rights")
overlay_routes = Routes("overlays")
_NAMED = ("pk", "project_id", "server__slug")


# --- rights ----------------------------------------------------------------------------------------------------


class GrantFilters(Paging):
    server: str | None = None


def _grants() -> QuerySet[Grant]:
    return Grant.objects.select_related("server", "project")


@right_routes.get("/projects/{project}/grants", CONFIG_READ, Page[GrantOut])
def list_grants(request: RestRequest, project: str, filters: Query[GrantFilters]) -> Page[GrantOut]:
    """Rules of one server and of all. Deny wins, and what nothing allows is denied."""
    rows, columns = narrowed(_grants(), server__slug=filters.server), GrantOut.columns(Grant, *_NAMED)
    return page(request, filters, rows, GrantOut.of, columns=columns)


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
    return GrantOut.of(services.save_grant(grant=changed(row, _with_server(changes))) if changes else row)


@right_routes.delete("/projects/{project}/grants/{grant}", CONFIG_WRITE)
def delete_grant(request: RestRequest, project: str, grant: str) -> None:
    services.delete_grant(grant=_grant(request, grant))


@right_routes.put("/projects/{project}/servers/{server}/grants", CONFIG_WRITE, RulesOut)
def set_grants(request: RestRequest, project: str, server: str, body: Rules) -> RulesOut:
    """These are then all the rules of the server."""
    row = one(servers_of_project(), slug=server)
    services.set_grants(server=row, grants=[services.GrantSpec(**each.model_dump()) for each in body.rules])
    return RulesOut(rules=[GrantOut.of(each) for each in _grants().filter(server=row).order_by("pk")])


def _grant(request: RestRequest, name: str) -> Grant:
    return by_reference(_grants(), "grant", name, request.project.pk)


def _with_server(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("server") is not None:
        return {**fields, "server": named(servers_of_project(), "server", fields["server"])}
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


# --- overlays --------------------------------------------------------------------------------------------------


class OverlayFilters(Paging):
    server: str | None = None
    tool: str | None = None


def _overlays() -> QuerySet[Overlay]:
    return Overlay.objects.select_related("server", "project")


@overlay_routes.get("/projects/{project}/overlays", CONFIG_READ, Page[OverlayOut])
def list_overlays(request: RestRequest, project: str, filters: Query[OverlayFilters]) -> Page[OverlayOut]:
    rows = narrowed(_overlays(), server__slug=filters.server, tool=filters.tool)
    return page(request, filters, rows, OverlayOut.of, columns=OverlayOut.columns(Overlay, *_NAMED))


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
    return OverlayOut.of(services.save_overlay(overlay=changed(row, changes)) if changes else row)


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
