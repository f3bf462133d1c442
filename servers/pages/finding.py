"""What an address names, or the answer that an unknown address gets."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from projects.access import Reach
from projects.models import Project
from projects.opening import project_of
from projects.pages import reach_of
from projects.permissions import CONFIG_WRITE
from projects.scoping import with_project
from servers.models import Server


def server_of(reach: Reach, project: str, server: str) -> Server:
    """With its project and template. Raises Http404."""
    found = project_of(reach, project)
    with with_project(found.pk):
        row = Server.objects.select_related("project", "template").filter(slug=server).first()
    if row is None:
        raise Http404
    return row


def may_write(request: HttpRequest, project: Project) -> bool:
    return reach_of(request, CONFIG_WRITE).has(project.pk)


def trail(project: Project, server: Server | None = None) -> list[tuple[str, str]]:
    """Names and addresses from the first page on."""
    steps = [(project.slug, f"{reverse('admin:index')}?{urlencode({'project': project.slug})}")]
    if server is not None:
        steps.append((server.slug, reverse("servers-server", args=[project.slug, server.slug])))
    return steps


def context_of(request: HttpRequest, title: str, way: list[tuple[str, str]], **shown: Any) -> dict[str, Any]:
    """What every page of ours shows, and its own. `way` leads to it from the first page."""
    return {**admin.site.each_context(request), "title": title, "trail": way, **shown}
