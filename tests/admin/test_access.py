"""Who may open the admin pages: operators, and nobody else, on every page that is registered."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from audit.models import Event
from audit.recorder import record
from projects.models import User
from projects.scoping import unscoped
from servers.models import Tool
from tests.admin.conftest import PASSWORD, Stored

pytestmark = [pytest.mark.django_db, pytest.mark.claim("admin.access")]

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
NAMES = [model._meta.label_lower for model in MODELS]


def paths(stored: Stored) -> list[str]:
    """Every page of every registered model, for a row that is there."""
    found = [reverse("admin:index"), reverse("admin:app_list", args=["projects"])]
    for model in MODELS:
        prefix = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        with unscoped("the test names a row of any project"):
            pk = model._base_manager.latest("pk").pk
        found += [reverse(f"{prefix}_changelist"), reverse(f"{prefix}_add")]
        found += [reverse(f"{prefix}_{page}", args=[pk]) for page in ("change", "delete", "history")]
    found.append(reverse("admin:auth_user_password_change", args=[stored.user.pk]))
    found.append(reverse("admin:autocomplete") + "?app_label=projects&model_name=membership&field_name=user&term=ada")
    found.append(reverse("admin:servers_grant_why"))
    return found


def deciding(stored: Stored) -> list[str]:
    """What only takes a decision and shows nothing."""
    return [
        reverse("admin:audit_forwarder_test", args=[stored.forwarder.pk]),
        reverse("admin:servers_server_allow", args=[stored.server.pk]), reverse("admin:servers_tool_decide"),
        reverse("admin:servers_toolversion_decide", args=[stored.version.pk]),
        reverse("admin:servers_overlay_preview"), reverse("admin:servers_overlay_preview", args=[stored.overlay.pk]),
    ]  # fmt: skip


def pages_of_models(stored: Stored) -> list[str]:
    return paths(stored)[2:]


@pytest.fixture
def stored_with_event(stored: Stored) -> Stored:
    record("test.made", subject="x")
    return stored


def test_every_model_with_pages_was_meant_to_have_them() -> None:
    assert NAMES == [
        "audit.deadletter", "audit.event", "audit.export", "audit.exportschedule", "audit.forwarder",
        "audit.subjectkey",
        "guardrails.findingexception", "guardrails.floorguardrail", "guardrails.policy",
        "guardrails.policyversion", "projects.apikey", "projects.job", "projects.membership", "projects.project",
        "projects.user", "servers.commandtemplate", "servers.grant", "servers.overlay", "servers.server",
        "servers.tool", "servers.toolversion",
    ]  # fmt: skip
    assert Group not in admin.site._registry


def test_an_operator_can_open_them_all(pages: Client, stored_with_event: Stored) -> None:
    read_only = ("/audit/deadletter/", "/audit/event/", "/audit/subjectkey/", "/guardrails/policyversion/",
                 "/projects/job/", "/servers/tool/", "/servers/toolversion/")  # fmt: skip
    for path in paths(stored_with_event):
        status = pages.get(path).status_code
        refused = any(part in path for part in read_only) and path.endswith(("/add/", "/delete/"))
        assert status == (403 if refused else 200), path


def test_nobody_else_finds_anything(stored_with_event: Stored) -> None:
    client = Client()
    for path in [*paths(stored_with_event), *deciding(stored_with_event)]:
        for response in (client.get(path), client.post(path, {"post": "yes", "action": "delete_selected"})):
            assert response.status_code == 302, path
            assert response["Location"].startswith(reverse("admin:login")), path


def test_staff_without_operators_rights_are_refused_everywhere(stored_with_event: Stored, staff: User) -> None:
    client = Client()
    client.force_login(staff)
    for path in [*pages_of_models(stored_with_event), *deciding(stored_with_event)]:
        for response in (client.get(path), client.post(path, {"post": "yes", "action": "delete_selected"})):
            assert response.status_code in (403, 405), (path, response.status_code)
    assert client.get(reverse("admin:index")).status_code == 200
    assert b"acme" not in client.get(reverse("admin:index")).content


def test_staff_cannot_act_on_rows(stored: Stored, staff: User) -> None:
    client = Client()
    client.force_login(staff)
    for model, action in (("projects_apikey", "rotate_keys"), ("servers_server", "disable_servers"),
                          ("servers_tool", "approve_selected")):  # fmt: skip
        data = {"action": action, "_selected_action": "1", "confirmed": "yes"}
        assert client.post(reverse(f"admin:{model}_changelist"), data).status_code == 403
    before = Event.objects.count()
    for path in deciding(stored):
        data = {"act": "approve", "version": str(stored.version.pk)}
        assert client.post(path, data).status_code == 403
    assert Event.objects.count() == before


def test_what_decides_is_not_done_by_a_link(pages: Client, stored: Stored) -> None:
    for path in deciding(stored):
        assert pages.get(path + f"?act=approve&version={stored.version.pk}").status_code == 405


def test_what_decides_needs_the_pages_own_token(operator: User, stored: Stored) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    for path in [*deciding(stored), reverse("admin:servers_grant_why")]:
        assert client.post(path, {"act": "approve", "version": str(stored.version.pk)}).status_code == 403


def test_an_operator_who_was_deactivated_is_out_at_once(pages: Client, operator: User) -> None:
    operator.is_active = False
    operator.save()
    assert pages.get(reverse("admin:index")).status_code == 302


def test_events_and_tools_cannot_be_touched(pages: Client, stored_with_event: Stored) -> None:
    event, tool = Event.objects.latest("ord"), stored_with_event.tool
    before = Event.objects.count()
    rows = (("audit_event", event.pk), ("servers_tool", tool.pk), ("servers_toolversion", stored_with_event.version.pk))
    for prefix, pk in ((f"admin:{name}", pk) for name, pk in rows):
        assert pages.post(reverse(f"{prefix}_add"), {"kind": "forged"}).status_code == 403
        assert pages.post(reverse(f"{prefix}_change", args=[pk]), {"kind": "forged"}).status_code == 403
        assert pages.post(reverse(f"{prefix}_delete", args=[pk]), {"post": "yes"}).status_code == 403
        data = {"action": "delete_selected", "_selected_action": pk, "post": "yes"}
        pages.post(reverse(f"{prefix}_changelist"), data)
    assert Event.objects.count() == before
    with unscoped("the test looks"):
        assert Tool.objects.filter(pk=tool.pk).exists()


def test_no_admin_page_is_kept_by_a_cache(pages: Client, stored_with_event: Stored) -> None:
    for path in paths(stored_with_event):
        response = pages.get(path)
        assert response.status_code == 403 or "no-store" in response["Cache-Control"], path


def test_wrong_addresses_are_not_found_and_wrong_filters_not_answered(pages: Client, stored: Stored) -> None:
    for model in MODELS:
        prefix = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for pk in ("999999", "nonsense", "9" * 40, "_00", "1%00"):
            response = pages.get(reverse(f"{prefix}_change", args=[pk]))
            # An event out of reach is answered like one that never was, whoever asks.
            assert response.status_code == (404 if model is Event else 302), (prefix, pk)
        for query in ("?p=999", "?p=x", "?o=99.-1.x", "?nonsense=1", "?q=%00", "?e=1", "?_facets=1", "?q=(((", "?all="):
            response = pages.get(reverse(f"{prefix}_changelist") + query)
            assert response.status_code in (200, 302), (prefix, query)


def test_signing_in_out_and_failing_to_are_recorded(operator: User) -> None:
    client = Client()
    client.post(reverse("admin:login"), {"username": operator.email, "password": "wrong"})
    failed = Event.objects.get(kind="auth.sign_in_failed")
    assert (failed.subject, failed.decision, failed.actor_kind) == (operator.email, "refused", "anonymous")
    assert "wrong" not in str(failed.detail)

    client.post(reverse("admin:login"), {"username": operator.email, "password": PASSWORD, "next": "/admin/"})
    assert Event.objects.get(kind="auth.password_accepted").actor == operator.email
    client.force_login(operator)

    client.post(reverse("admin:logout"))
    assert Event.objects.get(kind="auth.signed_out").actor == operator.email
