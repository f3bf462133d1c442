from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        # Checks and kinds of jobs register themselves.
        from audit import append_only, checks, export_work, listeners, verification  # noqa: F401  they register

        listeners.connect()
        # A table that SQLite rebuilds in a migration loses its triggers.
        post_migrate.connect(append_only.install, sender=self, dispatch_uid="audit-append-only")
