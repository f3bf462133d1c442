"""Puts a file into an S3-compatible bucket: one PUT, signed (AWS Signature Version 4), through the egress rules.

Source: "Authenticating Requests: Using the Authorization Header" of the Amazon S3 API reference, whose examples are
tests of ours. Buckets are addressed by path, which every compatible store takes.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from audit.entry import now
from gateway_site.lib.egress import EgressDenied, Poster, PostFailed

# The most that one PUT may hold.
MOST_BYTES = 5 * 2**30
_SECONDS = 300.0
_ANSWER_BYTES = 64 * 1024
_ALGORITHM = "AWS4-HMAC-SHA256"
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,60})</Code>")


class PutFailed(Exception):
    """The store did not take the file. The text holds no secret."""


@dataclass(frozen=True)
class Bucket:
    """`endpoint` is a scheme and a host, with a port where that is not the scheme's own."""

    endpoint: str
    name: str
    region: str
    key_id: str
    secret: str = field(repr=False)

    def put(self, path: Path, key: str, sha256: str) -> None:
        """Stores the file under `key`; `sha256` is its own, in hexadecimal. Raises PutFailed and OSError."""
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise PutFailed("larger than the 5 GiB that one object may have: choose less, or more often")
        try:
            status, body = asyncio.run(self._put(path, size, key, sha256))
        except (EgressDenied, PostFailed, TimeoutError) as error:
            raise PutFailed(str(error) or "no answer in time") from None
        if not 200 <= status < 300:
            code = _CODE.search(body)
            raise PutFailed(f"status {status}{f', {code[1].decode()}' if code else ''}")

    async def _put(self, path: Path, size: int, key: str, sha256: str) -> tuple[int, bytes]:
        url = f"{self.endpoint.rstrip('/')}/{self.name}/{quote(key, safe='/-_.~')}"
        headers = {"Content-Type": "application/zip", "Content-Length": str(size)}
        headers = self.signed("PUT", url, headers, sha256, now())
        async with asyncio.timeout(_SECONDS):
            poster = Poster(url, limit=1)
            try:
                with path.open("rb") as file:
                    answer = await poster.put(url, file, headers, limit=_ANSWER_BYTES)
            finally:
                await poster.close()
        return answer.status, answer.body

    def signed(
        self, method: str, url: str, headers: Mapping[str, str], sha256: str, at: datetime
    ) -> dict[str, str]:
        """`headers` and those that the signature needs. `sha256` is the body's, `at` is in UTC."""
        parts, stamp = urlsplit(url), f"{at:%Y%m%dT%H%M%SZ}"
        sent = {**headers, "Host": parts.netloc, "x-amz-content-sha256": sha256, "x-amz-date": stamp}
        signing = {name.lower(): " ".join(value.split()) for name, value in sent.items()}
        names = ";".join(sorted(signing))
        request = "\n".join([
            method, quote(unquote(parts.path) or "/", safe="/-_.~"), _query(parts.query),
            *(f"{name}:{signing[name]}" for name in sorted(signing)), "", names, sha256,
        ])  # fmt: skip
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
        signature = hmac.digest(self._signing_key(stamp[:8]), text.encode(), "sha256").hex()
        credential = f"Credential={self.key_id}/{scope}"
        return {**sent, "Authorization": f"{_ALGORITHM} {credential},SignedHeaders={names},Signature={signature}"}

    def _signing_key(self, day: str) -> bytes:
        key = f"AWS4{self.secret}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def _query(text: str) -> str:
    pairs = sorted(tuple(quote(unquote(part), safe="-_.~") for part in each.partition("=")[::2])
                   for each in text.split("&") if each)  # fmt: skip
    return "&".join(f"{name}={value}" for name, value in pairs)
