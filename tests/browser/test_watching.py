"""The watch and the measure see what they are there for: else that nothing was found would say nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import hostile
from tests.browser.scene import Scene
from tests.browser.survey import MEASURE
from tests.browser.watching import Watch

pytestmark = pytest.mark.claim("browser.quiet")

POLICY = {"Content-Security-Policy": "default-src 'none'; script-src 'self'"}
ROUGH = (
    "<body style='background:#fff'><p style='color:#aaa'>faint</p><button></button><div style='width:2000px'>wide</div>"
    "<span x-on:click='x' style='display:block'>out of reach</span><i x-init='canary(1)'>x</i>"
    "<span class=material-symbols-outlined style='font-size:18px'>no_such_icon</span>"
    "<table><tr><td id=cut style='display:flex;overflow:hidden;height:20px'><span>a<br>b<br>c</span></td></tr></table>"
)


def shown(browser: Browser, live: Scene, watch: Watch, body: str, headers: dict[str, str] | None = None) -> Page:
    context = browser.new_context(base_url=live.url)
    watch.over(context)
    page = context.new_page()
    page.route("**/made-up", lambda route: route.fulfill(
        body=f"<!doctype html>{body}", content_type="text/html", headers=headers or {}
    ))  # fmt: skip
    page.goto("/made-up", wait_until="networkidle")
    return page


def test_what_a_page_may_not_do_is_noticed(browser: Browser, live: Scene) -> None:
    watch = Watch(urlsplit(live.url).netloc)
    shown(browser, live, watch, "<script>1</script>", POLICY).context.close()
    assert "script-src-elem" in watch.found()["violations"][0]
    shown(browser, live, watch, "<script>throw new Error('oh')</script>").context.close()
    assert any("oh" in text for text in watch.found()["errors"])
    shown(browser, live, watch, "<img src=http://127.0.0.1:9/elsewhere.png>").context.close()
    assert watch.found()["external requests"] == ["http://127.0.0.1:9/elsewhere.png"]


@pytest.mark.parametrize("number", [0, 5, 7])
def test_hostile_text_runs_where_it_is_not_escaped(browser: Browser, live: Scene, number: int) -> None:
    watch = Watch(urlsplit(live.url).netloc)
    body = f"<script>1{hostile.MARKUP[number]}" if "</script>" in hostile.MARKUP[number] else hostile.MARKUP[number]
    shown(browser, live, watch, body).context.close()
    assert watch.canaries != []


def test_hostile_text_runs_as_an_attribute_that_the_theme_evaluates(browser: Browser, live: Scene) -> None:
    watch = Watch(urlsplit(live.url).netloc)
    script = "<script src=/static/unfold/js/alpine/alpine.js defer></script>"
    shown(browser, live, watch, script + hostile.MARKUP[1] + f'<p title="{hostile.MARKUP[2]}">x</p>').context.close()
    assert {text.rsplit(" ", 1)[-1] for text in watch.canaries} == {"2", "3"}


def test_what_is_rough_about_a_page_is_measured(browser: Browser, live: Scene) -> None:
    page = shown(browser, live, Watch(urlsplit(live.url).netloc), ROUGH)
    found = page.evaluate(MEASURE)
    page.context.close()
    assert found["overflow"] > 0
    assert any("faint" in text for text in found["faint"])
    assert found["icons"] == ["no_such_icon"]
    assert found["unnamed"]
    assert found["unreachable"]
    assert found["live"] == ["i. x-init"]
    assert found["cut"] == ["td#cut."]
