"""Refusals that came before the pipeline, as lines of the audit log."""

from __future__ import annotations

import time
from collections import Counter

from django.conf import settings

from audit.entry import Entry, new_id, now
from audit.naming import digest_name
from audit.recorder import AuditUnavailable, recorder
from proxy.call import Call
from proxy.errors import Refusal
from proxy.snapshot import Snapshots

_RECORDED_PER_SECOND = 50
_MAX_SEGMENTS = 8


class RefusalLog:
    """Written behind; a flood is counted, not written line by line."""

    def __init__(self) -> None:
        self._second = 0
        # By kind, so that a flood of one cannot hide another.
        self._written: Counter[str] = Counter()
        self._suppressed = 0

    def record(
        self, refusal: Refusal, request_id: str, path: str, address: str, call: Call | None, snapshots: Snapshots
    ) -> None:
        if settings.AUDIT == "off":
            return
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._written.clear()
        if self._written[refusal.kind] >= _RECORDED_PER_SECOND:
            self._suppressed += 1
            return
        self._written[refusal.kind] += 1
        reason, _, key_id = refusal.reason.partition(":")
        entry = Entry(
            id=new_id(), at=now(), kind="mcp.refused", actor_kind="anonymous" if not key_id else "key", actor_id=key_id,
            request_id=request_id, decision="refused", reason=reason, http_status=refusal.status,
            rpc_code=refusal.code or None,
            project_ref=call.principal.project_id if call else None, project=call.snapshot.slug if call else "",
            subject=_shown_path(path, snapshots),
            detail={"address": address, "suppressed_before": self._suppressed},
        )  # fmt: skip
        try:
            recorder.write_behind(entry)
            self._suppressed = 0
        except AuditUnavailable:
            self._suppressed += 1


def _shown_path(path: str, snapshots: Snapshots) -> str:
    """The path with a keyed digest for whatever is no name of ours: people paste their secrets into addresses."""
    names = path.split("/")[:_MAX_SEGMENTS]
    project = snapshots.named(names[2]) if len(names) > 2 else None
    known = {"", "mcp", *((project.slug, *project.upstreams) if project is not None else ())}
    key = settings.KEYRING.gateway_digest_key()
    return "/".join(name if name in known else digest_name(key, name) for name in names)
