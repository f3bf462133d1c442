"""Whether a key or a person may use something, asked afresh: by the service, and on the command line."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from projects import services as projects
from projects.models import ApiKey, User
from projects.scoping import with_project
from servers import observing, review, services
from servers.models import Overlay, Server, Tool, ToolVersion
from servers.observing import Listed
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.claim("rights.why")]


def serving(cast: Cast, *names: str, slug: str = "docs", **fields: Any) -> Server:
    """A server that lists these tools; they are approved, and everyone may use them."""
    server = cast.server(slug, **{"review": "trust-first", **fields})
    listed = [Listed("tool", name, {"name": name, "inputSchema": {"type": "object"}}) for name in names]
    observing.observe(server=server, era="modern", listed=listed, whole=["tool"])
    services.set_grants(server=server, grants=[services.EVERYTHING])
    return server


def why(cast: Cast, who: ApiKey | User, name: str = "read", **fields: Any) -> tuple[bool, str]:
    reply = services.why(project=cast.acme, who=who, server=fields.pop("server", "docs"), name=name, **fields)
    return reply.decision.allowed, reply.decision.why


def usable(cast: Cast, who: ApiKey | User) -> list[str]:
    return [each.name for each in services.why(project=cast.acme, who=who, server="docs").usable]


def test_the_answer_is_that_of_the_moment(cast: Cast) -> None:
    server, (key, _) = serving(cast, "read"), cast.key()
    assert why(cast, key) == (True, "Allowed by the rule '*', within the scopes of the key 'laptop'.")
    services.set_grants(server=server, grants=[services.EVERYTHING, services.GrantSpec("deny", "r*", "owner", "no")])
    assert why(cast, key) == (False, "Denied by the rule 'r*' (no).")
    services.set_grants(server=server, grants=[services.EVERYTHING])
    with with_project(cast.acme.pk):
        version = ToolVersion.objects.get()
    review.reject(version=version)
    assert "was rejected" in why(cast, key)[1]
    services.set_server_enabled(server=server, enabled=False)
    assert why(cast, key) == (False, "The project has no such server, or it is switched off.")


def test_a_key_that_opens_nothing_is_why(cast: Cast) -> None:
    serving(cast, "read")
    key, _ = cast.key(cast.bob, label="bobs")
    projects.update_key(key=key, expires_at=timezone.now() + timedelta(days=1))
    with with_project(cast.acme.pk):
        ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert "expired" in why(cast, key)[1]
    projects.set_key_enabled(key=key, enabled=False)
    assert "switched off" in why(cast, key)[1]
    projects.set_key_enabled(key=key, enabled=True)
    User.objects.filter(pk=cast.bob.pk).update(is_active=False)
    assert "no active member" in why(cast, key)[1]
    projects.revoke_key(key=key)
    assert "revoked" in why(cast, key)[1]
    assert not usable(cast, key)


def test_a_project_that_is_switched_off_is_why(cast: Cast) -> None:
    serving(cast, "read")
    key, _ = cast.key()
    projects.update_project(project=cast.acme, enabled=False)
    assert why(cast, key) == (False, "The project is switched off.")


def test_a_person_is_asked_for_as_if_with_a_key_without_limits(cast: Cast) -> None:
    serving(cast, "read")
    assert why(cast, cast.bob)[0]
    assert "role auditor may not call" in why(cast, cast.carla)[1]
    assert "no active member" in why(cast, cast.mallory)[1]


def test_what_may_be_used_is_listed_with_the_same_decision(cast: Cast) -> None:
    server = serving(cast, "read", "write", "other")
    services.set_grants(server=server, grants=[services.EVERYTHING, services.GrantSpec("deny", "write")])
    narrow, _ = cast.key(label="narrow", tools=["r*", "w*"])
    assert usable(cast, cast.key()[0]) == ["other", "read"]
    assert usable(cast, narrow) == ["read"]
    with with_project(cast.acme.pk):
        Tool.objects.filter(name="read").update(modern_digest="")
        Server.objects.update(catalogue_version=99)
    assert usable(cast, narrow) == [], "the server lists it no more"


def test_a_tool_that_an_overlay_hides_is_refused_with_that_reason(cast: Cast) -> None:
    server = serving(cast, "read")
    with with_project(cast.acme.pk):
        Overlay.objects.create(project=cast.acme, server=server, tool="read", hidden=True)
    assert why(cast, cast.ada) == (False, "An overlay hides this tool.")
    assert usable(cast, cast.ada) == []


def test_another_projects_key_and_server_are_not_there(cast: Cast) -> None:
    serving(cast, "read", project=cast.globex, slug="theirs")
    key, _ = cast.key(cast.mallory, project=cast.globex)
    serving(cast, "read")
    assert why(cast, key) == (False, "The project has no such key.")
    assert why(cast, cast.ada, server="theirs") == (False, "The project has no such server, or it is switched off.")


# --- on the command line --------------------------------------------------------------------------------


def command(*arguments: str) -> list[str]:
    output = io.StringIO()
    call_command("why", *arguments, stdout=output)
    return output.getvalue().splitlines()


def test_the_command_says_the_same(cast: Cast) -> None:
    serving(cast, "read")
    key, text = cast.key(tools=["read"])
    at = ("--project", "acme", "--server", "docs")
    for spelled in (key.key_id, text[:14]):
        assert command(*at, "--key", spelled, "--tool", "read")[0].startswith("yes: Allowed by the rule '*'")
    assert command(*at, "--key", key.key_id, "--tool", "write") == ["no: The key 'laptop' is not for this tool."]
    assert "has no such tool" in command(*at, "--user", "Bob@acme.test", "--tool", "x")[0]
    assert command(*at, "--user", "carla@acme.test", "--prompt", "x")[0].startswith("no: The role auditor")
    assert command(*at, "--key", key.key_id)[1:] == ["  tool read"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--project", "none", "--key", "x"), "no project none"), (("--project", "acme", "--key", "x"), "no such key"),
        (("--project", "acme", "--user", "x"), "no such person"), (("--project", "acme"), "required"),
    ],
    ids=str,
)  # fmt: skip
def test_what_the_command_cannot_find_is_an_error(cast: Cast, arguments: tuple[str, ...], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        command(*arguments, "--server", "docs")


def test_the_command_finds_no_key_of_another_project(cast: Cast) -> None:
    key, _ = cast.key(cast.mallory, project=cast.globex)
    with pytest.raises(CommandError, match="no such key"):
        command("--project", "acme", "--server", "docs", "--key", key.key_id)
