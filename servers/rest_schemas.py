"""What REST takes and shows of servers, templates, the catalogue, rights and overlays. Secrets go in and never out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from gateway_site.lib.secrets import Unsealable
from projects.rest.etags import etag_of
from projects.rest.references import reference
from projects.rest.schemas import WHOLE, Given, Glob, Shown, Slug
from projects.schemas import RoleName
from servers.models import CommandTemplate, Grant, Overlay, Server, Tool, ToolVersion, secrets_of
from servers.notes import Note

TransportName = Literal["http", "stdio", "sse"]
ReviewName = Literal["review", "trust-first", "trust"]
KindName = Literal["tool", "prompt", "resource", "template"]
StateName = Literal["approved", "waiting", "rejected"]
Act = Literal["approve", "reject", "roll-back"]
Effect = Literal["allow", "deny"]
Reason = Annotated[str, Field(max_length=500)]
Small = Annotated[int, Field(ge=0, le=2**31 - 1), WHOLE]
Texts = dict[str, str]


# --- command templates ------------------------------------------------------------------------------------


class TemplateChanges(Given):
    executable: Annotated[str, Field(min_length=1, max_length=500)] = "{python}"
    args: list[str] = []
    params: dict[str, Any] = {}
    env: Texts = {}
    memory_mb: Small = 1024
    max_processes: Small = 32
    idle_seconds: Small = 900
    enabled: bool = True


class TemplateIn(TemplateChanges):
    slug: Slug
    executable: Annotated[str, Field(min_length=1, max_length=500)]


class TemplateOut(Shown):
    slug: str
    executable: str
    args: list[str]
    params: dict[str, Any]
    env: Texts
    memory_mb: int
    max_processes: int
    idle_seconds: int
    enabled: bool

    @classmethod
    def of(cls, row: CommandTemplate) -> TemplateOut:
        return cls.read(row)


class TemplateSlots(Shown):
    """What a project fills in; what is run is the operator's business."""

    slug: str
    params: dict[str, Any]

    @classmethod
    def of(cls, row: CommandTemplate) -> TemplateSlots:
        return cls.read(row)


# --- servers ----------------------------------------------------------------------------------------------


class ServerChanges(Given):
    """What is left out stays as it is. `headers` and secret `params` are stored sealed and never shown again."""

    transport: TransportName = "http"
    url: Annotated[str, Field(max_length=2000)] = ""
    template: Slug | None = Field(default=None, description="Of a stdio server.")
    params: Texts = Field(default={}, description="Values of all the template's slots.")
    headers: Texts = Field(default={}, description="All headers that are sent to the server.")
    timeout_seconds: Annotated[int, Field(ge=1, le=3600), WHOLE] = 60
    enabled: bool = True
    input_policy: Slug | None = None
    output_policy: Slug | None = None
    argument_kinds: dict[str, Texts] = {}
    restore_tokens: bool = False
    discovery_seconds: Annotated[int, Field(ge=60, le=30 * 86_400), WHOLE] | None = None
    review: ReviewName = "review"


class ServerIn(ServerChanges):
    slug: Slug


class SecretNames(Shown):
    """Of what is stored sealed, the names only. `is_readable` is false when the key ring does not open it."""

    headers: list[str]
    params: list[str]
    is_readable: bool


class ServerOut(Shown):
    slug: str
    transport: TransportName
    url: str
    template: str | None
    params: dict[str, Any]
    secrets: SecretNames
    timeout_seconds: int
    enabled: bool
    input_policy: str | None
    output_policy: str | None
    argument_kinds: dict[str, Any]
    restore_tokens: bool
    discovery_seconds: int | None
    review: ReviewName
    created_at: datetime

    @classmethod
    def of(cls, row: Server) -> ServerOut:
        return cls.read(
            row, template=row.template.slug if row.template else None, secrets=_secret_names(row),
            input_policy=row.input_policy.slug if row.input_policy else None,
            output_policy=row.output_policy.slug if row.output_policy else None,
        )  # fmt: skip


def server_etag(row: Server, shown: ServerOut) -> str:
    return etag_of(shown.model_dump(), row.sealed)


def _secret_names(row: Server) -> SecretNames:
    try:
        secrets = secrets_of(row.uid, row.sealed)
    except Unsealable:
        return SecretNames(headers=[], params=[], is_readable=False)
    return SecretNames(headers=sorted(secrets["headers"]), params=sorted(secrets["params"]), is_readable=True)


class EraTest(Shown):
    """What the server said in one era of the protocol, and how much it lists there."""

    era: Literal["legacy", "modern"]
    versions: list[str]
    server_info: dict[str, Any]
    listed: dict[str, int]


class ServerTest(Shown):
    """`error` is unavailable, timeout, invalid, too_large, encoded or overloaded; empty when the server answered."""

    answered: bool
    error: str
    milliseconds: float
    eras: list[EraTest]


# --- the catalogue ----------------------------------------------------------------------------------------


class ToolOut(Shown):
    """`digest` is of the definition that the server was last seen with."""

    id: str
    server: str
    kind: KindName
    name: str
    state: StateName
    digest: str
    in_modern: bool
    in_legacy: bool
    first_seen_at: datetime
    last_seen_at: datetime

    @classmethod
    def of(cls, row: Tool) -> Self:
        return cls.read(
            row, id=reference("tool", row.pk, row.project_id), server=row.server.slug,
            in_modern=bool(row.modern_digest), in_legacy=bool(row.legacy_digest),
        )  # fmt: skip


class ToolWhole(ToolOut):
    definition: dict[str, Any]


class VersionOut(Shown):
    """One definition that the tool was seen with, and what was decided on it."""

    digest: str
    state: StateName
    modern: bool
    legacy: bool
    problems: list[str]
    decided_by: str
    decided_at: datetime | None
    reason: str
    first_seen_at: datetime
    last_seen_at: datetime

    @classmethod
    def of(cls, row: ToolVersion) -> VersionOut:
        return cls.read(row)


class NoteOut(Shown):
    """What a reviewer should look at, and where in the definition."""

    code: str
    text: str
    pointer: str


class VersionWhole(VersionOut):
    """With the definition that was approved before it, null when nothing was."""

    definition: dict[str, Any]
    approved_before: dict[str, Any] | None
    notes: list[NoteOut]

    @classmethod
    def with_evidence(cls, row: ToolVersion, before: ToolVersion | None, notes: tuple[Note, ...]) -> VersionWhole:
        definition = before.definition if before else None
        return cls.read(row, approved_before=definition, notes=[NoteOut.read(each) for each in notes])


class Decision(Given):
    """Of one definition: the digest says which was looked at."""

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    act: Act
    reason: Reason = ""


class Approval(Given):
    reason: Reason = ""


class Approved(Shown):
    approved: int


# --- rights -----------------------------------------------------------------------------------------------


class Rule(Given):
    """Deny wins, and what nothing allows is denied. `role` empty is every role."""

    effect: Effect = "allow"
    pattern: Glob = "*"
    role: RoleName | Literal[""] = ""
    reason: Annotated[str, Field(max_length=200)] = ""


class GrantChanges(Rule):
    server: Slug | None = Field(default=None, description="Its slug; null is every server.")


class GrantOut(Shown):
    id: str
    server: str | None
    effect: Effect
    pattern: str
    role: RoleName | Literal[""]
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, row: Grant) -> GrantOut:
        server = row.server.slug if row.server else None
        return cls.read(row, id=reference("grant", row.pk, row.project_id), server=server)


class Rules(Given):
    rules: Annotated[list[Rule], Field(max_length=500)]


class RulesOut(Shown):
    rules: list[GrantOut]


class UsableOut(Shown):
    kind: KindName
    name: str


class WhyOut(Shown):
    """`usable` is all that may be used at the server."""

    allowed: bool
    code: str
    why: str
    usable: list[UsableOut]


# --- overlays ---------------------------------------------------------------------------------------------


class OverlayChanges(Given):
    """How models see the tool; arguments by the server's own names."""

    rename: Annotated[str, Field(max_length=64)] = ""
    title: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=4000)] = ""
    hidden: bool = False
    hide_arguments: list[str] = []
    pinned: dict[str, Any] = {}
    describe_arguments: Texts = {}
    rename_arguments: Texts = {}
    constraint: dict[str, Any] = {}


class OverlayIn(OverlayChanges):
    server: Slug
    tool: Annotated[str, Field(min_length=1, max_length=128)]


class OverlayOut(Shown):
    id: str
    server: str
    tool: str
    rename: str
    title: str
    description: str
    hidden: bool
    hide_arguments: list[str]
    pinned: dict[str, Any]
    describe_arguments: Texts
    rename_arguments: Texts
    constraint: dict[str, Any]

    @classmethod
    def of(cls, row: Overlay) -> OverlayOut:
        return cls.read(row, id=reference("overlay", row.pk, row.project_id), server=row.server.slug)


class Laid(Shown):
    """What the server says and what models see."""

    server_says: dict[str, Any]
    models_see: dict[str, Any]


class OverlayPreview(Shown):
    """Against what is approved. `problems` say why the overlay does not fit."""

    problems: list[str]
    shown: list[Laid]


# --- caches -----------------------------------------------------------------------------------------------


class CacheServer(Shown):
    tool_count: int
    read_at: datetime | None
    expires_at: datetime | None
    is_expired: bool
    needs_discovery: bool
    error: str


class CacheStatus(Shown):
    """`cleared` says at which version of the configuration what was dropped."""

    project: str
    cache_type: Literal["redis", "memory"]
    tools_expire_after_hours: float
    config_expires_after_hours: float
    config_version: int
    config_changed_at: datetime | None
    config_age_seconds: float | None
    cleared: dict[str, int]
    servers: dict[str, CacheServer]


class CacheClearing(Given):
    kind: Literal["tools", "config", "verdicts", "all"] = "all"
    server: Slug | None = Field(default=None, description="Only its tools.")


class CacheClearingOfAll(Given):
    kind: Literal["tools", "config", "verdicts", "all"] = "all"
