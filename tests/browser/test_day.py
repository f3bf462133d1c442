"""The first day in a browser: from nothing to a call that comes through, the playground, review and live progress."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import hostile
from tests.browser.conftest import NARROW, WIDE
from tests.browser.signing import sign_in
from tests.browser.watching import Watch
from tests.conformance.gateway import Gateway
from tests.e2e.upstream import META_PREFIX, MODERN, Upstream, running

_SESSION = """
from projects.models import User
from tests.browser.signing import session_of
user = User.objects.filter(email="operator@gateway.test").first()
user = user or User.objects.create_superuser("operator@gateway.test", "a long enough passphrase")
print("SESSION " + session_of(user))
"""
SCHEMA = {
    "type": "object", "required": ["text"],
    "properties": {
        "text": {"type": "string", "description": hostile.TEXT},
        "times": {"type": "integer", "minimum": 1},
        "loud": {"type": "boolean"},
        "tone": {"enum": ["soft", "hard"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "where": {"type": "object", "properties": {"room": {"type": "string"}}},
        "any": {},
    },
}  # fmt: skip
# Whatever waits longer than this is broken.
SECONDS = 20_000


@dataclass
class Day:
    """A gateway that nobody has set up, and a server that it could reach."""

    gateway: Gateway
    upstream: Upstream
    session: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Day]:
    home: Path = tmp_path_factory.mktemp("day")
    with running() as upstream:
        upstream.tools["/docs"] = [{"name": "echo", "description": hostile.TEXT, "inputSchema": SCHEMA}]
        with Gateway(home, {"version": 1}, environment={"GATEWAY_KEY_RATE": "0"}) as gateway:
            line = next(each for each in gateway.manage("shell", "-c", _SESSION).splitlines() if "SESSION " in each)
            yield Day(gateway, upstream, line.split()[-1])


@pytest.fixture
def page(day: Day, browser: Browser) -> Iterator[Page]:
    watch = Watch(urlsplit(day.url).netloc)
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, base_url=day.url)
    watch.over(context)
    sign_in(context, day.url, day.session)
    opened = context.new_page()
    opened.set_default_timeout(SECONDS)
    yield opened
    context.close()
    assert watch.found() == {}


def call_with(day: Day, key: str, text: str) -> None:
    """As a client would that was given the key."""
    meta = {f"{META_PREFIX}protocolVersion": MODERN, f"{META_PREFIX}clientCapabilities": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
               "params": {"name": "echo", "arguments": {"text": text}, "_meta": meta}}  # fmt: skip
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream",
               "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "echo"}  # fmt: skip
    answer = httpx.post(f"{day.url}/mcp/first/docs", json=message, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text


@pytest.mark.claim("pages.start")
@pytest.mark.claim("pages.kits")
@pytest.mark.claim("pages.live")
def test_a_day_begins_with_nothing_and_ends_with_a_call(day: Day, page: Page) -> None:
    page.goto("/admin/")
    page.get_by_role("link", name="Make a project").click()
    page.get_by_label("Name in addresses").fill("first")
    page.get_by_role("button", name="Make it").click()

    page.get_by_label("Name", exact=True).fill("docs")
    page.get_by_label("Address").fill(day.upstream.url("docs"))
    page.get_by_role("button", name=re.compile("Add it")).click()

    progress = page.locator("[data-progress-text]")
    expect(progress).to_have_text(re.compile("^Read "), timeout=SECONDS)
    expect(page.locator("[data-progress-approved]")).to_have_text("1")
    page.get_by_role("link", name="Next: a key").click()

    page.get_by_role("button", name="Issue it").click()
    state = page.locator("[data-state]")
    expect(state).to_have_text(re.compile("Waiting for the first call"))
    key = page.locator(".secret").inner_text()
    assert key not in page.url and key not in json.dumps(page.context.storage_state())
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download connect-claude-code.sh").click()
    assert key in saved.value.path().read_text()
    call_with(day, key, "the first call")
    expect(state).to_have_text(re.compile("It works.*tools/call at docs"), timeout=SECONDS)
    expect(page.locator("[data-kit]")).to_have_class(re.compile("is-green"))

    page.get_by_role("link", name="To the dashboard").click()
    calls = page.locator("[data-figure=calls]")
    expect(calls).to_have_text("1", timeout=SECONDS)
    call_with(day, key, "the second call")
    expect(calls).to_have_text("2", timeout=SECONDS)
    calls.click()
    expect(page.locator("table tbody tr")).to_have_count(2)


@pytest.mark.claim("pages.playground")
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_tool_is_tried_with_a_form_of_its_schema(day: Day, page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto("/admin/playground/?project=first")
    page.get_by_label("text *").fill(f"played {size[0]}")
    page.get_by_label("times").fill("3")
    page.get_by_label("loud").select_option(label="true")
    page.get_by_label("tone").select_option(label="hard")
    page.get_by_role("button", name="Add one").click()
    page.get_by_label("tags 1 *").fill("a tag")
    page.get_by_label("room").fill("attic")
    page.get_by_label("any (JSON)").fill('{"x": [1]}')
    page.get_by_role("button", name="Call it").click()
    expect(page.locator("[data-outcome]")).to_have_text("Answered.")
    expect(page.locator("[data-stages] tr").first).to_contain_text("Written down")
    (seen,) = day.upstream.saw(f"played {size[0]}")
    assert seen.message["params"]["arguments"] == {
        "text": f"played {size[0]}", "times": 3, "loud": True, "tone": "hard", "tags": ["a tag"],
        "where": {"room": "attic"}, "any": {"x": [1]},
    }  # fmt: skip
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    # In one go: what is typed at once stays, as it does with whoever is quick or pastes.
    page.get_by_text("As JSON").evaluate(
        """summary => {
          summary.click();
          summary.parentElement.querySelector("[data-json]").value = '{"text": 7}';
        }"""
    )
    expect(page.locator("[data-raw]")).to_have_attribute("open", "")
    page.get_by_role("button", name="Call it").click()
    expect(page.locator("[data-outcome]")).to_have_text("The tool reports an error.")
    expect(page.locator("[data-sent]")).to_contain_text("Nothing")


@pytest.mark.claim("pages.inbox")
@pytest.mark.claim("pages.live")
def test_what_a_server_changes_waits_and_is_decided_on(day: Day, page: Page) -> None:
    day.upstream.tools["/docs"] = [
        {"name": "echo", "description": f"Another. {hostile.TEXT}", "inputSchema": SCHEMA},
        {"name": "new", "description": hostile.TEXT, "inputSchema": {"type": "object"}},
    ]
    page.goto("/admin/project/first/server/docs/")
    page.get_by_role("button", name="Read its lists now").click()
    expect(page.locator("[data-progress-waiting]")).to_have_text("2", timeout=SECONDS)
    page.goto("/admin/review/")
    count = page.locator("[data-member=waiting]")
    expect(count).to_have_text("2")
    for box in page.locator("input[name=version]").all():
        box.check()
    page.get_by_label("Reason").fill("looked at it")
    page.get_by_role("button", name="Approve the selected").click()
    expect(count).to_have_text("0")
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()


@pytest.mark.claim("pages.server")
def test_the_connection_is_tried_step_by_step(day: Day, page: Page) -> None:
    page.goto("/admin/project/first/server/docs/")
    page.get_by_role("button", name="Test the connection").click()
    trial = page.locator("#trial")
    expect(trial).to_contain_text("It answered.")
    expect(trial).to_contain_text("server/discover")
    expect(trial).to_contain_text("2 tools")


@pytest.mark.claim("pages.markup")
def test_no_page_of_ours_runs_what_a_server_says(day: Day, page: Page) -> None:
    for path in ("/admin/?project=first", "/admin/project/first/server/docs/", "/admin/project/first/caches/",
                 "/admin/start/", "/admin/start/first/server/", "/admin/start/first/server/docs/",
                 "/admin/start/first/key/", "/admin/review/", "/admin/playground/?project=first"):  # fmt: skip
        for size in (WIDE, NARROW):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            answer = page.goto(path, wait_until="load")
            assert answer is not None and answer.status == 200, path
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], (path, size)
    page.goto("/admin/project/first/server/docs/")
    addresses = [link.get_attribute("href") for link in page.locator("a.hostile").all()]
    assert len(addresses) == 2
    for address in addresses:
        answer = page.goto(str(address))
        assert answer is not None and answer.status == 200
