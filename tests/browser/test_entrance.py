"""The first page of a new gateway, and what is shown where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import NARROW, WIDE, PageAs, Scheme
from tests.browser.survey import MEASURE, open_page
from tests.browser.watching import Watch
from tests.conformance.gateway import Gateway

pytestmark = pytest.mark.claim("browser.quiet")

_LINK = "from projects.setup import make_token; print('TOKEN', make_token())"
WRONG = ("faint", "icons", "unnamed", "unreachable", "wide")


@pytest.fixture(scope="module")
def new_gateway(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("new"), {"version": 1}, environment={"GATEWAY_LOG_LEVEL": "WARNING"}) as made:
        yield made


def rules_kept(page: Page) -> None:
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        found = page.evaluate(MEASURE)
        assert {name: found[name] for name in WRONG if found[name]} == {}
        assert found["overflow"] <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_operators_account_is_made_on_a_page_that_keeps_all_rules(
    browser: Browser, new_gateway: Gateway, scheme: Scheme
) -> None:
    url = f"http://127.0.0.1:{new_gateway.port}"
    watch = Watch(urlsplit(url).netloc)
    context = browser.new_context(base_url=url, color_scheme=scheme)
    watch.over(context)
    page = context.new_page()
    said = new_gateway.manage("shell", "-c", _LINK).split()
    open_page(page, f"/setup/{said[said.index('TOKEN') + 1]}/")
    rules_kept(page)
    page.locator("input[name=email]").fill("first@gateway.test")
    page.locator("input[name=password]").fill("password")
    page.get_by_role("button", name="Create account").click()
    page.get_by_text("too common").wait_for()
    rules_kept(page)
    context.close()
    # The answer to a wrong password has a status that says so.
    watch.errors = [text for text in watch.errors if "422" not in text]
    assert watch.found() == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_not_there_is_a_page_that_keeps_all_rules(page_as: PageAs, watch: Watch, scheme: Scheme) -> None:
    page = page_as("operator", WIDE, scheme)
    response = page.goto("/nowhere/")
    assert response is not None
    assert response.status == 404
    rules_kept(page)
    watch.errors = [text for text in watch.errors if "404" not in text]
