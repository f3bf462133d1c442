"""The file that declares projects: its shape, and how it is read. Nothing here changes anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic import ValidationError as SchemaError

from audit.declaring import DeclaredFilter, DeclaredForwarder, DeclaredSchedule
from guardrails.engine.rules import MAX_CHARACTERS
from guardrails.models import MOST_CHARACTERS
from servers import observing

# What no database takes.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# Of one server: all that it may have, in some versions.
_MOST_APPROVED = 10_000


class DeclarationError(Exception):
    """The file cannot be applied; the text says where and why, for the person who wrote it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Slot(_Strict):
    """What a template's slot takes: a pattern that must match whole, or one of an enum."""

    pattern: str | None = None
    enum: list[str] | None = None
    default: str | None = None
    secret: bool = False
    leading_dash: bool = False


class DeclaredTemplate(_Strict):
    slug: str
    executable: str
    args: list[str] = []
    params: dict[str, Slot] = {}
    env: dict[str, str] = {}
    memory_mb: int = Field(1024, ge=16, le=65_536)
    max_processes: int = Field(32, ge=1, le=1024)
    idle_seconds: int = Field(900, ge=1)
    enabled: bool = True


class DeclaredMember(_Strict):
    email: str
    role: Literal["owner", "admin", "member", "auditor"] = "member"


Preset = Literal["observe", "balanced", "strict"]
Direction = Literal["input", "output", "definition"]
Kind = Literal["prose", "code", "sql", "shell", "path", "url", "id"]


class DeclaredGuardrail(_Strict):
    """Secret values in `config` may be `env:NAME` or `file:PATH`."""

    detector: str
    directions: list[Direction] = ["input", "output"]
    action: Literal["block", "redact", "tokenise", "flag"] = "block"
    threshold: float = Field(0.5, ge=0, le=1)
    config: dict[str, Any] = {}
    categories: list[str] = []
    on_error: Literal["block", "flag"] = "block"
    timeout: float = Field(3.0, ge=0.05, le=60)
    enabled: bool = True


class DeclaredPolicy(_Strict):
    """The guardrails of `preset`, if it names one, and then its own. `default` that is not given stays as it is."""

    slug: str
    name: str = ""
    preset: Preset | None = None
    mode: Literal["enforce", "observe"] | None = None
    guardrails: list[DeclaredGuardrail] = []
    default: bool | None = None
    max_characters: Annotated[int, Field(ge=1024, le=MOST_CHARACTERS)] = MAX_CHARACTERS
    over_limit: Literal["block", "flag"] = "block"


class DeclaredGrant(_Strict):
    """A glob that is allowed or denied, to one role or to all."""

    allow: str | None = None
    deny: str | None = None
    role: Literal["", "owner", "admin", "member", "auditor"] = ""
    reason: str = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> DeclaredGrant:
        if (self.allow is None) == (self.deny is None):
            raise ValueError("give either allow or deny")
        return self


class DeclaredOverlay(_Strict):
    """How one tool is shown. Arguments are named as the server names them."""

    tool: str
    rename: str = ""
    title: str = ""
    description: str = ""
    hidden: bool = False
    hide_arguments: list[str] = []
    pinned: dict[str, Any] = {}
    describe_arguments: dict[str, str] = {}
    rename_arguments: dict[str, str] = {}
    constraint: dict[str, Any] = {}


class DeclaredApproval(_Strict):
    """A definition that may be offered, by its digest (servers.definitions), which is the same everywhere."""

    kind: Literal["tool", "prompt", "resource", "template"] = "tool"
    name: Annotated[str, Field(min_length=1, max_length=observing.MAX_NAME)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DeclaredServer(_Strict):
    """`bearer`, and the values of `headers` and `params`, may be `env:NAME`, `file:PATH` or `stored:`;
    what follows `literal:` is taken as it is.

    Secret slots that `params` leaves out stay as they are.
    `input_policy` and `output_policy` name policies of the project, null its default; these, `argument_kinds`,
    `restore_tokens`, `discovery_seconds`, `review`, `grants` and `overlays` stay as they are when they are not given,
    also when what the file leaves out is deleted; `grants` and `overlays` that are given are all that there are. Of a
    new server all that it first lists is approved, and granted to every role, since who writes the file has said that
    it is to be used; where `approved` is given, nothing but that is approved. `approved` takes no decision back.
    """

    slug: str
    transport: Literal["http", "stdio", "sse"] = "http"
    url: str = ""
    template: str | None = None
    params: dict[str, str] = {}
    headers: dict[str, str] | None = None
    bearer: str | None = None
    timeout_seconds: int = Field(60, ge=1, le=3600)
    enabled: bool = True
    input_policy: str | None = None
    output_policy: str | None = None
    argument_kinds: dict[str, dict[str, Kind]] = {}
    restore_tokens: bool = False
    discovery_seconds: int | None = Field(None, ge=60, le=30 * 86_400)
    review: Literal["review", "trust-first", "trust"] = "trust-first"
    grants: list[DeclaredGrant] = []
    overlays: list[DeclaredOverlay] = []
    approved: Annotated[list[DeclaredApproval], Field(max_length=_MOST_APPROVED)] = []


class DeclaredKey(_Strict):
    """`tools: meta` is the surface of that name with every tool; a tool called so is `surface: native` besides.

    `expires_at` and `enabled` that are not given stay as they are. One that has expired by now is not made.
    """

    user: str
    label: str
    servers: list[str] = ["*"]
    tools: list[str] = ["*"]
    surface: Literal["native", "meta"] = "native"
    networks: list[str] = []
    expires_in_days: float | None = Field(None, gt=0)
    expires_at: AwareDatetime | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _one_end(self) -> DeclaredKey:
        if self.expires_in_days is not None and self.expires_at is not None:
            raise ValueError("give either expires_in_days or expires_at")
        return self

    @model_validator(mode="before")
    @classmethod
    def _read_tools(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and "surface" not in raw and raw.get("tools") in ("meta", ["meta"]):
            return {**raw, "tools": ["*"], "surface": "meta"}
        return raw


class DeclaredException(_Strict):
    """A finding that is none: of a `text`, or at a `pointer` of a tool; or either as a digest, as exports have them.

    Digests are the project's own: another project, or another installation, makes nothing of them.
    """

    detector: str
    category: str = ""
    tool: str = ""
    server: str = ""
    text: str | None = None
    pointer: str | None = None
    text_digest: str = ""
    place_digest: str = ""
    reason: str
    expires_at: AwareDatetime


class DeclaredAudit(_Strict):
    """What the log keeps of calls, and for how many whole months besides the current one; 0 is for ever."""

    payloads: Literal["metadata", "redacted", "full"] = "metadata"
    keep_months: int = Field(0, ge=0, le=1_200)


class DeclaredProject(_Strict):
    """`policy` makes a preset the project's default. `audit` that is not given, or a part of it, stays as it is.

    `grants` are the rules that hold for all servers; these and `exceptions` stay as they are when they are not given,
    and are all that there are when they are. Of `forwarders`, `schedules` and `filters` what is left out stays, or goes
    when what the file leaves out is deleted, but not when the file has no such part at all.
    """

    slug: str
    name: str = ""
    enabled: bool = True
    audit: DeclaredAudit = Field(default_factory=lambda: DeclaredAudit.model_validate({}))
    policy: Preset | None = None
    policies: list[DeclaredPolicy] = []
    members: list[DeclaredMember] = []
    grants: list[DeclaredGrant] = []
    servers: list[DeclaredServer] = []
    exceptions: list[DeclaredException] = []
    forwarders: list[DeclaredForwarder] = []
    schedules: list[DeclaredSchedule] = []
    filters: list[DeclaredFilter] = []
    keys: list[DeclaredKey] = []


class Declaration(_Strict):
    """The whole file. `floor` is the operator's, for every project; given, it is all of it, else it stays."""

    version: Literal[1]
    floor: list[DeclaredGuardrail] = []
    command_templates: list[DeclaredTemplate] = []
    projects: list[DeclaredProject] = []


def read(text: str) -> Declaration:
    """Raises DeclarationError, naming the place in the file; never repeats a value."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DeclarationError(f"not YAML{f', line {mark.line + 1}' if mark else ''}") from None
    except (ValueError, RecursionError):
        # What looks like a date and is none, or endless nesting.
        raise DeclarationError("not YAML: a value cannot be read") from None
    return parse(raw)


def parse(raw: Any) -> Declaration:
    """Like read(), from plain data."""
    if any(_UNSTORABLE.search(text) for text in _texts(raw)):
        raise DeclarationError("a text holds null characters or half a character")
    try:
        return Declaration.model_validate(raw)
    except SchemaError as error:
        places = [f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors()]
        raise DeclarationError("; ".join(places)) from None


def _texts(raw: Any) -> Iterator[str]:
    """All of the file, names too; each part once, however often it is referred to."""
    seen: set[int] = set()
    waiting = [raw]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, (dict, list)) and id(each) not in seen:
            seen.add(id(each))
            waiting += [*each, *each.values()] if isinstance(each, dict) else each
