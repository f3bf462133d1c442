"""What servers offer and what of it is approved, frozen, as the data plane holds it."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from django.db.models import Case, TextField, Value, When
from django.db.models.functions import Cast

from gateway_site.lib import jsontext
from gateway_site.lib.caching import Cache, Counts, Key, Reason, key_of
from projects.authentication import plain_uri
from servers.models import Review, Server, State, Tool, ToolVersion
from servers.templates import Templates

MODERN, LEGACY = "modern", "legacy"
_MAX_KEPT = 2_000
_counts = Counts(Cache.OFFERS)
Place = tuple[str, str]


def era_of(modern: bool) -> str:
    return MODERN if modern else LEGACY


@dataclass(frozen=True, slots=True)
class Offered:
    """One tool, prompt, resource or template. `approved` and `refused` are the digests that were decided on.

    `definitions` holds what is shown of it, by era, as JSON text; `current` the digest of what the server lists now.
    """

    kind: str
    name: str
    state: str
    approved: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    definitions: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    current: Mapping[str, str] = field(default_factory=dict)

    @property
    def may_be_used(self) -> bool:
        return self.state == State.APPROVED

    def definition(self, era: str) -> dict[str, Any] | None:
        """What is shown of it in that era, or in the other when the server has shown it there only."""
        text = self.text(era)
        return None if text is None else jsontext.decode(text)

    def text(self, era: str) -> bytes | None:
        """Like `definition`, as JSON text."""
        return self.definitions.get(era) or next(iter(self.definitions.values()), None)


@dataclass(frozen=True, slots=True)
class Offer:
    """The catalogue of one server. `lists` are those, by era and kind, that have been seen to their end once."""

    server_id: int
    review: str = Review.REVIEW
    version: int = 0
    lists: frozenset[Place] = frozenset()
    entries: Mapping[Place, Offered] = field(default_factory=dict, repr=False)
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)
    # Resources that may not be used, as servers that tidy up URIs may read them.
    held: frozenset[str] = frozenset()
    # Made when it is first asked for.
    _templates: list[Templates] = field(default_factory=list, init=False, repr=False, compare=False)

    def get(self, kind: str, name: str) -> Offered | None:
        return self.entries.get((kind, name))

    def of(self, kind: str) -> Iterable[Offered]:
        return (offered for offered in self.entries.values() if offered.kind == kind)

    def may_have(self, uri: str) -> bool:
        """Whether a template that is listed now and may be used may make this URI."""
        if not self._templates:
            listed = (each.name for each in self.of("template") if each.current and each.may_be_used)
            self._templates.append(Templates(listed))
        return self._templates[0].may_match(uri)

    def is_first_sight(self, kind: str) -> bool:
        """Whether what the server lists now is what its project has agreed to trust."""
        return self.review == Review.TRUST_FIRST and not any((era, kind) in self.lists for era in (MODERN, LEGACY))

    def is_news(self, kind: str, name: str, digest: str, era: str) -> bool:
        """Whether the server lists something else in that era than when it was last looked at."""
        offered = self.entries.get((kind, name))
        return offered is None or offered.current.get(era) != digest

    def shows(self, kind: str, name: str, digest: str) -> bool:
        """Whether the server's own entry may be passed on as it is."""
        offered = self.entries.get((kind, name))
        if offered is None:
            return self.review == Review.TRUST
        if not offered.may_be_used or digest in offered.refused:
            return False
        return digest in offered.approved or self.review == Review.TRUST


# Read again only when the catalogue of that server has changed.
_kept: OrderedDict[uuid.UUID, tuple[Key, Offer]] = OrderedDict()


def load(servers: Iterable[Server], cleared: Mapping[str, int] | None = None) -> dict[str, Offer]:
    """By slug. Runs under the project's scope. `cleared` says since when nothing that was kept is good any more."""
    keys = {server.uid: (server, _key(server, cleared or {})) for server in servers}
    kept = {uid: _kept.get(uid) for uid in keys}
    known = {uid: found for uid, found in kept.items() if found is not None and found[0] == keys[uid][1]}
    _counts.hit(len(known))
    _counts.miss(len(keys) - len(known))
    _counts.evict(Reason.CHANGED, number=sum(found is not None for found in kept.values()) - len(known))
    loaded = _load([server for uid, (server, _) in keys.items() if uid not in known])
    offers: dict[str, Offer] = {}
    for uid, (server, key) in keys.items():
        _kept[uid] = known.get(uid) or (key, loaded[server.pk])
        _kept.move_to_end(uid)
        offers[server.slug] = _kept[uid][1]
    while len(_kept) > _MAX_KEPT:
        _kept.popitem(last=False)
        _counts.evict(Reason.FULL)
    return offers


def _key(server: Server, cleared: Mapping[str, int]) -> Key:
    since = max(cleared.get("tools", 0), cleared.get(f"tools:{server.pk}", 0))
    return key_of(
        project=server.project_id, server=server.pk, version=f"{server.catalogue_version}.{since}",
        method="catalogue", params=server.review_in_force,
    )  # fmt: skip


def _load(servers: Sequence[Server]) -> dict[int, Offer]:
    """By the server's number. A project may offer thousands of tools, so that rows are read and no objects."""
    entries: dict[int, dict[Place, Offered]] = {server.pk: {} for server in servers}
    if not servers:
        return {}
    versions = _versions(entries)
    columns = ("pk", "server_id", "kind", "name", "state", f"{MODERN}_digest", f"{LEGACY}_digest")
    for pk, server_id, kind, name, state, *digests in Tool.objects.filter(server__in=entries).values_list(*columns):
        current = {era: digest for era, digest in zip((MODERN, LEGACY), digests, strict=True) if digest}
        entries[server_id][kind, name] = _offered(kind, name, state, current, versions.get(pk, []))
    return {
        server.pk: Offer(
            server_id=server.pk,
            review=server.review_in_force,
            version=server.catalogue_version,
            lists=frozenset((era, kind) for era, kinds in server.first_lists.items() for kind in kinds),
            entries=entries[server.pk],
            held=_held(entries[server.pk]),
            about=server.about,
        )
        for server in servers
    }


def _held(entries: Mapping[Place, Offered]) -> frozenset[str]:
    return frozenset(
        plain_uri(name) for (kind, name), offered in entries.items() if kind == "resource" and not offered.may_be_used
    )


# Of one version: digest, state, whether it was shown in either era, and the definition as the database has it, empty
# for one that is not approved.
_Version = tuple[str, str, bool, bool, str]


def _versions(servers: Iterable[int]) -> dict[int, list[_Version]]:
    """By tool, in the order in which they were last seen."""
    rows = ToolVersion.objects.filter(tool__server__in=servers).order_by("last_seen_at", "id")
    found: dict[int, list[_Version]] = {}
    # What was refused is never shown, and a server may have said a lot of it.
    shown = When(state=State.APPROVED, then=Cast("definition", TextField()))
    text = Case(shown, default=Value(""), output_field=TextField())
    columns = ("tool_id", "digest", "state", MODERN, LEGACY, text)
    for tool_id, *version in rows.values_list(*columns):
        found.setdefault(tool_id, []).append(cast(_Version, tuple(version)))
    return found


def _offered(
    kind: str, name: str, state: str, current: Mapping[str, str], versions: Iterable[_Version]
) -> Offered:
    shown: dict[str, bytes] = {}
    approved, refused = set(), set()
    for digest, decision, modern, legacy, text in versions:
        if decision != State.APPROVED:
            refused.add(digest)
            continue
        approved.add(digest)
        definition = jsontext.encode(jsontext.decode(text))
        shown.update({era: definition for era, was_shown in ((MODERN, modern), (LEGACY, legacy)) if was_shown})
    return Offered(
        kind=kind, name=name, state=state, approved=frozenset(approved), refused=frozenset(refused),
        definitions=shown, current=current,
    )  # fmt: skip
