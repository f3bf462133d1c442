"""How single tools are shown to models: made, seen beforehand and refused in the admin pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event
from projects import services as projects
from projects.scoping import unscoped, with_project
from servers import observing, services
from servers.models import Overlay, Server
from servers.observing import Listed
from tests.admin.conftest import HOSTILE, Stored, everything_stored
from tests.admin.test_pages import add, change, delete, errors_of

pytestmark = [pytest.mark.django_db, pytest.mark.claim("admin.overlays")]
SEND = {
    "name": "send", "description": f"Sends. {HOSTILE}\u202e",
    "inputSchema": {"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}, "debug": {}}},
}  # fmt: skip
EMPTY = {"rename": "", "title": "", "description": "", "hide_arguments": "", "pinned": "{}", "describe_arguments": "{}",
         "rename_arguments": "{}", "constraint": "{}"}  # fmt: skip


@pytest.fixture
def serving(stored: Stored) -> Stored:
    with with_project(stored.project.pk):
        Server.objects.filter(pk=stored.server.pk).update(review="trust")
    observing.observe(server=stored.server, era="modern", listed=[Listed("tool", "send", SEND)], whole=["tool"])
    return stored


def fields(stored: Stored, **changes: Any) -> dict[str, Any]:
    return {**EMPTY, "project": stored.project.pk, "server": stored.server.pk, "tool": "send", **changes}


def preview(pages: Client, row: Overlay | None = None, **data: Any) -> Any:
    return pages.post(reverse("admin:servers_overlay_preview", args=[row.pk] if row else []), data)


def made(tool: str = "send") -> Overlay:
    with unscoped("the test looks"):
        return Overlay.objects.get(tool=tool)


def test_an_overlay_is_made_shown_changed_and_deleted(pages: Client, serving: Stored) -> None:
    wanted = fields(serving, rename="mail", hide_arguments="debug", rename_arguments='{"to": "address"}')
    assert add(pages, "servers_overlay", **wanted).status_code == 302
    row = made()
    assert (row.rename, row.hide_arguments, row.rename_arguments) == ("mail", ["debug"], {"to": "address"})
    page = pages.get(reverse("admin:servers_overlay_change", args=[row.pk]))
    [lines] = page.context["pairs"]
    assert ("changed", '"name": "send"', '"name": "mail"') in {
        (line.kind, line.left.strip(), line.right.strip()) for line in lines
    }
    body = page.content.decode()
    assert "<img src=x" not in body and "\u202e" not in body and "\\u202e" in body
    assert change(pages, "servers_overlay", row.pk, **fields(serving, hidden="on")).status_code == 302
    assert (made().hidden, made().rename) == (True, "")
    assert delete(pages, "servers_overlay", row.pk).status_code == 302
    kinds = Event.objects.filter(kind__startswith="overlay.").order_by("ord").values_list("kind", "actor")
    by = "operator@gateway.test"
    assert list(kinds) == [("overlay.created", by), ("overlay.changed", by), ("overlay.deleted", by)]


def test_what_models_would_see_is_shown_and_not_stored(pages: Client, serving: Stored) -> None:
    before, events = everything_stored(), Event.objects.count()
    response = preview(pages, **fields(serving, title="Mail"))
    assert any('"title": "Mail"' in line.right for line in response.context["pairs"][0])
    assert "no argument “gone”" in preview(pages, **fields(serving, hide_arguments="gone")).content.decode()
    unknown = preview(pages, **fields(serving, tool="unknown", title="x"))
    assert "Nothing of this tool is approved yet" in unknown.content.decode()
    assert (everything_stored().count("Mail"), Event.objects.count()) == (before.count("Mail"), events)
    row = services.save_overlay(overlay=Overlay(project=serving.project, server=serving.server, tool="send"))
    changed = preview(pages, row, **{**EMPTY, "title": "Letter"})
    assert any("Letter" in line.right for line in changed.context["pairs"][0])
    assert made().title == ""


def test_an_overlay_that_fits_no_more_says_so(pages: Client, serving: Stored) -> None:
    row = services.save_overlay(
        overlay=Overlay(project=serving.project, server=serving.server, tool="send", hide_arguments=["debug"])
    )
    other = {**SEND, "inputSchema": {"type": "object", "properties": {"to": {"type": "string"}}}}
    observing.observe(server=serving.server, era="modern", listed=[Listed("tool", "send", other)], whole=["tool"])
    page = pages.get(reverse("admin:servers_overlay_change", args=[row.pk]))
    assert "There is no argument “debug”" in page.content.decode()
    assert page.context["pairs"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pinned": "["}, "pinned"), ({"pinned": "[]"}, "pinned"), ({"pinned": '{"to": "\\u0000"}'}, "pinned"),
        ({"pinned": '{"debug": 1}', "hide_arguments": "gone"}, "__all__"), ({"tool": ""}, "tool"),
        ({"rename": "x" * 65}, "rename"), ({"constraint": '{"type": 5}'}, "__all__"), ({"tool": "a\0b"}, "tool"),
        ({"describe_arguments": '{"to": 1}'}, "describe_arguments"), ({"server": ""}, "server"), ({"tool": "echo"}, ""),
    ],
    ids=str,
)  # fmt: skip
def test_an_overlay_that_cannot_be_is_a_form_error(
    pages: Client, serving: Stored, changes: dict[str, str], field: str
) -> None:
    errors = errors_of(add(pages, "servers_overlay", **fields(serving, **changes)))
    assert field in errors or (changes == {"tool": "echo"} and errors), "one overlay of a tool is enough"
    assert preview(pages, **fields(serving, **changes)).context["form"].errors


@pytest.mark.claim("admin.tenants")
def test_an_overlay_names_a_server_of_its_own_project_and_stays_there(pages: Client, serving: Stored) -> None:
    globex = projects.create_project(slug="globex")
    theirs = services.save_server(server=Server(project=globex, slug="theirs", url="http://127.0.0.1:9001/mcp"))
    assert "server" in errors_of(add(pages, "servers_overlay", **fields(serving, server=theirs.pk)))
    assert "server" in preview(pages, **fields(serving, server=theirs.pk)).context["form"].errors
    moved = fields(serving, server=theirs.pk, project=globex.pk, tool="other", title="Moved")
    change(pages, "servers_overlay", serving.overlay.pk, **moved)
    row = made("echo")
    assert (row.project_id, row.server_id, row.title) == (serving.project.pk, serving.server.pk, "Moved")
