"""What the runner must start or connect to for a server: loaded from the database, never from a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import close_old_connections

from projects.scoping import with_project
from servers.models import CommandTemplate, Server, Transport
from servers.recipes import fill, resolve_executable

_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Launch:
    """`argv` and a complete `env` for stdio, `url` and `headers` for sse."""

    project_id: int
    server_id: int
    config_hash: str
    transport: str
    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str = "/"
    memory_mb: int = 1024
    max_processes: int = 32
    idle_seconds: int = 900
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def load(project_id: int, server_id: int) -> Launch | None:
    """None when the server is not there, is switched off or is not the runner's. Safe in any thread."""
    try:
        with with_project(project_id):
            server = Server.objects.select_related("template", "project").filter(pk=server_id, enabled=True).first()
            if server is None or not server.project.enabled:
                return None
            if server.transport == Transport.SSE:
                return _sse(server)
            if server.transport == Transport.STDIO and server.template is not None and server.template.enabled:
                return _stdio(server, server.template)
            return None
    finally:
        close_old_connections()


def _sse(server: Server) -> Launch:
    return Launch(
        project_id=server.project_id, server_id=server.pk, config_hash=server.config_hash,
        transport=Transport.SSE, url=server.url, headers=server.secrets["headers"],
    )  # fmt: skip


def _stdio(server: Server, template: CommandTemplate) -> Launch:
    defaults = {name: slot["default"] for name, slot in template.params.items() if "default" in slot}
    values = {**defaults, **server.params, **server.secrets["params"]}
    executable = resolve_executable(template.executable)
    home = _home(server)
    own = {name: fill(text, values) for name, text in template.env.items()}
    # The executable's own folder comes first, so that "npx"-like wrappers find the runtime beside them.
    path = f"{Path(executable).parent}:{_PATH}"
    return Launch(
        project_id=server.project_id,
        server_id=server.pk,
        config_hash=server.config_hash,
        transport=Transport.STDIO,
        argv=(executable, *(fill(arg, values) for arg in template.args)),
        env={"PATH": path, "HOME": home, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **own},
        cwd=home,
        memory_mb=template.memory_mb,
        max_processes=template.max_processes,
        idle_seconds=template.idle_seconds,
    )


def _home(server: Server) -> str:
    path = settings.GATEWAY_HOME / "servers" / str(server.uid)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return str(path)
