"""Pages that only an act leads to, each with markup of others on it, which runs on none."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser import hostile
from tests.browser.conftest import PageAs
from tests.browser.survey import MEASURE, open_page

pytestmark = pytest.mark.claim("browser.hostile-text")


def look(page: Page) -> None:
    """Nothing of others' text is an attribute that is evaluated; what ran is collected by itself."""
    assert page.evaluate(MEASURE)["live"] == []


def select(page: Page, path: str, action: str) -> None:
    """Asks for an action on all rows of a list."""
    open_page(page, path)
    page.locator("#action-toggle, input[name=action_toggle_all], thead input[type=checkbox]").first.check()
    page.locator("select[name=action]").select_option(action)
    page.get_by_role("button", name="Run").click()
    page.wait_for_load_state()


@pytest.mark.parametrize(
    ("path", "action", "shows"),
    [("/admin/servers/tool/", "approve_selected", "canary"), ("/admin/projects/apikey/", "revoke_keys", "canary"),
     ("/admin/projects/apikey/", "rotate_keys", "canary"), ("/admin/projects/user/", "delete_selected", "operator"),
     ("/admin/servers/server/", "delete_selected", "docs")],
)  # fmt: skip
def test_a_page_that_asks_whether_something_is_meant(page_as: PageAs, path: str, action: str, shows: str) -> None:
    page = page_as()
    select(page, path, action)
    assert shows in page.locator("#content").inner_text()
    look(page)


def test_the_page_of_a_definition_beside_another(page_as: PageAs) -> None:
    page = page_as()
    open_page(page, "/admin/servers/tool/")
    page.locator("#result_list tbody a").first.click()
    page.locator("table.rows tr", has_text="waiting").locator("a").first.click()
    assert "canary(1)" in page.locator("table.comparison").inner_text()
    look(page)


def test_the_bench_shows_what_was_pasted(page_as: PageAs) -> None:
    page = page_as()
    open_page(page, "/admin/guardrails/policy/bench/")
    page.locator("textarea[name=text]").fill(hostile.TEXT)
    page.get_by_role("button", name="Try it").click()
    page.locator("pre.code").first.wait_for()
    assert "canary(3)" in page.locator("#content").inner_text()
    look(page)


def test_the_reason_of_a_refusal(page_as: PageAs) -> None:
    page = page_as()
    open_page(page, "/admin/servers/grant/why/?project=acme&server=docs&kind=tool")
    page.locator("input[name=user]").fill("ada@acme.test")
    page.locator("input[name=name]").fill(f"echo {hostile.TEXT}"[:500])
    page.locator("button[name=ask]").click()
    page.locator(".verdict").wait_for()
    look(page)


def test_the_preview_of_an_overlay(page_as: PageAs) -> None:
    page = page_as()
    open_page(page, "/admin/servers/overlay/")
    page.locator("#result_list tbody a").first.click()
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Preview what models would see").click()
    opened.value.locator("#content").wait_for()
    look(opened.value)


def test_a_choice_that_is_looked_for_while_typing(page_as: PageAs) -> None:
    page = page_as()
    open_page(page, "/admin/projects/membership/add/")
    page.locator("#id_project + .select2-container").click()
    page.locator(".select2-results__option:not(.loading-results)").first.wait_for()
    look(page)


def test_the_log_and_a_call_in_it(page_as: PageAs) -> None:
    page = page_as()
    open_page(page, "/admin/audit/event/?project=acme&q=canary")
    open_page(page, "/admin/audit/event/?project=acme&kind=mcp.call.outcome")
    page.locator("#result_list tbody a").first.click()
    assert "canary(1)" in page.locator("#content").inner_text()
    look(page)


def test_a_key_is_shown_with_what_it_is_called(page_as: PageAs) -> None:
    page = page_as()
    open_page(page, "/admin/projects/apikey/add/")
    page.locator("#id_project + .select2-container").click()
    page.locator(".select2-search__field").last.fill("acme")
    page.locator(".select2-results__option--highlighted").wait_for()
    page.keyboard.press("Enter")
    page.locator("input[name=email]").fill("ada@acme.test")
    page.locator("input[name=label]").fill(hostile.short(0, 100))
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".secret").wait_for()
    assert "canary(1)" in page.locator("#content").inner_text()
    look(page)
