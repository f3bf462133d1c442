"""The admin site: operators get in, and members whose role opens a page of it; each page decides for itself again.

Whoever has not proved enough is nobody here (projects.signin.middleware), and is led on to do so.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path
from django.utils.module_loading import import_string

from projects import navigation, switcher
from projects.access import may_enter, reach_at, roles_at
from projects.dress import Dressed
from projects.permissions import AUDIT_READ, CONFIG_READ

if TYPE_CHECKING:
    AdminSite = admin.AdminSite
else:
    from unfold.sites import UnfoldAdminSite as AdminSite

# Lead to any row of any table by number, none of which has a page of its own outside; and to a search in names of
# models, which answers a wrong page number with an error.
_LEFT_OUT = ("view_on_site", "search")


class SignInForm(Dressed, AdminAuthenticationForm):
    """Says the same to somebody whom no page opens to as to somebody with a wrong password."""

    def confirm_login_allowed(self, user: Any) -> None:
        if not may_enter(user):
            raise ValidationError(
                self.error_messages["invalid_login"], code="invalid_login",
                params={"username": self.username_field.verbose_name},
            )  # fmt: skip


class GatewayAdminSite(AdminSite):
    site_header = site_title = "Secure MCP Gateway"
    index_title = "Dashboard"
    login_form = SignInForm

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """With whether the socket of pages opens to them: a browser complains of each that does not."""
        may_follow = any(reach_at(request, action) for action in (AUDIT_READ, CONFIG_READ))
        return {**super().each_context(request), "may_follow": may_follow}

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and (request.user.is_staff or bool(roles_at(request)))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from projects.signin import opening, passkeys, verification

        person = verification.person_at(request)
        if person is not None and not request.user.is_authenticated:
            return redirect(opening.with_next(request, opening.next_step(request, person)))
        response: HttpResponse = super().login(
            request, {"why_no_passkeys": passkeys.why_not(request), **(extra_context or {})}
        )
        if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            verification.note_password(request)
        return response

    def password_change(  # type: ignore[override]  # Django's own answers a redirect too
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("admin:account_password")

    def get_urls(self) -> list[URLResolver | URLPattern]:
        from projects import token_pages
        from projects.signin import account_pages, factor_pages, invitation_pages

        own = [
            path("project/", self.admin_view(switcher.choose), name="choose_project"),
            path("tokens/", self.admin_view(token_pages.tokens_page), name="tokens"),
            *factor_pages.urls(), *account_pages.urls(), *invitation_pages.urls(),
        ]  # fmt: skip
        return [*own, *(each for each in super().get_urls() if getattr(each, "name", None) not in _LEFT_OUT)]

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """What the theme asks for; the settings say where it is declared."""
        return navigation.shown(self, request, import_string(settings.NAVIGATION))
