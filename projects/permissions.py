"""What a role may do in its project: one table that every surface asks."""

from __future__ import annotations

from django.db.models import TextChoices


class Role(TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    AUDITOR = "auditor"


MCP_CALL = "mcp.call"
CONFIG_READ = "config.read"
CONFIG_WRITE = "config.write"
KEYS_OWN = "keys.own"
KEYS_ALL = "keys.all"
MEMBERS_WRITE = "members.write"
AUDIT_READ = "audit.read"
AUDIT_EXPORT = "audit.export"
# Of operators only, whose business is the gateway and every project: no role has them.
GATEWAY_READ = "gateway.read"
GATEWAY_WRITE = "gateway.write"

_MEMBER = frozenset({MCP_CALL, CONFIG_READ, KEYS_OWN})
_ADMIN = _MEMBER | {CONFIG_WRITE, KEYS_ALL, AUDIT_READ, AUDIT_EXPORT}

ACTIONS: dict[str, frozenset[str]] = {
    Role.OWNER: _ADMIN | {MEMBERS_WRITE},
    Role.ADMIN: _ADMIN,
    Role.MEMBER: _MEMBER,
    Role.AUDITOR: frozenset({AUDIT_READ, AUDIT_EXPORT}),
}

# The same table for whoever chooses a role.
IN_WORDS = (
    "Member: uses the tools that rules allow, with keys of their own. Admin: also servers, rules, policies, everybody's"
    " keys and the log. Owner: also members. Auditor: reads and exports the log only."
)

# What a platform operator may do, in any project and outside of all.
OPERATOR = _ADMIN | {MEMBERS_WRITE, GATEWAY_READ, GATEWAY_WRITE}


def actions_of(role: str) -> frozenset[str]:
    """Nothing for an unknown role."""
    return ACTIONS.get(role, frozenset())


def allows(role: str, action: str) -> bool:
    """False for an unknown role."""
    return action in ACTIONS.get(role, ())
