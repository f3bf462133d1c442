"""Projects of a given size, made and weighed inside of a gateway's own environment; `bench.scale` runs it."""

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bench.meter import MEGABYTE, psutil

TOOLS = 50
SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "description": "What to look for, as a person would type it."}},
    "required": ["text"],
}
BATCH = 1_000


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_site.settings"
    import django

    django.setup()
    act, *arguments = sys.argv[1:]
    print(json.dumps(make(*arguments) if act == "make" else weigh(*arguments)))


def make(slug: str, keys: str, servers: str, url: str) -> str:
    """A project with so many keys and servers, of which the first is called echo; one of its keys."""
    from django.db import transaction

    from guardrails.services import create_policy, set_default_policy
    from projects.services import create_project, set_member

    with transaction.atomic():
        project = create_project(slug=slug)
        user = _user(slug)
        set_member(project=project, user=user, role="owner")
        # What guardrails cost has nothing to do with how large a project is.
        set_default_policy(project=project, policy=create_policy(project=project, slug="none", guardrails=()))
        text = _make_keys(project, user, int(keys))
        for number in range(int(servers)):
            _make_server(project, f"s{number}" if number else "echo", url)
    return text


def _user(slug: str) -> Any:
    from projects.models import User

    return User.objects.create_user(f"ada@{slug}.test")


def _make_keys(project: Any, user: Any, number: int) -> str:
    from django.conf import settings

    from projects import keys
    from projects.models import ApiKey
    from projects.scoping import with_project
    from projects.services import issue_key

    _, text = issue_key(project=project, user=user, label="bench")
    pepper = settings.KEYRING.current_pepper
    with with_project(project.pk):
        rows = []
        for each in range(number - 1):
            new = keys.generate()
            digest = settings.KEYRING.pepper_digest(pepper, new.text) or b""
            rows.append(ApiKey(project=project, user=user, label=f"key {each}", key_id=new.key_id, pepper_id=pepper,
                               digest=digest.hex()))  # fmt: skip
        ApiKey.objects.bulk_create(rows, batch_size=BATCH)
    return text


def _make_server(project: Any, slug: str, url: str) -> None:
    from django.utils import timezone

    from projects.scoping import with_project
    from servers.models import Server
    from servers.observing import Listed, observe
    from servers.services import EVERYTHING, new_server, save_server, set_grants

    server = save_server(server=new_server(project=project, slug=slug, url=url, review="trust"))
    set_grants(server=server, grants=[EVERYTHING])
    names = ["echo", *(f"tool_{number}" for number in range(TOOLS - 1))]
    entries = [
        Listed("tool", name, {"name": name, "description": f"Looks up things for {slug}. " * 4, "inputSchema": SCHEMA})
        for name in names
    ]
    observe(server=server, era="modern", listed=entries, whole=["tool"])
    with with_project(project.pk):
        # Nobody reads it again while it is measured.
        Server.objects.filter(pk=server.pk).update(discovery_due_at=timezone.now() + timedelta(days=1))


def weigh(slug: str, url: str) -> dict[str, float]:
    """Seconds and megabytes to load the project, and seconds to load it again after a change of two kinds."""
    from projects.models import ApiKey, Project
    from projects.scoping import with_project
    from projects.services import update_key
    from proxy import snapshot

    project = Project.objects.get(slug=slug)
    # Whatever the first use of a query costs is not the project's.
    snapshot.load(Project.objects.exclude(pk=project.pk).order_by("pk")[0].pk)
    gc.collect()
    before = psutil.Process().memory_info().rss
    first, known = _timed(lambda: snapshot.load(project.pk))
    gc.collect()
    megabytes = (psutil.Process().memory_info().rss - before) / MEGABYTE
    _make_server(project, f"new-{time.time_ns()}", url)
    after_server, known = _timed(lambda: snapshot.load(project.pk, known))
    with with_project(project.pk):
        key = ApiKey.objects.select_related("project", "user").filter(label__startswith="key ").first()
    if key is not None:
        update_key(key=key, tools=["echo"])
    after_key, _ = _timed(lambda: snapshot.load(project.pk, known))
    return {"first": first, "megabytes": megabytes, "after_server": after_server, "after_key": after_key}


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


if __name__ == "__main__":
    main()
