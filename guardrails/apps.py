from django.apps import AppConfig


class GuardrailsConfig(AppConfig):
    name = "guardrails"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from guardrails import checks, versions  # noqa: F401  registers the system checks

        versions.connect()
