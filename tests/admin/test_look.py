"""What every answer of the pages brings: a content policy, compressed files, and icons that the font has."""

from __future__ import annotations

import gzip
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.templatetags.static import static
from django.test import Client, RequestFactory
from django.urls import reverse

from gateway_site.navigation import GROUPS
from gateway_site.static import compressed
from projects.models import User
from tests.admin.rows import Stored

pytestmark = [pytest.mark.django_db, pytest.mark.claim("browser.policy")]

ROOT = Path(__file__).resolve().parents[2]
STRICT = {
    "default-src": {"'none'"}, "script-src": {"'self'", "'unsafe-eval'"}, "style-src": {"'self'"},
    "img-src": {"'self'", "data:"}, "font-src": {"'self'"}, "connect-src": {"'self'"}, "form-action": {"'self'"},
    "frame-ancestors": {"'none'"}, "base-uri": {"'none'"},
}  # fmt: skip


def policy(response: Any) -> dict[str, set[str]]:
    parts = (part.split() for part in response["Content-Security-Policy"].split(";"))
    return {name: set(values) for name, *values in parts}


def test_pages_may_only_what_the_theme_needs(pages: Client, stored: Stored) -> None:
    for path in ("/admin/", "/admin/login/", "/admin/servers/server/", f"/admin/servers/tool/{stored.tool.pk}/change/",
                 "/admin/audit/event/", "/nowhere/", "/setup/wrong/"):  # fmt: skip
        assert policy(pages.get(path)) == STRICT, path
    assert policy(Client(enforce_csrf_checks=True).post("/admin/login/", {})) == STRICT


def test_the_page_of_the_rest_interface_evaluates_nothing(pages: Client) -> None:
    assert policy(pages.get("/api/v1/docs"))["script-src"] == {"'self'"}


def test_what_is_no_page_may_nothing(pages: Client) -> None:
    for path in ("/api/v1/projects", "/.well-known/gateway-audit-keys.json", static("gateway/mark.svg")):
        assert policy(pages.get(path)) == {"default-src": {"'none'"}, "frame-ancestors": {"'none'"}}, path


@pytest.mark.claim("browser.weight")
def test_static_files_come_compressed_under_an_address_that_changes_with_them() -> None:
    address = static("unfold/css/styles.css")
    assert re.search(r"\?v=[0-9a-f]{12}$", address)
    client = Client(headers={"accept-encoding": "gzip"})
    for _ in range(2):
        response: Any = client.get(address)
        body = b"".join(response.streaming_content)
        assert (response.status_code, response["Content-Encoding"]) == (200, "gzip")
        assert len(body) * 4 < len(gzip.decompress(body))
        assert "text/css" in response["Content-Type"]
    plain: Any = Client().get(address)
    assert b"".join(plain.streaming_content) == gzip.decompress(body)
    assert "Content-Encoding" not in plain


@pytest.mark.claim("browser.weight")
def test_a_file_that_changes_is_compressed_anew(tmp_path: Path, settings: Any) -> None:
    settings.COMPRESSED_DIR = tmp_path / "compressed"
    file = tmp_path / "page.js"
    file.write_text("one")
    first = compressed(file)
    assert compressed(file) == first
    file.write_text("another")
    assert gzip.decompress(Path(compressed(file)).read_bytes()) == b"another"
    assert gzip.decompress(Path(first).read_bytes()) == b"one"


@pytest.mark.claim("browser.icons")
def test_every_icon_that_a_template_or_the_navigation_names_is_in_the_font() -> None:
    spec = find_spec("unfold")
    assert spec is not None
    assert spec.origin is not None
    theme = Path(spec.origin).parent
    theirs = theme / "templates"
    named = {entry.icon for group in GROUPS for entry in group.entries}
    # Of the theme's only those that our pages use; crispy forms and other people's apps are not.
    for file in (*(ROOT / "templates").rglob("*.html"), *theirs.glob("admin/**/*.html")):
        named |= set(re.findall(r'material-symbols-outlined[^>]*>\s*([a-z_0-9]+)\s*<', file.read_text()))
    # Fields for dates and boxes that are ticked bring theirs by the stylesheet.
    named |= set(re.findall(r'content:"([a-z_]{3,})"', (theme / "static/unfold/css/styles.css").read_text()))
    assert len(named) > 60
    assert named - set((ROOT / "projects/static/gateway/icons.txt").read_text().split()) == set()


@pytest.mark.claim("browser.dates")
def test_dates_are_in_one_order_and_times_say_their_zone(pages: Client, stored: Stored) -> None:
    from tests.admin.sweep import models_with_pages, prefix_of

    habits = re.compile(r"\b[ap]\.m\.|>\s*(?:[A-Z][a-z]{2,8}\.?) \d{1,2}, \d{4}|\bnoon\b")
    for model in models_with_pages():
        text = pages.get(reverse(f"{prefix_of(model)}_changelist")).content.decode()
        assert habits.search(text) is None, (model, habits.findall(text))
    written = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
    assert written.search(pages.get(reverse("admin:servers_tool_changelist")).content.decode())
    assert written.search(pages.get(reverse("admin:servers_tool_change", args=[stored.tool.pk])).content.decode())


@pytest.mark.claim("browser.navigation")
def test_nobody_is_shown_the_way_to_what_they_may_not_open(staff: User) -> None:
    from django.contrib import admin

    from projects import navigation

    request = RequestFactory().get("/admin/")
    request.user = staff
    shown = navigation.shown(admin.site, request, GROUPS)
    # What is open to whoever has signed in; no Django permission opens anything more.
    assert [item["title"] for group in shown for item in group["items"]] == ["Dashboard", "REST interface"]


@pytest.mark.claim("browser.navigation")
def test_a_number_stands_beside_what_waits(pages: Client, stored: Stored) -> None:
    page = pages.get(reverse("admin:index"))
    badges = {item["title"]: item["badge"] for group in page.context["sidebar_navigation"] for item in group["items"]}
    assert badges["Waiting for review"] == "1"
    assert {badge for title, badge in badges.items() if title != "Waiting for review"} == {""}
