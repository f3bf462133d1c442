"""The addresses of the log's pages, for operators and for members who may read their projects' logs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from audit.models import Event
from audit.pages import event, filters, listing, proof, tail
from projects.access import Reach
from projects.pages import ActionAdmin, reach_of
from projects.permissions import AUDIT_READ


@admin.register(Event)
class EventAdmin(ActionAdmin[Event]):
    """An event out of reach is answered like one that there never was."""

    opened_by = AUDIT_READ

    def rows_of(self, reach: Reach, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(within(reach))

    def get_urls(self) -> list[URLPattern]:
        ours = [
            path("tail/", self._page(tail.show), name="audit_event_tail"),
            path("suggest/", self._page(listing.suggest), name="audit_event_suggest"),
            path("filters/save/", self._page(filters.save), name="audit_event_save_filter"),
            path("filters/<int:number>/", self._page(filters.change), name="audit_event_change_filter"),
            path("<int:number>/payload/", self._page(event.show_with_payload), name="audit_event_payload"),
            path("<int:number>/verify/", self._page(proof.show), name="audit_event_verify"),
            path("<int:number>/proof.json", self._page(proof.download), name="audit_event_proof"),
        ]
        return [*ours, *super().get_urls()]

    def _page(self, view: Any) -> Any:
        def wrapped(request: HttpRequest, **found: Any) -> HttpResponse:
            reach = reach_of(request, self.opened_by)
            if not reach:
                raise PermissionDenied
            if "number" in found and view is not filters.change:
                found = {"shown": self.find(reach, str(found["number"]))}
            answer: HttpResponse = view(request, reach, self.admin_site.each_context(request), **found)
            return answer

        return self.admin_site.admin_view(wrapped)

    def find(self, reach: Reach, number: str) -> Event:
        """Raises Http404."""
        if not number.isascii() or not number.isdigit() or len(number) > 18:
            raise Http404
        found: Event | None = Event.objects.filter(within(reach), ord=int(number)).first()
        if found is None:
            raise Http404
        return found

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        reach = reach_of(request, self.opened_by)
        if not reach or request.method == "POST":
            raise PermissionDenied
        return listing.show(request, reach, self.admin_site.each_context(request))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        reach = reach_of(request, self.opened_by)
        if not reach or request.method == "POST":
            raise PermissionDenied
        return event.show(request, reach, self.admin_site.each_context(request), self.find(reach, object_id))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        reach = reach_of(request, self.opened_by)
        if not reach:
            raise PermissionDenied
        self.find(reach, object_id)
        return super().history_view(request, object_id, extra_context)


def within(reach: Reach) -> Q:
    return Q() if reach.is_all else Q(project_ref__in=reach.projects)
