"""Callers of REST, one of each role, and what they send."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from projects import services, tokens
from projects.models import Project, User
from projects.permissions import Role
from tests.cast import Cast, two_tenants

ROOT = "/api/v1"
ROLES = ("operator", "owner", "admin", "member", "auditor", "outsider")


@dataclass
class Caller:
    """Sends requests with one admin token, through all of Django."""

    token: str
    email: str
    _client: Client = field(default_factory=lambda: Client(raise_request_exception=False), repr=False)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """`headers` with underscores for hyphens. A body that is bytes is sent as it is."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self._client.generic(
            method, path if path.startswith("/api") else f"{ROOT}{path}", content,
            named.pop("Content-Type", "application/json"),
            headers={"Authorization": f"Bearer {self.token}", **named},
        )  # fmt: skip

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("PATCH", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.send("DELETE", path, **headers)


@dataclass
class Stage:
    """Two tenants with a caller of each role; the outsider owns the other tenant."""

    cast: Cast
    callers: dict[str, Caller]

    def __getattr__(self, role: str) -> Caller:
        try:
            return self.callers[role]
        except KeyError:
            raise AttributeError(role) from None


def token_of(user: User, project: Project | None, **more: Any) -> str:
    wanted = {"label": "test", "expires_at": timezone.now() + timedelta(days=30), **more}
    return tokens.issue_token(user=user, project=project, **wanted)[1]


def stage() -> Stage:
    cast = two_tenants()
    admin = User.objects.create_user("alan@acme.test")
    services.set_member(project=cast.acme, user=admin, role=Role.ADMIN)
    operator = User.objects.create_superuser("operator@gateway.test")
    people = {
        "operator": (operator, None), "owner": (cast.ada, cast.acme), "admin": (admin, cast.acme),
        "member": (cast.bob, cast.acme), "auditor": (cast.carla, cast.acme), "outsider": (cast.mallory, cast.globex),
    }  # fmt: skip
    return Stage(cast, {role: Caller(token_of(*who), who[0].email) for role, who in people.items()})
