"""HTTP: one signed POST for each batch, with a key by which a receiver can tell what it has already."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Sequence

from audit.forwarding import Destination, Message, NotTaken, Refused, registry
from gateway_site.lib.egress import DROPPED, Answer, EgressDenied, Poster, PostFailed, check_url

_SECONDS = 10.0
_ANSWER_BYTES = 64 * 1024
# RFC 9110: not now (408 and 429 and any of the server's own faults), and what a smaller batch may be spared.
_NOT_NOW = (408, 425, 429)
_DIVISIBLE = (400, 413, 422)


@registry.add
class Webhook:
    """Lines in the body; any 2xx is a yes. Headers: see sign() and Idempotency-Key."""

    name = "webhook"
    label = "Webhook (HTTPS)"
    schemes: tuple[str, ...] = ("https", "http")
    default_format = "jsonl"
    secrets = frozenset({"signing_key", "authorization"})

    def __init__(self, destination: Destination, media_type: str, header: bytes) -> None:
        self._to, self._media_type, self._header = destination, media_type, header
        self._poster: Poster | None = None

    @staticmethod
    def check(address: str) -> str:
        check_url(address)
        return address

    async def send(self, messages: Sequence[Message]) -> None:
        body = self._header + b"".join(message.line for message in messages)
        headers = {
            "Content-Type": self._media_type,
            "User-Agent": "mcp-gateway",
            "Idempotency-Key": _key_of(self._to.uid, messages),
            **sign(self._to.secrets.get("signing_key", ""), body, int(time.time())),
        }
        if self._to.secrets.get("authorization"):
            headers["Authorization"] = self._to.secrets["authorization"]
        _judge(await self._post(body, headers))

    async def close(self) -> None:
        if self._poster is not None:
            await self._poster.close()

    async def _post(self, body: bytes, headers: dict[str, str]) -> Answer:
        try:
            async with asyncio.timeout(_SECONDS):
                if self._poster is None:
                    self._poster = Poster(self._to.address, limit=1, tls=self._to.tls())
                try:
                    return await self._poster.post(self._to.address, body, headers, limit=_ANSWER_BYTES)
                except PostFailed as error:
                    if error.kind != DROPPED:
                        raise
                # A kept connection that the receiver closed meanwhile is no fault of it.
                return await self._poster.post(self._to.address, body, headers, limit=_ANSWER_BYTES)
        except EgressDenied as error:
            raise NotTaken(f"denied: {error}"[:40]) from None
        except PostFailed as error:
            raise NotTaken(error.kind) from None
        except TimeoutError:
            raise NotTaken("timeout") from None


def sign(key: str, body: bytes, timestamp: int) -> dict[str, str]:
    """The headers that prove who sent `body` and when: HMAC-SHA256 over `<seconds since 1970>.<body>`, hexadecimal.

    None without a key.
    """
    if not key:
        return {}
    proof = hmac.digest(key.encode(), b"%d.%b" % (timestamp, body), "sha256").hex()
    return {"X-MCPGW-Timestamp": str(timestamp), "X-MCPGW-Signature": f"v1={proof}"}


def _key_of(uid: str, messages: Sequence[Message]) -> str:
    """The same whenever the same events are sent again."""
    first, last = messages[0], messages[-1]
    about = f"{uid}:{first.project_ref}:{first.seq}:{last.seq}:{first.record.get('id')}"
    return hashlib.sha256(about.encode()).hexdigest()[:32]


def _judge(answer: Answer) -> None:
    """Raises NotTaken and Refused unless it is a yes."""
    if 200 <= answer.status < 300:
        return
    fault = f"status {answer.status}"
    if 400 <= answer.status < 500 and answer.status not in _NOT_NOW:
        raise Refused(fault, is_divisible=answer.status in _DIVISIBLE)
    # A redirect is not followed: where it leads nobody allowed.
    asked = answer.headers.get("retry-after", "")
    raise NotTaken(fault, float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0.0)
