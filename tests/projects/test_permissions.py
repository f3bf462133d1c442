"""The table of roles."""

from __future__ import annotations

import pytest

from projects import permissions
from projects.permissions import Role, allows

pytestmark = pytest.mark.claim("permissions.table")
ACTIONS = sorted({action for actions in permissions.ACTIONS.values() for action in actions})
# Written out a second time on purpose: a change of rights is a decision, not a slip.
EXPECTED = {
    "mcp.call": {"owner", "admin", "member"},
    "config.read": {"owner", "admin", "member"},
    "config.write": {"owner", "admin"},
    "keys.own": {"owner", "admin", "member"},
    "keys.all": {"owner", "admin"},
    "members.write": {"owner"},
    "audit.read": {"owner", "admin", "auditor"},
    "audit.export": {"owner", "admin", "auditor"},
}


def test_every_role_and_action_is_decided() -> None:
    assert set(permissions.ACTIONS) == set(Role)
    assert set(EXPECTED) == set(ACTIONS)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("action", sorted(EXPECTED))
def test_a_role_may_do_what_its_row_says(role: Role, action: str) -> None:
    assert allows(role, action) is (role.value in EXPECTED[action])


@pytest.mark.parametrize("role", ["", "superuser", "OWNER", "owner "])
def test_an_unknown_role_may_do_nothing(role: str) -> None:
    assert not any(allows(role, action) for action in ACTIONS)


def test_an_unknown_action_is_allowed_to_nobody() -> None:
    assert not any(allows(role, "projects.destroy") for role in Role)
