"""What Celery's clock starts for servers."""

from __future__ import annotations

from celery import shared_task

from servers import reading


@shared_task(name="servers.ask_due")  # type: ignore[untyped-decorator]  # Celery has no types
def ask_due() -> int:
    """Asks for the jobs that read servers whose time has come."""
    return reading.ask_due()
