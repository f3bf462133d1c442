"""What servers offer and what of it is approved, frozen, as the data plane holds it."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway_site.lib import jsontext
from gateway_site.lib.caching import Cache, Counts, Key, Reason, key_of
from servers.models import Review, Server, State, Tool, ToolVersion

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

    def get(self, kind: str, name: str) -> Offered | None:
        return self.entries.get((kind, name))

    def of(self, kind: str) -> Iterable[Offered]:
        return (offered for offered in self.entries.values() if offered.kind == kind)

    def is_first_sight(self, kind: str, era: str = "") -> bool:
        """Whether what the server lists now is what its project has agreed to trust; without an era, in any."""
        if self.review != Review.TRUST_FIRST:
            return False
        return not any((each, kind) in self.lists for each in ((era,) if era else (MODERN, LEGACY)))

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
    offers: dict[str, Offer] = {}
    for server in servers:
        key = _key(server, cleared or {})
        known = _kept.get(server.uid)
        if known is not None and known[0] == key:
            _counts.hit()
        else:
            _counts.miss()
            _counts.evict(Reason.CHANGED, number=known is not None)
            known = _kept[server.uid] = key, _load(server)
        _kept.move_to_end(server.uid)
        offers[server.slug] = known[1]
    while len(_kept) > _MAX_KEPT:
        _kept.popitem(last=False)
        _counts.evict(Reason.FULL)
    return offers


def _key(server: Server, cleared: Mapping[str, int]) -> Key:
    since = max(cleared.get("tools", 0), cleared.get(f"tools:{server.pk}", 0))
    return key_of(
        project=server.project_id, server=server.pk, version=f"{server.catalogue_version}.{since}",
        method="catalogue", params=server.review,
    )  # fmt: skip


def _load(server: Server) -> Offer:
    versions: dict[int, list[ToolVersion]] = {}
    for version in ToolVersion.objects.filter(tool__server=server).order_by("last_seen_at", "id"):
        versions.setdefault(version.tool_id, []).append(version)
    return Offer(
        server_id=server.pk,
        review=server.review,
        version=server.catalogue_version,
        lists=frozenset((era, kind) for era, kinds in server.first_lists.items() for kind in kinds),
        entries={
            (tool.kind, tool.name): _offered(tool, versions.get(tool.pk, []))
            for tool in Tool.objects.filter(server=server)
        },
        about=server.about,
    )


def _offered(tool: Tool, versions: list[ToolVersion]) -> Offered:
    shown: dict[str, bytes] = {}
    for version in versions:
        if version.state == State.APPROVED:
            text = orjson.dumps(version.definition)
            shown.update({era: text for era in (MODERN, LEGACY) if getattr(version, era)})
    approved = frozenset(version.digest for version in versions if version.state == State.APPROVED)
    return Offered(
        kind=tool.kind, name=tool.name, state=tool.state, approved=approved,
        refused=frozenset(version.digest for version in versions) - approved, definitions=shown,
        current={era: digest for era in (MODERN, LEGACY) if (digest := getattr(tool, f"{era}_digest"))},
    )  # fmt: skip
