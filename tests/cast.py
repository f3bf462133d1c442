"""The people of the tests: Ada owns acme, Bob is a member, Carla audits; Mallory owns globex and must see nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from projects import services
from projects.models import ApiKey, Membership, Project, User
from projects.permissions import Role
from projects.scoping import with_project
from servers.models import Server
from servers.services import new_server, save_server


@dataclass
class Cast:
    """Two tenants that must not notice each other."""

    acme: Project
    globex: Project
    ada: User
    bob: User
    carla: User
    mallory: User

    def key(self, user: User | None = None, project: Project | None = None, **rights: Any) -> tuple[ApiKey, str]:
        """A key of Ada in acme, unless said otherwise."""
        return services.issue_key(
            project=project or self.acme, user=user or self.ada, label=rights.pop("label", "laptop"), **rights
        )

    def membership(self, user: User, project: Project | None = None) -> Membership:
        project = project or self.acme
        with with_project(project.pk):
            return Membership.objects.select_related("user", "project").get(user=user)

    def server(self, slug: str = "docs", project: Project | None = None, **fields: Any) -> Server:
        headers = fields.pop("headers", {})
        url = fields.pop("url", "http://127.0.0.1:9001/mcp")
        server = new_server(project=project or self.acme, slug=slug, url=url, **fields)
        return save_server(server=server, headers=headers)


def two_tenants() -> Cast:
    people = [User.objects.create_user(f"{name}@acme.test") for name in ("ada", "bob", "carla")]
    mallory = User.objects.create_user("mallory@globex.test")
    acme, globex = (services.create_project(slug=slug) for slug in ("acme", "globex"))
    for user, role in zip(people, (Role.OWNER, Role.MEMBER, Role.AUDITOR), strict=True):
        services.set_member(project=acme, user=user, role=role)
    services.set_member(project=globex, user=mallory, role=Role.OWNER)
    ada, bob, carla = people
    return Cast(acme, globex, ada, bob, carla, mallory)
