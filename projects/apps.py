from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ProjectsConfig(AppConfig):
    name = "projects"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from projects import checks, row_security, versions  # noqa: F401  registers the system checks

        versions.connect()
        row_security.connect(self)


class PagesConfig(AdminConfig):
    """Django's admin with our own site in it."""

    default_site = "projects.site.GatewayAdminSite"
