"""The addresses of the log's pages, for operators and for members who may read their projects' logs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from audit.models import Event
from audit.pages import event, filters, listing, proof, tail
from projects.permissions import AUDIT_READ
from projects.scoped_pages import ScopedReadOnlyAdmin
from projects.switcher import looked_at


@admin.register(Event)
class EventAdmin(ScopedReadOnlyAdmin[Event]):
    """An event out of reach is answered like one that there never was."""

    reads = writes = AUDIT_READ
    project_column = "project_ref"

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
            self._check(request)
            if "number" in found and view is not filters.change:
                found = {"shown": self.find(request, found["number"], self.reads)}
            reach = looked_at(request, self.reads)
            answer: HttpResponse = view(request, reach, self.admin_site.each_context(request), **found)
            return answer

        return self.admin_site.admin_view(wrapped)

    def _check(self, request: HttpRequest, *, is_page: bool = False) -> None:
        if not self.may(request, self.reads) or (is_page and request.method == "POST"):
            raise PermissionDenied

    def _find(self, request: HttpRequest, number: str) -> Event:
        """Raises Http404."""
        if not number.isascii() or not number.isdigit() or len(number) > 18:
            raise Http404
        return self.find(request, int(number), self.reads)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self._check(request, is_page=True)
        return listing.show(request, looked_at(request, self.reads), self.admin_site.each_context(request))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._check(request, is_page=True)
        reach, context = looked_at(request, self.reads), self.admin_site.each_context(request)
        return event.show(request, reach, context, self._find(request, object_id))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._check(request)
        self._find(request, object_id)
        return super().history_view(request, object_id, extra_context)
