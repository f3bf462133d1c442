"""What clients carry for us: sessions, cursors and ids of servers' requests, sealed for one project and key."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.conf import settings

from gateway_site.lib.secrets import Unsealable
from projects.authentication import Principal
from proxy.errors import Refusal
from proxy.session import MAX_LENGTH
from proxy.wire import MAX_ID_TEXT

# A session that nobody has ended ends by itself then, so that those that were ended need not be known for ever.
SESSION_SECONDS = 7 * 86_400
_MAX_CURSOR = 2048


@dataclass(frozen=True, slots=True)
class Session:
    """A legacy session at the address of all servers: what its client said when it began."""

    id: str
    version: str
    began_at: float
    capabilities: dict[str, Any] = field(default_factory=dict)
    client: dict[str, str] = field(default_factory=dict)


def seal_session(session: Session, principal: Principal) -> str:
    """Raises Refusal for what a client says of itself at such length that the id would be longer than one may be."""
    parts = [session.id, session.version, session.began_at, session.capabilities, session.client]
    sealed = settings.KEYRING.seal(orjson.dumps(parts), _place("session", principal))
    if len(sealed) > MAX_LENGTH:
        raise Refusal("invalid_params", "The client's capabilities are too large")
    return sealed


def open_session(sealed: str, principal: Principal) -> Session:
    """Raises Refusal for one that is unknown, changed, somebody else's or over, always the same one."""
    parts = _open(sealed, _place("session", principal), MAX_LENGTH)
    if parts is None or time.time() - parts[2] > SESSION_SECONDS:
        raise Refusal("session_not_found")
    return Session(*parts)


def seal_cursor(principal: Principal, member: str, digest: str, page: int) -> str:
    return settings.KEYRING.seal(orjson.dumps([member, digest, page]), _place("cursor", principal))


def open_cursor(cursor: Any, principal: Principal, member: str, digest: str) -> int:
    """The page. Raises Refusal for a cursor of another key, list or state of the list, always the same one."""
    parts = _open(cursor, _place("cursor", principal), _MAX_CURSOR) if isinstance(cursor, str) else None
    if parts is None or parts[:2] != [member, digest]:
        raise Refusal("invalid_params", "Invalid cursor", reason="invalid_cursor")
    return int(parts[2])


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that a server sent on a session of its own, and that a client answers by its id."""

    slug: str
    config_hash: str
    session: str
    version: str
    id: str | int


def seal_asked(asked: Asked, principal: Principal, session: Session) -> str | None:
    """Opens in every worker. None when it is longer than an id may be."""
    parts = [asked.slug, asked.config_hash, asked.session, asked.version, asked.id]
    sealed = settings.KEYRING.seal(orjson.dumps(parts), _place(f"asked:{session.id}", principal))
    return sealed if len(sealed) <= MAX_ID_TEXT else None


def open_asked(message_id: Any, principal: Principal, session: Session) -> Asked | None:
    """None for what no server of this session has asked."""
    if not isinstance(message_id, str):
        return None
    parts = _open(message_id, _place(f"asked:{session.id}", principal), MAX_ID_TEXT)
    return Asked(*parts) if parts is not None else None


def _open(sealed: str, place: str, longest: int) -> list[Any] | None:
    if len(sealed) > longest:
        return None
    try:
        parts: list[Any] = orjson.loads(settings.KEYRING.unseal(sealed, place))
    except Unsealable:
        return None
    return parts


def _place(kind: str, principal: Principal) -> str:
    return f"aggregate-{kind}:{principal.project_id}:{principal.key.key_id}"
