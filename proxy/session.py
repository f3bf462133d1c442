"""Legacy session ids that need no store: ours is the upstream's, sealed for one project, key and server."""

from __future__ import annotations

from gateway_site.lib.secrets import Keyring, Unsealable
from projects.authentication import Principal
from proxy.errors import Refusal
from servers.upstream import Upstream

MAX_LENGTH = 2048


def seal(keyring: Keyring, upstream_session: str, principal: Principal, upstream: Upstream) -> str:
    """Any worker can open it; for anyone else it does not exist. An upstream without sessions has "".

    Bytes of the upstream's that are no text stand in it as servers.streaming reads them.
    """
    return keyring.seal(upstream_session.encode("utf-8", "surrogateescape"), _place(principal, upstream))


def unseal(keyring: Keyring, session: str, principal: Principal, upstream: Upstream) -> str:
    """Raises Refusal for an id that is unknown, changed, or somebody else's, always the same one."""
    if len(session) > MAX_LENGTH:
        raise Refusal("session_not_found")
    try:
        return keyring.unseal(session, _place(principal, upstream)).decode("utf-8", "surrogateescape")
    except Unsealable:
        raise Refusal("session_not_found") from None


def _place(principal: Principal, upstream: Upstream) -> str:
    return f"session:{principal.project_id}:{principal.key.key_id}:{upstream.server_id}:{upstream.config_hash}"
