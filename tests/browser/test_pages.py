"""All pages of the admin as an operator sees them: quiet, light, readable, and usable on a small screen."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from tests.browser import survey as surveys
from tests.browser.conftest import NARROW, WIDE, PageAs
from tests.browser.scene import Scene
from tests.browser.signing import sign_in
from tests.browser.survey import Survey
from tests.browser.watching import Bytes, Watch

MOST_BYTES = 300_000
DOCUMENT = "/api/v1/docs"


@pytest.fixture(scope="package")
def surveyed(browser: Browser, live: Scene) -> tuple[Survey, Watch]:
    """One walk for all tests of this file."""
    watch = Watch(urlsplit(live.url).netloc)

    context = browser.new_context(
        viewport={"width": WIDE[0], "height": WIDE[1]}, base_url=live.url,
        color_scheme="light", reduced_motion="reduce",
    )  # fmt: skip
    watch.over(context)
    sign_in(context, live.url, live.sessions["operator"])
    pages = [path for path in live.pages if path != DOCUMENT]
    return surveys.take(pages, context.new_page(), Bytes), watch


@pytest.mark.claim("browser.quiet")
def test_every_page_that_can_be_asked_for_answers_and_every_model_has_its_list_and_row(live: Scene) -> None:
    assert [each for each in live.addresses if each.status >= 500] == []
    models = {each.model for each in live.addresses if each.model}
    opened = set(live.pages)
    listed = {model for model in models if reverse(f"admin:{model}_changelist") in opened}
    assert models - listed == set()
    assert len(opened) > 3 * len(models), "besides its list there is a page of a row, and of what can be done with it"


@pytest.mark.claim("browser.quiet")
def test_no_page_breaks_its_policy_raises_an_error_or_asks_anybody_else(surveyed: tuple[Survey, Watch]) -> None:
    survey, watch = surveyed
    assert watch.found() == {}
    assert {path: status for path, status in survey.statuses.items() if status != 200} == {}


@pytest.mark.claim("browser.hostile-text")
def test_what_others_wrote_became_no_program_on_any_page(surveyed: tuple[Survey, Watch]) -> None:
    survey, watch = surveyed
    assert watch.canaries == []
    assert survey.wrong("live") == {}


@pytest.mark.claim("browser.narrow")
def test_no_page_scrolls_sideways(surveyed: tuple[Survey, Watch]) -> None:
    wider = {(look.path, look.width): look.found["wide"] for look in surveyed[0].looks if look.found["overflow"] > 0}
    assert wider == {}


@pytest.mark.claim("browser.narrow")
def test_no_cell_shows_only_the_middle_of_what_it_says(surveyed: tuple[Survey, Watch]) -> None:
    assert surveyed[0].wrong("cut") == {}


@pytest.mark.claim("browser.weight")
def test_no_page_is_heavy(surveyed: tuple[Survey, Watch]) -> None:
    assert {path: weight for path, weight in surveyed[0].weights.items() if not 0 < weight < MOST_BYTES} == {}


@pytest.mark.claim("browser.readable")
def test_all_text_stands_out_from_its_ground(surveyed: tuple[Survey, Watch]) -> None:
    assert surveyed[0].wrong("faint") == {}


@pytest.mark.claim("browser.icons")
def test_every_icon_is_drawn(surveyed: tuple[Survey, Watch]) -> None:
    assert surveyed[0].wrong("icons") == {}


@pytest.mark.claim("browser.keys")
def test_everything_that_is_clicked_can_be_reached_and_has_a_name(surveyed: tuple[Survey, Watch]) -> None:
    assert surveyed[0].wrong("unreachable") == {}
    assert surveyed[0].wrong("unnamed") == {}


@pytest.mark.claim("browser.quiet")
def test_the_page_of_the_rest_interface_is_quiet_too(page_as: PageAs) -> None:
    page = page_as()
    page.goto(DOCUMENT)
    page.wait_for_selector(".opblock")


@pytest.mark.claim("browser.quiet")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_whoever_has_not_signed_in_sees_a_page_that_keeps_all_rules(page_as: PageAs, scheme: str) -> None:
    page = page_as(None, WIDE, scheme)
    surveys.open_page(page, "/admin/")
    assert urlsplit(page.url).path == "/admin/login/"
    for look in surveys.measured(page, "/admin/login/", scheme):
        assert look.found["overflow"] <= 0
        assert [look.found[name] for name in ("faint", "icons", "unnamed", "unreachable")] == [[], [], [], []]


@pytest.mark.claim("browser.navigation")
@pytest.mark.parametrize("role", ["operator", "owner", "auditor"])
def test_the_navigation_shows_what_opens_and_nothing_else(page_as: PageAs, role: str) -> None:
    from gateway_site.navigation import GROUPS

    page = page_as(role)
    surveys.open_page(page, "/admin/")
    shown = {link.get_attribute("href") for link in page.locator("#nav-sidebar-apps a").all()}
    addresses = {reverse(entry.view) for group in GROUPS for entry in group.entries}
    opening = {address for address in addresses if page.request.get(address, max_redirects=0).status == 200}
    assert shown == opening
    assert shown


@pytest.mark.claim("browser.navigation")
def test_the_page_that_is_open_is_marked_also_for_who_does_not_see_it(page_as: PageAs) -> None:
    page = page_as()
    opened = {"/admin/servers/server/add/": "Servers", reverse("admin:guardrails_policy_bench"): "Try a text",
              "/admin/audit/event/tail/": "Live tail", "/admin/": "Dashboard"}  # fmt: skip
    for path, title in opened.items():
        surveys.open_page(page, path)
        assert page.locator("#nav-sidebar-apps a[aria-current=page] span:nth-child(2)").all_inner_texts() == [title]


@pytest.mark.claim("browser.keys")
def test_a_small_screen_is_gone_about_with_keys_alone(page_as: PageAs) -> None:
    page = page_as("operator", NARROW)
    surveys.open_page(page, "/admin/servers/server/")
    toggle = page.get_by_label("Open the navigation")
    toggle.focus()
    page.keyboard.press("Enter")
    page.locator("#nav-sidebar").wait_for(state="visible")
    page.get_by_label("Close the navigation").focus()
    page.keyboard.press("Enter")
    page.locator("#nav-sidebar").wait_for(state="hidden")


@pytest.mark.claim("browser.keys")
def test_filters_are_opened_and_closed_with_keys(page_as: PageAs) -> None:
    page = page_as()
    surveys.open_page(page, "/admin/servers/server/")
    page.locator("[x-on\\:click='filterOpen = true']").focus()
    page.keyboard.press("Enter")
    sheet = page.locator("#changelist-filter")
    sheet.wait_for(state="visible")
    page.keyboard.press("Escape")
    sheet.wait_for(state="hidden")


@pytest.mark.claim("browser.readable")
def test_colours_are_chosen_and_kept(page_as: PageAs) -> None:
    page = page_as()
    surveys.open_page(page, "/admin/")
    page.locator(".nav-user").click()
    page.get_by_role("button", name="Dark").click()
    page.wait_for_function("document.documentElement.classList.contains('dark')")
    surveys.open_page(page, "/admin/servers/server/")
    page.wait_for_function("document.documentElement.classList.contains('dark')")
