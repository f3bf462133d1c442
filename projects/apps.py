from typing import Any

from django.apps import AppConfig
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig


class ProjectsConfig(AppConfig):
    name = "projects"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from projects import checks, row_security, versions  # noqa: F401  registers the system checks

        versions.connect()
        row_security.connect(self)


class PagesConfig(SimpleAdminConfig):
    """Django's admin with our own site in it. Where that is lazy, gateway_site.urls registers the pages."""

    default_site = "projects.site.GatewayAdminSite"
    is_lazy = False

    def ready(self) -> None:
        super().ready()
        if not self.is_lazy:
            autodiscover()


class ThemeConfig(AppConfig):
    """django-unfold's templates, tags and files. Its own configuration would import its site into every process."""

    name = "unfold"


class PasskeysConfig(AppConfig):
    """django-otp-webauthn's tables. Its own configuration would import all of it into every process.

    What that one checks besides is of settings that do not hold here: origins are each request's own.
    """

    name = "django_otp_webauthn"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The page that deletes a person lists what goes with them, and there it would say the number itself.
        handle: Any = self.get_model("WebAuthnUserHandle")
        handle.__str__ = lambda row: f"handle of {row.user_id}"
