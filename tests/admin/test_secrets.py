"""What upstreams are told in confidence goes into the pages and never comes out; what they tell us is only text."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event
from projects.scoping import unscoped
from servers import services
from servers.models import Server
from tests.admin.conftest import HOSTILE, Stored, everything_stored
from tests.admin.test_access import paths, stored_with_event
from tests.admin.test_pages import SERVER, add, change, errors_of

__all__ = ["stored_with_event"]
pytestmark = [pytest.mark.django_db, pytest.mark.claim("admin.secrets")]

CANARY = "canary-"


def secrets_of(server: Server) -> dict[str, Any]:
    with unscoped("the test opens what is sealed"):
        return Server.objects.get(pk=server.pk).secrets


def stdio(stored: Stored, **fields: Any) -> dict[str, Any]:
    return {**SERVER, "slug": "clock", "transport": "stdio", "url": "", "template": stored.template.pk, **fields}


def test_no_page_shows_a_stored_secret(pages: Client, stored_with_event: Stored) -> None:
    details = [
        reverse("admin:servers_server_change", args=[server.pk])
        for server in (stored_with_event.server, stored_with_event.stdio)
    ]
    for path in [*paths(stored_with_event), *details]:
        assert CANARY not in pages.get(path).content.decode(), path


def test_a_page_shows_the_names_of_what_is_stored(pages: Client, stored: Stored) -> None:
    body = pages.get(reverse("admin:servers_server_change", args=[stored.server.pk])).content.decode()
    assert "headers: Authorization, X-Team" in body
    body = pages.get(reverse("admin:servers_server_change", args=[stored.stdio.pk])).content.decode()
    assert "slots: token" in body


def test_secrets_are_sealed_and_in_no_event(pages: Client, stored: Stored) -> None:
    add(
        pages, "servers_server", project=stored.project.pk, **{**SERVER, "slug": "two"}, bearer="canary-2",
        headers="X-Key: canary-3\r\nX-Colon: a:b: c",
    )  # fmt: skip
    with unscoped("the test finds the server"):
        server = Server.objects.get(slug="two")
    assert secrets_of(server)["headers"] == {
        "Authorization": "Bearer canary-2", "X-Key": "canary-3", "X-Colon": "a:b: c",
    }  # fmt: skip
    assert CANARY not in everything_stored()


def test_empty_fields_keep_what_is_stored(pages: Client, stored: Stored) -> None:
    before = secrets_of(stored.server)
    change(pages, "servers_server", stored.server.pk, **{**SERVER, "timeout_seconds": 5})
    assert secrets_of(stored.server) == before


def test_new_headers_replace_all_and_forgetting_forgets(pages: Client, stored: Stored) -> None:
    change(pages, "servers_server", stored.server.pk, **SERVER, bearer="other")
    assert secrets_of(stored.server)["headers"] == {"Authorization": "Bearer other"}
    change(pages, "servers_server", stored.server.pk, **SERVER, forget_headers="on")
    assert secrets_of(stored.server)["headers"] == {}


@pytest.mark.claim("secrets.same-host")
def test_stored_headers_do_not_follow_to_another_host(pages: Client, stored: Stored) -> None:
    elsewhere = {**SERVER, "url": "https://evil.example/mcp"}
    response = change(pages, "servers_server", stored.server.pk, **elsewhere)
    assert "Give the headers again" in str(errors_of(response)["headers"])
    before = secrets_of(stored.server)
    change(pages, "servers_server", stored.server.pk, **{**SERVER, "url": f"{SERVER['url']}/v2"})
    assert secrets_of(stored.server) == before
    change(pages, "servers_server", stored.server.pk, **elsewhere, bearer="new")
    assert secrets_of(stored.server)["headers"] == {"Authorization": "Bearer new"}


def test_a_rejected_form_does_not_show_what_was_typed_in_secret(pages: Client, stored: Stored) -> None:
    fields = {**SERVER, "slug": "Bad Slug"}
    response = add(
        pages, "servers_server", project=stored.project.pk, **fields, bearer="canary-4", headers="X-Key: canary-5",
        secret_params="token=canary-6",
    )  # fmt: skip
    assert "slug" in errors_of(response)
    assert CANARY not in response.content.decode()


def test_a_secret_slot_value_in_the_open_field_is_refused_and_not_shown(pages: Client, stored: Stored) -> None:
    fields = stdio(stored, params='{"zone": "UTC", "token": "canary-7"}')
    response = change(pages, "servers_server", stored.stdio.pk, **fields)
    assert "token" in str(errors_of(response)["params"])
    assert "canary-7" not in response.content.decode()


def test_secret_slots_keep_their_value_until_a_new_one_is_given(pages: Client, stored: Stored) -> None:
    change(pages, "servers_server", stored.stdio.pk, **stdio(stored, params='{"zone": "UTC"}'))
    assert secrets_of(stored.stdio)["params"] == {"token": "canary-token"}
    fields = stdio(stored, params='{"zone": "UTC"}', secret_params="token=canary-8")
    change(pages, "servers_server", stored.stdio.pk, **fields)
    assert secrets_of(stored.stdio)["params"] == {"token": "canary-8"}
    with unscoped("the test looks"):
        assert Server.objects.get(pk=stored.stdio.pk).params == {"zone": "UTC"}
    assert CANARY not in everything_stored()


def test_a_stored_secret_stays_hidden_when_its_slot_is_opened(pages: Client, stored: Stored) -> None:
    stored.template.params["token"] = {"pattern": ".*", "default": "none"}
    services.save_template(template=stored.template)
    change(pages, "servers_server", stored.stdio.pk, **stdio(stored, params='{"zone": "UTC"}'))
    assert CANARY not in everything_stored()


def test_secrets_of_another_key_ring_are_named_as_such(pages: Client, stored: Stored) -> None:
    with unscoped("the test breaks a row"):
        Server.objects.filter(pk=stored.server.pk).update(sealed="v1.s0.AAAA")
    path = reverse("admin:servers_server_change", args=[stored.server.pk])
    assert "do not open" in pages.get(path).content.decode()
    assert "do not open" in str(errors_of(change(pages, "servers_server", stored.server.pk, **SERVER)))
    assert "v1.s0" not in pages.get(path).content.decode()


def test_a_tools_markup_and_invisible_characters_are_only_text(pages: Client, stored: Stored) -> None:
    for path in (
        reverse("admin:servers_tool_changelist"),
        reverse("admin:servers_tool_change", args=[stored.tool.pk]),
        reverse("admin:servers_tool_history", args=[stored.tool.pk]),
        reverse("admin:servers_server_delete", args=[stored.server.pk]),
        reverse("admin:projects_project_delete", args=[stored.project.pk]),
    ):
        body = pages.get(path).content.decode()
        assert HOSTILE not in body
        assert "<img src=x" not in body
        assert 'alert("tool")' not in body
    body = pages.get(reverse("admin:servers_tool_change", args=[stored.tool.pk])).content.decode()
    assert "&lt;script&gt;" in body
    assert "\u202e" not in body
    assert "\\u202etxt.exe" in body


def test_hostile_names_in_events_are_only_text(pages: Client, stored: Stored) -> None:
    from audit.recorder import record

    detail = {"x": HOSTILE, HOSTILE: "\u202e"}
    record("test.made", subject=HOSTILE, method=HOSTILE[:128], detail=detail, server=HOSTILE[:60])
    event = Event.objects.latest("ord")
    for path in (reverse("admin:audit_event_changelist"), reverse("admin:audit_event_change", args=[event.pk])):
        body = pages.get(path).content.decode()
        assert "<script>alert" not in body
        assert "<img src=x" not in body
        assert "\u202e" not in body
