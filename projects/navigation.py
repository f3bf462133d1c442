"""The navigation of the pages: what an entry is, who is shown it, and which one is the page that is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True)
class Entry:
    """A page that can be gone to. `view` is the name of its address, `icon` one of static/gateway/icons.txt.

    Whoever may open the list of a model is shown an entry that leads there; other entries are shown to whom `may`
    says. `badge` is a number that waits there, and 0 is not shown; `brings` is the name of the address of a view
    (projects.showing) that says it again, as `badge`, for pages to keep it up to date.
    """

    title: str
    icon: str
    view: str
    may: Callable[[HttpRequest], bool] | None = None
    badge: Callable[[HttpRequest], int] | None = None
    brings: str = ""


@dataclass(frozen=True)
class Group:
    title: str
    entries: Sequence[Entry]


_LIST = "_changelist"
_MOST = 99


def shown(site: AdminSite, request: HttpRequest, groups: Sequence[Group]) -> list[dict[str, Any]]:
    """The groups that this person has anything in, as the template takes them."""
    found = [
        (group.title, [(entry, reverse(entry.view)) for entry in group.entries if _is_open(site, request, entry)])
        for group in groups
    ]
    here = _page_at(request.path, [address for _, entries in found for _, address in entries])
    return [
        {"title": title, "items": [_item(request, entry, address, address == here) for entry, address in entries]}
        for title, entries in found
        if entries
    ]


def _item(request: HttpRequest, entry: Entry, address: str, is_here: bool) -> dict[str, Any]:
    badge = badge_of(entry.badge(request)) if entry.badge else ""
    brings = reverse(entry.brings) if entry.brings else ""
    return {"title": entry.title, "icon": entry.icon, "link": address, "active": is_here, "badge": badge,
            "brings": brings}  # fmt: skip


def badge_of(number: int) -> str:
    """As it is shown."""
    return f"{_MOST}+" if number > _MOST else str(number or "")


def _is_open(site: AdminSite, request: HttpRequest, entry: Entry) -> bool:
    if entry.may is not None:
        return entry.may(request)
    app, _, model = entry.view.removeprefix("admin:").removesuffix(_LIST).partition("_")
    admin = site.get_model_admin(apps.get_model(app, model))
    return admin.has_module_permission(request) and admin.has_view_permission(request)


def _page_at(path: str, addresses: Sequence[str]) -> str:
    """The entry under which the page lies: the one that says most of its address."""
    under = [address for address in addresses if path.startswith(address)]
    nearest = max(under, key=len, default="")
    # All pages lie under the first one.
    return nearest if nearest != reverse("admin:index") or nearest == path else ""
