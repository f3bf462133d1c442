"""So many rows of everything that no page can show them all, and where pages about them are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse

from guardrails.models import Policy
from projects.models import ApiKey, Membership, Project, User
from projects.permissions import Role
from projects.scoping import unscoped
from servers.models import Grant, Overlay, Server, State, Tool, ToolVersion
from tests.admin.copies import copy_of
from tests.admin.sweep import Visit, visits_of
from tests.admin.tenants import Tenants, rows_of

_AT_ONCE = 1_000
# Of these there are as many as is said; of all other models `others`.
_COUNTED = (Project, User, Membership, Server, Tool, ToolVersion, ApiKey, Grant, Policy, Overlay)
# A page can be asked for in more ways than these, such as one for each server that it can be filtered by.
_MOST_WAYS = 8
# Every so many tools one waits for review.
_WAITS = 10


@dataclass(frozen=True)
class Sizes:
    """Half of the servers, with their tools and rules, of the keys and of the members are acme's."""

    projects: int
    servers: int
    tools: int
    keys: int
    members: int
    others: int


def crowd(two: Tenants, sizes: Sizes, first: int = 0) -> None:
    """Rows besides those that there are. Those of one `first` have other names than those of another."""
    with unscoped("rows of all projects"):
        projects = [two.acme, *_made(Project(slug=f"crowd-{first + each}", name=f"Crowd {first + each}")
                                     for each in range(sizes.projects))]  # fmt: skip
        people = _made(User(email=f"person{first + each}@crowd.test") for each in range(sizes.members))
        _made(Membership(project=_half(projects, each), user=person, role=Role.OWNER if each % 2 else Role.MEMBER)
              for each, person in enumerate(people))  # fmt: skip
        servers = _servers(two, projects, sizes, first)
        _tools(two, servers, sizes, first)
        key, policy = two.row(ApiKey, two.acme), two.row(Policy, two.acme)
        _made(_of(copy_of(key, first + each), _half(projects, each), user=_half_of(people, each), label=f"key {each}")
              for each in range(sizes.keys))  # fmt: skip
        _made(_of(copy_of(policy, first + each), project) for each, project in enumerate(projects))
        for model in admin.site._registry:
            row = rows_of(model, two.acme).order_by("pk").last()
            if model not in _COUNTED and row is not None and model._meta.label != "audit.Event":
                _made(copy_of(row, first + each) for each in range(sizes.others))


def _servers(two: Tenants, projects: list[Project], sizes: Sizes, first: int) -> list[Server]:
    row = two.row(Server, two.acme)
    servers = _made(_of(copy_of(row, first + each), _half(projects, each), slug=f"server-{first + each}", sealed="")
                    for each in range(sizes.servers))  # fmt: skip
    _made(Grant(project_id=server.project_id, server=server) for server in servers)
    _made(Overlay(project_id=server.project_id, server=server, tool="tool-0") for server in servers)
    return servers


def _tools(two: Tenants, servers: list[Server], sizes: Sizes, first: int) -> None:
    """The first server has a tenth of all."""
    row, version = two.row(Tool, two.acme), two.row(ToolVersion, two.acme)
    tools = []
    for each in range(sizes.tools):
        server = servers[0 if each < sizes.tools // 10 else each % len(servers)]
        tool = _of(copy_of(row, first + each), server.project, server=server, name=f"tool-{each}")
        tool.state = State.APPROVED if each % _WAITS else State.WAITING
        tools.append(tool)
    for tool in (made := _made(tools)):
        tool.first_seen_at = tool.last_seen_at
    _made(_of(copy_of(version, each), tool.project, tool=tool, digest=f"{first + each:064x}", state=tool.state)
          for each, tool in enumerate(made))  # fmt: skip


def _half(projects: list[Project], number: int) -> Project:
    """The first one for every other number."""
    return projects[0] if number % 2 == 0 or len(projects) == 1 else projects[1 + number // 2 % (len(projects) - 1)]


def _half_of(people: list[User], number: int) -> User:
    return people[number % len(people)]


def _of(row: Any, project: Project, **fields: Any) -> Any:
    for name, value in {"project": project, **fields}.items():
        setattr(row, name, value)
    return row


def _made(rows: Iterable[Any]) -> list[Any]:
    listed = list(rows)
    return type(listed[0])._default_manager.bulk_create(listed, batch_size=_AT_ONCE) if listed else []


# --- pages -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """What to ask for, and what reports call it."""

    name: str
    visit: Visit


def places(two: Tenants, wanted: Callable[[Visit], bool] = lambda visit: True) -> Iterator[Place]:
    """Every page of every model in the ways that a sweep asks for it, and all others."""
    for model in sorted(admin.site._registry, key=lambda each: each._meta.label):
        ways: dict[str, int] = {}
        for visit in visits_of(model, two):
            name = _name_of(visit, model)
            ways[name] = ways.get(name, 0) + 1
            if wanted(visit) and ways[name] <= _MOST_WAYS:
                yield Place(name, visit)
    for name, path in _others(two):
        yield Place(name, Visit(path))
    asked = (("project", two.acme.slug), ("key", f"mgw_{two.row(ApiKey, two.acme).key_id}"), ("server", "server-0"),
             ("kind", "tool"), ("name", "tool-0"), ("ask", "Ask"))  # fmt: skip
    yield Place("why, answered", Visit(reverse("admin:servers_grant_why"), asked, "POST"))


def _name_of(visit: Visit, model: type[Model]) -> str:
    path, _, query = visit.path.removeprefix("/admin/").partition("?")
    path = "/".join("1" if part.isdecimal() else part for part in path.split("/"))
    if path.startswith("autocomplete"):
        return f"{model._meta.app_label}/{model._meta.model_name}/ autocomplete"
    what = next((words for mark, words in (("q=", " searched"), ("all=", " sorted"), ("term=", "")) if mark in query),
                " filtered" if query and "/add/" not in path else "")  # fmt: skip
    return f"{path}{what}"


def _others(two: Tenants) -> Iterator[tuple[str, str]]:
    """Pages that are no model's, by their names."""
    acme, server = two.acme.slug, "server-0"
    with unscoped("the first server's tool"):
        tool = Tool.objects.filter(server__slug=server).order_by("pk").first()
    assert tool is not None
    named: dict[str, list[Any]] = {
        "admin:index": [], "servers-inbox": [], "servers-inbox-count": [], "servers-figures": [], "servers-start": [],
        "playground": [], "servers-start-server": [acme], "servers-start-key": [acme], "servers-caches": [acme],
        "servers-start-reading": [acme, server], "servers-server": [acme, server],
        "servers-server-progress": [acme, server], "servers-tool": [acme, server, tool.pk],
        "admin:tokens": [], "admin:account": [], "admin:invitations": [], "admin:servers_grant_why": [],
        "admin:guardrails_policy_bench": [], "admin:audit_event_tail": [],
    }  # fmt: skip
    for name, arguments in named.items():
        yield name.removeprefix("admin:"), reverse(name, args=arguments)
    for name in ("admin:index", "servers-inbox", "servers-figures", "playground", "admin:servers_grant_why",
                 "admin:audit_event_changelist", "admin:audit_event_tail"):  # fmt: skip
        yield f"{name.removeprefix('admin:')} of a project", f"{reverse(name)}?project={acme}"
    why = reverse("admin:servers_grant_why")
    yield "why, of a server", f"{why}?project={acme}&server={server}"
