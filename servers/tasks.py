"""What Celery's clock starts for servers."""

from __future__ import annotations

from gateway_site.lib.tasks import task
from servers import reading


@task("servers.ask_due")
def ask_due() -> int:
    """Asks for the jobs that read servers whose time has come."""
    return reading.ask_due()
