from django.apps import AppConfig


class ServersConfig(AppConfig):
    name = "servers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from servers import discovery, policies, versions  # noqa: F401  discovery is a kind of job

        policies.connect()
        versions.connect()
