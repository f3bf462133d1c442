"""Every page of the admin, opened once and measured in light and in dark, at both widths of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page

MEASURE = (Path(__file__).parent / "measure.js").read_text()
Scheme = Literal["light", "dark"]
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
# The theme asks for the machine's colours when a page opens, and when somebody takes to them again.
_ASK_AGAIN = """async (scheme) => {
  const theme = Alpine.$data(document.documentElement);
  theme.switchTheme(scheme === "dark" ? "light" : "dark");
  await Alpine.nextTick();
  theme.switchTheme("auto");
}"""


@dataclass(frozen=True)
class Look:
    """A page as it was at one width: lists of what is wrong with it, by the names in measure.js."""

    path: str
    scheme: str
    width: str
    found: dict[str, Any]


@dataclass
class Survey:
    looks: list[Look] = field(default_factory=list)
    # Of each page and all that belongs to it, without a cache.
    weights: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)

    def wrong(self, name: str) -> dict[str, list[str]]:
        """What of this kind was found, each with the first page that it was found on."""
        found: dict[str, list[str]] = {}
        for look in self.looks:
            for text in look.found[name]:
                found.setdefault(str(text), []).append(f"{look.path} {look.scheme} {look.width}")
        return {text: places[:2] for text, places in found.items()}


def open_page(page: Page, path: str) -> int:
    """The status, once the page can be used."""
    response = page.goto(path, wait_until="load")
    page.wait_for_selector("html:not([x-cloak])", state="attached")
    return response.status if response else 0


def measured(page: Page, path: str, scheme: str) -> Iterator[Look]:
    for width, (across, down) in SIZES.items():
        page.set_viewport_size({"width": across, "height": down})
        yield Look(path, scheme, width, page.evaluate(MEASURE))


def take(pages: list[str], page: Page, weigh: Callable[[Page], Any]) -> Survey:
    """`page` opens in light, and its colours change at once: half of one and half of the other is neither."""
    survey, scale = Survey(), weigh(page)
    for path in pages:
        scale.start()
        survey.statuses[path] = open_page(page, path)
        survey.weights[path] = scale.total
        for scheme in SCHEMES:
            switch(page, scheme)
            survey.looks += measured(page, path, scheme)
        page.emulate_media(color_scheme=SCHEMES[0])
    return survey


def switch(page: Page, scheme: Scheme) -> None:
    """To what the machine is said to want, as the theme does it."""
    page.emulate_media(color_scheme=scheme)
    is_dark = "document.documentElement.classList.contains('dark')"
    if page.evaluate(is_dark) != (scheme == "dark"):
        page.evaluate(_ASK_AGAIN, scheme)
        page.wait_for_function(is_dark if scheme == "dark" else f"!{is_dark}")
