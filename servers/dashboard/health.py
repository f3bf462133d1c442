"""How the servers of a project are: switched on or off, when they were last read, what was in the way, what waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.timesince import timesince

from audit.figures import Figures, Numbers
from projects.models import ApiKey, Project
from projects.pages import reach_of
from projects.permissions import CONFIG_READ, CONFIG_WRITE
from projects.scoping import unscoped, with_project
from servers.dashboard.numbers import CALL, Figure, Log, few_of
from servers.models import Server, State, Tool
from servers.texts import visible

_SERVERS = 20


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """`state` is ok, off, unread or failing; `words` says it to people."""

    slug: str
    state: str
    words: str
    read: str
    waiting: int
    waiting_address: str
    address: str
    figures: list[Figure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Health:
    """`servers` are those with trouble first, `more` how many there are besides them; keys are the person's own."""

    servers: list[ServerHealth] = field(default_factory=list)
    more: int = 0
    waiting: int = 0
    waiting_address: str = ""
    has_servers: bool = False
    has_keys: bool = False


def state_of(request: HttpRequest, project: Project | None, found: Figures | None, log: Log) -> Health:
    """Of the chosen project; without one only how much waits in all of them. Empty for who may not look."""
    waiting = waiting_of(request, project)
    address = address_of_waiting(project)
    if project is None or not reach_of(request, CONFIG_READ).has(project.pk):
        return Health(waiting=waiting, waiting_address=address)
    with with_project(project.pk):
        servers, more = _servers(project, found, log)
        own = ApiKey.objects.filter(ApiKey.live(timezone.now()), user=request.user.pk)
        has_keys = own.exists()
    return Health(servers, more, waiting, address, bool(servers), has_keys)


def waiting_of(request: HttpRequest, project: Project | None) -> int:
    """How many definitions wait for this person's decision."""
    reach = reach_of(request, CONFIG_WRITE)
    if not reach or (project is not None and not reach.has(project.pk)):
        return 0
    with unscoped("what waits in all projects that the person decides for"):
        rows = Tool.objects.filter(state=State.WAITING)
        if project is not None:
            rows = rows.filter(project=project)
        elif not reach.is_all:
            rows = rows.filter(project_id__in=reach.projects)
        return rows.count()


def address_of_waiting(project: Project | None) -> str:
    return reverse("servers-inbox") + (f"?{urlencode({'project': project.slug})}" if project else "")


def _servers(project: Project, found: Figures | None, log: Log) -> tuple[list[ServerHealth], int]:
    rows = Server.objects.all()
    number = rows.count()
    shown = list(worst_first(rows)[:_SERVERS])
    counted = Tool.objects.filter(server__in=shown, state=State.WAITING).order_by().values_list("server_id")
    waiting = dict(counted.annotate(number=Count("pk")))
    listed = [_health(project, each, waiting.get(each.pk, 0), _numbers(each, found, log)) for each in shown]
    return listed, number - len(listed)


def _numbers(server: Server, found: Figures | None, log: Log) -> list[Figure]:
    """None for who may not read the log."""
    if found is None:
        return []
    return few_of(found.servers.get(server.slug, Numbers()), log, {"kind": CALL, "server": server.slug})


def worst_first(rows: QuerySet[Server]) -> QuerySet[Server]:
    failing = Q(enabled=True) & ~Q(discovery_error="")
    return rows.defer("params", "sealed", "about").alias(is_failing=failing).order_by("-is_failing", "slug")


def _health(project: Project, server: Server, waiting: int, figures: list[Figure]) -> ServerHealth:
    state, words = state_in_words(server)
    return ServerHealth(
        slug=server.slug, state=state, words=words, read=read_in_words(server), waiting=waiting,
        waiting_address=f"{address_of_waiting(project)}&{urlencode({'server': server.slug})}",
        address=reverse("servers-server", args=[project.slug, server.slug]), figures=figures,
    )  # fmt: skip


def state_in_words(server: Server) -> tuple[str, str]:
    if not server.enabled:
        return "off", "switched off"
    if server.discovery_error:
        return "failing", f"could not be read: {visible(server.discovery_error)}"
    if server.discovered_at is None:
        return "unread", "not read yet"
    return "ok", "answers"


def read_in_words(server: Server) -> str:
    if server.discovered_at is None:
        return "never"
    if timezone.now() - server.discovered_at < timedelta(minutes=1):
        return "just now"
    return f"{timesince(server.discovered_at, timezone.now(), depth=1)} ago"
