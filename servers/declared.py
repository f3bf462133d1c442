"""Projects, members, policies, servers, templates and keys in YAML, and brought about: idempotent, atomic."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import yaml
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic import ValidationError as SchemaError

from audit import declaring
from audit.declaring import DeclaredFilter, DeclaredForwarder, DeclaredSchedule
from gateway_site.lib import egress
from gateway_site.lib.references import STORED, resolve, resolve_with
from gateway_site.lib.secrets import Unsealable
from guardrails import services as guardrail_services
from guardrails.engine.rules import MAX_CHARACTERS
from guardrails.exemptions import digest_place, digest_text
from guardrails.models import MOST_CHARACTERS, FindingException, Policy
from guardrails.presets import DEFAULT, PRESETS
from guardrails.specs import Spec
from guardrails.validation import secret_parameters
from projects import people
from projects import services as project_services
from projects.models import ApiKey, Membership, Project, User
from projects.scoping import unscoped, with_project
from projects.versions import raised_once
from servers import review, services
from servers.models import CommandTemplate, Server
from servers.reading import left_to_schedule

# What no database takes.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# So many servers are read by and by, not all at once.
_MANY = 100
# Of one server: all that it may have, in some versions.
_MOST_APPROVED = 10_000
_DECLARED = "declared in a file"


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
    name: Annotated[str, Field(min_length=1, max_length=review.MAX_NAME)]
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


Progress = Callable[[int, int], None]


@dataclass
class Outcome:
    """What was, or in a dry run would be, done. `keys` and `signing_keys` hold the texts of new ones, shown once."""

    create: list[str] = field(default_factory=list)
    update: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    keys: list[dict[str, str]] = field(default_factory=list, repr=False)
    signing_keys: list[dict[str, str]] = field(default_factory=list, repr=False)
    progress: Progress | None = field(default=None, repr=False)
    servers: int = 0
    servers_done: int = 0

    def advance(self) -> None:
        """One more server is done."""
        self.servers_done += 1
        if self.progress is not None:
            self.progress(self.servers_done, self.servers)

    def difference(self) -> dict[str, list[str]]:
        return {"create": self.create, "update": self.update, "delete": self.delete}


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


def apply(
    declaration: Declaration, *, dry_run: bool = False, prune: bool = False, progress: Progress | None = None
) -> Outcome:
    """All or nothing. `prune` also deletes members, servers and policies of declared projects that the file leaves out.

    `progress` is told how many servers of how many are done. Raises DeclarationError.
    """
    outcome = Outcome(progress=progress, servers=sum(len(each.servers) for each in declaration.projects))
    with transaction.atomic(), raised_once(), left_to_schedule() if outcome.servers > _MANY else nullcontext():
        _lock_servers(declaration)
        if "floor" in declaration.model_fields_set:
            _at("floor", _apply_floor, declaration, outcome)
        for template in declaration.command_templates:
            _at(f"command_templates.{template.slug}", _apply_template, template, outcome)
        for project in declaration.projects:
            _apply_project(project, outcome, prune)
        if dry_run:
            # What would happen is found by doing it, so that a dry run cannot differ from a run.
            transaction.set_rollback(True)
            outcome.keys.clear()
            outcome.signing_keys.clear()
    return outcome


def _lock_servers(declaration: Declaration) -> None:
    """All rows first and the counter of versions after them, as who notes what one server lists takes them."""
    slugs = [project.slug for project in declaration.projects]
    with unscoped("a file may declare several projects"):
        list(Server.objects.select_for_update(of=("self",)).filter(project__slug__in=slugs).order_by("pk"))


def _at(place: str, function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except ValidationError as error:
        raise DeclarationError(f"{place}: {'; '.join(error.messages)}") from None
    except Unsealable:
        raise DeclarationError(f"{place}: what is stored does not open with this gateway's key ring") from None


def _apply_floor(declaration: Declaration, outcome: Outcome) -> None:
    done = guardrail_services.set_floor(guardrails=[_spec(each) for each in declaration.floor])
    outcome.create += [f"floor {name}" for name in done.created]
    outcome.update += [f"floor {name}" for name in done.changed]
    outcome.delete += [f"floor {name}" for name in done.deleted]


def _apply_template(declared: DeclaredTemplate, outcome: Outcome) -> None:
    template = CommandTemplate.objects.filter(slug=declared.slug).first()
    wanted = {
        **declared.model_dump(exclude={"slug", "params"}),
        "params": {name: slot.model_dump(exclude_defaults=True) for name, slot in declared.params.items()},
    }
    name = f"command_template {declared.slug}"
    if template is None:
        services.save_template(template=CommandTemplate(slug=declared.slug, **wanted))
        outcome.create.append(name)
    elif _assign(template, {**wanted, "params": _as_stored(template.params, wanted["params"])}):
        services.save_template(template=template)
        outcome.update.append(name)


def _as_stored(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is stored, when it says the same with other words."""
    try:
        said = {name: Slot.model_validate(slot).model_dump(exclude_defaults=True) for name, slot in stored.items()}
    except SchemaError:
        return wanted
    return stored if said == wanted else wanted


def _assign(row: Any, wanted: dict[str, Any]) -> bool:
    """Whether anything differed."""
    changed = [attribute for attribute, value in wanted.items() if getattr(row, attribute) != value]
    for attribute in changed:
        setattr(row, attribute, wanted[attribute])
    return bool(changed)


def _apply_project(declared: DeclaredProject, outcome: Outcome, prune: bool) -> None:
    place = f"projects.{declared.slug}"
    project = Project.objects.filter(slug=declared.slug).first()
    if project is None:
        project = _at(place, lambda: project_services.create_project(slug=declared.slug, name=declared.name))
        outcome.create.append(f"project {declared.slug}")
    wanted = {
        "name": declared.name or project.name,
        "enabled": declared.enabled,
        **declared.audit.model_dump(include=declared.audit.model_fields_set),
    }
    changes = {attribute: value for attribute, value in wanted.items() if getattr(project, attribute) != value}
    if changes:
        _at(place, lambda: project_services.update_project(project=project, **changes))
        outcome.update.append(f"project {declared.slug}")
    with with_project(project.pk):
        for member in declared.members:
            _at(f"{place}.members.{member.email}", _apply_member, project, member, outcome)
        # Before the servers, which name them.
        _at(f"{place}.policy", _check_default, declared)
        for policy in _policies(declared):
            _at(f"{place}.policies.{policy.slug}", _apply_policy, project, policy, outcome)
        if declared.policy == DEFAULT:
            _unset_default(project, outcome)
        if "grants" in declared.model_fields_set:
            _at(f"{place}.grants", _apply_grants, project, declared, outcome)
        known = _known_servers(declared)
        for server in declared.servers:
            _at(f"{place}.servers.{server.slug}", _apply_server, project, server, known, outcome)
            outcome.advance()
        if "exceptions" in declared.model_fields_set:
            _at(f"{place}.exceptions", _apply_exceptions, project, declared, outcome)
        for key in declared.keys:
            _at(f"{place}.keys.{key.label}", _apply_key, project, key, outcome)
        _apply_audit(project, declared, outcome, prune)
        if prune:
            _at(place, _prune, project, declared, outcome)


def _apply_audit(project: Project, declared: DeclaredProject, outcome: Outcome, prune: bool) -> None:
    """What becomes of the project's log. A file that does not speak of a part has left nothing out of it."""
    acts: dict[str, Callable[..., None]] = {
        "forwarders": declaring.apply_forwarders, "schedules": declaring.apply_schedules,
        "filters": declaring.apply_filters,
    }  # fmt: skip
    for part, act in acts.items():
        wanted, pruned = getattr(declared, part), prune and part in declared.model_fields_set
        _at(f"projects.{project.slug}.{part}", act, project, wanted, outcome, pruned)


def _apply_member(project: Project, declared: DeclaredMember, outcome: Outcome) -> None:
    user = people.person_of(declared.email)
    name = f"member {project.slug}/{user.email}"
    membership = Membership.objects.filter(user=user).first()
    if membership is None:
        outcome.create.append(name)
    elif membership.role != declared.role:
        outcome.update.append(name)
    else:
        return
    project_services.set_member(project=project, user=user, role=declared.role)


def _check_default(declared: DeclaredProject) -> None:
    slugs = [policy.slug for policy in declared.policies]
    if len(set(slugs)) != len(slugs) or declared.policy in slugs:
        raise ValidationError("Two policies have one slug.")
    if len([policy for policy in declared.policies if policy.default]) + bool(declared.policy) > 1:
        raise ValidationError("A project has one default policy.")


def _policies(declared: DeclaredProject) -> list[DeclaredPolicy]:
    """Those that are to be rows; the preset that every project has without a choice of its own needs none."""
    if declared.policy is None or declared.policy == DEFAULT:
        return declared.policies
    return [*declared.policies, DeclaredPolicy(slug=declared.policy, preset=declared.policy, default=True)]


def _apply_policy(project: Project, declared: DeclaredPolicy, outcome: Outcome) -> None:
    mode = declared.mode or (PRESETS[declared.preset].mode.value if declared.preset else "enforce")
    fields: dict[str, Any] = {
        "name": declared.name, "mode": mode, "max_characters": declared.max_characters,
        "over_limit": declared.over_limit,
    }  # fmt: skip
    specs = [*(guardrail_services.preset(declared.preset) if declared.preset else ()),
             *(_spec(each) for each in declared.guardrails)]  # fmt: skip
    name = f"policy {project.slug}/{declared.slug}"
    policy = Policy.objects.filter(slug=declared.slug).first()
    if policy is None:
        guardrail_services.create_policy(
            project=project, slug=declared.slug, guardrails=specs, is_default=bool(declared.default), **fields
        )
        outcome.create.append(name)
        return
    known, was_default = policy.version, policy.is_default
    policy = guardrail_services.update_policy(policy=policy, guardrails=specs, **fields)
    if declared.default is not None and declared.default != was_default:
        guardrail_services.set_default_policy(project=project, policy=policy if declared.default else None)
    elif policy.version == known:
        return
    outcome.update.append(name)


def _spec(declared: DeclaredGuardrail) -> Spec:
    secret = secret_parameters(declared.detector)
    config = {
        name: resolve(value) if name in secret and isinstance(value, str) else value
        for name, value in declared.config.items()
        # What a guardrail's configuration leaves out stays.
        if not (name in secret and value == STORED)
    }
    given = declared.model_dump(exclude={"config", "directions", "categories"})
    return Spec(
        config=config, directions=tuple(declared.directions), categories=tuple(declared.categories), **given
    )


def _unset_default(project: Project, outcome: Outcome) -> None:
    current = Policy.objects.filter(is_default=True).first()
    if current is not None:
        guardrail_services.set_default_policy(project=project, policy=None)
        outcome.update.append(f"policy {project.slug}/{current.slug}")


def _policy(slug: str | None) -> Policy | None:
    if slug is None:
        return None
    policy = Policy.objects.filter(slug=slug).first()
    if policy is None:
        raise ValidationError(f"There is no policy {slug}.")
    return policy


def _guarding(declared: DeclaredServer) -> dict[str, Any]:
    """What the file says of how the server is guarded and read; what it does not mention stays."""
    wanted = {
        "input_policy": _policy(declared.input_policy),
        "output_policy": _policy(declared.output_policy),
        "argument_kinds": dict(declared.argument_kinds),
        "restore_tokens": declared.restore_tokens,
        "discovery_seconds": declared.discovery_seconds,
        "review": declared.review,
    }
    return {name: value for name, value in wanted.items() if name in declared.model_fields_set}


def _known_servers(declared: DeclaredProject) -> dict[str, Server]:
    """Those of the file that are there already, by slug."""
    related = ("template", "project", "input_policy", "output_policy")
    slugs = [server.slug for server in declared.servers]
    return {row.slug: row for row in Server.objects.select_related(*related).filter(slug__in=slugs)}


def _apply_server(
    project: Project, declared: DeclaredServer, known_servers: dict[str, Server], outcome: Outcome
) -> None:
    server = known_servers.get(declared.slug)
    wanted = {
        "transport": declared.transport,
        "url": declared.url,
        "template": _template(declared.template),
        "timeout_seconds": declared.timeout_seconds,
        "enabled": declared.enabled,
        **_guarding(declared),
    }
    known = server.secrets if server is not None else {"headers": {}, "params": {}}
    headers = _headers(declared, known["headers"])
    params = _params(declared, known["params"], wanted["template"])
    name = f"server {project.slug}/{declared.slug}"
    if server is None:
        server = services.new_server(project=project, slug=declared.slug, **wanted)
        server.review = declared.review
        known_servers[server.slug] = services.save_server(server=server, headers=headers or {}, params=params)
        if grants := _grants_of_new(declared):
            services.set_grants(server=server, grants=grants)
        if overlays := _overlays(declared):
            services.set_overlays(server=server, overlays=overlays)
        if "approved" in declared.model_fields_set:
            review.approve_ahead(server=server, approvals=_approvals(declared), reason=_DECLARED)
        outcome.create.append(name)
        return
    if headers is not None and _keeps_a_secret(declared) and _moves(server, wanted):
        raise ValidationError("Headers that are stored are for another host; give them again.")
    differs = _assign(server, wanted) or (headers is not None and headers != known["headers"])
    differs = differs or params != {**server.params, **known["params"]}
    if differs:
        services.save_server(server=server, headers=headers, params=params)
    if "grants" in declared.model_fields_set:
        differs = services.set_grants(server=server, grants=_grants(declared)) or differs
    if "overlays" in declared.model_fields_set:
        differs = services.set_overlays(server=server, overlays=_overlays(declared)) or differs
    if "approved" in declared.model_fields_set:
        ahead = review.approve_ahead(server=server, approvals=_approvals(declared), reason=_DECLARED)
        differs = ahead or differs
    if differs:
        outcome.update.append(name)


def _approvals(declared: DeclaredServer) -> list[review.Approval]:
    return [review.Approval(each.kind, each.name, each.digest) for each in declared.approved]


def _grants_of_new(declared: DeclaredServer) -> list[services.GrantSpec]:
    return _grants(declared) if "grants" in declared.model_fields_set else [services.EVERYTHING]


def _grants(declared: DeclaredServer | DeclaredProject) -> list[services.GrantSpec]:
    return [
        services.GrantSpec("allow" if grant.deny is None else "deny", grant.allow or grant.deny or "", grant.role,
                           grant.reason)
        for grant in declared.grants
    ]  # fmt: skip


def _apply_grants(project: Project, declared: DeclaredProject, outcome: Outcome) -> None:
    if services.set_project_grants(project=project, grants=_grants(declared)):
        outcome.update.append(f"grants {project.slug}")


def _apply_exceptions(project: Project, declared: DeclaredProject, outcome: Outcome) -> None:
    """An exception is made and ended, never changed; those that have expired are neither."""
    now = timezone.now()
    slugs = dict(Server.objects.values_list("pk", "slug"))
    rows = {
        (row.detector, row.category, row.tool, slugs.get(row.server_ref or 0, ""), row.text_digest, row.place_digest,
         row.reason, row.expires_at): row
        for row in FindingException.objects.filter(expires_at__gt=now)
        if row.server_ref is None or row.server_ref in slugs
    }  # fmt: skip
    wanted = {_exception_key(project, each): each for each in declared.exceptions if each.expires_at > now}
    for key in rows.keys() - wanted.keys():
        guardrail_services.remove_exception(exception=rows[key])
        outcome.delete.append(f"exception {project.slug}/{rows[key].detector}")
    for key, each in wanted.items():
        if key in rows:
            continue
        server = Server.objects.filter(slug=each.server).first() if each.server else None
        if each.server and server is None:
            raise ValidationError(f"There is no server {each.server}.")
        guardrail_services.add_exception(
            project=project, server_ref=server.pk if server else None, **each.model_dump()
        )
        outcome.create.append(f"exception {project.slug}/{each.detector}")


def _exception_key(project: Project, declared: DeclaredException) -> tuple[Any, ...]:
    key = settings.KEYRING.project_digest_key(project.pk)
    text, place = declared.text_digest, declared.place_digest
    if declared.text is not None:
        text = digest_text(key, declared.text)
    if declared.pointer is not None:
        place = digest_place(key, declared.tool, declared.pointer)
    return (declared.detector, declared.category, declared.tool, declared.server, text, place, declared.reason,
            declared.expires_at)  # fmt: skip


def _overlays(declared: DeclaredServer) -> dict[str, dict[str, Any]]:
    found = {overlay.tool: overlay.model_dump(exclude={"tool"}) for overlay in declared.overlays}
    if len(found) != len(declared.overlays):
        raise ValidationError("Two overlays are of one tool.")
    return found


def _template(slug: str | None) -> CommandTemplate | None:
    if slug is None:
        return None
    template = CommandTemplate.objects.filter(slug=slug).first()
    if template is None:
        raise ValidationError(f"There is no command template {slug}.")
    return template


def _headers(declared: DeclaredServer, known: Mapping[str, str]) -> dict[str, str] | None:
    """None when the file says nothing of them: what is stored stays."""
    if declared.headers is None and declared.bearer is None:
        return None
    headers = {name: resolve_with(known, name, value)
               for name, value in (declared.headers or {}).items()}  # fmt: skip
    if declared.bearer == STORED:
        headers["Authorization"] = resolve_with(known, "Authorization", STORED)
    elif declared.bearer is not None:
        headers["Authorization"] = f"Bearer {resolve(declared.bearer)}"
    return headers


def _keeps_a_secret(declared: DeclaredServer) -> bool:
    return STORED in [*(declared.headers or {}).values(), declared.bearer]


def _moves(server: Server, wanted: Mapping[str, Any]) -> bool:
    """Who may change an address must not learn by it what was stored for the old one."""
    return egress.host_of(server.url) != egress.host_of(wanted["url"])


def _params(
    declared: DeclaredServer, known: Mapping[str, str], template: CommandTemplate | None
) -> dict[str, str]:
    """With the secret ones that are stored and that the file does not mention."""
    slots = template.params if template is not None else {}
    kept = {name: value for name, value in known.items() if slots.get(name, {}).get("secret")}
    given = {name: resolve_with(known, name, value)
             for name, value in declared.params.items()}  # fmt: skip
    return {**kept, **given}


def _apply_key(project: Project, declared: DeclaredKey, outcome: Outcome) -> None:
    user = User.objects.filter(email=declared.user.lower()).first()
    if user is None:
        raise ValidationError(f"{declared.user} is not a member.")
    name = f"key {project.slug}/{user.email}/{declared.label}"
    rights: dict[str, Any] = {
        "servers": declared.servers, "tools": declared.tools, "surface": declared.surface,
        "networks": declared.networks,
    }  # fmt: skip
    key = _live_key(user, declared.label)
    if key is not None:
        if "expires_at" in declared.model_fields_set:
            rights["expires_at"] = declared.expires_at
        changes = {attribute: value for attribute, value in rights.items() if getattr(key, attribute) != value}
        if changes:
            project_services.update_key(key=key, **changes)
        is_switched = "enabled" in declared.model_fields_set and declared.enabled != (key.disabled_at is None)
        if is_switched:
            project_services.set_key_enabled(key=key, enabled=declared.enabled)
        if changes or is_switched:
            outcome.update.append(name)
        return
    expires_at = _end_of(declared)
    if expires_at is not None and expires_at <= timezone.now():
        return
    key, text = project_services.issue_key(
        project=project, user=user, label=declared.label, expires_at=expires_at, **rights
    )
    if not declared.enabled:
        project_services.set_key_enabled(key=key, enabled=False)
    outcome.create.append(name)
    outcome.keys.append({"project": project.slug, "user": user.email, "label": declared.label, "key": text})


def _end_of(declared: DeclaredKey) -> datetime | None:
    days = declared.expires_in_days
    return declared.expires_at if days is None else timezone.now() + timedelta(days=days)


def _live_key(user: User, label: str) -> ApiKey | None:
    now = timezone.now()
    candidates: Iterable[ApiKey] = ApiKey.objects.filter(user=user, label=label, revoked_at=None).order_by("-id")
    return next((key for key in candidates if key.expires_at is None or key.expires_at > now), None)


def _prune(project: Project, declared: DeclaredProject, outcome: Outcome) -> None:
    for server in Server.objects.exclude(slug__in=[server.slug for server in declared.servers]):
        outcome.delete.append(f"server {project.slug}/{server.slug}")
        services.delete_server(server=server)
    _prune_policies(project, declared, outcome)
    emails = [member.email.lower() for member in declared.members]
    for membership in Membership.objects.exclude(user__email__in=emails).select_related("user", "project"):
        outcome.delete.append(f"member {project.slug}/{membership.user.email}")
        project_services.remove_member(membership=membership)


def _prune_policies(project: Project, declared: DeclaredProject, outcome: Outcome) -> None:
    slugs = [policy.slug for policy in _policies(declared)]
    for policy in Policy.objects.exclude(slug__in=slugs):
        outcome.delete.append(f"policy {project.slug}/{policy.slug}")
        if policy.is_default:
            guardrail_services.set_default_policy(project=project, policy=None)
        guardrail_services.delete_policy(policy=policy)
