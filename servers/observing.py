"""What a server lists is written down, and decided on as far as no person has to."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from projects.scoping import with_project
from servers.definitions import canonical, problems
from servers.definitions import digest as digest_of
from servers.evidence import approved_before, names_elsewhere, notes_on
from servers.models import Review, Server, State, Tool, ToolVersion
from servers.settling import Approval, Known, approved_ahead, lock, record_on, record_version, said_of, settle, touch

# So long the first list of a server may be in coming before what it lists waits for a person.
FIRST_SIGHT = timedelta(minutes=10)
MAX_TOOLS = 2_000
MAX_NAME = 500
# A server that says something else each time fills no table.
MAX_VERSIONS = 20
MAX_NOTED_BYTES = 2**16
# Of one look at a list, as many are on record one by one; the rest together.
MAX_EVENTS = 50
_ROWS_AT_ONCE = 500
_TRUSTED = "trusted server"
_CHECK = "schema check"
_AHEAD = "approved ahead"
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
    about: dict[str, Any] | None = None, closed: Iterable[str] | None = None,
    ends_first_sight: bool = False,
) -> bool:
    """Writes down what a server lists in an era, and by its review decides on what is new. Whether anything changed.

    `whole` names the kinds of which the list was read to its end by one who can do all that servers ask of clients:
    what is not in it is offered no more, and the first such list is what a server is trusted with at first sight.
    A list that a client is given is not whole: servers may show some tools to some clients only.
    `about` is what the server says of itself there. `closed` are the kinds of which nothing is trusted at first sight
    any more, for who reads several eras at one time; they are those that were read before in any era.
    `ends_first_sight` closes all kinds, also those whose list had no end.
    """
    with with_project(server.project_id):
        # One at a time for each server, so that only one list can be its first.
        server = lock(server.pk)
        sighting = _Sighting(server, era, closed_kinds(server) if closed is None else frozenset(closed))
        kinds = set(whole)
        for entry in listed:
            sighting.see(entry)
        for kind in kinds:
            sighting.miss(kind)
        sighting.finish()
        changes = sighting.changes
        if sighting.met_ahead:
            server.save(update_fields=["approved_ahead"])
        seen = set(server.first_lists.get(era, ()))
        read = kinds | set(Tool.Kind.values) if ends_first_sight else kinds
        if read - seen:
            server.first_lists = {**server.first_lists, era: sorted(read | seen)}
            changes = True
        if about is not None and server.about.get(era) != _storable(about):
            server.about = {**server.about, era: _storable(about)}
            changes = True
        if changes:
            touch(server)
        return changes


def closed_kinds(server: Server) -> frozenset[str]:
    """Of which kinds the server has been read before, in whatever era."""
    return frozenset(kind for kinds in server.first_lists.values() for kind in kinds)


def eras_in_order(server: Server, eras: Iterable[str]) -> list[str]:
    """First those in which clients have been shown something: a change of that is seen before anything is trusted."""
    with with_project(server.project_id):
        versions = ToolVersion.objects.filter(tool__server=server)
        return sorted(eras, key=lambda era: not versions.filter(**{era: True}).exists())


def observe_by_id(server_id: int, project_id: int, **seen: Any) -> bool:
    """Like `observe`; nothing happens when the server is gone."""
    with with_project(project_id):
        server = Server.objects.filter(pk=server_id).first()
    return observe(server=server, **seen) if server is not None else False


@dataclass(frozen=True, slots=True)
class _Happened:
    """What is put on record of one tool."""

    kind: str
    tool: Tool
    version: ToolVersion | Known
    detail: Mapping[str, Any]


class _Sighting:
    """One look at a server's list, entry by entry. It takes a handful of statements, however much has changed."""

    def __init__(self, server: Server, era: str, closed: frozenset[str]) -> None:
        self.server = server
        self.era = era
        self.changes = False
        self._closed = closed
        self._first_seen: dict[str, datetime] = {}
        rows = Tool.objects.filter(server=server).defer("definition")
        self._tools = {(tool.kind, tool.name): tool for tool in rows}
        self._new: dict[tuple[str, str], tuple[Tool, ToolVersion]] = {}
        self._changed: list[tuple[Tool, Listed, str]] = []
        self._known: dict[int, list[Known]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._happened: list[_Happened] = []
        self._names: dict[str, list[str]] = {}
        self._noted_bytes = 0
        self._ahead = set(approved_ahead(server))
        self.met_ahead = False

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
            return
        digest = digest_of(entry.definition)
        if getattr(known, f"{self.era}_digest") != digest:
            self._changed.append((known, entry, digest))

    def miss(self, kind: str) -> None:
        """What is not in the whole list is offered no more; what was decided on it stays."""
        place_of = f"{self.era}_digest"
        gone = [tool.pk for place, tool in self._tools.items()
                if tool.kind == kind and place not in self._seen and getattr(tool, place_of)]  # fmt: skip
        if gone:
            Tool.objects.filter(pk__in=gone).update(**{place_of: ""})
            self.changes = True

    def finish(self) -> None:
        """Stores and records what was seen."""
        self.changes = self.changes or bool(self._new or self._changed)
        self._store_changed()
        self._store_new()
        if self.met_ahead:
            self.server.approved_ahead = [asdict(each) for each in sorted(self._ahead)]
        self._record_all()

    def _store_new(self) -> None:
        Tool.objects.bulk_create([tool for tool, _ in self._new.values()])
        ToolVersion.objects.bulk_create([version for _, version in self._new.values()])
        self._happened += [_Happened("definition.seen", *pair, {}) for pair in self._new.values()
                           if pair[1].state != State.APPROVED]  # fmt: skip

    def _store_changed(self) -> None:
        self._known = _stored_versions([tool for tool, _, _ in self._changed])
        again: list[int] = []
        new: list[ToolVersion] = []
        forgotten: list[int] = []
        for tool, entry, digest in self._changed:
            before = tool.digest
            tool.digest, tool.definition = digest, _storable(entry.definition)
            setattr(tool, f"{self.era}_digest", digest)
            stored = self._known.get(tool.pk, [])
            version = next((each for each in stored if each.digest == digest), None)
            if version is not None:
                again.append(version.pk)
                if settle(tool, {each.digest: each.state for each in stored}):
                    self._happened.append(_Happened("definition.seen_again", tool, version, {}))
                continue
            new.append(self._changed_version(tool, entry, before))
            spare = _oldest(stored, tool)
            forgotten += spare
            states = {each.digest: each.state for each in stored if each.pk not in spare}
            settle(tool, {**states, digest: new[-1].state})
        ToolVersion.objects.filter(pk__in=again).update(last_seen_at=timezone.now(), **{self.era: True})
        ToolVersion.objects.filter(pk__in=forgotten).delete()
        ToolVersion.objects.bulk_create(new)
        _store_tools([tool for tool, _, _ in self._changed], self.era)

    def _changed_version(self, tool: Tool, entry: Listed, before: str) -> ToolVersion:
        version = self._new_version(entry, tool)
        version.tool = tool
        # What is not told of one by one is told without what to look at.
        notes = self._notes(version) if len(self._happened) < MAX_EVENTS else []
        self._happened.append(_Happened("definition.changed", tool, version, {"before": before, "notes": notes}))
        return version

    def _record_all(self) -> None:
        for each in self._happened[:MAX_EVENTS]:
            record_version(each.kind, self.server, each.tool, each.version, **each.detail)
        rest = self._happened[MAX_EVENTS:]
        for kind, state in sorted({(each.kind, str(each.version.state)) for each in rest}):
            tools = [each.tool for each in rest if (each.kind, each.version.state) == (kind, state)]
            _record_many(kind.replace("definition.", "definitions."), self.server, self.era, tools, state)
        approved = [tool for tool, version in self._new.values() if version.state == State.APPROVED]
        if approved:
            _record_many("definitions.approved", self.server, self.era, approved, State.APPROVED)

    def _first_version(self, entry: Listed) -> tuple[Tool, ToolVersion]:
        version = self._new_version(entry)
        tool = Tool(
            project_id=self.server.project_id, server=self.server, kind=entry.kind, name=entry.name,
            definition=version.definition, digest=version.digest, state=version.state,
            **{f"{self.era}_digest": version.digest},
        )  # fmt: skip
        version.tool = tool
        return tool, version

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
            return State.REJECTED, _CHECK
        if self._ahead and self._is_ahead(Approval(entry.kind, entry.name, digest_of(entry.definition))):
            return State.APPROVED, _AHEAD
        if self.server.review == Review.TRUST:
            return State.APPROVED, _TRUSTED
        if self.server.review_in_force == Review.TRUST_FIRST and self._is_first_sight(entry.kind, tool):
            return State.APPROVED, "first sight"
        return State.WAITING, ""

    def _is_ahead(self, approval: Approval) -> bool:
        """What was waited for is waited for no more: from now on its version says what was decided."""
        if approval not in self._ahead:
            return False
        self._ahead.remove(approval)
        self.met_ahead = True
        return True

    def _is_first_sight(self, kind: str, tool: Tool | None) -> bool:
        """Until its lists were read once, in whatever era, and not for long.

        What a client has been shown by then is not changed unseen either.
        """
        if kind in self._closed or self._is_over(kind):
            return False
        if tool is None:
            return True
        # One that has changed already in the era in which it is known waits in every era.
        shown = any(getattr(each, self.era) for each in self._known.get(tool.pk, ()))
        return tool.state == State.APPROVED and not shown

    def _is_over(self, kind: str) -> bool:
        """A server must not keep itself from being read to the end."""
        if kind not in self._first_seen:
            seen = [tool.first_seen_at for (each, _), tool in self._tools.items() if each == kind]
            self._first_seen[kind] = min(seen, default=timezone.now())
        return timezone.now() - self._first_seen[kind] > FIRST_SIGHT


def _stored_versions(tools: Sequence[Tool]) -> dict[int, list[Known]]:
    """By tool, the oldest first."""
    found: dict[int, list[Known]] = {}
    if tools:
        columns = ("tool_id", "pk", "digest", "state", "decided_by", "modern", "legacy", "problems")
        rows = ToolVersion.objects.filter(tool__in=[tool.pk for tool in tools]).order_by("id")
        for tool_id, *row in rows.values_list(*columns):
            found.setdefault(tool_id, []).append(Known(*row))
    return found


def _oldest(stored: Sequence[Known], tool: Tool) -> list[int]:
    """Which versions are not kept any more now that there is one more."""
    surplus = max(0, len(stored) + 1 - MAX_VERSIONS)
    said = said_of(tool)
    return [each.pk for each in stored if _is_spare(each, said)][:surplus]


def _is_spare(version: Known, said: set[str]) -> bool:
    """No person has decided on it, and the server does not say it now."""
    return version.digest not in said and version.decided_by in ("", _TRUSTED, _CHECK)


def _store_tools(tools: Sequence[Tool], era: str) -> None:
    """One statement for many; each of them is there already."""
    columns = ["digest", "definition", f"{era}_digest", "state", "last_seen_at"]
    Tool.objects.bulk_create(
        tools, batch_size=_ROWS_AT_ONCE, update_conflicts=True, update_fields=columns, unique_fields=["id"]
    )


def _storable(value: Any) -> Any:
    """With what databases cannot hold written out: null characters, lone surrogates, endless numbers."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    if isinstance(value, dict):
        return {_storable(name): _storable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_storable(each) for each in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _record_many(kind: str, server: Server, era: str, tools: list[Tool], decision: str) -> None:
    """One event for many that came at once."""
    names = [f"{tool.kind}:{tool.name[:80]}" for tool in tools[:100]]
    detail = {"era": era, "review": server.review, "count": len(tools), "names": names}
    record_on(server, kind, subject=server.slug, decision=decision, detail=detail)
