"""How one call came to the address of all servers, and by what its answer finds back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.aggregate.back import Words, translate
from proxy.aggregate.sealed import Asked, Session, seal_asked
from servers.upstream import Upstream

if TYPE_CHECKING:
    from proxy.aggregate.handshake import Kept
    from proxy.call import Call, CallNext


def whole(project_id: int) -> Upstream:
    """What a call is about that is not about one server."""
    return Upstream(0, project_id, "", "", "", "", 0.0)


@dataclass(slots=True, eq=False)
class Passage:
    """`modern` and `version` are the client's, whatever is spoken with the server. `given` are URIs in the server's own
    form, by themselves.
    """

    modern: bool
    version: str | None
    session: Session | None = None
    message_id: str | int | None = None
    given: dict[str, str] = field(default_factory=dict)
    # What the client answers, when it answers a request of a server.
    asked: Asked | None = None
    # The upstream's session, when it is known before the call is on its way; whether others of the key share it.
    kept: Kept | None = None
    is_pooled: bool = False
    # Whether the gateway asks for itself and for no client.
    is_ours: bool = False
    # As the client has them; what is sent may need others, since several clients share a session.
    progress_token: Any = None
    log_level: str = ""
    # Whether a tool of ours makes the call, whose client has no part in how it is sent; and what a call takes its whole
    # way by, for those tools.
    is_inner: bool = False
    run: CallNext | None = None
    # The calls to servers that a stream of all servers is made of.
    parts: list[Call] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """Whose upstream sessions they are: of the client's session, which not every client has."""
        return self.session.id if self.session is not None else ""

    def translate(self, call: Call, message: dict[str, Any]) -> dict[str, Any] | None:
        """For the client; None for what it cannot be given."""
        if call.is_whole:
            return message
        return translate(message, Words(call.upstream.slug, self.given, lambda asked: self._seal(call, asked)))

    def _seal(self, call: Call, message_id: str | int) -> str | None:
        if self.session is None:
            return None
        upstream = call.upstream
        asked = Asked(upstream.slug, upstream.config_hash, call.session or "", call.version or "", message_id)
        return seal_asked(asked, call.principal, self.session)
