"""What to do next, for who has no project, no server, no key or no call yet."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from projects.access import Reach
from projects.models import Project
from projects.pages import is_operator, reach_of
from projects.permissions import CONFIG_READ, CONFIG_WRITE, KEYS_OWN
from servers.dashboard.health import Health


@dataclass(frozen=True, slots=True)
class Step:
    """`address` is empty where somebody else has to do it."""

    title: str
    text: str
    label: str = ""
    address: str = ""


def steps_of(
    request: HttpRequest, project: Project | None, reach: Reach, state: Health, calls: int | None
) -> list[Step]:
    """The first thing that is missing, or nothing. `calls` are None for who may not read the log."""
    if not _has_projects(reach):
        return [_make_project(request)]
    if calls:
        return []
    if project is None:
        return [_no_call()] if reach_of(request, CONFIG_READ) else []
    if not state.has_servers:
        return _if_may(request, project, CONFIG_WRITE, Step(
            "No server yet", "Add the first MCP server of this project: its address, or a command that the operator"
            " offers. Its tools are read at once.", "Add a server", _guide(project),
        ))  # fmt: skip
    if not state.has_keys:
        return _if_may(request, project, KEYS_OWN, Step(
            "You have no key yet", "Issue a key for yourself; with it comes what to paste into your MCP client.",
            "Issue a key", reverse("servers-start-key", args=[project.slug]),
        ))  # fmt: skip
    return _if_may(request, project, KEYS_OWN, Step(
        "Use a tool" if calls is None else "No call in this window",
        "Paste the snippet of your key into your MCP client and use a tool, or try one here.", "Open the playground",
        f"{reverse('playground')}?project={project.slug}",
    ))  # fmt: skip


def _no_call() -> Step:
    """Of no project in particular."""
    text = "Choose a project, or go the way to a first call: a server, a key, and what to paste into your MCP client."
    return Step("No call in this window", text, "Get started", reverse("servers-start"))


def _has_projects(reach: Reach) -> bool:
    return bool(reach.projects) or (reach.is_all and Project.objects.exists())


def _make_project(request: HttpRequest) -> Step:
    if not is_operator(request):
        return Step("No project yet", "Ask an operator of this gateway to make you a member of a project.")
    return Step("No project yet", "A project has its own servers, members, keys and log. Make the first one.",
                "Make a project", reverse("servers-start"))  # fmt: skip


def _guide(project: Project) -> str:
    return reverse("servers-start-server", args=[project.slug])


def _if_may(request: HttpRequest, project: Project, action: str, step: Step) -> list[Step]:
    """Who may not do it learns that it is not done."""
    if reach_of(request, action).has(project.pk):
        return [step]
    return [Step(step.title, "An administrator of this project can change that.")]
