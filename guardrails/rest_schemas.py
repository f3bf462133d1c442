"""What REST takes and shows of policies, their guardrails, the floor, false positives and tried texts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from gateway_site.lib.secrets import Unsealable
from guardrails.bench import Trial
from guardrails.engine.detector import Parameter
from guardrails.engine.findings import Blocked, Rewritten
from guardrails.engine.rules import MAX_CHARACTERS
from guardrails.forms import LONGEST_SAMPLE
from guardrails.models import (
    MAX_TIMEOUT,
    MOST_CHARACTERS,
    Check,
    FindingException,
    FloorGuardrail,
    Policy,
    PolicyVersion,
)
from guardrails.services import MAX_GUARDRAILS
from guardrails.specs import Spec
from projects.rest.etags import etag_of
from projects.rest.references import reference
from projects.rest.schemas import WHOLE, Given, Moment, Shown, Slug

Direction = Literal["input", "output", "definition"]
ActionName = Literal["block", "redact", "tokenise", "flag"]
WhenUnable = Literal["block", "flag"]
ModeName = Literal["enforce", "observe"]
Preset = Literal["observe", "balanced", "strict"]
Detector = Annotated[str, Field(min_length=1, max_length=64)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class GuardrailIn(Given):
    """One check. Secret parameters go into `config` too and are never shown; left out they stay, "" forgets one."""

    id: Annotated[str, Field(max_length=36)] = Field(default="", description="Of the guardrail that this continues.")
    detector: Detector
    directions: Annotated[list[Direction], Field(min_length=1, max_length=3)] = ["input", "output"]
    action: ActionName = "block"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    config: dict[str, Any] = {}
    categories: Annotated[list[str], Field(max_length=100)] = []
    on_error: WhenUnable = "block"
    timeout: Annotated[float, Field(ge=0.05, le=MAX_TIMEOUT)] = 3.0
    enabled: bool = True

    def spec(self) -> Spec:
        fields = self.model_dump(exclude={"id", "directions", "categories", "order"})
        return Spec(uid=self.id, directions=tuple(self.directions), categories=tuple(self.categories), **fields)


class GuardrailOut(Shown):
    """`secrets` are names only; null when the key ring does not open them."""

    id: str
    detector: str
    directions: list[Direction]
    action: ActionName
    threshold: float
    config: dict[str, Any]
    secrets: list[str] | None
    categories: list[str]
    on_error: WhenUnable
    timeout: float
    enabled: bool

    @classmethod
    def of(cls, row: Check) -> GuardrailOut:
        return cls.read(row, id=str(row.uid), secrets=_secret_names(row))


def _secret_names(row: Check) -> list[str] | None:
    try:
        return sorted(row.secrets)
    except Unsealable:
        return None


class FloorIn(GuardrailIn):
    order: Annotated[int, Field(ge=0, le=2**31 - 1), WHOLE] = 0


class FloorOut(GuardrailOut):
    order: int

    @classmethod
    def of_floor(cls, row: FloorGuardrail) -> FloorOut:
        return cls.read(row, id=str(row.uid), secrets=_secret_names(row))


class PolicyChanges(Given):
    """`guardrails` are then all of them, in this order."""

    name: Annotated[str, Field(max_length=200)] = ""
    mode: ModeName = "enforce"
    max_characters: Annotated[int, Field(ge=1024, le=MOST_CHARACTERS), WHOLE] = MAX_CHARACTERS
    over_limit: WhenUnable = "block"
    is_default: bool = False
    guardrails: Annotated[list[GuardrailIn], Field(max_length=MAX_GUARDRAILS)] = []


class PolicyIn(PolicyChanges):
    """Without `guardrails` it begins with those of `preset`."""

    slug: Slug
    preset: Preset = "balanced"


class PolicyOut(Shown):
    slug: str
    name: str
    mode: ModeName
    version: int
    is_default: bool
    max_characters: int
    over_limit: WhenUnable
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, row: Policy) -> PolicyOut:
        return cls.read(row)


class PolicyWhole(PolicyOut):
    guardrails: list[GuardrailOut]


def policy_etag(row: Policy) -> str:
    """A version is never two things, not even of two policies that had one name after the other."""
    return etag_of(row.slug, row.version)


class PolicyVersionOut(Shown):
    version: int
    digest: str
    author: str
    at: datetime

    @classmethod
    def of(cls, row: PolicyVersion) -> PolicyVersionOut:
        return cls.read(row)


class PolicyVersionWhole(PolicyVersionOut):
    """Of secrets there is a keyed digest."""

    content: dict[str, Any]


class RollBack(Given):
    version: Annotated[int, Field(ge=1, le=2**31 - 1), WHOLE]


class Sample(Given):
    """A text that is a JSON object or list is taken as arguments or a structured result. Nothing of it is stored."""

    text: Annotated[str, Field(max_length=LONGEST_SAMPLE)]
    direction: Direction = "input"
    policy: Slug | None = Field(default=None, description="Of the project; else `preset` is tried.")
    preset: Preset = "balanced"


class FindingOut(Shown):
    """`start` and `end` count characters at `pointer`; `how` says how the text was read, "" for as it stands."""

    rule: str
    detector: str
    category: str
    score: float
    action: ActionName
    pointer: str
    is_key: bool
    start: int
    end: int
    how: str


class FailureOut(Shown):
    rule: str
    detector: str
    cause: str
    on_error: str


class TrialOut(Shown):
    """`let_through` is JSON text of the whole message, null when nothing was let through."""

    outcome: Literal["passed", "rewritten", "blocked"]
    let_through: str | None
    findings: list[FindingOut]
    failures: list[FailureOut]
    characters_seen: int
    characters_total: int
    milliseconds: dict[str, float]

    @classmethod
    def of(cls, trial: Trial) -> TrialOut:
        report = trial.report
        return cls(
            outcome=_outcome(trial), let_through=json.dumps(trial.value) if trial.value is not None else None,
            findings=[FindingOut.read(each) for each in report.findings],
            failures=[FailureOut.read(each) for each in report.failures],
            characters_seen=report.coverage.seen, characters_total=report.coverage.total,
            milliseconds=report.milliseconds,
        )  # fmt: skip


def _outcome(trial: Trial) -> Literal["passed", "rewritten", "blocked"]:
    if isinstance(trial.verdict, Blocked):
        return "blocked"
    return "rewritten" if isinstance(trial.verdict, Rewritten) else "passed"


class ParameterOut(Shown):
    name: str
    type: str
    help: str
    default: Any
    required: bool
    secret: bool
    choices: list[str]

    @classmethod
    def of(cls, parameter: Parameter) -> ParameterOut:
        return cls.read(parameter, choices=list(parameter.choices))


class DetectorOut(Shown):
    """What a guardrail's `detector` may be. A provider asks a service."""

    name: str
    label: str
    is_provider: bool
    directions: list[Direction]
    categories: list[str]
    parameters: list[ParameterOut]


class Detectors(Shown):
    detectors: list[DetectorOut]


class PresetOut(Shown):
    name: Preset
    mode: ModeName
    guardrails: list[GuardrailOut]


class Presets(Shown):
    presets: list[PresetOut]


class ExceptionIn(Given):
    """Either of a `text` (exactly what was found) or of a place (`tool` and `pointer`), or of an event's digest."""

    detector: Detector
    category: Annotated[str, Field(max_length=64)] = ""
    tool: Annotated[str, Field(max_length=500)] = ""
    server: Slug | None = None
    text: Annotated[str, Field(min_length=1, max_length=100_000)] | None = None
    pointer: Annotated[str, Field(max_length=1000)] | None = None
    text_digest: Digest | Literal[""] = ""
    place_digest: Digest | Literal[""] = ""
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    expires_at: Moment


class ExceptionOut(Shown):
    id: str
    detector: str
    category: str
    tool: str
    server: str
    of: Literal["a value", "a place"]
    reason: str
    created_by: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def from_row(cls, row: FindingException) -> ExceptionOut:
        what = "a value" if row.text_digest else "a place"
        return cls.read(row, id=reference("exception", row.pk, row.project_id), of=what)
