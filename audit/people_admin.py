"""The operator's page of people of whom payloads are kept, by which these are erased. Payloads are not shown here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import BigIntegerField, Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast, Coalesce
from django.http import HttpRequest, HttpResponse

from audit import erasure
from audit.models import Payload, SubjectKey
from projects.models import Project, User
from projects.pages import ReadOnlyAdmin


@admin.register(SubjectKey)
class PersonWithPayloadsAdmin(ReadOnlyAdmin[SubjectKey]):
    fields = ("person", "project", "state", "payloads", "created_at", "erased_at")
    list_display = ("person", "project", "state", "payloads", "created_at", "erased_at")
    search_fields = ("=subject",)
    search_help_text = "A user's id."
    actions = ("erase_people",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SubjectKey]:
        """With whose it is and how many payloads there are, for the whole list at once."""
        person = User.objects.filter(pk=Cast(OuterRef("subject"), BigIntegerField()))
        payloads = Payload.objects.filter(project_ref=OuterRef("project_ref"), subject_key=OuterRef("pk")).order_by()
        return super().get_queryset(request).annotate(
            email=Subquery(person.values("email")[:1]),
            slug=Subquery(Project.objects.filter(pk=OuterRef("project_ref")).values("slug")[:1]),
            kept=Coalesce(Subquery(payloads.values("subject_key").annotate(n=Count("pk")).values("n")), 0),
        )  # fmt: skip

    @admin.display(description="person")
    def person(self, key: Any) -> str:
        return key.email or f"user {key.subject}, who is gone"

    @admin.display(description="project")
    def project(self, key: Any) -> str:
        # A project that is gone is known by its events.
        return key.slug or erasure.slug_of(key.project_ref)

    @admin.display(description="state")
    def state(self, key: SubjectKey) -> str:
        return "erased" if key.wrapped is None else "kept"

    @admin.display(description="payloads")
    def payloads(self, key: Any) -> int:
        return int(key.kept)

    @admin.action(description="Erase the payloads of the selected people")
    def erase_people(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        question = "Erase what was kept of these people's calls? It can never be read again."
        asked = self.ask_first(request, queryset, "erase_people", question)
        if asked is None:
            for key in queryset.filter(wrapped__isnull=False):
                erasure.erase_subject(project_ref=key.project_ref, subject=key.subject)
        return asked
