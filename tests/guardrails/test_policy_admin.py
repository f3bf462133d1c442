"""What an operator does with guardrails in the admin pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from guardrails import compiled, services
from guardrails.admin import link_to_exceptions
from guardrails.engine.findings import Finding
from guardrails.exemptions import digest_text
from guardrails.models import FindingException, FloorGuardrail, Guardrail, Policy, PolicyVersion
from guardrails.results import pieces
from guardrails.specs import Spec
from projects.models import User
from projects.scoping import unscoped, with_project
from servers.models import Server
from tests.cast import Cast, two_tenants
from tests.guardrails.probes import installed

pytestmark = [pytest.mark.django_db, pytest.mark.claim("guardrails.policy-pages")]
HOSTILE = '<script>alert("wolf")</script><img src=x onerror=alert(1)>'
PAGES = ["policy", "policyversion", "floorguardrail", "findingexception"]


@pytest.fixture(autouse=True)
def probes() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def cast(db: None) -> Cast:
    return two_tenants()


@pytest.fixture
def pages(cast: Cast) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator@gateway.test"))
    return client


@pytest.fixture
def staff(cast: Cast) -> Client:
    """May enter the admin, and holds every permission that Django knows; but operates nothing."""
    from django.contrib.auth.models import Permission

    user = User.objects.create_user("staff@gateway.test", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(user)
    return client


def make(cast: Cast, *guardrails: Spec, **fields: Any) -> Policy:
    return services.create_policy(project=cast.acme, slug="tools", guardrails=guardrails or (Spec("probe"),), **fields)


def url(page: str, act: str, *pk: int) -> str:
    return reverse(f"admin:guardrails_{page}_{act}", args=pk)


def policy_fields(**fields: Any) -> dict[str, Any]:
    return {"name": "", "mode": "enforce", "max_characters": 1048576, "over_limit": "block", **fields}


def inline(index: int, row: Guardrail | None, **fields: Any) -> dict[str, Any]:
    """One guardrail of the page, as a browser sends it. None leaves a field out."""
    wanted: dict[str, Any] = {
        "id": row.pk if row else "", "policy": row.policy_id if row else "", "order": index, "enabled": "on",
        "detector": "probe", "directions": ["input", "output"], "action": "block", "threshold": "0.5",
        "categories": "", "config": "{}", "secrets": "", "on_error": "block", "timeout": "3.0", **fields,
    }  # fmt: skip
    return {f"_{index}-{name}": value for name, value in wanted.items() if value is not None}


def post_policy(pages: Client, policy: Policy, *inlines: dict[str, Any], **fields: Any) -> Any:
    initial = len([1 for each in inlines for name, value in each.items() if name.endswith("-id") and value])
    path = url("policy", "change", policy.pk)
    shown = pages.get(path)
    prefix = shown.context["inline_admin_formsets"][0].formset.prefix
    data = {f"{prefix}-TOTAL_FORMS": len(inlines), f"{prefix}-INITIAL_FORMS": initial,
            f"{prefix}-MIN_NUM_FORMS": 0, f"{prefix}-MAX_NUM_FORMS": 50, **policy_fields(**fields)}  # fmt: skip
    for each in inlines:
        data |= {f"{prefix}-{name[1:]}": value for name, value in each.items()}
    return pages.post(path, data)


def rows(policy: Policy) -> list[Guardrail]:
    with with_project(policy.project_id):
        return list(Guardrail.objects.filter(policy=policy).order_by("order", "id"))


def fresh(policy: Policy) -> Policy:
    with unscoped("the test looks"):
        return Policy.objects.get(pk=policy.pk)


def stored_bytes() -> str:
    with connection.cursor() as cursor:
        parts = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            parts.append(f"{table}: {cursor.fetchall()!r}")
    return "\n".join(parts)


# --- who gets in ----------------------------------------------------------------------------------------


def paths(cast: Cast) -> list[str]:
    policy = make(cast)
    floor = services.save_floor_guardrail(spec=Spec("probe"))
    exception = add_exception(cast)
    with with_project(cast.acme.pk):
        version = PolicyVersion.objects.get()
    found = [reverse("admin:guardrails_policy_bench")]
    for page, row in zip(PAGES, (policy, version, floor, exception), strict=True):
        found += [url(page, "changelist"), url(page, "add")]
        found += [url(page, act, row.pk) for act in ("change", "delete", "history")]
    return found


def add_exception(cast: Cast) -> FindingException:
    return services.add_exception(
        project=cast.acme, detector="probe", text="wolf", reason="r", expires_at=timezone.now() + timedelta(days=1)
    )


def test_an_operator_can_open_every_page(cast: Cast, pages: Client) -> None:
    for path in paths(cast):
        response = pages.get(path)
        refused = "/policyversion/" in path and path.endswith(("/add/", "/delete/"))
        assert response.status_code == (403 if refused else 200), path
        assert refused or "no-store" in response["Cache-Control"], path


def test_nobody_else_can_open_any(cast: Cast, staff: Client) -> None:
    before = None
    for path in paths(cast):
        before = before or stored_bytes()
        for response in (staff.get(path), staff.post(path, {"post": "yes", "action": "roll_back"})):
            assert response.status_code == 403, path
        assert Client().get(path).status_code == 302
    assert stored_bytes().replace("\n", "").count("probe") == str(before).replace("\n", "").count("probe")


# --- policies -------------------------------------------------------------------------------------------


def test_a_policy_is_made_from_a_preset(cast: Cast, pages: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "preset", lambda name: (Spec("probe", config={"word": name}),))
    response = pages.post(
        url("policy", "add"), policy_fields(project=cast.acme.pk, slug="tools", preset="strict", is_default="on")
    )
    assert response.status_code == 302
    loaded = compiled.load(cast.acme.pk).default
    assert (loaded.name, [rule.config for rule in loaded.rules]) == ("tools", [{"word": "strict"}])
    assert Event.objects.get(kind="policy.created").actor == "operator@gateway.test"


def test_everything_on_the_page_is_one_version(cast: Cast, pages: Client) -> None:
    policy = make(cast, Spec("probe"), Spec("probe", directions=("definition",)))
    first, second = rows(policy)
    response = post_policy(
        pages, policy,
        inline(0, first, order=5, action="redact", config='{"word": "fox"}', categories="WORD\nOTHER"),
        inline(1, second, DELETE="on"),
        inline(2, None, order=1, directions=["input"], threshold="0.9", enabled=None),
        name="Tools", mode="observe", is_default="on",
    )  # fmt: skip
    assert response.status_code == 302, response.context["errors"]
    changed = fresh(policy)
    # One for the page, and one for being the default from now on.
    assert (changed.version, changed.name, changed.mode, changed.is_default) == (3, "Tools", "observe", True)
    new, kept = rows(policy)
    assert (kept.uid, kept.action, kept.config, kept.categories) == (
        first.uid, "redact", {"word": "fox"}, ["WORD", "OTHER"],
    )  # fmt: skip
    assert (new.directions, new.threshold, new.enabled) == (["input"], 0.9, False)
    post_policy(pages, policy, inline(0, new, order=0, directions=["input"], threshold="0.9", enabled=None),
                inline(1, kept, action="redact", config='{"word": "fox"}', categories="WORD\nOTHER"),
                name="Tools", mode="observe", is_default="on")  # fmt: skip
    assert fresh(policy).version == 3
    post_policy(pages, policy, inline(0, new), inline(1, kept), name="Tools", mode="observe")
    assert not fresh(policy).is_default


@pytest.mark.parametrize(
    ("fields", "field", "text"),
    [
        ({"detector": "nonsense"}, "detector", "not one of the available choices"),
        ({"directions": []}, "directions", "required"),
        ({"directions": ["sideways"]}, "directions", "not one of the available choices"),
        ({"config": "{"}, "config", "valid JSON"),
        ({"config": "[]"}, "config", "object"),
        ({"config": '{"word": "\\u0000"}'}, "config", "Null characters"),
        ({"config": '{"nonsense": 1}'}, "config", "no parameter nonsense"),
        ({"config": '{"word": ""}'}, "config", "at least one letter"),
        ({"categories": "NONE"}, "categories", "no category NONE"),
        ({"threshold": "2"}, "threshold", "from 0 to 1"),
        ({"threshold": "nan"}, "threshold", "number"),
        ({"timeout": "0"}, "timeout", "from 0.05 to 60"),
        ({"action": "explode"}, "action", "not one of the available choices"),
        ({"detector": "probe_secret", "directions": ["input"]}, "config", "needs key"),
        ({"detector": "probe_secret", "secrets": "key=k"}, "directions", "does not look at output"),
        ({"secrets": "no pair"}, "secrets", "Line 1"),
        ({"detector": "probe_broken"}, "config", "cannot be made"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_input_is_an_error_of_its_field(
    cast: Cast, pages: Client, fields: dict[str, Any], field: str, text: str
) -> None:
    policy = make(cast)
    before = [row.__dict__ | {"_state": 0} for row in rows(policy)]
    response = post_policy(pages, policy, inline(0, rows(policy)[0]), inline(1, None, **fields))
    assert response.status_code == 200
    errors = response.context["inline_admin_formsets"][0].formset.errors[1]
    assert text in " ".join(errors[field])
    assert [row.__dict__ | {"_state": 0} for row in rows(policy)] == before
    assert fresh(policy).version == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"slug": "Not A Slug"}, "slug"), ({"mode": "sleep"}, "mode"), ({"max_characters": 1}, "max_characters"),
        ({"preset": "nonsense"}, "preset"), ({"project": ""}, "project"), ({"slug": "tools"}, "__all__"),
    ],
    ids=str,
)  # fmt: skip
def test_a_policy_that_cannot_be_is_a_form_error(cast: Cast, pages: Client, fields: dict[str, Any], field: str) -> None:
    make(cast)
    wanted = policy_fields(project=cast.acme.pk, slug="other", preset="balanced") | fields
    response = pages.post(url("policy", "add"), wanted)
    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors


@pytest.mark.claim("guardrails.policy-secrets")
def test_secrets_go_in_and_never_come_out(cast: Cast, pages: Client) -> None:
    policy = make(cast)
    secret = {"detector": "probe_secret", "directions": ["input"]}
    response = post_policy(pages, policy, inline(0, None, **secret, secrets="key=canary-1"))
    assert response.status_code == 302
    [row] = [row for row in rows(policy) if row.detector == "probe_secret"]
    assert row.secrets == {"key": "canary-1"}
    assert post_policy(pages, policy, inline(0, row, **secret, threshold="0.7")).status_code == 302
    assert rows(policy)[0].secrets == {"key": "canary-1"}
    refused = post_policy(pages, policy, inline(0, row, **secret, secrets="key=canary-2", threshold="9"))
    assert "canary" not in refused.content.decode()
    gone = post_policy(pages, policy, inline(0, row, **secret, secrets="key="))
    assert "needs key" in gone.content.decode()
    other = post_policy(pages, policy, inline(0, row, detector="probe"))
    assert other.status_code == 302
    assert [each.secrets for each in rows(policy)] == [{}]
    with unscoped("the test looks"):
        version = PolicyVersion.objects.latest("version")
    for page, pk in (("policy", policy.pk), ("policyversion", version.pk)):
        body = pages.get(url(page, "change", pk)).content.decode()
        assert "canary" not in body
    assert "canary" not in stored_bytes()


def test_a_policy_is_deleted_unless_it_is_needed(cast: Cast, pages: Client) -> None:
    policy = make(cast, is_default=True)
    assert "choose another default" in pages.post(
        url("policy", "delete", policy.pk), {"post": "yes"}, follow=True
    ).content.decode()
    services.set_default_policy(project=cast.acme, policy=None)
    server = cast.server("docs", input_policy=policy)
    pages.post(url("policy", "delete", policy.pk), {"post": "yes"})
    assert fresh(policy)
    with with_project(cast.acme.pk):
        server.delete()
    assert pages.post(url("policy", "delete", policy.pk), {"post": "yes"}).status_code == 302
    with unscoped("the test looks"):
        assert not Policy.objects.exists()


def test_an_older_version_is_made_current_again(cast: Cast, pages: Client) -> None:
    policy = make(cast, Spec("probe", config={"word": "fox"}))
    services.set_guardrails(policy=policy, guardrails=[])
    with unscoped("the test looks"):
        first = PolicyVersion.objects.get(version=1)
    data = {"action": "roll_back", "_selected_action": [first.pk]}
    assert pages.post(url("policyversion", "changelist"), data).status_code == 302
    assert [row.config for row in rows(policy)] == [{"word": "fox"}]
    assert Event.objects.get(kind="policy.rolled_back").actor == "operator@gateway.test"
    services.delete_policy(policy=policy)
    answer = pages.post(url("policyversion", "changelist"), data, follow=True)
    assert "no policy tools any more" in answer.content.decode()


def test_a_version_cannot_be_touched(cast: Cast, pages: Client) -> None:
    make(cast)
    with unscoped("the test looks"):
        version = PolicyVersion.objects.get()
    assert pages.post(url("policyversion", "add"), {"slug": "x"}).status_code == 403
    assert pages.post(url("policyversion", "change", version.pk), {"slug": "x"}).status_code == 403
    assert pages.post(url("policyversion", "delete", version.pk), {"post": "yes"}).status_code == 403


def test_a_server_is_given_its_policies_on_its_own_page(cast: Cast, pages: Client) -> None:
    policy, server = make(cast), cast.server("docs")
    theirs = services.create_policy(project=cast.globex, slug="theirs", guardrails=[])
    path = reverse("admin:servers_server_change", args=[server.pk])
    fields = {"slug": "docs", "transport": "http", "url": server.url, "timeout_seconds": 60, "enabled": "on",
              "params": "{}", "restore_tokens": "on", "review": "trust",
              "grants-TOTAL_FORMS": 0, "grants-INITIAL_FORMS": 0}  # fmt: skip
    response = pages.post(path, {**fields, "output_policy": policy.pk, "argument_kinds": '{"q": {"/s": "sql"}}'})
    assert response.status_code == 302
    with unscoped("the test looks"):
        stored = Server.objects.get(pk=server.pk)
    assert (stored.input_policy_id, stored.output_policy_id, stored.restore_tokens) == (None, policy.pk, True)
    assert stored.argument_kinds == {"q": {"/s": "sql"}}
    for wrong in ({"input_policy": theirs.pk}, {"argument_kinds": '{"q": {"/s": "poem"}}'}, {"input_policy": "x"}):
        refused = pages.post(path, {**fields, **wrong})
        assert refused.status_code == 200
        assert set(refused.context["adminform"].form.errors) == set(wrong)


# --- the floor ------------------------------------------------------------------------------------------

FLOOR = {"order": 0, "enabled": "on", "detector": "probe", "directions": ["output"], "action": "block",
         "threshold": "0.5", "categories": "", "config": "{}", "secrets": "", "on_error": "block",
         "timeout": "3.0"}  # fmt: skip


def test_the_floor_is_made_changed_and_deleted(cast: Cast, pages: Client) -> None:
    assert pages.post(url("floorguardrail", "add"), FLOOR).status_code == 302
    row = FloorGuardrail.objects.get()
    assert [rule.id for rule in compiled.load(cast.acme.pk).default.floor] == [row.rule_id]
    assert pages.post(url("floorguardrail", "change", row.pk), {**FLOOR, "action": "flag"}).status_code == 302
    assert FloorGuardrail.objects.get().action == "flag"
    refused = pages.post(url("floorguardrail", "change", row.pk), {**FLOOR, "config": '{"word": ""}'})
    assert "at least one letter" in str(refused.context["adminform"].form.errors["config"])
    secret = {**FLOOR, "detector": "probe_secret", "directions": ["input"], "secrets": "key=canary"}
    assert pages.post(url("floorguardrail", "add"), secret).status_code == 302
    stored = FloorGuardrail.objects.get(detector="probe_secret")
    assert "canary" not in pages.get(url("floorguardrail", "change", stored.pk)).content.decode()
    for each in (row, stored):
        assert pages.post(url("floorguardrail", "delete", each.pk), {"post": "yes"}).status_code == 302
    assert compiled.load(cast.acme.pk).default.floor == ()
    kinds = Event.objects.filter(kind__startswith="floor.").order_by("ord").values_list("kind", flat=True)
    assert list(kinds) == ["floor.created", "floor.changed", "floor.created", "floor.deleted", "floor.deleted"]


# --- false positives ------------------------------------------------------------------------------------


def exception_fields(cast: Cast, **fields: Any) -> dict[str, Any]:
    until = timezone.now() + timedelta(days=7)
    return {
        "project": cast.acme.pk, "server": "", "tool": "", "detector": "probe", "category": "", "text": "",
        "pointer": "", "of_text": "", "of_place": "", "reason": "A name.",
        "expires_at_0": until.strftime("%Y-%m-%d"), "expires_at_1": until.strftime("%H:%M:%S"), **fields,
    }  # fmt: skip


@pytest.mark.claim("guardrails.exceptions")
def test_an_operator_makes_and_removes_an_exception(cast: Cast, pages: Client) -> None:
    server = cast.server("docs")
    wanted = exception_fields(cast, text="canary wolf", server="docs", tool="read", category="WORD")
    assert pages.post(url("findingexception", "add"), wanted).status_code == 302
    with unscoped("the test looks"):
        row = FindingException.objects.get()
    assert (row.server_ref, row.tool, row.created_by) == (server.pk, "read", "operator@gateway.test")
    assert row.text_digest == digest_text(settings.KEYRING.project_digest_key(cast.acme.pk), "canary wolf")
    shown = pages.get(url("findingexception", "change", row.pk)).content.decode()
    assert "canary" not in shown + stored_bytes()
    assert pages.post(url("findingexception", "change", row.pk), wanted).status_code == 403
    assert pages.post(url("findingexception", "delete", row.pk), {"post": "yes"}).status_code == 302
    with unscoped("the test looks"):
        assert not FindingException.objects.exists()


@pytest.mark.claim("guardrails.exceptions")
def test_an_event_leads_to_an_exception_that_is_filled_in(cast: Cast, pages: Client) -> None:
    digest = "a" * 64
    query = f"?project={cast.acme.pk}&detector=probe&category=WORD&tool=read&server=docs&of_text={digest}"
    form = pages.get(url("findingexception", "add") + query).context["adminform"].form
    shown = {name: form.get_initial_for_field(form.fields[name], name) for name in ("detector", "tool", "of_text")}
    assert shown == {"detector": "probe", "tool": "read", "of_text": digest}


@pytest.mark.claim("guardrails.exceptions")
@pytest.mark.parametrize(("subject", "tool"), [("read", "read"), ("#0123456789abcdef", "")])
def test_an_exception_for_a_tool_that_the_log_does_not_name_is_for_any(
    cast: Cast, pages: Client, subject: str, tool: str
) -> None:
    finding = ["probe", "WORD", 1.0, "/params/arguments/text", "flag", "a" * 64, "b" * 64]
    detail = {"guardrails": [{"findings": [finding]}]}
    event = Event(project_ref=cast.acme.pk, server="docs", subject=subject, detail=detail)
    links = [address for address, _ in link_to_exceptions(event)]
    assert len(links) == 2
    assert {parse_qs(urlsplit(link).query, keep_blank_values=True)["tool"][0] for link in links} == {tool}


@pytest.mark.claim("guardrails.exceptions")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "__all__"), ({"text": "a", "pointer": "/a", "tool": "t"}, "__all__"), ({"pointer": "/a"}, "tool"),
        ({"text": "a", "server": "none"}, "server"), ({"text": "a", "detector": "none"}, "detector"),
        ({"text": "a", "expires_at_0": "2020-01-01"}, "expires_at"), ({"text": "a", "reason": ""}, "reason"),
        ({"of_text": "xyz"}, "of_text"),
    ],
    ids=str,
)  # fmt: skip
def test_an_impossible_exception_is_a_form_error(
    cast: Cast, pages: Client, fields: dict[str, Any], field: str
) -> None:
    response = pages.post(url("findingexception", "add"), exception_fields(cast, **fields))
    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors


# --- the bench ------------------------------------------------------------------------------------------



def bench(pages: Client, policy: Policy | str, text: str, direction: str = "output") -> Any:
    name = policy if isinstance(policy, str) else str(policy.pk)
    return pages.post(reverse("admin:guardrails_policy_bench"), {"policy": name, "text": text, "direction": direction})


@pytest.mark.claim("guardrails.policy-bench")
def test_a_text_is_tried_and_its_findings_are_marked(cast: Cast, pages: Client) -> None:
    policy = make(cast, Spec("probe", action="redact"), Spec("probe", config={"word": "hen"}, action="flag"))
    response = bench(pages, policy, "The wolf met a hen.")
    result, body = response.context["result"], response.content.decode()
    assert result.outcome == "rewritten"
    assert "wolf" not in result.let_through
    assert [finding.category for finding in result.report.findings] == ["WORD", "WORD"]
    assert set(result.report.milliseconds) == {row.rule_id for row in rows(policy)}
    assert re.findall(r"<mark[^>]*>([^<]*)</mark>", body) == ["wolf", "hen"]
    assert bench(pages, policy, "nothing").context["result"].outcome == "passed"


@pytest.mark.claim("guardrails.policy-bench")
@pytest.mark.parametrize("direction", ["input", "output", "definition"])
def test_every_direction_can_be_tried(cast: Cast, pages: Client, direction: str) -> None:
    policy = make(cast, Spec("probe", directions=(direction,)))
    result = bench(pages, policy, "a wolf", direction).context["result"]
    assert (result.outcome, result.why[:11]) == ("blocked", "probe: WORD")
    assert result.let_through == ""
    structured = bench(pages, policy, '{"name": {"deep": ["a wolf"]}}', direction).context["result"]
    assert structured.outcome == "blocked"
    assert any(segment.place.endswith("/name/deep/0") for segment in structured.segments)


@pytest.mark.claim("guardrails.policy-bench")
def test_a_text_is_shown_as_text_and_stored_nowhere(cast: Cast, pages: Client) -> None:
    policy = make(cast, Spec("probe", action="flag"))
    for text in (f"{HOSTILE} canary", f'{{"{HOSTILE[:20]}": "{HOSTILE[:20]} canary"}}', "safe\u202etxt.exe canary"):
        response = bench(pages, policy, text)
        body = response.content.decode()
        # The field that it was typed into repeats it, escaped.
        assert "<script>alert" not in body
        assert "<img src=x" not in body
        assert "no-store" in response["Cache-Control"]
        assert response.context["result"] is not None
    shown = response.context["result"].segments
    assert any("\\u202e" in piece.text for segment in shown for piece in segment.pieces)
    assert "canary" not in stored_bytes()


@pytest.mark.claim("guardrails.policy-bench")
def test_the_floor_is_tried_with_every_policy(cast: Cast, pages: Client) -> None:
    services.save_floor_guardrail(spec=Spec("probe"))
    policy = make(cast, Spec("probe", action="flag"), mode="observe")
    assert bench(pages, policy, "a wolf").context["result"].outcome == "blocked"


@pytest.mark.claim("guardrails.policy-bench")
@pytest.mark.parametrize(
    "fields",
    [{"policy": "none"}, {"policy": "999"}, {"direction": "up"}, {"text": ""}, {"text": "x" * 200_001},
     {"text": "a\0b"}],
    ids=lambda fields: str(fields)[:30],
)  # fmt: skip
def test_what_cannot_be_tried_is_a_form_error(cast: Cast, pages: Client, fields: dict[str, Any]) -> None:
    data = {"policy": "balanced", "direction": "input", "text": "a", **fields}
    response = pages.post(reverse("admin:guardrails_policy_bench"), data)
    assert response.status_code == 200
    assert response.context["result"] is None
    assert set(response.context["form"].errors) == set(fields)


@pytest.mark.claim("guardrails.policy-bench")
def test_pieces_are_the_text_whatever_overlaps() -> None:
    def found(start: int, end: int, category: str) -> Finding:
        return Finding("d", category, 1.0, "/a", start, end)

    cut = pieces("abcdefgh", [found(1, 4, "X"), found(3, 6, "Y"), found(7, 99, "Z")])
    assert [(piece.text, piece.about) for piece in cut] == [
        ("a", ""), ("bc", "d: X"), ("d", "d: X, d: Y"), ("ef", "d: Y"), ("g", ""), ("h", "d: Z"),
    ]  # fmt: skip
    assert "".join(piece.text for piece in pieces("", [])) == ""
