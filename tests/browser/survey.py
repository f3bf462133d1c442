"""Every page of the admin, opened once in light and once in dark, and measured at both widths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

MEASURE = (Path(__file__).parent / "measure.js").read_text()
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
SCHEMES = ("light", "dark")


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


def take(pages: list[str], new_page: Callable[[str], Page], weigh: Callable[[Page], Any]) -> Survey:
    survey = Survey()
    for scheme in SCHEMES:
        page = new_page(scheme)
        scale = weigh(page) if scheme == SCHEMES[0] else None
        for path in pages:
            if scale is not None:
                scale.start()
            survey.statuses[path] = open_page(page, path)
            if scale is not None:
                survey.weights[path] = scale.total
            survey.looks += measured(page, path, scheme)
    return survey
