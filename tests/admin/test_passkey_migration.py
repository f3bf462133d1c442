"""Passkeys of before django-otp-webauthn kept them go on signing in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from gateway_site.lib.secrets import sha256_hex
from projects.models import Passkey, User
from tests.admin.authenticator import Authenticator
from tests.admin.signing import INDEX, prove, step, take_codes
from tests.signing_in import password_only

_BEFORE = [("projects", "0009_member_is_its_name")]
_HANDLE = bytes(range(64))


def _migrate(to: list[tuple[str, str]] | None = None) -> Any:
    """Without a place to the newest, which the rest of the suite needs."""
    executor = MigrationExecutor(connection)
    return executor.migrate(to or executor.loader.graph.leaf_nodes()).apps


@pytest.fixture
def tables_as_before(transactional_db: None) -> Iterator[Any]:
    try:
        yield _migrate(_BEFORE)
    finally:
        _migrate()


@pytest.mark.claim("signin.passkeys")
def test_a_passkey_of_before_signs_in_and_keeps_its_name_and_count(tables_as_before: Any) -> None:
    person = User.objects.create_superuser("op@gateway.test")
    key = Authenticator(user_handle=_HANDLE, counter=41)
    tables_as_before.get_model("projects", "UserHandle").objects.create(user_id=person.pk, handle=_HANDLE)
    old = tables_as_before.get_model("projects", "Passkey").objects.create(
        user_id=person.pk, name="Passkey, Chrome on Linux", credential_id=key.id, credential_digest=sha256_hex(key.id),
        public_key=key.public_key, sign_count=41, transports=["hybrid"], rp_id="localhost",
    )  # fmt: skip

    _migrate()
    row = Passkey.objects.get()
    assert (row.pk, row.name, row.sign_count, row.rp_id) == (old.pk, "Passkey, Chrome on Linux", 41, "localhost")
    client = Client(headers={"host": "localhost"})
    half = password_only(Client(headers={"host": "localhost"}), person)
    assert step(half, "passkey_begin", {}).json()["allowCredentials"][0]["transports"] == ["hybrid"]
    assert prove(client, key).status_code == 200
    take_codes(client)
    assert client.get(INDEX).status_code == 200
    assert Passkey.objects.get().sign_count == 42

    back = _migrate(_BEFORE)
    assert bytes(back.get_model("projects", "UserHandle").objects.get().handle) == _HANDLE
    assert back.get_model("projects", "Passkey").objects.get().credential_digest == sha256_hex(key.id)
