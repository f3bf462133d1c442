"""From a credential to a Principal: pure look-up and comparison over keys that were loaded before."""

from __future__ import annotations

import hmac
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any
from urllib.parse import unquote

from django.db.models import TextField
from django.db.models.functions import Cast

from gateway_site.lib.secrets import Keyring
from projects import permissions
from projects.models import ApiKey, Membership

_DUMMY_DIGEST = bytes(32)
# Begins what a person without a key is called by; no key's id looks so.
_PERSON = "user:"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key as the data plane knows it."""

    key_id: str
    label: str
    project_id: int
    user_id: int
    user: str
    role: str
    pepper_id: str
    digest: bytes = field(repr=False)
    servers: tuple[str, ...]
    tools: tuple[str, ...]
    networks: tuple[IPv4Network | IPv6Network, ...]
    expires_at: float | None
    surface: str = ApiKey.Surface.NATIVE

    @property
    def is_person(self) -> bool:
        """Whether somebody who has signed in calls by themselves, and no key."""
        return self.key_id.startswith(_PERSON)

    @property
    def unrestricted(self) -> bool:
        """True when the key may use every tool, prompt and resource of its servers."""
        return "*" in self.tools

    def covers_server(self, slug: str) -> bool:
        return "*" in self.servers or any(fnmatchcase(slug, pattern) for pattern in self.servers)

    def covers(self, kind: str, server: str, name: str) -> bool:
        """`kind` is tool, prompt or resource. Prompts and resources need their own globs or `*`."""
        return self.unrestricted or any(matches(pattern, kind, server, name) for pattern in self.tools)

    def allows_address(self, address: IPv4Address | IPv6Address | None) -> bool:
        return not self.networks or (address is not None and any(address in network for network in self.networks))


def matches(pattern: str, kind: str, server: str, name: str) -> bool:
    """Whether a pattern allows the name: no URI that a server might read as another one."""
    # The cheaper question first: many patterns are held against one name.
    return names(pattern, kind, server, name) and not (kind == "resource" and climbs(name))


def names(pattern: str, kind: str, server: str, name: str) -> bool:
    """Servers choose their own names, so none may look like another kind's or another server's."""
    prefix, is_of_path, match = _compiled(pattern)
    if prefix != kind:
        return False
    found = match(f"{server}/{name}" if is_of_path else name)
    if kind != "resource":
        return found is not None
    return found is not None or (is_of_path and match(name) is not None)


@lru_cache(maxsize=8192)
def _compiled(pattern: str) -> tuple[str, bool, Callable[[str], re.Match[str] | None]]:
    """The kind that it is for, whether it says the server too, and its glob."""
    prefix, _, glob = pattern.partition(":")
    if prefix not in ("prompt", "resource"):
        prefix, glob = "tool", pattern
    return prefix, "/" in glob, re.compile(translate(glob)).match


# One name is held against many patterns.
@lru_cache(maxsize=64)
def climbs(uri: str) -> bool:
    """Whether a server might read the URI as another path than the globs do."""
    decoded = unquote(unquote(uri)).replace("\\", "/")
    return ".." in decoded.split("/") or "%2f" in uri.lower()


@lru_cache(maxsize=64)
def plain_uri(uri: str) -> str:
    """The URI as servers that tidy it up may read it: RFC 3986 section 6.2.2, decoded, and without empty segments."""
    scheme, _, rest = unquote(unquote(uri)).replace("\\", "/").rpartition(":/")
    if not scheme:
        return unquote(unquote(uri))
    authority, _, path = rest.removeprefix("/").partition("/") if rest.startswith("/") else ("", "", rest)
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return f"{scheme.lower()}://{authority.lower()}/{'/'.join(kept)}"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, in which project."""

    project_id: int
    key: KeyRecord

    @property
    def actor(self) -> tuple[str, str]:
        """Kind and id, as the log has them."""
        return ("user", str(self.key.user_id)) if self.key.is_person else ("key", self.key.key_id)

    @property
    def may_call(self) -> bool:
        return permissions.allows(self.key.role, permissions.MCP_CALL)


def as_person(project_id: int, user_id: int, email: str, role: str) -> KeyRecord:
    """A member as if with a key for everything. No such key exists, and nothing can be opened with it."""
    return KeyRecord(
        key_id=f"{_PERSON}{user_id}", label="without limits", project_id=project_id, user_id=user_id, user=email,
        role=role, pepper_id="", digest=b"", servers=("*",), tools=("*",), networks=(), expires_at=None,
    )  # fmt: skip


def load_keys(project_id: int) -> dict[str, KeyRecord]:
    """The live keys of one project by key id. Runs under the project's scope.

    A project may have ten thousand, and all of them are read when one has changed: rows, not objects.
    """
    members = Membership.objects.filter(user__is_active=True).values_list("user_id", "user__email", "role")
    people = {user_id: (email, role) for user_id, email, role in members}
    rows = ApiKey.objects.filter(disabled_at=None, revoked_at=None, project_id=project_id).values_list(*_COLUMNS)
    # Most keys have the same lists, of which one of each is enough.
    lists: dict[str, tuple[str, ...]] = {}
    return {row[0]: _record(project_id, row, *people[row[2]], lists) for row in rows if row[2] in people}


# Lists as the database has them, since to decode thirty thousand takes longer than to read them.
_COLUMNS: tuple[str | Cast, ...] = (
    "key_id", "label", "user_id", "pepper_id", "digest", "expires_at", "surface",
    *(Cast(name, TextField()) for name in ("servers", "tools", "networks")),
)  # fmt: skip


def _record(
    project_id: int, row: tuple[Any, ...], user: str, role: str, lists: dict[str, tuple[str, ...]]
) -> KeyRecord:
    key_id, label, user_id, pepper_id, digest, expires_at, surface, *texts = row
    for text in texts:
        if text not in lists:
            lists[text] = tuple(json.loads(text))
    servers, tools, networks = (lists[text] for text in texts)
    return KeyRecord(
        key_id=key_id,
        label=label,
        project_id=project_id,
        user_id=user_id,
        user=user,
        role=role,
        pepper_id=sys.intern(pepper_id),
        digest=bytes.fromhex(digest),
        servers=servers,
        tools=tools,
        networks=tuple(ip_network(network) for network in networks),
        expires_at=expires_at.timestamp() if expires_at else None,
        surface=sys.intern(surface),
    )


def authenticate(
    keyring: Keyring, record: KeyRecord | None, text: str, now: float | None = None
) -> tuple[Principal | None, str]:
    """The Principal and "", or None and the reason, which is for the audit log only.

    The digest is computed and compared for an unknown key too, so that its answer takes as long.
    """
    pepper_id = record.pepper_id if record else keyring.current_pepper
    given = keyring.pepper_digest(pepper_id, text)
    matches = hmac.compare_digest(given or _DUMMY_DIGEST, record.digest if record else _DUMMY_DIGEST)
    if record is None:
        return None, "unknown_key"
    if given is None or not matches:
        return None, "wrong_secret"
    if is_expired(record, now):
        return None, "expired"
    return Principal(record.project_id, record), ""


def is_expired(record: KeyRecord, now: float | None = None) -> bool:
    moment = datetime.now(UTC).timestamp() if now is None else now
    return record.expires_at is not None and record.expires_at <= moment


Keys = Mapping[str, KeyRecord]
