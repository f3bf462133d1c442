"""Choices of what there may be much of, in a browser: found by name as one types, and narrowed to a form's project."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from proxy.playground.finding import MOST
from tests.browser import hostile
from tests.browser.stage import SECONDS, Stage, page_of, stage

_MANY = 150
_SCHEMA = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
_ADD_SERVERS = """
from projects.models import Project
from servers.services import new_server, save_server
for project, slug in (("acme", "own"), ("globex", "other")):
    project = Project.objects.get(slug=project)
    save_server(server=new_server(project=project, slug=slug, url="http://127.0.0.1:9/mcp"), headers={})
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("choices")) as running:
        tools = [{"name": f"tool-{number}", "inputSchema": _SCHEMA} for number in range(_MANY)]
        tools += [{"name": "odd", "title": hostile.TEXT[:150], "description": hostile.TEXT, "inputSchema": _SCHEMA}]
        running.upstream.tools["/docs"] = tools
        running.gateway.manage("discover", "--project", "acme", "--wait")
        running.shell(_ADD_SERVERS)
        yield running


def options_of(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Tool", exact=True).get_by_role("option")


@pytest.mark.claim("pages.growth")
@pytest.mark.claim("pages.playground")
def test_a_tool_among_many_is_found_as_one_types_and_called(made: Stage, browser: Browser) -> None:
    with page_of(made, browser, "member") as page:
        page.goto("/admin/playground/?project=acme")
        expect(options_of(page)).to_have_count(MOST, timeout=SECONDS)
        expect(page.locator("[data-more]")).to_contain_text(f"the first {MOST}")
        assert "tool-99" not in options_of(page).all_inner_texts()
        page.get_by_label("Find").press_sequentially("docs tool-99")
        expect(options_of(page)).to_have_text(["tool-99"], timeout=SECONDS)
        expect(page.locator("[data-more]")).to_be_hidden()
        page.get_by_label("text *").fill("one of many")
        page.get_by_role("button", name="Call it").click()
        expect(page.locator("[data-outcome]")).to_have_text("Answered.")
        (seen,) = made.upstream.saw("one of many")
        assert seen.message["params"]["name"] == "tool-99"
        page.get_by_label("Find").fill("nothing-is-called-so")
        expect(page.locator("[data-status]")).to_have_text("No tool that you may call is named so.", timeout=SECONDS)
        expect(page.get_by_role("button", name="Call it")).to_be_hidden()
        page.get_by_label("Find").fill("")
        expect(options_of(page)).to_have_count(MOST, timeout=SECONDS)


@pytest.mark.claim("pages.markup")
def test_the_address_names_a_tool_and_what_it_says_is_text(made: Stage, browser: Browser) -> None:
    with page_of(made, browser, "owner") as page:
        page.goto("/admin/playground/?project=acme&server=docs&tool=odd")
        expect(options_of(page)).to_have_text([hostile.TEXT[:150]], timeout=SECONDS)
        expect(page.locator("[data-description]")).to_have_text(hostile.TEXT)
        page.goto("/admin/playground/?project=acme&server=docs")
        expect(page.get_by_label("Find")).to_have_value("docs/")
        expect(options_of(page)).to_have_count(MOST, timeout=SECONDS)


@pytest.mark.claim("scope.sweep")
def test_a_rule_offers_the_servers_of_its_own_project(made: Stage, browser: Browser) -> None:
    with page_of(made, browser, "operator") as page:
        page.goto("/admin/servers/grant/add/")
        expect_offered(page, "server", ["acme/docs", "acme/own", "globex/other"])
        choose(page, "project", "globex")
        expect_offered(page, "server", ["globex/other"])
        choose(page, "server", "globex/other")
        # What was chosen is no server of another project.
        choose(page, "project", "acme")
        expect(page.locator("#id_server")).to_have_value("")
        expect_offered(page, "server", ["acme/docs", "acme/own"])
        choose(page, "server", "acme/own")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("was added successfully")).to_be_visible(timeout=SECONDS)
        # The project of a rule that there is stands in no field any more.
        page.get_by_role("row", name=re.compile("own")).get_by_role("link").first.click()
        expect(page.locator("#id_project")).to_have_count(0)
        expect_offered(page, "server", ["acme/docs", "acme/own"])


def expect_offered(page: Page, field: str, texts: list[str]) -> None:
    """The field's list has these when it is opened."""
    page.locator(f"#id_{field} + .select2-container").click()
    # In the order of the list; those of the time before stand there until the new ones come.
    expect(page.locator(".select2-results__option:not(.loading-results)")).to_have_text(texts, timeout=SECONDS)
    page.keyboard.press("Escape")
    expect(page.locator(".select2-results__option")).to_have_count(0)


def choose(page: Page, field: str, text: str) -> None:
    page.locator(f"#id_{field} + .select2-container").click()
    page.locator(".select2-results__option", has_text=text).click()
    expect(page.locator(f"#id_{field} + .select2-container")).to_contain_text(text)
