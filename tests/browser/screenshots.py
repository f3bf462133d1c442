"""Pictures of every page in light and dark at both widths, to be looked at: python -m tests.browser.screenshots DIR."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.browser.scene import scene
from tests.browser.signing import sign_in
from tests.browser.survey import SCHEMES, SIZES, open_page

_LONGEST = 120


def take(folder: Path, only: str = "") -> None:
    """Those whose path has `only` in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, scene(Path(home)) as live, sync_playwright() as library:
        started = library.chromium.launch(executable_path=chromium.program(), args=["--no-sandbox"])
        for scheme in SCHEMES:
            for width, (across, down) in SIZES.items():
                context = started.new_context(
                    viewport={"width": across, "height": down}, base_url=live.url,
                    color_scheme="dark" if scheme == "dark" else "light",
                )  # fmt: skip
                page = context.new_page()
                open_page(page, "/admin/login/")
                page.screenshot(path=folder / f"login {scheme} {width}.png")
                sign_in(context, live.url, live.sessions["operator"])
                for path in live.pages:
                    if only in path and path.startswith("/admin/"):
                        open_page(page, path)
                        name = path.removeprefix("/admin/").strip("/").replace("/", "_")[:_LONGEST] or "index"
                        page.screenshot(path=folder / f"{name} {scheme} {width}.png", full_page=True)
                context.close()
        started.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]), *sys.argv[2:3])
