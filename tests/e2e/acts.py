"""A process of its own that does to a gateway's database what an operator, an owner or a command would do.

It reads one JSON object a line, `{"act": NAME, ...}`, and answers with the time at which the act was committed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

from tests.conformance.gateway import Gateway
from tests.databases import ROOT


class Acts:
    """Acts on one gateway; a context manager."""

    def __init__(self, gateway: Gateway) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.acts"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=ROOT, env=gateway._environment(),
        )  # fmt: skip

    def __enter__(self) -> Acts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def do(self, act: str, project: str) -> float:
        """When it took effect, in seconds since the epoch."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"act": act, "project": project}) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_site.settings"
    import django

    django.setup()
    for line in sys.stdin:
        print(perform(**json.loads(line)), flush=True)


def perform(act: str, project: str) -> float:
    from projects.models import Project
    from projects.scoping import with_project

    row = Project.objects.get(slug=project)
    with with_project(row.pk):
        return {**ACTS, **CHANGES}[act](row) or time.time()


def _disable_key(project: Any) -> None:
    from projects.services import set_key_enabled

    set_key_enabled(key=_key(), enabled=False)


def _revoke_key(project: Any) -> None:
    from projects.services import revoke_key

    revoke_key(key=_key())


def _remove_member(project: Any) -> None:
    from projects.services import remove_member

    remove_member(membership=_membership())


def _demote_member(project: Any) -> None:
    from projects.services import set_member

    set_member(project=project, user=_membership().user, role="auditor")


def _deactivate_user(project: Any) -> None:
    user = _membership().user
    user.is_active = False
    user.save()


def _narrow_key(project: Any) -> None:
    from projects.services import update_key

    update_key(key=_key(), servers=["elsewhere"])


def _move_key(project: Any) -> None:
    from projects.services import update_key

    update_key(key=_key(), networks=["192.0.2.0/24"])


def _expire_key(project: Any) -> float:
    from datetime import UTC, datetime, timedelta

    from projects.services import update_key

    # Far enough ahead that the change itself has arrived everywhere: it is the clock that ends the key.
    end = datetime.now(UTC) + timedelta(seconds=1.2)
    update_key(key=_key(), expires_at=end)
    return end.timestamp()


def _server_off(project: Any) -> None:
    from servers.services import set_server_enabled

    set_server_enabled(server=_server(), enabled=False)


def _delete_server(project: Any) -> None:
    from servers.services import delete_server

    delete_server(server=_server())


def _project_off(project: Any) -> None:
    from projects.services import update_project

    update_project(project=project, enabled=False)


def _delete_project(project: Any) -> None:
    from projects.services import delete_project

    delete_project(project=project)


def _deny(pattern: str) -> Any:
    def deny(project: Any) -> None:
        from servers.models import Grant
        from servers.services import save_grant

        save_grant(grant=Grant(project=project, server=None, effect="deny", pattern=pattern))

    return deny


def _lift_denials(project: Any) -> None:
    from servers.models import Grant
    from servers.services import delete_grant

    for grant in Grant.objects.filter(effect="deny"):
        delete_grant(grant=grant)


def _decide(decision: str) -> Any:
    def decide(project: Any) -> None:
        from servers import review
        from servers.models import ToolVersion

        version = ToolVersion.objects.select_related("tool__server__project").get(
            tool__name="echo", tool__server__slug="docs"
        )
        getattr(review, decision)(version=version)

    return decide


def _scope(*tools: str) -> Any:
    def scope(project: Any) -> None:
        from projects.services import update_key

        update_key(key=_key(), tools=list(tools))

    return scope


def _attach(slug: str | None) -> Any:
    def attach(project: Any) -> None:
        from guardrails.models import Policy
        from servers.services import save_server

        server = _server()
        server.output_policy = Policy.objects.get(slug=slug) if slug else None
        save_server(server=server)

    return attach


def _stay_here(project: Any) -> None:
    from projects.services import update_key

    update_key(key=_key(), networks=["127.0.0.0/8"])


def _add_server(project: Any) -> None:
    from servers.services import GrantSpec, new_server, save_server, set_grants

    server = save_server(server=new_server(project=project, slug=f"new-{time.time_ns()}", url=_server().url))
    set_grants(server=server, grants=[GrantSpec("allow")])


def _clear(kind: str, slug: str | None = None) -> Any:
    def clear(project: Any) -> None:
        from servers.freshness import clear_cache
        from servers.models import Server

        clear_cache(project=project, server=Server.objects.get(slug=slug) if slug else None, kind=kind)

    return clear


# What changes what the key of "doomed" may see of the server "docs", and what does not.
CHANGES: dict[str, Any] = {
    "deny echo": _deny("echo"),
    "deny nothing that there is": _deny("no-such-tool"),
    "lift the denials": _lift_denials,
    "reject echo": _decide("reject"),
    "approve echo": _decide("approve"),
    "narrow the key to stream": _scope("stream"),
    "widen the key": _scope("*"),
    "attach the policy that blocks echo": _attach("no-echo"),
    "attach a policy that blocks nothing": _attach("harmless"),
    "attach no policy": _attach(None),
    "allow the key from here only": _stay_here,
    "add a server": _add_server,
    "clear the tools of docs": _clear("tools", "docs"),
    "clear the tools of other": _clear("tools", "other"),
    "clear config": _clear("config"),
    "clear verdicts": _clear("verdicts"),
    "clear all": _clear("all"),
}


ACTS: dict[str, Any] = {
    "disable the key": _disable_key,
    "revoke the key": _revoke_key,
    "remove the member": _remove_member,
    "make the member an auditor": _demote_member,
    "deactivate the user": _deactivate_user,
    "narrow the key": _narrow_key,
    "allow the key from elsewhere only": _move_key,
    "let the key expire": _expire_key,
    "switch the server off": _server_off,
    "delete the server": _delete_server,
    "disable the project": _project_off,
    "delete the project": _delete_project,
}


def _key() -> Any:
    from projects.models import ApiKey

    return ApiKey.objects.select_related("project", "user").get(label="doomed")


def _membership() -> Any:
    from projects.models import Membership

    return Membership.objects.select_related("project", "user").get(user__email__startswith="doomed")


def _server() -> Any:
    from servers.models import Server

    return Server.objects.select_related("project", "template").get(slug="docs")


if __name__ == "__main__":
    main()
