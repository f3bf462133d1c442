"""What servers say of themselves is written down and decided on: seen, approved, rejected, rolled back."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from audit.recorder import record
from gateway_site.lib.actor import current as acting
from projects.scoping import with_project
from projects.versions import bump
from servers.definitions import canonical, problems
from servers.definitions import digest as digest_of
from servers.evidence import approved_before, names_elsewhere, notes_on
from servers.models import Review, Server, State, Tool, ToolVersion

MAX_TOOLS = 2_000
MAX_NAME = 500
# A server that says something else each time fills no table.
MAX_VERSIONS = 20
MAX_REASON = 500
MAX_NOTED_BYTES = 2**16
_TRUSTED = "trusted server"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a server's list. `kind` is tool, prompt, resource or template."""

    kind: str
    name: str
    definition: dict[str, Any]


@transaction.atomic
def observe(
    *, server: Server, era: str, listed: Iterable[Listed], whole: Iterable[str] = (),
    about: dict[str, Any] | None = None,
) -> bool:
    """Writes down what a server lists in an era, and by its review decides on what is new. Whether anything changed.

    `whole` names the kinds of which the list was read to its end by one who can do all that servers ask of clients:
    what is not in it is offered no more, and the first such list is what a server is trusted with at first sight.
    A list that a client is given is not whole: servers may show some tools to some clients only.
    `about` is what the server says of itself there.
    """
    with with_project(server.project_id):
        # One at a time for each server, so that only one list can be its first.
        server = _lock(server.pk)
        sighting = _Sighting(server, era)
        kinds = set(whole)
        for entry in listed:
            sighting.see(entry)
        for kind in kinds:
            sighting.miss(kind)
        sighting.finish()
        changes = sighting.changes
        seen = set(server.first_lists.get(era, ()))
        if kinds - seen:
            server.first_lists = {**server.first_lists, era: sorted(kinds | seen)}
            changes = True
        if about is not None and server.about.get(era) != _storable(about):
            server.about = {**server.about, era: _storable(about)}
            changes = True
        if changes:
            _touch(server)
        return changes


def observe_by_id(server_id: int, project_id: int, **seen: Any) -> bool:
    """Like `observe`; nothing happens when the server is gone."""
    with with_project(project_id):
        server = Server.objects.filter(pk=server_id).first()
    return observe(server=server, **seen) if server is not None else False


class _Sighting:
    """One look at a server's list, entry by entry."""

    def __init__(self, server: Server, era: str) -> None:
        self.server = server
        self.era = era
        self.changes = False
        self._seen_before = frozenset(server.first_lists.get(era, ()))
        self._tools = {(tool.kind, tool.name): tool for tool in Tool.objects.filter(server=server)}
        self._new: dict[tuple[str, str], tuple[Tool, ToolVersion]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._names: dict[str, list[str]] = {}
        self._noted_bytes = 0

    def see(self, entry: Listed) -> None:
        place = (entry.kind, entry.name)
        known = self._tools.get(place)
        if not 0 < len(entry.name) <= MAX_NAME or _storable(entry.name) != entry.name or place in self._seen:
            return
        if known is None and len(self._tools) + len(self._new) >= MAX_TOOLS:
            return
        self._seen.add(place)
        if known is None:
            self._new[place] = self._first_version(entry)
        else:
            self._see_known(known, entry)

    def miss(self, kind: str) -> None:
        """What is not in the whole list is offered no more; what was decided on it stays."""
        for place, tool in self._tools.items():
            if tool.kind == kind and place not in self._seen and getattr(tool, f"{self.era}_digest"):
                setattr(tool, f"{self.era}_digest", "")
                tool.save(update_fields=[f"{self.era}_digest"])
                self.changes = True

    def finish(self) -> None:
        """Stores what was never seen, in few statements however much it is."""
        if not self._new:
            return
        self.changes = True
        Tool.objects.bulk_create([tool for tool, _ in self._new.values()])
        ToolVersion.objects.bulk_create([version for _, version in self._new.values()])
        waiting = [pair for pair in self._new.values() if pair[1].state != State.APPROVED]
        for tool, version in waiting:
            _record("definition.seen", self.server, tool, version)
        if len(waiting) < len(self._new):
            _record_many(self.server, self.era, [tool for tool, version in self._new.values()
                                                 if version.state == State.APPROVED])  # fmt: skip

    def _first_version(self, entry: Listed) -> tuple[Tool, ToolVersion]:
        version = self._new_version(entry)
        tool = Tool(
            project_id=self.server.project_id, server=self.server, kind=entry.kind, name=entry.name,
            definition=version.definition, digest=version.digest, state=version.state,
            **{f"{self.era}_digest": version.digest},
        )  # fmt: skip
        version.tool = tool
        return tool, version

    def _see_known(self, tool: Tool, entry: Listed) -> None:
        digest = digest_of(entry.definition)
        if getattr(tool, f"{self.era}_digest") == digest:
            return
        self.changes = True
        before = tool.digest
        tool.digest, tool.definition = digest, _storable(entry.definition)
        setattr(tool, f"{self.era}_digest", digest)
        tool.save()
        version = ToolVersion.objects.filter(tool=tool, digest=digest).first()
        if version is not None:
            setattr(version, self.era, True)
            version.last_seen_at = timezone.now()
            version.save(update_fields=["last_seen_at", self.era])
            if _refresh(tool):
                _record("definition.seen_again", self.server, tool, version)
            return
        version = self._new_version(entry, tool)
        version.tool = tool
        version.save()
        notes = self._notes(version)
        _forget_oldest(tool)
        _refresh(tool)
        _record("definition.changed", self.server, tool, version, before=before, notes=notes)

    def _notes(self, version: ToolVersion) -> list[str]:
        """The codes of what a reviewer should look at; none once so much was looked at that callers would wait."""
        if self._noted_bytes > MAX_NOTED_BYTES or version.problems:
            return []
        self._noted_bytes += len(canonical(version.definition))
        kind = version.tool.kind
        if kind not in self._names:
            self._names[kind] = names_elsewhere(version.tool)
        found = notes_on(version, approved_before(version), self._names[kind])
        return sorted({note.code for note in found})

    def _new_version(self, entry: Listed, tool: Tool | None = None) -> ToolVersion:
        """The definition, decided on as far as no person has to."""
        found = list(problems(entry.kind, entry.definition))
        state, by = self._judge(entry, found, tool)
        return ToolVersion(
            project_id=self.server.project_id, digest=digest_of(entry.definition),
            definition=_storable(entry.definition), state=state, problems=found, decided_by=by,
            decided_at=timezone.now() if by else None, **{self.era: True},
        )  # fmt: skip

    def _judge(self, entry: Listed, found: list[str], tool: Tool | None) -> tuple[str, str]:
        if found:
            return State.REJECTED, "schema check"
        if self.server.review == Review.TRUST:
            return State.APPROVED, _TRUSTED
        if self.server.review == Review.TRUST_FIRST and self._is_first_sight(entry.kind, tool):
            return State.APPROVED, "first sight"
        return State.WAITING, ""

    def _is_first_sight(self, kind: str, tool: Tool | None) -> bool:
        """Until a whole list was read; and what a client has been shown by then is not changed unseen either."""
        if kind in self._seen_before:
            return False
        return tool is None or not ToolVersion.objects.filter(tool=tool, **{self.era: True}).exists()


@transaction.atomic
def approve(*, version: ToolVersion, reason: str = "") -> None:
    """The tool may be used again when the server says this, or something else that was approved.

    Raises ValidationError for what cannot be offered at all, or is not kept any more.
    """
    with _deciding(version) as (server, tool, current):
        _check_offerable(current)
        _mark(current, State.APPROVED, reason)
        _finish(server, tool, current, reason)


@transaction.atomic
def reject(*, version: ToolVersion, reason: str = "") -> None:
    """While the server says this, the tool is neither listed nor called. Raises ValidationError when it is gone."""
    with _deciding(version) as (server, tool, current):
        _mark(current, State.REJECTED, reason)
        _finish(server, tool, current, reason)


@transaction.atomic
def roll_back(*, version: ToolVersion, reason: str = "") -> None:
    """Only this definition of the tool is approved from now on, so that later approvals are taken back.

    Raises ValidationError for what cannot be offered at all, or is not kept any more.
    """
    reason = reason or "rolled back"
    with _deciding(version) as (server, tool, current):
        _check_offerable(current)
        others = list(ToolVersion.objects.filter(tool=tool).exclude(pk=current.pk))
        for other in others:
            _mark(other, State.REJECTED, reason)
        _mark(current, State.APPROVED, reason)
        _finish(server, tool, current, reason, taken_back=[other.digest for other in others])


@transaction.atomic
def approve_waiting(*, server: Server, reason: str = "") -> int:
    """Everything of the server that waits and can be offered. How many definitions that were."""
    with with_project(server.project_id):
        waiting = ToolVersion.objects.filter(tool__server=server, state=State.WAITING, problems=[])
        versions = list(waiting.select_related("tool"))
    for version in versions:
        approve(version=version, reason=reason)
    return len(versions)


def _lock(server_id: int) -> Server:
    """Only one list or decision at a time is written down of a server."""
    rows = Server.objects.select_for_update(of=("self",)).select_related("project")
    return rows.get(pk=server_id)


@contextmanager
def _deciding(version: ToolVersion) -> Iterator[tuple[Server, Tool, ToolVersion]]:
    """The rows as they are stored now, and nobody else's until the end of the transaction."""
    with with_project(version.project_id):
        try:
            server = _lock(Tool.objects.values_list("server_id", flat=True).get(pk=version.tool_id))
            current = ToolVersion.objects.select_related("tool").get(pk=version.pk)
        except ObjectDoesNotExist:
            raise ValidationError("This definition is not kept any more.") from None
        yield server, current.tool, current


def _check_offerable(version: ToolVersion) -> None:
    if version.problems:
        raise ValidationError(f"It cannot be offered: {'; '.join(version.problems)}")


def _mark(version: ToolVersion, state: str, reason: str) -> None:
    actor = acting()
    version.state, version.reason = state, reason[:MAX_REASON]
    version.decided_by, version.decided_at = (actor.label or actor.kind)[:254], timezone.now()
    version.save(update_fields=["state", "reason", "decided_by", "decided_at"])


def _finish(server: Server, tool: Tool, version: ToolVersion, reason: str, **detail: Any) -> None:
    _refresh(tool)
    _record(f"definition.{version.state}", server, tool, version, reason=reason, **detail)
    _touch(server)


def _refresh(tool: Tool) -> bool:
    """The tool's state from those of its versions; whether it is another one now.

    While anything waits, the tool waits, whatever its server says by now.
    """
    states = dict(ToolVersion.objects.filter(tool=tool).values_list("digest", "state"))
    if State.WAITING in states.values():
        state = State.WAITING
    else:
        settled = all(states.get(digest) == State.APPROVED for digest in _said(tool))
        state = State.APPROVED if settled else State.REJECTED
    if tool.state == state:
        return False
    tool.state = state
    tool.save(update_fields=["state"])
    return True


def _forget_oldest(tool: Tool) -> None:
    """Of what no person has approved and the server does not say now."""
    surplus = ToolVersion.objects.filter(tool=tool).count() - MAX_VERSIONS
    if surplus <= 0:
        return
    spare = ToolVersion.objects.filter(tool=tool).exclude(digest__in=_said(tool))
    spare = spare.exclude(~Q(decided_by=_TRUSTED), state=State.APPROVED)
    ToolVersion.objects.filter(pk__in=list(spare.order_by("id").values_list("pk", flat=True)[:surplus])).delete()


def _said(tool: Tool) -> set[str]:
    """The digests of what the server says of it by now."""
    return {tool.modern_digest, tool.legacy_digest} - {""} or {tool.digest}


def _storable(value: Any) -> Any:
    """With what databases cannot hold written out: null characters, lone surrogates, endless numbers."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    if isinstance(value, dict):
        return {_storable(name): _storable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_storable(each) for each in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _touch(server: Server) -> None:
    """Workers see the change of the catalogue with the next version of the project."""
    with with_project(server.project_id):
        Server.objects.filter(pk=server.pk).update(
            catalogue_version=F("catalogue_version") + 1, about=server.about, first_lists=server.first_lists
        )
    bump(server.project_id, keys=False)


def _record(kind: str, server: Server, tool: Tool, version: ToolVersion, **detail: Any) -> None:
    shown = {name: value for name, value in detail.items() if value}
    record(
        kind, project_ref=server.project_id, project=server.project.slug, server_ref=server.pk, server=server.slug,
        subject=tool.name, decision=version.state,
        detail={"kind": tool.kind, "digest": version.digest, "problems": version.problems, **shown},
    )  # fmt: skip


def _record_many(server: Server, era: str, tools: list[Tool]) -> None:
    """One event for all that came at once and was approved without a person."""
    names = [f"{tool.kind}:{tool.name[:80]}" for tool in tools[:100]]
    record(
        "definitions.approved", project_ref=server.project_id, project=server.project.slug, server_ref=server.pk,
        server=server.slug, subject=server.slug, decision=State.APPROVED,
        detail={"era": era, "review": server.review, "count": len(tools), "names": names},
    )  # fmt: skip
