"""An HTTP address (GATEWAY_AUDIT_WEBHOOK), reached as everything else that is outside: through the egress rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from django.conf import settings

from audit.anchors import AnchorFailed, registry
from gateway_site.lib.egress import EgressDenied, Poster, PostFailed

_SECONDS = 10.0
_ANSWER_BYTES = 64 * 1024


@registry.add
class WebhookAnchor:
    """One POST of newline-delimited JSON; any 2xx is a yes. The lines are signed, so that they need no secret."""

    name = "webhook"

    def publish(self, lines: Sequence[bytes]) -> None:
        try:
            status = asyncio.run(_post(settings.AUDIT_WEBHOOK, b"".join(line + b"\n" for line in lines)))
        except (EgressDenied, PostFailed, TimeoutError) as error:
            raise AnchorFailed(str(error) or type(error).__name__) from None
        if not 200 <= status < 300:
            raise AnchorFailed(f"status {status}")


async def _post(url: str, body: bytes) -> int:
    async with asyncio.timeout(_SECONDS):
        poster = Poster(url, limit=1)
        try:
            answer = await poster.post(url, body, {"Content-Type": "application/x-ndjson"}, limit=_ANSWER_BYTES)
        finally:
            await poster.close()
        return answer.status
