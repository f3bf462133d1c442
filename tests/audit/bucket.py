"""A store that takes files as S3 does, and refuses what is not signed by its key: written from the standard alone."""

from __future__ import annotations

import hashlib
import hmac
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

KEY_ID, SECRET, REGION = "AKIDEXAMPLE", "canary/secret+access=key", "eu-test-1"


@dataclass
class Bucket:
    """`objects` by path. While `failing` is set it answers with that status."""

    objects: dict[str, bytes] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    failing: int = 0

    def __enter__(self) -> Bucket:
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, code = bucket._take(self.path, dict(self.headers.items()), body)
                answer = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        if self.failing:
            return self.failing, "SlowDown"
        problem = self._problem(path, {name.lower(): value for name, value in headers.items()}, body)
        if problem:
            self.refused.append(problem)
            return 403, problem
        self.objects[path] = body
        return 200, ""

    def _problem(self, path: str, headers: dict[str, str], body: bytes) -> str:
        """The code of what is wrong with a request, as the standard names it."""
        kind, _, rest = headers.get("authorization", "").partition(" ")
        parts = dict(each.strip().split("=", 1) for each in rest.split(",") if "=" in each)
        if kind != "AWS4-HMAC-SHA256" or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
            return "AccessDenied"
        key_id, day, region, service, end = parts["Credential"].split("/")
        if key_id != KEY_ID:
            return "InvalidAccessKeyId"
        if (region, service, end) != (REGION, "s3", "aws4_request") or not headers["x-amz-date"].startswith(day):
            return "AuthorizationHeaderMalformed"
        sent = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - sent).total_seconds()) > 900:
            return "RequestTimeTooSkewed"
        if hashlib.sha256(body).hexdigest() != headers["x-amz-content-sha256"]:
            return "XAmzContentSHA256Mismatch"
        signed = parts["SignedHeaders"].split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed) or signed != sorted(signed):
            return "AccessDenied"
        lines = ["PUT", path, "", *[f"{name}:{headers[name].strip()}" for name in signed], "", ";".join(signed),
                 headers["x-amz-content-sha256"]]  # fmt: skip
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{day}/{region}/s3/aws4_request\n{digest}"
        key = ("AWS4" + SECRET).encode()
        for each in (day, region, service, end, text):
            key = hmac.new(key, each.encode(), hashlib.sha256).digest()
        return "" if hmac.compare_digest(key.hex(), parts["Signature"]) else "SignatureDoesNotMatch"
