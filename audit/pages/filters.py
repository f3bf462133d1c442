"""Saved filters on the list: kept under a name, shared with the project's other readers or not, and taken away."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from audit import saved_filters
from audit.models import SavedFilter
from audit.pages import asking
from audit.pages.asking import Asked, Unanswerable
from gateway_site.lib.display import visible
from projects.access import Reach
from projects.models import Project, User


def save(request: HttpRequest, reach: Reach, context: dict[str, Any]) -> HttpResponse:
    """Of the project that the filter names."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        asked = asking.read(request.POST, reach)
        project = _project(asked, reach)
        saved_filters.save_filter(
            project=project, user=_person(request), name=request.POST.get("name", "").strip(), query=asked.given,
            is_shared="is_shared" in request.POST,
        )  # fmt: skip
    except Unanswerable:
        return redirect(reverse("admin:audit_event_changelist") + "?e=1")
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, "The filter was saved.")
    return redirect(reverse("admin:audit_event_changelist") + "?" + urlencode(asked.given))


def change(request: HttpRequest, reach: Reach, context: dict[str, Any], number: int) -> HttpResponse:
    """Shares one's own filter, keeps it to oneself again, or deletes it. 404 for all others."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    saved = saved_filters.own_filter(_person(request), reach, number) if number < 2**63 else None
    if saved is None:
        raise Http404
    act = request.POST.get("act")
    if act == "delete":
        saved_filters.delete_filter(saved=saved)
    elif act in ("share", "keep"):
        saved_filters.share_filter(saved=saved, is_shared=act == "share")
    return redirect("admin:audit_event_changelist")


def listed(request: HttpRequest, reach: Reach) -> list[dict[str, Any]]:
    person = _person(request)
    return [_shown(each, person) for each in saved_filters.filters_for(person, reach)]


def can_save(asked: Asked) -> bool:
    """A filter belongs to a project, so that who may no longer read its log loses it."""
    return bool(asked.question.project and asked.question.project > 0)


def _shown(each: SavedFilter, person: User) -> dict[str, Any]:
    # The project may have another name by now.
    query = {name: str(text) for name, text in each.query.items() if name in asking.NAMES}
    query["project"] = each.project.slug
    return {
        "name": visible(each.name), "project": each.project.slug, "is_own": each.user_id == person.pk,
        "by": each.user.email, "is_shared": each.is_shared, "number": each.pk,
        "address": reverse("admin:audit_event_changelist") + "?" + urlencode(query),
    }  # fmt: skip


def _project(asked: Asked, reach: Reach) -> Project:
    """Raises ValidationError."""
    number = asked.question.project
    found = Project.objects.filter(pk=number).first() if number is not None and reach.has(number) else None
    if found is None:
        raise ValidationError("Choose a project; a filter is kept with it.")
    return found


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
