"""The way of somebody who runs a team's project and has read nothing: by what stands on the pages alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.stage import SECONDS, Stage, page_of, stage

pytestmark = pytest.mark.claim("browser.team-admin")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("team")) as running:
        running.upstream.tools["/wiki"] = [{"name": "look_up", "inputSchema": {"type": "object"}}]
        yield running


@pytest.fixture
def page(made: Stage, browser: Browser) -> Iterator[Page]:
    with page_of(made, browser, "owner") as opened:
        yield opened


def seen(page: Page, name: str) -> None:
    """A picture, for whoever wants to look at the way."""
    if folder := os.environ.get("GATEWAY_TEST_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_from_a_server_to_an_export_of_what_was_blocked(made: Stage, page: Page) -> None:
    navigation = page.get_by_role("navigation").first
    # A server, and a key with it.
    page.goto("/admin/")
    navigation.get_by_role("link", name="Get started").click()
    seen(page, "1 get started")
    page.get_by_role("link", name="acme", exact=True).last.click()
    page.get_by_label("Name", exact=True).fill("wiki")
    page.get_by_label("Address").fill(made.upstream.url("wiki"))
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text("1 approved")).to_be_visible(timeout=SECONDS)
    seen(page, "2 tools")
    page.get_by_role("link", name="Next: a key").click()
    page.get_by_role("button", name="Issue it").click()
    seen(page, "3 key")
    # A call.
    navigation.get_by_role("link", name="Playground").click()
    page.get_by_label("Find").fill("wiki")
    tools = page.get_by_role("combobox", name="Tool", exact=True)
    expect(tools.get_by_role("option")).to_have_text(["look_up"], timeout=SECONDS)
    page.get_by_role("button", name="Call it").click()
    expect(page.locator("[data-outcome]")).to_have_text("Answered.", timeout=SECONDS)
    seen(page, "4 called")
    # The tool is blocked, from the server's page.
    navigation.get_by_role("link", name="Servers", exact=True).click()
    seen(page, "5 servers")
    page.get_by_role("link", name="wiki", exact=True).click()
    page.get_by_role("link", name="Its tools and state").click()
    seen(page, "6 server")
    page.get_by_role("link", name="look_up").click()
    page.get_by_role("link", name="Block it for everybody").click()
    seen(page, "7 rule")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible(timeout=SECONDS)
    navigation.get_by_role("link", name="Playground").click()
    expect(tools.get_by_role("option").first).to_be_attached(timeout=SECONDS)
    assert "look_up" not in tools.inner_text()
    # What is in the log of it.
    navigation.get_by_role("link", name="Events").click()
    page.get_by_label("Search").fill("look_up")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("row", name="look_up").first).to_be_visible(timeout=SECONDS)
    seen(page, "8 events")
    # The last week, as a file.
    navigation.get_by_role("link", name="Exports", exact=True).click()
    page.get_by_role("link", name="Add export").first.click()
    week = datetime.now(UTC) - timedelta(days=7)
    page.locator("#id_since_0").fill(f"{week:%Y-%m-%d}")
    page.locator("#id_since_1").fill("00:00:00")
    seen(page, "9 export")
    page.get_by_role("button", name="Save", exact=True).click()
    link = page.get_by_role("link", name="acme-", exact=False).first
    expect(page.get_by_text("Ready").first).to_be_visible(timeout=3 * SECONDS)
    seen(page, "10 exported")
    with page.expect_download() as downloaded:
        link.click()
    assert downloaded.value.suggested_filename.endswith(".zip")
