"""Two tenants with every role, and their browsers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from projects import services
from projects.models import Project, User
from projects.permissions import Role
from servers.models import Grant, Server
from servers.services import new_server, save_grant, save_server

ROLES = ("owner", "admin", "member", "auditor")


@dataclass
class People:
    """Each role in acme, an outsider who owns globex, and an operator."""

    acme: Project
    globex: Project
    users: dict[str, User]
    _clients: dict[str, Client] = field(default_factory=dict)

    def browser(self, name: str) -> Client:
        if name not in self._clients:
            client = self._clients[name] = Client()
            if name != "nobody":
                client.force_login(self.users[name])
        return self._clients[name]

    def server(self, slug: str = "docs", project: Project | None = None, **fields: Any) -> Server:
        project = project or self.acme
        row = new_server(project=project, slug=slug, url=fields.pop("url", "http://127.0.0.1:9/mcp"), **fields)
        server = save_server(server=row, headers={})
        save_grant(grant=Grant(project_id=project.pk, server=server))
        return server


def two_tenants_of_every_role() -> People:
    acme, globex = (services.create_project(slug=slug) for slug in ("acme", "globex"))
    users = {name: User.objects.create_user(f"{name}@gateway.test") for name in (*ROLES, "outsider")}
    users["operator"] = User.objects.create_superuser("operator@gateway.test", "a long enough passphrase")
    for name in ROLES:
        services.set_member(project=acme, user=users[name], role=Role(name))
    services.set_member(project=globex, user=users["outsider"], role=Role.OWNER)
    return People(acme, globex, users)
