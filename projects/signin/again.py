"""What matters is asked for again: pages that only open to who has proved within ten minutes who they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from projects.pages import M, ModelAdmin
from projects.signin.verification import RECENT_SECONDS, is_recent

View = Callable[..., HttpResponseBase]


def ask_again(request: HttpRequest, seconds: int = RECENT_SECONDS) -> HttpResponse | None:
    """The way to the page that asks, or None when the last proof is fresh.

    From there it goes back to a GET of this page: what was posted is not kept anywhere and not done.
    """
    if is_recent(request, seconds):
        return None
    return redirect(f"{reverse('admin:second_factor')}?{urlencode({'next': request.get_full_path()})}")


def recently_verified(view: View) -> View:
    """For views of people who have signed in."""

    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return ask_again(request) or view(request, *args, **kwargs)

    return asked


class AsksAgain(ModelAdmin[M]):
    """Pages of a model whose forms, or some of whose actions, ask again. Whoever may only look is not asked."""

    # Of add, change and delete, and names of actions of the list.
    asks_again: frozenset[str] = frozenset({"add", "change", "delete"})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        act = "change" if object_id else "add"
        may = self.has_change_permission(request) if object_id else self.has_add_permission(request)
        answer = ask_again(request) if may and act in self.asks_again else None
        return answer or super().changeform_view(request, object_id, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer = ask_again(request) if self.has_delete_permission(request) and "delete" in self.asks_again else None
        return answer or super().delete_view(request, *args, **kwargs)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        chosen = {"delete" if name == "delete_selected" else name for name in request.POST.getlist("action")}
        answer = ask_again(request) if chosen & self.asks_again else None
        return answer or super().response_action(request, queryset, *args)
