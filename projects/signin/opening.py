"""What the pages of signing in share: who may open them, as whom they act, and where they lead."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from gateway_site.lib.actor import Actor, acting_as
from projects.models import User
from projects.signin import verification
from projects.signin.passkeys import why_not

PersonView = Callable[..., HttpResponse]


def for_person(view: PersonView) -> PersonView:
    """For whoever has given the password, with the person as the second argument."""

    @sensitive_post_parameters()
    @never_cache
    @csrf_protect
    @wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        person = verification.person_at(request)
        if person is None:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        with acting_as(Actor("user", str(person.pk), person.email)):
            return view(request, person, *args, **kwargs)

    return opened


def for_verified(view: PersonView) -> PersonView:
    """For whoever has proved all that there is to prove, members that no other page opens to among them."""

    @for_person
    @wraps(view)
    def opened(request: HttpRequest, person: User, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect(with_next(request, next_step(request, person)))
        return view(request, person, *args, **kwargs)

    return opened


def next_step(request: HttpRequest, person: User) -> str:
    """The page that whoever is not verified yet has to go through."""
    if verification.is_verified(person, request.session):
        return reverse("admin:recovery_codes")
    if verification.has_factor(person):
        return reverse("admin:second_factor")
    return reverse("admin:second_factor_set_up")


def onward(request: HttpRequest) -> str:
    """Where the person wanted to go; the first page, when that is none of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours else reverse("admin:index")


def with_next(request: HttpRequest, page: str) -> str:
    """The page's address, from which it goes on to where this one would."""
    return f"{page}?{urlencode({'next': onward(request)})}"


def show(
    request: HttpRequest, template: str, title: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A page of signing in, in the site's look."""
    shared = {"title": title, "next": onward(request), "why_no_passkeys": why_not(request)}
    response = render(
        request, f"signin/{template}", {**admin.site.each_context(request), **shared, **context}, status=status
    )
    response["Cache-Control"] = "no-store"
    return response
