"""The name and mark of the pages, as the theme of the admin (django-unfold) takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _static(name: str) -> Callable[[Any], str]:
    """The address of a static file, asked for with each page: settings are read before there is one."""

    def address(request: Any) -> str:
        from django.templatetags.static import static

        return static(name)

    return address


LOOK: dict[str, Any] = {
    "SITE_TITLE": "Secure MCP Gateway",
    "SITE_HEADER": "Secure MCP Gateway",
    "SITE_URL": None,
    "SITE_ICON": {"light": _static("gateway/mark.svg"), "dark": _static("gateway/mark-dark.svg")},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("gateway/mark.svg")}],
    "SHOW_VIEW_ON_SITE": False,
}
