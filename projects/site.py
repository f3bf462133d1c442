"""The admin site: operators get in, and members whose role opens a page of it; each page decides for itself again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path

from projects import switcher
from projects.access import may_enter, roles_at


class SignInForm(AdminAuthenticationForm):
    """Says the same to somebody whom no page opens to as to somebody with a wrong password."""

    def confirm_login_allowed(self, user: Any) -> None:
        if not may_enter(user):
            raise ValidationError(
                self.error_messages["invalid_login"], code="invalid_login",
                params={"username": self.username_field.verbose_name},
            )  # fmt: skip


class GatewayAdminSite(admin.AdminSite):
    site_header = site_title = "Secure MCP Gateway"
    index_title = "Administration"
    login_form = SignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and (request.user.is_staff or bool(roles_at(request)))

    def get_urls(self) -> list[URLResolver | URLPattern]:
        # Leads to any row of any table by number, and none of ours has a page of its own outside.
        ours = [path("project/", self.admin_view(switcher.choose), name="choose_project")]
        return [*ours, *(each for each in super().get_urls() if getattr(each, "name", None) != "view_on_site")]
