"""What can be done to policies, the floor and false positives, and what the data plane gets of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from audit.models import Event
from gateway_site.lib.actor import Actor, acting_as
from guardrails import compiled, presets, services
from guardrails.contents import digest_of
from guardrails.engine.detector import Context
from guardrails.engine.findings import Action, Blocked, Finding, Passed, Rewritten, Verdict
from guardrails.engine.lent import Services
from guardrails.engine.rules import MAX_CHARACTERS, Mode, Policy
from guardrails.engine.scan import inspect
from guardrails.exemptions import digest_place, digest_text
from guardrails.models import FindingException, FloorGuardrail, Guardrail, PolicyVersion
from guardrails.models import Policy as PolicyRow
from guardrails.specs import Spec
from projects import services as project_services
from projects import versions
from projects.models import Project
from projects.scoping import NoActiveProject, unscoped, with_project
from servers import declared, declared_guards
from servers.models import Server
from servers.services import save_server
from tests.cast import Cast, two_tenants
from tests.guardrails.probes import installed

pytestmark = pytest.mark.django_db
SECRET = Spec("probe_secret", directions=("input",), config={"key": "canary-key", "url": "u"})


@pytest.fixture(autouse=True)
def probes() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def cast(db: None) -> Cast:
    return two_tenants()


def make(cast: Cast, *guardrails: Spec, slug: str = "tools", **fields: Any) -> PolicyRow:
    return services.create_policy(project=cast.acme, slug=slug, guardrails=guardrails or (Spec("probe"),), **fields)


def rows(policy: PolicyRow) -> list[Guardrail]:
    with with_project(policy.project_id):
        return list(Guardrail.objects.filter(policy=policy).order_by("order", "id"))


def versions_of(policy: PolicyRow) -> list[int]:
    with with_project(policy.project_id):
        numbers = PolicyVersion.objects.filter(slug=policy.slug).order_by("version")
        return list(numbers.values_list("version", flat=True))


def fresh(policy: PolicyRow) -> PolicyRow:
    with with_project(policy.project_id):
        return PolicyRow.objects.select_related("project").get(pk=policy.pk)


def judge(policy: Policy, text: str, direction: str = "output", **services_: Any) -> Verdict:
    message = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": text}]}}
    if direction == "input":
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                   "params": {"name": "read", "arguments": {"text": text}}}  # fmt: skip
    context = Context(direction=direction, tool="read", method="tools/call")
    return asyncio.run(inspect(message, policy, context, Services(**services_)))


def stored_bytes() -> str:
    with connection.cursor() as cursor:
        parts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            parts.append(f"{table}: {cursor.fetchall()!r}")
    return "\n".join(parts)


# --- validation -----------------------------------------------------------------------------------------

WRONG: dict[str, tuple[Spec, str]] = {
    "unknown detector": (Spec("nonsense"), "There is no detector nonsense"),
    "no direction": (Spec("probe", directions=()), "at least one direction"),
    "unknown direction": (Spec("probe", directions=("sideways",)), "no direction sideways"),
    "one direction twice": (Spec("probe", directions=("input", "input")), "each once"),
    "a direction that it does not look at": (
        Spec("probe_secret", directions=("output",), config={"key": "k"}), "does not look at output",
    ),
    "unknown category": (Spec("probe", categories=("NONE",)), "has no category NONE"),
    "unknown action": (Spec("probe", action="explode"), "no action explode"),
    "unknown on_error": (Spec("probe", on_error="redact"), "block or flag"),
    "threshold over one": (Spec("probe", threshold=1.5), "from 0 to 1"),
    "threshold that is no number": (Spec("probe", threshold=float("nan")), "from 0 to 1"),
    "no time": (Spec("probe", timeout=0.0), "seconds"),
    "unknown parameter": (Spec("probe", config={"nonsense": 1}), "no parameter nonsense"),
    "wrong type": (Spec("probe", config={"score": "much"}), "score has the wrong type"),
    "a boolean for a number": (Spec("probe", config={"score": True}), "score has the wrong type"),
    "a number for a boolean": (Spec("probe", config={"loud": 1}), "loud has the wrong type"),
    "no choice": (Spec("probe", config={"mode": "c"}), "mode is one of a, b"),
    "an entry that is no choice": (Spec("probe", config={"some": ["a", "c"]}), "some is one of a, b"),
    "an entry that is no text": (Spec("probe", config={"some": ["a", 1]}), "some is a list of texts"),
    "what the detector refuses": (Spec("probe", config={"word": ""}), "give at least one letter"),
    "a detector that cannot be made": (Spec("probe_broken"), "cannot be made (RuntimeError)"),
    "a required parameter that is missing": (Spec("probe_secret", directions=("input",)), "needs key"),
    "a null character": (Spec("probe", config={"word": "a\0"}), "Null characters"),
    "a lone surrogate": (Spec("probe", config={"word": "\ud800"}), "cannot be stored"),
    "too much": (Spec("probe", config={"word": "x" * 300_000}), "at most 256 KiB"),
}


@pytest.mark.claim("guardrails.policy-validation")
@pytest.mark.parametrize("name", WRONG)
def test_a_guardrail_that_could_not_run_is_refused(cast: Cast, name: str) -> None:
    spec, text = WRONG[name]
    before = stored_bytes()
    with pytest.raises(ValidationError) as caught:
        make(cast, Spec("probe"), spec)
    assert text in " ".join(caught.value.messages)
    assert "Guardrail 2" in " ".join(caught.value.messages)
    assert "canary" not in " ".join(caught.value.messages)
    assert stored_bytes() == before


@pytest.mark.claim("guardrails.policy-validation")
@pytest.mark.parametrize(
    "fields",
    [{"slug": "Not A Slug"}, {"mode": "sleep"}, {"max_characters": 1}, {"over_limit": "redact"}, {"version": 7},
     {"name": "x" * 201}, {"name": "a\0"}],
    ids=str,
)  # fmt: skip
def test_a_policy_with_impossible_values_is_refused(cast: Cast, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(cast, **fields)
    with with_project(cast.acme.pk):
        assert not PolicyRow.objects.exists()


@pytest.mark.claim("guardrails.policy-validation")
def test_a_policy_has_a_bounded_number_of_guardrails_and_a_project_of_policies(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError, match="at most 50"):
        make(cast, *[Spec("probe")] * 51)
    monkeypatch.setattr(services, "MAX_POLICIES", 1)
    make(cast, slug="one")
    with pytest.raises(ValidationError, match="at most 1"):
        make(cast, slug="two")


@pytest.mark.claim("guardrails.policy-validation")
def test_two_policies_of_a_project_have_two_slugs_and_two_projects_may_have_one(cast: Cast) -> None:
    make(cast)
    with pytest.raises(ValidationError):
        make(cast)
    services.create_policy(project=cast.globex, slug="tools", guardrails=[Spec("probe")])


# --- versions -------------------------------------------------------------------------------------------


@pytest.mark.claim("guardrails.policy-versions")
def test_each_change_is_a_version_and_no_change_is_none(cast: Cast) -> None:
    with acting_as(Actor("user", "1", "ada@acme.test")):
        policy = make(cast, Spec("probe"), Spec("probe", directions=("definition",)))
    assert (policy.version, versions_of(policy)) == (1, [1])
    same = [Spec("probe"), Spec("probe", directions=("definition",))]
    assert services.set_guardrails(policy=policy, guardrails=same).version == 1
    assert services.update_policy(policy=policy, name="").version == 1
    assert services.update_policy(policy=policy, mode="observe").version == 2
    assert services.set_guardrails(policy=policy, guardrails=list(reversed(same))).version == 3
    assert services.set_guardrails(policy=policy, guardrails=[Spec("probe", threshold=0.7)]).version == 4
    assert versions_of(policy) == [1, 2, 3, 4]
    with with_project(cast.acme.pk):
        first = PolicyVersion.objects.get(version=1)
        digests = list(PolicyVersion.objects.values_list("digest", flat=True))
    assert first.author == "ada@acme.test"
    assert first.digest == digest_of(first.content)
    assert len(set(digests)) == 4
    assert [entry["directions"] for entry in first.content["guardrails"]] == [["input", "output"], ["definition"]]


@pytest.mark.claim("guardrails.policy-versions")
def test_a_guardrail_that_is_changed_stays_the_same_row(cast: Cast) -> None:
    policy = make(cast, Spec("probe"), SECRET)
    before = {row.detector: row.uid for row in rows(policy)}
    services.set_guardrails(policy=policy, guardrails=[SECRET, Spec("probe", action="flag")])
    assert {row.detector: row.uid for row in rows(policy)} == before
    assert [row.detector for row in rows(policy)] == ["probe_secret", "probe"]


@pytest.mark.claim("guardrails.policy-versions")
def test_a_version_is_not_changed(cast: Cast) -> None:
    make(cast)
    with with_project(cast.acme.pk):
        version = PolicyVersion.objects.get()
        version.author = "forged"
        with pytest.raises(IntegrityError), transaction.atomic():
            version.save()
        with pytest.raises(IntegrityError), transaction.atomic():
            PolicyVersion.objects.create(project=cast.acme, slug="tools", version=1, content={}, digest="")


@pytest.mark.claim("guardrails.policy-versions")
def test_any_version_can_be_made_current_again(cast: Cast) -> None:
    policy = make(cast, Spec("probe", config={"word": "fox"}), SECRET, mode="observe", name="First")
    services.update_policy(policy=policy, guardrails=[SECRET], mode="enforce", name="Second", over_limit="flag")
    rolled = services.roll_back(policy=policy, version=1)
    assert (rolled.version, rolled.mode, rolled.name, rolled.over_limit) == (3, "observe", "First", "block")
    assert [row.config for row in rows(policy)] == [{"word": "fox"}, {"url": "u"}]
    assert rows(policy)[1].secrets == {"key": "canary-key"}
    assert Event.objects.filter(kind="policy.rolled_back").get().detail == {"to": 1, "version": 3}
    with pytest.raises(ValidationError, match="no version 9"):
        services.roll_back(policy=policy, version=9)


@pytest.mark.claim("guardrails.policy-versions")
def test_a_version_whose_secret_is_gone_is_refused_until_it_is_given_again(cast: Cast) -> None:
    policy = make(cast, SECRET)
    services.set_guardrails(policy=policy, guardrails=[Spec("probe")])
    with pytest.raises(ValidationError, match="needs key"):
        services.roll_back(policy=policy, version=1)
    assert fresh(policy).version == 2


@pytest.mark.claim("guardrails.policy-versions")
def test_numbers_go_on_when_a_policy_of_the_same_name_is_made_again(cast: Cast) -> None:
    policy = make(cast)
    services.update_policy(policy=policy, mode="observe")
    services.delete_policy(policy=policy)
    assert make(cast).version == 3
    assert versions_of(policy) == [1, 2, 3]


# --- defaults -------------------------------------------------------------------------------------------


@pytest.mark.claim("guardrails.policy-default")
def test_a_new_project_has_the_preset_balanced_and_needs_no_row(cast: Cast) -> None:
    loaded = compiled.load(cast.acme.pk)
    assert loaded.default is presets.PRESETS["balanced"]
    assert loaded.policy_for(4711, "input") is loaded.policy_for(4711, "output") is loaded.default
    make(cast)
    assert compiled.load(cast.acme.pk).default is presets.PRESETS["balanced"]


@pytest.mark.claim("guardrails.policy-default")
def test_a_project_has_one_default(cast: Cast) -> None:
    first = make(cast, slug="first", is_default=True)
    second = make(cast, slug="second", is_default=True)
    assert (fresh(first).is_default, fresh(second).is_default) == (False, True)
    assert compiled.load(cast.acme.pk).default.name == "second"
    services.set_default_policy(project=cast.acme, policy=first)
    assert compiled.load(cast.acme.pk).default.name == "first"
    assert versions_of(second) == [1, 2]
    services.set_default_policy(project=cast.acme, policy=None)
    assert compiled.load(cast.acme.pk).default.name == "balanced"
    with with_project(cast.acme.pk), pytest.raises(IntegrityError), transaction.atomic():
        PolicyRow.objects.update(is_default=True)


@pytest.mark.claim("guardrails.policy-default")
def test_another_projects_policy_cannot_be_the_default(cast: Cast) -> None:
    policy = make(cast)
    with pytest.raises(PolicyRow.DoesNotExist):
        services.set_default_policy(project=cast.globex, policy=policy)


@pytest.mark.claim("guardrails.policy-default")
def test_the_default_is_not_deleted(cast: Cast) -> None:
    policy = make(cast, is_default=True)
    with pytest.raises(ValidationError, match="default"):
        services.delete_policy(policy=policy)
    services.set_default_policy(project=cast.acme, policy=None)
    services.delete_policy(policy=policy)


# --- servers --------------------------------------------------------------------------------------------


@pytest.mark.claim("guardrails.policy-attached")
def test_a_server_is_judged_by_the_policies_that_it_names(cast: Cast) -> None:
    strict, loose = make(cast, slug="strict-one"), make(cast, slug="loose", mode="observe")
    both = cast.server("both", input_policy=strict, output_policy=loose)
    one = cast.server("one", input_policy=strict)
    none = cast.server("none")
    loaded = compiled.load(cast.acme.pk)
    named = {
        (server.slug, direction): loaded.policy_for(server.pk, direction).name
        for server in (both, one, none) for direction in ("input", "output", "definition")
    }  # fmt: skip
    assert named == {
        ("both", "input"): "strict-one", ("both", "output"): "loose", ("both", "definition"): "loose",
        ("one", "input"): "strict-one", ("one", "output"): "balanced", ("one", "definition"): "balanced",
        ("none", "input"): "balanced", ("none", "output"): "balanced", ("none", "definition"): "balanced",
    }  # fmt: skip
    assert loaded.policy_for(both.pk, "input") is loaded.policy_for(both.pk, "input")


@pytest.mark.claim("guardrails.policy-attached")
def test_what_a_server_says_of_its_arguments_and_of_tokens_is_in_its_policies(cast: Cast) -> None:
    kinds = {"query": {"/statement": "sql"}}
    server = cast.server("db", argument_kinds=kinds, restore_tokens=True)
    other = cast.server("docs")
    loaded = compiled.load(cast.acme.pk)
    policy = loaded.policy_for(server.pk, "input")
    assert policy.kinds == kinds
    assert policy.trusted == {"db"}
    assert policy is loaded.policy_for(server.pk, "output")
    assert not loaded.policy_for(other.pk, "input").kinds
    assert not loaded.policy_for(other.pk, "input").trusted


@pytest.mark.claim("guardrails.policy-attached")
@pytest.mark.parametrize(
    "kinds",
    [[], {"t": []}, {"t": {"statement": "sql"}}, {"t": {"/a": "poem"}}, {"t": {"/a": ["sql"]}}, {"t": {"/a": None}},
     {"t": {f"/{'a' * 70_000}": "sql"}}],
    ids=lambda kinds: str(kinds)[:60],
)
def test_argument_kinds_that_no_guardrail_could_use_are_refused(cast: Cast, kinds: Any) -> None:
    with pytest.raises(ValidationError):
        cast.server("db", argument_kinds=kinds)


@pytest.mark.claim("guardrails.policy-attached")
def test_a_server_cannot_name_another_projects_policy(cast: Cast) -> None:
    theirs = services.create_policy(project=cast.globex, slug="theirs", guardrails=[Spec("probe")])
    with pytest.raises(ValidationError):
        cast.server("docs", input_policy=theirs)


@pytest.mark.claim("guardrails.policy-attached")
def test_a_policy_that_a_server_names_is_not_deleted(cast: Cast) -> None:
    policy = make(cast)
    server = cast.server("docs", output_policy=policy)
    with pytest.raises(ValidationError, match="A server names this policy"):
        services.delete_policy(policy=policy)
    assert fresh(policy).version == 1
    server.output_policy = None
    save_server(server=server)
    services.delete_policy(policy=policy)


@pytest.mark.claim("guardrails.policy-attached")
def test_a_project_is_deleted_with_its_policies_and_the_servers_that_name_them(cast: Cast) -> None:
    cast.server("docs", output_policy=make(cast, SECRET, is_default=True))
    add_exception(cast)
    project_services.delete_project(project=cast.acme)
    with unscoped("the test looks"):
        assert not PolicyRow.objects.exists()
        assert not PolicyVersion.objects.exists()
        assert not FindingException.objects.exists()


# --- what is compiled -----------------------------------------------------------------------------------


@pytest.mark.claim("guardrails.policy-attached")
def test_rows_become_rules_in_their_order_and_those_that_are_off_do_not(cast: Cast) -> None:
    policy = make(
        cast,
        Spec("probe", threshold=0.25, categories=("WORD",), on_error="flag", timeout=1.5, action="redact"),
        Spec("probe", directions=("definition",), enabled=False),
        SECRET,
        mode="observe", over_limit="flag", max_characters=2048, is_default=True,
    )  # fmt: skip
    loaded = compiled.load(cast.acme.pk).default
    assert (loaded.name, loaded.version, loaded.mode) == ("tools", policy.version, Mode.OBSERVE)
    assert (loaded.over_limit, loaded.max_characters) == (Action.FLAG, 2048)
    first, second = loaded.rules
    assert (first.detector, first.action, first.threshold) == ("probe", Action.REDACT, 0.25)
    assert (set(first.directions), set(first.categories)) == ({"input", "output"}, {"WORD"})
    assert (first.on_error, first.timeout) == (Action.FLAG, 1.5)
    assert (second.config, second.secrets) == ({"url": "u"}, {"key": "canary-key"})
    assert "canary" not in repr(loaded)
    assert [rule.id for rule in loaded.rules] == [row.rule_id for row in rows(policy) if row.enabled]


@pytest.mark.claim("guardrails.policy-attached")
def test_a_compiled_policy_does_what_its_rows_say(cast: Cast) -> None:
    make(cast, Spec("probe"), is_default=True)
    policy = compiled.load(cast.acme.pk).default
    assert isinstance(judge(policy, "a sheep"), Passed)
    blocked = judge(policy, "a wolf")
    assert isinstance(blocked, Blocked)
    assert (blocked.report.policy, blocked.report.policy_version) == ("tools", 1)


@pytest.mark.claim("guardrails.policy-secrets")
def test_a_guardrail_whose_secrets_do_not_open_counts_as_one_that_cannot_answer(cast: Cast) -> None:
    policy = make(cast, SECRET, is_default=True)
    with with_project(cast.acme.pk):
        Guardrail.objects.update(sealed="v1.s0.AAAA")
    loaded = compiled.load(cast.acme.pk).default
    assert isinstance(judge(loaded, "a sheep", "input"), Blocked)
    with pytest.raises(ValidationError, match="do not open"):
        services.set_guardrails(policy=policy, guardrails=[Spec("probe_secret", directions=("input",))])
    services.set_guardrails(policy=policy, guardrails=[SECRET])
    assert rows(policy)[0].secrets == {"key": "canary-key"}


@pytest.mark.claim("guardrails.policy-attached")
def test_policies_of_one_project_are_not_loaded_for_another(cast: Cast) -> None:
    make(cast, is_default=True)
    add_exception(cast)
    theirs = compiled.load(cast.globex.pk)
    assert (theirs.default.name, theirs.by_id, theirs.exemptions) == ("balanced", {}, ())
    with pytest.raises(NoActiveProject):
        PolicyRow.objects.count()


# --- secrets --------------------------------------------------------------------------------------------


@pytest.mark.claim("guardrails.policy-secrets")
def test_secrets_are_stored_sealed_and_shown_nowhere(cast: Cast) -> None:
    policy = make(cast, SECRET)
    services.set_guardrails(policy=policy, guardrails=[Spec("probe_secret", ("input",), config={"key": "canary-2"})])
    services.save_floor_guardrail(spec=SECRET)
    assert "canary" not in stored_bytes()
    assert "canary" not in repr(SECRET)
    assert rows(policy)[0].secrets == {"key": "canary-2"}
    assert versions_of(policy) == [1, 2]


@pytest.mark.claim("guardrails.policy-secrets")
def test_secrets_stay_until_others_are_given_and_go_when_emptied(cast: Cast) -> None:
    policy = make(cast, SECRET)
    kept = Spec("probe_secret", directions=("input",), threshold=0.7, config={"url": "u"})
    services.set_guardrails(policy=policy, guardrails=[kept])
    assert rows(policy)[0].secrets == {"key": "canary-key"}
    with pytest.raises(ValidationError, match="needs key"):
        services.set_guardrails(policy=policy, guardrails=[Spec("probe_secret", ("input",), config={"key": ""})])


@pytest.mark.claim("guardrails.policy-secrets")
def test_a_new_address_does_not_get_the_secret_of_the_old_one(cast: Cast) -> None:
    policy = make(cast, SECRET)
    moved = Spec("probe_secret", directions=("input",), config={"url": "elsewhere"})
    with pytest.raises(ValidationError, match="Give the secrets again"):
        services.set_guardrails(policy=policy, guardrails=[moved])
    told = Spec("probe_secret", directions=("input",), config={"url": "elsewhere", "key": "canary-new"})
    services.set_guardrails(policy=policy, guardrails=[told])
    assert rows(policy)[0].secrets == {"key": "canary-new"}


@pytest.mark.claim("guardrails.policy-secrets")
def test_a_secret_opens_in_its_own_row_only_and_goes_to_its_own_detector_only(cast: Cast) -> None:
    policy = make(cast, SECRET, Spec("probe"))
    secret, plain = rows(policy)
    plain.sealed = secret.sealed
    with pytest.raises(Exception, match="does not open"):
        _ = plain.secrets
    other = Spec("probe", directions=("input",), uid=str(secret.uid))
    services.set_guardrails(policy=policy, guardrails=[other])
    assert [row.secrets for row in rows(policy)] == [{}]


# --- the floor ------------------------------------------------------------------------------------------


@pytest.mark.claim("guardrails.floor")
@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_the_floor_stops_what_it_finds_whatever_a_project_says(cast: Cast, mode: str) -> None:
    services.save_floor_guardrail(spec=Spec("probe"))
    make(cast, Spec("probe", action="flag"), mode=mode, is_default=True)
    services.create_policy(project=cast.globex, slug="off", guardrails=[], mode=mode, is_default=True)
    for project in (cast.acme, cast.globex):
        assert isinstance(judge(compiled.load(project.pk).default, "a wolf"), Blocked)
        assert isinstance(judge(compiled.load(project.pk).default, "a sheep"), Passed)


@pytest.mark.claim("guardrails.floor")
def test_the_floor_comes_before_the_rules_of_a_preset(cast: Cast) -> None:
    row = services.save_floor_guardrail(spec=Spec("probe"))
    default = compiled.load(cast.globex.pk).default
    assert default.rules == presets.PRESETS["balanced"].rules
    assert [rule.id for rule in default.floor] == [row.rule_id]


@pytest.mark.claim("guardrails.floor")
def test_a_project_without_any_rule_still_has_the_floor(cast: Cast) -> None:
    services.create_policy(project=cast.acme, slug="off", guardrails=[], is_default=True)
    assert isinstance(judge(compiled.load(cast.acme.pk).default, "a wolf"), Passed)
    services.save_floor_guardrail(spec=Spec("probe", action="redact"))
    verdict = judge(compiled.load(cast.acme.pk).default, "a wolf")
    assert isinstance(verdict, Rewritten)
    assert "wolf" not in repr(verdict.value)


@pytest.mark.claim("guardrails.floor")
def test_a_low_limit_hides_nothing_from_the_floor(cast: Cast) -> None:
    services.save_floor_guardrail(spec=Spec("probe"))
    make(cast, Spec("probe", action="flag"), max_characters=1024, over_limit="flag", is_default=True)
    policy = compiled.load(cast.acme.pk).default
    assert (policy.max_characters, policy.over_limit) == (MAX_CHARACTERS, Action.BLOCK)
    assert isinstance(judge(policy, "sheep " * 1000 + "wolf"), Blocked)


@pytest.mark.claim("guardrails.floor")
def test_a_project_may_tighten_the_limit_under_a_floor(cast: Cast) -> None:
    services.save_floor_guardrail(spec=Spec("probe"))
    make(cast, max_characters=1024, is_default=True)
    assert isinstance(judge(compiled.load(cast.acme.pk).default, "sheep " * 1000), Blocked)


@pytest.mark.claim("guardrails.floor")
def test_a_false_positive_of_a_project_is_none_for_the_floor(cast: Cast) -> None:
    services.save_floor_guardrail(spec=Spec("probe"))
    make(cast, Spec("probe", action="flag"), is_default=True)
    add_exception(cast)
    loaded = compiled.load(cast.acme.pk)
    exempt = loaded.exempt(1, "read")
    assert exempt is not None
    assert exempt(found("x", "a wolf", rule="probe-1"), "a wolf")
    assert not exempt(found("x", "a wolf", rule=loaded.default.floor[0].id), "a wolf")
    assert isinstance(judge(loaded.default, "a wolf", is_exempt=exempt), Blocked)


@pytest.mark.claim("guardrails.floor")
def test_what_is_wrong_is_refused_for_the_floor_too_and_off_is_off(cast: Cast) -> None:
    for spec, _ in WRONG.values():
        with pytest.raises(ValidationError):
            services.save_floor_guardrail(spec=spec)
    assert not FloorGuardrail.objects.exists()
    row = services.save_floor_guardrail(spec=Spec("probe", enabled=False))
    assert compiled.load(cast.acme.pk).default.floor == ()
    services.save_floor_guardrail(spec=Spec("probe"), guardrail=row)
    assert len(compiled.load(cast.acme.pk).default.floor) == 1
    services.delete_floor_guardrail(guardrail=row)
    assert compiled.load(cast.acme.pk).default is presets.PRESETS["balanced"]


# --- false positives ------------------------------------------------------------------------------------


def add_exception(cast: Cast, **fields: Any) -> FindingException:
    wanted: dict[str, Any] = {
        "project": cast.acme, "detector": "probe", "text": "wolf", "reason": "a name",
        "expires_at": timezone.now() + timedelta(days=1),
    }  # fmt: skip
    return services.add_exception(**{**wanted, **fields})


def found(pointer: str, text: str, word: str = "wolf", detector: str = "probe", **fields: Any) -> Finding:
    at = text.index(word)
    return Finding(detector, fields.pop("category", "WORD"), 1.0, pointer, at, at + len(word), **fields)


SCOPES: dict[str, tuple[dict[str, Any], list[tuple[Finding, int, str]], list[tuple[Finding, int, str]]]] = {
    "a value anywhere": (
        {},
        [(found("/a", "a wolf"), 1, "read"), (found("/b", "no wolf", category="OTHER"), 2, "write")],
        [(found("/a", "a fox", "fox"), 1, "read"), (found("/a", "wolf", detector="other"), 1, "read")],
    ),
    "a value of one category": (
        {"category": "WORD"}, [(found("/a", "wolf"), 1, "read")], [(found("/a", "wolf", category="OTHER"), 1, "read")],
    ),
    "a value of one server": (
        {"server_ref": 7, "server": "docs"}, [(found("/a", "wolf"), 7, "read")], [(found("/a", "wolf"), 8, "read")],
    ),
    "a value of one tool": (
        {"tool": "read"}, [(found("/a", "wolf"), 1, "read")], [(found("/a", "wolf"), 1, "write")],
    ),
    "a place": (
        {"text": None, "pointer": "/items/0/name", "tool": "read"},
        [(found("/items/3/name", "a fox", "fox"), 1, "read"), (found("/items/0/name", "wolf"), 9, "read")],
        [(found("/items/0/title", "wolf"), 1, "read"), (found("/items/0/name", "wolf"), 1, "write")],
    ),
}  # fmt: skip


@pytest.mark.claim("guardrails.exceptions")
@pytest.mark.parametrize("scope", SCOPES)
def test_an_exception_holds_in_its_scope_and_not_beside_it(cast: Cast, scope: str) -> None:
    fields, inside, outside = SCOPES[scope]
    add_exception(cast, **fields)
    loaded = compiled.load(cast.acme.pk)

    def is_exempt(finding: Finding, server_id: int, tool: str) -> bool:
        exempt = loaded.exempt(server_id, tool)
        text = "".join(["."] * finding.start) + ("fox" if finding.end - finding.start == 3 else "wolf")
        return exempt is not None and exempt(finding, text)

    assert [is_exempt(*each) for each in inside] == [True] * len(inside)
    assert [is_exempt(*each) for each in outside] == [False] * len(outside)


@pytest.mark.claim("guardrails.exceptions")
def test_what_is_exempt_passes_and_the_rest_of_the_message_does_not(cast: Cast) -> None:
    make(cast, Spec("probe", config={"word": "wo"}), is_default=True)
    add_exception(cast, text="wo")
    loaded = compiled.load(cast.acme.pk)
    assert isinstance(judge(loaded.default, "a wolf"), Blocked)
    assert isinstance(judge(loaded.default, "a wolf", is_exempt=loaded.exempt(1, "read")), Passed)


@pytest.mark.claim("guardrails.exceptions")
def test_an_exception_ends_at_its_time(cast: Cast) -> None:
    exception = add_exception(cast)
    loaded = compiled.load(cast.acme.pk)
    assert loaded.exempt(1, "read", exception.expires_at - timedelta(seconds=1)) is not None
    assert loaded.exempt(1, "read", exception.expires_at) is None
    with with_project(cast.acme.pk):
        FindingException.objects.update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert compiled.load(cast.acme.pk).exemptions == ()


@pytest.mark.claim("guardrails.exceptions")
@pytest.mark.parametrize(
    "fields",
    [
        {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"expires_at": datetime(2120, 1, 1, tzinfo=UTC)},
        {"text": None},
        {"text": "wolf", "pointer": "/a", "tool": "read"},
        {"text": None, "pointer": "/a"},
        {"reason": ""},
        {"detector": ""},
    ],
    ids=str,
)
def test_an_exception_without_end_reason_or_one_subject_is_refused(cast: Cast, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        add_exception(cast, **fields)
    with with_project(cast.acme.pk):
        assert not FindingException.objects.exists()


@pytest.mark.claim("guardrails.exceptions")
def test_the_text_of_an_exception_is_not_kept_and_its_digest_is_its_projects(cast: Cast) -> None:
    exception = add_exception(cast, text="canary-text")
    assert "canary" not in stored_bytes()
    keys = [settings.KEYRING.project_digest_key(project.pk) for project in (cast.acme, cast.globex)]
    assert exception.text_digest == digest_text(keys[0], "canary-text") != digest_text(keys[1], "canary-text")
    assert digest_place(keys[0], "read", "/a/0") == digest_place(keys[0], "read", "/a/12")
    assert digest_place(keys[0], "read", "/a/0") != digest_place(keys[0], "read", "/a/x")


@pytest.mark.claim("guardrails.exceptions")
def test_an_exception_can_be_made_of_what_an_event_holds(cast: Cast) -> None:
    digest = digest_text(settings.KEYRING.project_digest_key(cast.acme.pk), "wolf")
    add_exception(cast, text=None, text_digest=digest)
    exempt = compiled.load(cast.acme.pk).exempt(1, "read")
    assert exempt is not None
    assert exempt(found("/a", "a wolf"), "a wolf")


@pytest.mark.claim("guardrails.exceptions")
def test_a_removed_exception_is_none(cast: Cast) -> None:
    services.remove_exception(exception=add_exception(cast))
    assert compiled.load(cast.acme.pk).exempt(1, "read") is None


# --- workers and the record -----------------------------------------------------------------------------


def _floor(cast: Cast) -> FloorGuardrail:
    return services.save_floor_guardrail(spec=Spec("probe"))


def _by_hand(cast: Cast) -> None:
    with with_project(cast.acme.pk):
        row = Guardrail.objects.first()
        assert row is not None
        row.enabled = False
        row.save()


ACTS: dict[str, tuple[Callable[[Cast, PolicyRow], Any], str, set[str]]] = {
    "made": (lambda cast, policy: make(cast, slug="other"), "policy.created", {"acme"}),
    "changed": (lambda cast, policy: services.update_policy(policy=policy, mode="observe"), "policy.changed", {"acme"}),
    "guardrails": (
        lambda cast, policy: services.set_guardrails(policy=policy, guardrails=[]), "policy.changed", {"acme"},
    ),
    "default": (
        lambda cast, policy: services.set_default_policy(project=cast.acme, policy=policy), "policy.changed", {"acme"},
    ),
    "deleted": (lambda cast, policy: services.delete_policy(policy=policy), "policy.deleted", {"acme"}),
    "exception": (lambda cast, policy: add_exception(cast), "exception.added", {"acme"}),
    "exception removed": (
        lambda cast, policy: services.remove_exception(exception=add_exception(cast)), "exception.removed", {"acme"},
    ),
    "floor": (lambda cast, policy: _floor(cast), "floor.created", {"acme", "globex"}),
    "floor changed": (
        lambda cast, policy: services.save_floor_guardrail(spec=Spec("probe", action="flag"), guardrail=_floor(cast)),
        "floor.changed", {"acme", "globex"},
    ),
    "floor deleted": (
        lambda cast, policy: services.delete_floor_guardrail(guardrail=_floor(cast)), "floor.deleted",
        {"acme", "globex"},
    ),
    "by hand": (lambda cast, policy: _by_hand(cast), "", {"acme"}),
}  # fmt: skip


@pytest.mark.claim("guardrails.policy-reload")
@pytest.mark.parametrize("act", ACTS)
def test_an_act_raises_the_version_of_the_projects_that_it_touches(cast: Cast, act: str) -> None:
    policy = make(cast)
    before = versions.current()
    ACTS[act][0](cast, policy)
    changed = set(versions.changed_since(before)[1])
    assert changed == set(Project.objects.filter(slug__in=ACTS[act][2]).values_list("pk", flat=True))


@pytest.mark.claim("guardrails.policy-reload")
def test_a_policy_of_a_server_that_changes_reaches_the_workers(cast: Cast) -> None:
    policy, server = make(cast), cast.server("docs")
    before = versions.current()
    server.input_policy = policy
    save_server(server=server)
    assert versions.changed_since(before)[1] == [cast.acme.pk]


@pytest.mark.claim("guardrails.policy-recorded")
@pytest.mark.parametrize("act", [name for name in ACTS if ACTS[name][1]])
def test_an_act_is_recorded_with_who_did_it(cast: Cast, act: str) -> None:
    policy = make(cast, SECRET)
    with acting_as(Actor("user", "7", "ada@acme.test")):
        ACTS[act][0](cast, policy)
    event = Event.objects.filter(kind=ACTS[act][1]).latest("ord")
    assert event.actor == "ada@acme.test"
    assert event.project_ref == (None if act.startswith("floor") else cast.acme.pk)
    assert "canary" not in repr(Event.objects.values())


@pytest.mark.claim("guardrails.policy-recorded")
def test_an_act_that_is_taken_back_is_not_recorded(cast: Cast) -> None:
    with transaction.atomic():
        make(cast)
        transaction.set_rollback(True)
    assert not Event.objects.filter(kind="policy.created").exists()


# --- YAML -----------------------------------------------------------------------------------------------

TEXT = """
version: 1
projects:
  - slug: acme
    policies:
      - slug: tools
        preset: observe
        mode: enforce
        default: true
        guardrails:
          - {detector: probe, directions: [output], action: redact, threshold: 0.8, config: {word: wolf}}
          - {detector: probe_secret, directions: [input], on_error: flag, timeout: 1, config: {key: "env:PROBE_KEY"}}
      - slug: definitions
        mode: observe
        guardrails: [{detector: probe, directions: [definition], categories: [WORD]}]
    servers:
      - slug: docs
        url: "http://127.0.0.1:9001/mcp"
        input_policy: tools
        output_policy: definitions
        argument_kinds: {query: {/statement: sql}}
        restore_tokens: true
"""


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_KEY", "canary-key")
    # What the presets name is not this test's business.
    some = Policy(name="observe", version=1, mode=Mode.OBSERVE, rules=())
    monkeypatch.setattr(presets, "PRESETS", {**presets.PRESETS, "observe": some})
    for module in (services, declared_guards):
        monkeypatch.setattr(module, "PRESETS", {"observe": some, "balanced": some, "strict": some})


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(TEXT)
    return loaded


def apply(raw: dict[str, Any], **options: Any) -> declared.Outcome:
    return declared.apply(declared.read(yaml.safe_dump(raw)), **options)


@pytest.mark.claim("guardrails.policy-declared")
def test_the_documented_example_makes_policies_that_servers_name(key: None) -> None:
    outcome = apply(document())
    assert outcome.create == ["project acme", "policy acme/tools", "policy acme/definitions", "server acme/docs"]
    project = Project.objects.get()
    loaded = compiled.load(project.pk)
    with with_project(project.pk):
        server = Server.objects.get()
    assert loaded.default.name == "tools"
    incoming, outgoing = loaded.policy_for(server.pk, "input"), loaded.policy_for(server.pk, "output")
    assert (incoming.name, outgoing.name, outgoing.mode) == ("tools", "definitions", Mode.OBSERVE)
    assert incoming.kinds == {"query": {"/statement": "sql"}}
    assert incoming.trusted == {"docs"}
    redact, secret = incoming.rules
    assert (redact.action, redact.threshold, redact.config) == (Action.REDACT, 0.8, {"word": "wolf"})
    assert (secret.on_error, secret.timeout, secret.secrets) == (Action.FLAG, 1.0, {"key": "canary-key"})
    assert "canary" not in stored_bytes()


@pytest.mark.claim("guardrails.policy-declared")
def test_a_second_time_changes_nothing_and_a_dry_run_does_nothing(key: None) -> None:
    before = stored_bytes()
    assert apply(document(), dry_run=True).create[1] == "policy acme/tools"
    assert stored_bytes() == before
    apply(document())
    before, version = stored_bytes(), versions.current()
    assert not any(apply(document()).difference().values())
    assert (stored_bytes(), versions.current()) == (before, version)


def _edit(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(raw: dict[str, Any]) -> None:
        place: Any = raw["projects"][0]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return edit


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "mode": (_edit("policies", 0, "mode", value="observe"), "policy acme/tools"),
    "threshold": (_edit("policies", 0, "guardrails", 0, "threshold", value=0.9), "policy acme/tools"),
    "config": (_edit("policies", 0, "guardrails", 0, "config", value={"word": "fox"}), "policy acme/tools"),
    "secret": (_edit("policies", 0, "guardrails", 1, "config", value={"key": "other"}), "policy acme/tools"),
    "fewer guardrails": (_edit("policies", 0, "guardrails", value=[]), "policy acme/tools"),
    "limit": (_edit("policies", 1, "max_characters", value=4096), "policy acme/definitions"),
    "no default": (_edit("policies", 0, "default", value=False), "policy acme/tools"),
    "server's policy": (_edit("servers", 0, "input_policy", value="definitions"), "server acme/docs"),
    "server's default": (_edit("servers", 0, "output_policy", value=None), "server acme/docs"),
    "kinds": (_edit("servers", 0, "argument_kinds", value={}), "server acme/docs"),
    "tokens": (_edit("servers", 0, "restore_tokens", value=False), "server acme/docs"),
}


@pytest.mark.claim("guardrails.policy-declared")
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_line_updates_its_row_once(key: None, change: str) -> None:
    apply(document())
    raw, (edit, name) = document(), CHANGES[change]
    edit(raw)
    assert apply(raw, dry_run=True).difference() == {"create": [], "update": [name], "delete": []}
    assert apply(raw).difference() == {"create": [], "update": [name], "delete": []}
    assert not any(apply(raw).difference().values())


@pytest.mark.claim("guardrails.policy-declared")
def test_what_the_file_does_not_say_of_a_server_or_a_default_stays(key: None) -> None:
    apply(document())
    raw = document()
    del raw["projects"][0]["policies"][0]["default"]
    raw["projects"][0]["servers"] = [{"slug": "docs", "url": "http://127.0.0.1:9001/mcp"}]
    assert not any(apply(raw).difference().values())


@pytest.mark.claim("guardrails.policy-declared")
def test_a_project_may_simply_name_a_preset(key: None) -> None:
    raw: dict[str, Any] = {"version": 1, "projects": [{"slug": "acme", "policy": "observe"}]}
    assert apply(raw).create == ["project acme", "policy acme/observe"]
    project = Project.objects.get()
    assert (compiled.load(project.pk).default.name, compiled.load(project.pk).default.mode) == ("observe", "observe")
    assert not any(apply(raw).difference().values())
    raw["projects"][0]["policy"] = "strict"
    assert apply(raw).create == ["policy acme/strict"]
    assert compiled.load(project.pk).default.name == "strict"
    raw["projects"][0]["policy"] = "balanced"
    assert apply(raw).update == ["policy acme/strict"]
    assert compiled.load(project.pk).default is presets.PRESETS["balanced"]
    assert not any(apply(raw).difference().values())


@pytest.mark.claim("guardrails.policy-declared")
def test_policies_that_the_file_leaves_out_go_only_when_asked(key: None) -> None:
    apply(document())
    raw = document()
    raw["projects"][0]["policies"].pop(0)
    raw["projects"][0]["servers"][0]["input_policy"] = None
    assert apply(raw).difference() == {"create": [], "update": ["server acme/docs"], "delete": []}
    assert apply(raw, prune=True).difference() == {"create": [], "update": [], "delete": ["policy acme/tools"]}
    assert compiled.load(Project.objects.get().pk).default.name == "balanced"


ERRORS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "unknown detector": (
        _edit("policies", 0, "guardrails", 0, "detector", value="none"), r"projects\.acme\.policies\.tools: .*none",
    ),
    "wrong configuration": (
        _edit("policies", 1, "guardrails", 0, "config", value={"word": 7}), r"projects\.acme\.policies\.definitions",
    ),
    "secret that is not there": (
        _edit("policies", 0, "guardrails", 1, "config", value={"key": "env:NOT_SET"}), r"policies\.tools: .*NOT_SET",
    ),
    "bad slug": (_edit("policies", 0, "slug", value="Not A Slug"), r"policies\.Not A Slug"),
    "policy that is not there": (_edit("servers", 0, "input_policy", value="none"), r"servers\.docs: .*no policy none"),
    "kind that is none": (_edit("servers", 0, "argument_kinds", value={"a": {"b": "sql"}}), r"servers\.docs"),
    "two defaults": (_edit("policies", 1, "default", value=True), r"projects\.acme\.policy: .*one default"),
    "two defaults with a preset": (_edit("policy", value="strict"), r"projects\.acme\.policy: .*one default"),
    "one slug twice": (_edit("policies", 1, "slug", value="tools"), r"projects\.acme\.policy: .*one slug"),
}  # fmt: skip


@pytest.mark.claim("guardrails.policy-declared")
@pytest.mark.parametrize("error", ERRORS)
def test_an_error_names_its_place_and_leaves_nothing(key: None, error: str) -> None:
    raw, (edit, place) = document(), ERRORS[error]
    edit(raw)
    before = stored_bytes()
    with pytest.raises(declared.DeclarationError, match=place) as caught:
        apply(raw)
    assert "canary" not in str(caught.value)
    assert stored_bytes() == before


@pytest.mark.claim("guardrails.policy-declared")
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("policy: canary", "projects.0.policy"),
        ("policies: [{slug: a, preset: canary}]", "projects.0.policies.0.preset"),
        ("policies: [{slug: a, mode: canary}]", "projects.0.policies.0.mode"),
        ("policies: [{slug: a, guardrails: [{detector: d, threshold: 2}]}]", "guardrails.0.threshold"),
        ("policies: [{slug: a, guardrails: [{detector: d, action: canary}]}]", "guardrails.0.action"),
        ("policies: [{slug: a, guardrails: [{detector: d, directions: [canary]}]}]", "guardrails.0.directions.0"),
        ("policies: [{slug: a, guardrails: [{detector: d, key: canary}]}]", "guardrails.0.key"),
        ("servers: [{slug: a, argument_kinds: {t: {/a: canary}}}]", "projects.0.servers.0.argument_kinds"),
    ],
)
def test_a_file_that_does_not_fit_the_schema_names_the_place_and_no_value(text: str, place: str) -> None:
    with pytest.raises(declared.DeclarationError) as caught:
        declared.read(f"version: 1\nprojects: [{{slug: a, {text}}}]")
    assert place in str(caught.value)
    assert "canary" not in str(caught.value).replace("policies.0", "")
