"""A browser and a gateway for it; every test fails whose pages broke a rule that holds for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser import chromium
from tests.browser.scene import Scene, scene
from tests.browser.signing import sign_in
from tests.browser.watching import Watch

WIDE, NARROW = (1280, 900), (390, 844)
# What a page does at once takes longer where the machine has other things to do.
expect.set_options(timeout=20_000)
Scheme = Literal["light", "dark"]
# Opens a page as somebody: page_as(role, size, scheme).
PageAs = Callable[..., Page]


# Of the package, not of the session: while this library runs, no test with an event loop of its own can.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    try:
        program = chromium.program()
    except chromium.NoChromium as reason:
        pytest.skip(f"Not run: {reason}.")
    with sync_playwright() as library:
        # As root, as in a container, Chromium has no sandbox.
        started = library.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture(scope="package")
def live(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Scene]:
    """One gateway for all tests that change nothing in it."""
    with scene(tmp_path_factory.mktemp("browsed")) as made:
        yield made


@pytest.fixture
def watch(live: Scene) -> Iterator[Watch]:
    """Of all that the test opens."""
    made = Watch(urlsplit(live.url).netloc)
    yield made
    assert made.found() == {}


@pytest.fixture
def page_as(browser: Browser, live: Scene, watch: Watch) -> Iterator[PageAs]:
    """`page_as(role, size, scheme)`; without a role nobody is signed in."""
    contexts: list[BrowserContext] = []

    def open_page(role: str | None = "operator", size: tuple[int, int] = WIDE, scheme: Scheme = "light") -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, base_url=live.url
        )
        contexts.append(context)
        watch.over(context)
        if role is not None:
            sign_in(context, live.url, live.sessions[role])
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
