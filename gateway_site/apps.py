from django.apps import AppConfig


class GatewaySiteConfig(AppConfig):
    name = "gateway_site"

    def ready(self) -> None:
        from django.conf import settings

        from gateway_site import celery  # noqa: F401  work that any process asks for goes to this application
        from gateway_site.lib import logs, tracing

        logs.configure(settings.LOG_LEVEL)
        tracing.configure(settings.OTLP_ENDPOINT)
