"""What can be said of an HTTP request before anyone knows who sends it: host, origin, headers, path, credential."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import unquote

from django.conf import settings

from gateway_site.lib.addresses import client_address
from projects.keys import PATTERN
from proxy.errors import Refusal

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>\d{1,5}))?")
_CREDENTIAL_PARAMETERS = re.compile(r"(?:^|&)(?:access_token|api_?key|apikey|key|token|authorization)=", re.IGNORECASE)
_PATH = re.compile(r"/mcp(?:/(?P<project>[a-z0-9-]{1,63})(?:/(?P<server>[a-z0-9-]{1,63}))?)?/?")


@dataclass(slots=True)
class Head:
    """Headers with names in lower case and white space stripped; `pairs` keeps duplicates."""

    method: str
    headers: dict[str, str]
    pairs: list[tuple[str, str]]
    address: IPv4Address | IPv6Address | None
    project: str | None = None
    server: str | None = None
    credential: str | None = field(default=None, repr=False)


def read_head(scope: Any) -> Head:
    """Raises Refusal. Nothing here depends on a tenant."""
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1").strip()) for name, value in scope["headers"]]
    headers = dict(pairs)
    if "_" in "".join(headers):
        # Servers that turn "-" into "_" would read two headers as one.
        raise Refusal("invalid_header")
    _check_host([value for name, value in pairs if name == "host"])
    for name, value in pairs:
        if name == "origin":
            _check_origin(value, headers["host"])
    head = Head(scope["method"], headers, pairs, _client_address(scope, pairs))
    _refuse_exposed_credentials(scope, headers)
    head.project, head.server = _route(scope)
    head.credential = _credential(pairs)
    return head


def check_accepts(head: Head, wanted: list[str]) -> None:
    """RFC 9110 section 5.3: a list may come in several lines."""
    lists = [value for name, value in head.pairs if name == "accept"]
    offered = {part.split(";")[0].strip().lower() for accept in lists for part in accept.split(",")}
    for media_type in wanted:
        if not offered & {media_type, media_type.split("/")[0] + "/*", "*/*"}:
            raise Refusal("not_acceptable")


def _check_host(values: list[str]) -> None:
    match = _HOST.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise Refusal("bad_host")
    if not _is_served(values[0].lower()):
        raise Refusal("wrong_host")


@lru_cache(maxsize=1024)
def _is_served(host: str) -> bool:
    match = _HOST.fullmatch(host)
    name = match["name"] if match else ""
    allowed = {entry.lower() for entry in settings.GATEWAY_ALLOWED_HOSTS}
    return bool(name) and (host in allowed or name in allowed or "*" in allowed)


def _check_origin(origin: str, host: str) -> None:
    """Browsers send Origin; one that is neither ours nor allowed must not reach a server (DNS rebinding)."""
    if origin in settings.GATEWAY_ALLOWED_ORIGINS:
        return
    scheme, separator, rest = origin.partition("://")
    if not separator or scheme not in ("http", "https") or rest.lower() != host.lower():
        raise Refusal("origin_not_allowed")


def _route(scope: Any) -> tuple[str | None, str | None]:
    raw = scope.get("raw_path") or scope["path"].encode()
    if b"%" in raw or b"//" in raw or b"/." in raw:
        raise Refusal("invalid_path")
    match = _PATH.fullmatch(scope["path"])
    if match is None:
        raise Refusal("not_found")
    return match["project"], match["server"]


def _refuse_exposed_credentials(scope: Any, headers: dict[str, str]) -> None:
    query = scope.get("query_string", b"").decode("latin-1")
    cookie = headers.get("cookie", "")
    if not query and not cookie and "mgw_" not in scope["path"]:
        return
    found = PATTERN.search(unquote(query)) or PATTERN.search(cookie) or PATTERN.search(scope["path"])
    if found is not None:
        # The visible id only: with it the key's owner can be told.
        raise Refusal("credential_in_url", reason=f"exposed:{found[0][4:14]}")
    if _CREDENTIAL_PARAMETERS.search(query):
        raise Refusal("credential_in_url")


def _credential(pairs: Iterable[tuple[str, str]]) -> str | None:
    """RFC 6750 section 2: one method only. Raises Refusal when two credentials differ or a header is repeated."""
    found: list[str] = []
    seen: set[str] = set()
    for name, value in pairs:
        if name not in ("authorization", "x-api-key", "apikey"):
            continue
        if name in seen:
            raise Refusal("ambiguous_credential")
        seen.add(name)
        if name == "authorization":
            scheme, _, value = value.partition(" ")
            value = value.strip() if scheme.lower() == "bearer" else ""
        found.append(value)
    if len(set(found)) > 1:
        raise Refusal("ambiguous_credential")
    return found[0] if found else None


def _client_address(scope: Any, pairs: list[tuple[str, str]]) -> IPv4Address | IPv6Address | None:
    client = scope.get("client")
    return client_address(client[0] if client else "", (value for name, value in pairs if name == "x-forwarded-for"))
