"""REST: policies and their versions, what can be checked, tried texts, the operator's floor, and false positives."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from ninja import Query

from guardrails import bench, compiled, services
from guardrails.engine.detector import detectors, providers
from guardrails.engine.rules import Policy as Compiled
from guardrails.models import FindingException, FloorGuardrail, Guardrail, Policy, PolicyVersion
from guardrails.presets import PRESETS
from guardrails.rest_schemas import (
    DetectorOut,
    Detectors,
    ExceptionIn,
    ExceptionOut,
    FloorIn,
    FloorOut,
    GuardrailOut,
    ParameterOut,
    PolicyChanges,
    PolicyIn,
    PolicyOut,
    PolicyVersionOut,
    PolicyVersionWhole,
    PolicyWhole,
    PresetOut,
    Presets,
    RollBack,
    Sample,
    TrialOut,
    policy_etag,
)
from guardrails.specs import Spec, spec_of
from projects.permissions import CONFIG_READ, CONFIG_WRITE, GATEWAY_READ, GATEWAY_WRITE
from projects.rest.etags import matching
from projects.rest.paging import Page, Paging, Search, page
from projects.rest.places import place_of
from projects.rest.requests import RestRequest, made_at
from projects.rest.routes import Routes
from projects.rest.rows import as_uuid, by_reference, narrowed, one

policy_routes = Routes("policies")
guardrail_routes = Routes("guardrails")
floor_routes = Routes("floor")
exception_routes = Routes("false positives")


# --- policies ---------------------------------------------------------------------------------------------


def _policies() -> QuerySet[Policy]:
    return Policy.objects.select_related("project")


@policy_routes.get("/projects/{project}/policies", CONFIG_READ, Page[PolicyOut])
def list_policies(request: RestRequest, project: str, filters: Query[Search]) -> Page[PolicyOut]:
    """`search` is in the slug."""
    rows = narrowed(_policies(), slug__icontains=filters.search)
    return page(request, filters, rows, PolicyOut.of, ("slug",), PolicyOut.columns(Policy))


@policy_routes.post("/projects/{project}/policies", CONFIG_WRITE, PolicyWhole, tagged=True)
def create_policy(request: RestRequest, project: str, body: PolicyIn) -> PolicyWhole:
    given = "guardrails" in body.model_fields_set
    specs = [each.spec() for each in body.guardrails] if given else services.preset(body.preset)
    fields = body.model_dump(exclude={"guardrails", "preset"})
    row = services.create_policy(project=request.project, guardrails=specs, **fields)
    made_at(request, "projects", project, "policies", row.slug)
    return _tagged(request, row)


@policy_routes.get("/projects/{project}/policies/{policy}", CONFIG_READ, PolicyWhole, tagged=True)
def read_policy(request: RestRequest, project: str, policy: str) -> PolicyWhole:
    return _tagged(request, one(_policies(), slug=policy))


@policy_routes.patch("/projects/{project}/policies/{policy}", CONFIG_WRITE, PolicyWhole, matched=True)
def update_policy(request: RestRequest, project: str, policy: str, body: PolicyChanges) -> PolicyWhole:
    """What is left out stays. What changes nothing makes no version."""
    with transaction.atomic():
        row, changes = _matching(request, policy), body.given()
        specs = [each.spec() for each in body.guardrails] if changes.pop("guardrails", None) is not None else None
        is_default = changes.pop("is_default", row.is_default)
        row = services.update_policy(policy=row, guardrails=specs, **changes)
        if row.is_default != is_default:
            services.set_default_policy(project=request.project, policy=row if is_default else None)
        return _tagged(request, one(_policies(), pk=row.pk))


@policy_routes.delete("/projects/{project}/policies/{policy}", CONFIG_WRITE, matched=True)
def delete_policy(request: RestRequest, project: str, policy: str) -> None:
    """Refused while it is the default or a server names it. Its versions stay."""
    with transaction.atomic():
        services.delete_policy(policy=_matching(request, policy))


@policy_routes.get("/projects/{project}/policies/{policy}/versions", CONFIG_READ, Page[PolicyVersionOut])
def list_policy_versions(
    request: RestRequest, project: str, policy: str, filters: Query[Paging]
) -> Page[PolicyVersionOut]:
    """The newest first."""
    rows = PolicyVersion.objects.filter(slug=one(_policies(), slug=policy).slug).defer("content")
    return page(request, filters, rows, PolicyVersionOut.of, ("-version",))


@policy_routes.get("/projects/{project}/policies/{policy}/versions/{version}", CONFIG_READ, PolicyVersionWhole)
def read_policy_version(request: RestRequest, project: str, policy: str, version: str) -> PolicyVersionWhole:
    rows = PolicyVersion.objects.filter(slug=one(_policies(), slug=policy).slug)
    row = one(rows, version=int(version) if version.isascii() and version.isdigit() and len(version) < 10 else -1)
    return PolicyVersionWhole.read(row)


@policy_routes.post("/projects/{project}/policies/{policy}/roll-back", CONFIG_WRITE, PolicyWhole, 200, tagged=True)
def roll_back_policy(request: RestRequest, project: str, policy: str, body: RollBack) -> PolicyWhole:
    """A new version with an older one's content. Secrets stay as they are."""
    return _tagged(request, services.roll_back(policy=one(_policies(), slug=policy), version=body.version))


def _tagged(request: RestRequest, row: Policy) -> PolicyWhole:
    request.answer_headers["ETag"] = policy_etag(row)
    rules = Guardrail.objects.filter(policy=row).order_by("order", "id")
    return PolicyWhole.read(row, guardrails=[GuardrailOut.of(each) for each in rules])


def _matching(request: RestRequest, slug: str) -> Policy:
    return matching(request, _policies(), policy_etag, slug=slug)


# --- what can be checked, and trying it -------------------------------------------------------------------


@guardrail_routes.get("/guardrails/detectors", None, Detectors)
def list_detectors(request: RestRequest) -> Detectors:
    """What a guardrail may look for, by itself or by asking a service, with its parameters."""
    found = [(each, False) for each in detectors] + [(each, True) for each in providers]
    return Detectors(detectors=[_detector(each, is_provider) for each, is_provider in found])


def _detector(cls: Any, is_provider: bool) -> DetectorOut:
    return DetectorOut.read(
        cls, is_provider=is_provider, directions=list(cls.directions), categories=list(cls.categories),
        parameters=[ParameterOut.of(each) for each in cls.parameters],
    )  # fmt: skip


@guardrail_routes.get("/guardrails/presets", None, Presets)
def list_presets(request: RestRequest) -> Presets:
    """What policies begin with; `balanced` is every project's default."""
    return Presets(presets=[_preset(name, policy) for name, policy in PRESETS.items()])


def _preset(name: str, policy: Compiled) -> PresetOut:
    rules = [_preset_rule(spec_of(each)) for each in policy.rules]
    return PresetOut(name=name, mode=policy.mode.value, guardrails=rules)  # type: ignore[arg-type]  # one of the presets


def _preset_rule(spec: Spec) -> GuardrailOut:
    return GuardrailOut.read(
        spec, id="", secrets=[], directions=list(spec.directions), config=dict(spec.config),
        categories=list(spec.categories),
    )  # fmt: skip


@guardrail_routes.post("/projects/{project}/guardrails/try", CONFIG_READ, TrialOut, 200, kept=False)
def try_text(request: RestRequest, project: str, body: Sample) -> TrialOut:
    """What would become of a text. Nothing is stored or sent; services are not asked and count as not answering."""
    policy = _chosen(body)
    with place_of(request.project.pk):
        return TrialOut.of(bench.try_text(policy, body.text, body.direction))


def _chosen(sample: Sample) -> Compiled:
    """Raises ValidationError."""
    floor = compiled.load_floor()
    if sample.policy is None:
        return compiled.with_floor(PRESETS[sample.preset], floor)
    row = _policies().filter(slug=sample.policy).first()
    if row is None:
        raise ValidationError({"policy": f"There is no policy {sample.policy}."})
    rules = Guardrail.objects.filter(policy=row, enabled=True).order_by("order", "id")
    return compiled.compile_policy(row, rules, floor)


# --- the floor --------------------------------------------------------------------------------------------


@floor_routes.get("/floor", GATEWAY_READ, Page[FloorOut])
def list_floor(request: RestRequest, filters: Query[Paging]) -> Page[FloorOut]:
    """Checks that every project has, whatever its policies say."""
    return page(request, filters, FloorGuardrail.objects.all(), FloorOut.of_floor, ("order", "pk"))


@floor_routes.post("/floor", GATEWAY_WRITE, FloorOut)
def create_floor_guardrail(request: RestRequest, body: FloorIn) -> FloorOut:
    row = services.save_floor_guardrail(spec=body.spec(), order=body.order)
    made_at(request, "floor", row.uid)
    return FloorOut.of_floor(row)


@floor_routes.get("/floor/{guardrail}", GATEWAY_READ, FloorOut)
def read_floor_guardrail(request: RestRequest, guardrail: str) -> FloorOut:
    return FloorOut.of_floor(_floor(guardrail))


@floor_routes.put("/floor/{guardrail}", GATEWAY_WRITE, FloorOut)
def replace_floor_guardrail(request: RestRequest, guardrail: str, body: FloorIn) -> FloorOut:
    """All of it; secret parameters that are left out stay."""
    row = services.save_floor_guardrail(spec=body.spec(), guardrail=_floor(guardrail), order=body.order)
    return FloorOut.of_floor(row)


@floor_routes.delete("/floor/{guardrail}", GATEWAY_WRITE)
def delete_floor_guardrail(request: RestRequest, guardrail: str) -> None:
    services.delete_floor_guardrail(guardrail=_floor(guardrail))


def _floor(uid: str) -> FloorGuardrail:
    return one(FloorGuardrail.objects.all(), uid=as_uuid(uid))


# --- false positives --------------------------------------------------------------------------------------


_EXCEPTION_COLUMNS = ExceptionOut.columns(FindingException, "pk", "project_id", "text_digest")


class ExceptionFilters(Paging):
    detector: str | None = None


def _exceptions() -> QuerySet[FindingException]:
    return FindingException.objects.select_related("project")


@exception_routes.get("/projects/{project}/exceptions", CONFIG_READ, Page[ExceptionOut])
def list_exceptions(request: RestRequest, project: str, filters: Query[ExceptionFilters]) -> Page[ExceptionOut]:
    """The newest first."""
    rows = narrowed(_exceptions(), detector=filters.detector)
    return page(request, filters, rows, ExceptionOut.from_row, ("-pk",), _EXCEPTION_COLUMNS)


@exception_routes.post("/projects/{project}/exceptions", CONFIG_WRITE, ExceptionOut)
def create_exception(request: RestRequest, project: str, body: ExceptionIn) -> ExceptionOut:
    """Of a text only its keyed digest is kept."""
    fields = body.model_dump(exclude={"server"})
    number = compiled.server_ids(request.project.pk).get(body.server) if body.server is not None else None
    if body.server is not None and number is None:
        raise ValidationError({"server": f"The project has no server {body.server}."})
    row = services.add_exception(project=request.project, server_ref=number, server=body.server or "", **fields)
    shown = ExceptionOut.from_row(row)
    made_at(request, "projects", project, "exceptions", shown.id)
    return shown


@exception_routes.get("/projects/{project}/exceptions/{exception}", CONFIG_READ, ExceptionOut)
def read_exception(request: RestRequest, project: str, exception: str) -> ExceptionOut:
    return ExceptionOut.from_row(by_reference(_exceptions(), "exception", exception, request.project.pk))


@exception_routes.delete("/projects/{project}/exceptions/{exception}", CONFIG_WRITE)
def delete_exception(request: RestRequest, project: str, exception: str) -> None:
    row = by_reference(_exceptions(), "exception", exception, request.project.pk)
    services.remove_exception(exception=row)


ROUTES = (policy_routes, guardrail_routes, floor_routes, exception_routes)
