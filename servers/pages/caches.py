"""What is kept of a project's configuration and of its servers' tools, how old it is, and the way to drop it."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from projects.access import Reach
from projects.opening import opens, project_of
from projects.permissions import CONFIG_READ, CONFIG_WRITE
from servers import freshness
from servers.pages.finding import context_of, may_write, server_of, trail
from servers.texts import visible

# So many are shown; others are found by their names.
MAX_SERVERS = 100
_WORDS = {
    "tools": "the tools of all servers", "config": "the configuration", "verdicts": "what the guardrails said",
    freshness.ALL: "all of it",
}  # fmt: skip


@opens(CONFIG_READ)
@never_cache
def show(request: HttpRequest, reach: Reach, project: str) -> HttpResponse:
    row = project_of(reach, project)
    status = freshness.cache_status(row)
    wanted = request.GET.get("server", "").strip()
    found = [each for each in status.servers if wanted in each.slug]
    context = context_of(
        request, "Caches", trail(row), project=row, status=status, kinds=list(_WORDS.items()), wanted=wanted,
        servers=[(each, visible(each.error)) for each in found[:MAX_SERVERS]], is_admin=may_write(request, row),
        more=max(0, len(found) - MAX_SERVERS), is_searched=bool(wanted) or len(status.servers) > MAX_SERVERS,
    )  # fmt: skip
    return render(request, "admin/servers/pages/caches.html", context)


@opens(CONFIG_WRITE)
def clear(request: HttpRequest, reach: Reach, project: str) -> HttpResponse:
    """Of one server its tools; of the project what is named."""
    row = project_of(reach, project)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    slug = request.POST.get("server", "")
    server = server_of(reach, project, slug) if slug else None
    try:
        freshness.clear_cache(project=row, server=server, kind=request.POST.get("kind", freshness.ALL))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, "It is dropped; every worker follows within a second.")
    return redirect("servers-caches", project)
