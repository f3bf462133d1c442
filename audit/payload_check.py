"""Payloads in the database against the digests in their events: one that was erased is empty, no other differs."""

from __future__ import annotations

from typing import Any

from django.db import connection

from audit.carried import digest_of
from audit.models import Payload
from audit.walk import Link, Report

_IN_ONE_QUESTION = 500


class Payloads:
    """Those of one log. What is gone altogether is counted; that proves nothing, since payloads may be deleted."""

    def __init__(self, project_ref: int, report: Report) -> None:
        self._ref, self._report = project_ref, report
        self._has_any = Payload.objects.filter(project_ref=project_ref).exists()

    def compare(self, links: list[Link]) -> None:
        if not self._has_any:
            return
        named = {each.payload[0]: (each, each.payload[1]) for each in links if each.payload is not None}
        identities = list(named)
        for start in range(0, len(identities), _IN_ONE_QUESTION):
            for identity, nonce, ciphertext in self._stored(identities[start : start + _IN_ONE_QUESTION]):
                each, digest = named[identity]
                if ciphertext and digest_of(nonce, ciphertext) != digest:
                    self._report.damage("payload_changed", self._ref, each.seq)

    def _stored(self, identities: list[str]) -> list[tuple[str, bytes, bytes]]:
        places = ", ".join(["%s"] * len(identities))
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, nonce, ciphertext FROM audit_payload WHERE id IN ({places})",  # noqa: S608  places only
                identities,
            )
            return [(_digits(identity), bytes(nonce), bytes(text)) for identity, nonce, text in cursor.fetchall()]


def _digits(identity: Any) -> str:
    return identity if isinstance(identity, str) else str(identity.hex)
