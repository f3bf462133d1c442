"""What each role is shown and may press, and what the projects that somebody has to choose from do to the pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from projects import services
from projects.checks import pages_say_whom_they_open_to
from projects.models import AdminToken, ApiKey, Membership, Project, User
from projects.pages import GatewayAdmin, OperatorOnlyAdmin
from projects.permissions import ACTIONS, Role
from projects.scoped_pages import ScopedAdmin
from projects.scoping import unscoped
from servers.models import Grant, Server, Tool, ToolVersion
from tests.admin.sweep import models_with_pages, prefix_of
from tests.admin.tenants import Tenants

pytestmark = pytest.mark.django_db


def page_of(client: Client, view: str, *args: Any) -> Any:
    return client.get(reverse(f"admin:{view}", args=args))


def post(client: Client, view: str, /, *args: Any, **fields: Any) -> Any:
    return client.post(reverse(f"admin:{view}", args=args), fields)


@pytest.mark.claim("scope.roles")
@pytest.mark.parametrize("role", [role.value for role in Role])
def test_a_list_opens_to_the_roles_that_its_action_is_given(two: Tenants, role: str) -> None:
    for model in models_with_pages():
        page: Any = admin.site._registry[model]
        reads = getattr(page, "reads", None)
        is_open = reads in ACTIONS[role]
        assert (page_of(two.client(role), f"{prefix_of(model)[6:]}_changelist").status_code == 200) is is_open, model


@pytest.mark.claim("scope.roles")
@pytest.mark.parametrize("role", [role.value for role in Role])
def test_a_form_opens_to_the_roles_that_its_action_is_given(two: Tenants, role: str) -> None:
    client = two.client(role)
    for model in models_with_pages():
        page, name = admin.site._registry[model], prefix_of(model)[6:]
        if not isinstance(page, ScopedAdmin) or model._meta.label in ("audit.Event", "projects.ApiKey"):
            continue
        may_look, may_write = page.reads in ACTIONS[role], page.writes in ACTIONS[role]
        shown = page_of(client, f"{name}_change", two.row(model, two.acme).pk)
        assert shown.status_code == (200 if may_look else 403), model
        if may_look:
            context = shown.context
            saves = context["has_change_permission"] and context["show_save"]
            assert not saves or may_write, model
            assert may_write or not [form for form in context.get("inline_admin_formsets", ())
                                     if form.has_add_permission or form.has_change_permission], model  # fmt: skip
            listed = page_of(client, f"{name}_changelist").context["cl"].model_admin.get_actions(shown.wsgi_request)
            assert may_write or not listed, model


@pytest.mark.claim("scope.roles")
def test_an_admin_runs_a_server_and_a_member_may_only_look(two: Tenants) -> None:
    admin_, member = two.client("admin"), two.client("member")
    server = two.row(Server, two.acme)
    for client, status in ((member, 403), (admin_, 302)):
        assert post(client, "servers_server_allow", server.pk).status_code == status
    for client, expected in ((member, True), (admin_, False)):
        post(client, "servers_server_changelist", action="disable_servers", _selected_action=server.pk)
        with unscoped("the test looks"):
            assert Server.objects.get(pk=server.pk).enabled is expected
    body = page_of(member, "servers_server_change", server.pk).content.decode()
    assert 'name="bearer"' not in body and 'name="_save"' not in body
    assert 'name="bearer"' in page_of(admin_, "servers_server_change", server.pk).content.decode()


@pytest.mark.claim("scope.roles")
def test_an_admin_decides_on_a_definition_of_their_own_project_only(two: Tenants) -> None:
    own, foreign = two.row(ToolVersion, two.acme), two.row(ToolVersion, two.globex)
    for role, states in (("member", ["waiting", "waiting"]), ("admin", ["approved", "waiting"])):
        post(two.client(role), "servers_tool_decide", act="approve", version=[own.pk, foreign.pk])
        with unscoped("the test looks"):
            assert [ToolVersion.objects.get(pk=each.pk).state for each in (own, foreign)] == states
    assert page_of(two.client("admin"), "index").status_code == 200


@pytest.mark.claim("scope.roles")
def test_members_look_after_their_own_keys_and_admins_after_all(two: Tenants) -> None:
    bob, admin_ = two.client("member"), two.client("admin")
    fields = {"project": two.acme.pk, "label": "mine", "servers": "*", "tools": "*", "surface": "native"}
    assert post(bob, "projects_apikey_add", **fields).status_code == 200
    with unscoped("the test looks"):
        mine = ApiKey.objects.get(label="mine")
        others = ApiKey.objects.filter(project=two.acme).exclude(pk=mine.pk).latest("pk")
    assert mine.user == two.people["member"]
    refused = post(bob, "projects_apikey_add", **{**fields, "email": "ada@acme.test"})
    nobody = post(bob, "projects_apikey_add", **{**fields, "email": "nobody@at-all.test"})
    assert refused.context["adminform"].form.errors == nobody.context["adminform"].form.errors
    assert [row.pk for row in page_of(bob, "projects_apikey_changelist").context["cl"].result_list] == [mine.pk]
    assert page_of(bob, "projects_apikey_change", others.pk).status_code == 302
    assert post(bob, "projects_apikey_delete", mine.pk, post="yes").status_code == 403
    listed = page_of(admin_, "projects_apikey_changelist").context["cl"].result_list
    assert {mine.pk, others.pk} <= {row.pk for row in listed}
    rotated = post(bob, "projects_apikey_changelist", action="rotate_keys", _selected_action=mine.pk, confirmed="yes")
    assert rotated.status_code == 200 and "no-store" in rotated["Cache-Control"]
    for key, expected in ((others, False), (mine, True)):
        post(bob, "projects_apikey_changelist", action="revoke_keys", _selected_action=key.pk, confirmed="yes")
        with unscoped("the test looks"):
            assert bool(ApiKey.objects.get(pk=key.pk).revoked_at) is expected
    issued = post(admin_, "projects_apikey_add", **{**fields, "label": "ada's", "email": "Ada@acme.test"})
    assert issued.status_code == 200
    for email in ("mallory@globex.test", "nobody@at-all.test"):
        response = post(admin_, "projects_apikey_add", **{**fields, "email": email})
        assert dict(response.context["adminform"].form.errors) == {"email": ["The project has no such member."]}


@pytest.mark.claim("scope.roles")
def test_an_owner_names_members_by_their_whole_address(two: Tenants) -> None:
    owner = two.client("owner")
    for email in ("mallory@globex.test", "somebody@new.test"):
        added = post(owner, "projects_membership_add", project=two.acme.pk, email=email, role="member")
        assert added.status_code == 302
    with unscoped("the test looks"):
        emails = set(Membership.objects.filter(project=two.acme).values_list("user__email", flat=True))
    assert {"mallory@globex.test", "somebody@new.test"} <= emails
    people = reverse("admin:autocomplete") + "?app_label=projects&model_name=membership&field_name=user&term="
    assert owner.get(people).status_code == 403
    added = post(two.client("admin"), "projects_membership_add", project=two.acme.pk, email="x@y.test", role="owner")
    assert added.status_code == 403
    last = two.row(Membership, two.acme)
    with unscoped("the test looks"):
        last = Membership.objects.get(project=two.acme, role="owner")
    post(owner, "projects_membership_delete", last.pk, post="yes")
    with unscoped("the test looks"):
        assert Membership.objects.filter(pk=last.pk).exists()


@pytest.mark.claim("scope.roles")
def test_a_project_is_named_by_its_people_and_the_rest_of_it_is_the_operators(two: Tenants) -> None:
    fields = {"slug": "taken", "name": "Acme again", "payloads": "full", "keep_months": 1}
    assert post(two.client("owner"), "projects_project_change", two.acme.pk, **fields).status_code == 302
    project = Project.objects.get(pk=two.acme.pk)
    assert (project.slug, project.name, project.payloads, project.keep_months, project.enabled) == (
        two.acme.slug, "Acme again", "metadata", 0, True,
    )  # fmt: skip
    for name, args in (("add", ()), ("delete", (two.acme.pk,))):
        assert post(two.client("owner"), f"projects_project_{name}", *args, slug="x", post="yes").status_code == 403


@pytest.mark.claim("scope.roles")
def test_why_is_asked_of_ones_own_project_and_tells_of_nobody_else(two: Tenants) -> None:
    owner, question = two.client("owner"), {"ask": "1", "server": "docs", "kind": "tool", "name": ""}
    assert page_of(two.client("member"), "servers_grant_why").status_code == 403
    answers = [post(owner, "servers_grant_why", project=two.acme.slug, user=user, **question).context["form"].errors
               for user in ("mallory@globex.test", "nobody@at-all.test")]  # fmt: skip
    assert answers[0] == answers[1] and answers[0]
    foreign, unknown = (post(owner, "servers_grant_why", project=slug, user="ada@acme.test", **question)
                        for slug in (two.globex.slug, "initech"))  # fmt: skip
    assert foreign.context["form"].errors == unknown.context["form"].errors
    assert post(owner, "servers_grant_why", project=two.acme.slug, user="ada@acme.test", **question).context["reply"]


@pytest.mark.claim("scope.roles")
def test_what_was_selected_beyond_ones_rights_is_left_alone_as_a_whole(two: Tenants) -> None:
    """Somebody who runs one project and only looks at another."""
    both = User.objects.create_user("both@acme.test")
    services.set_member(project=two.acme, user=both, role=Role.ADMIN)
    services.set_member(project=two.globex, user=both, role=Role.MEMBER)
    client = Client()
    client.force_login(both)
    own, other = two.row(Server, two.acme), two.row(Server, two.globex)
    assert page_of(client, "servers_server_changelist").context["cl"].result_count == 2
    for chosen, left in (([own.pk, other.pk], [True, True]), ([own.pk], [False, True])):
        post(client, "servers_server_changelist", action="disable_servers", _selected_action=chosen)
        with unscoped("the test looks"):
            assert [Server.objects.get(pk=each.pk).enabled for each in (own, other)] == left
    grant = post(client, "servers_grant_add", project=two.globex.pk, effect="allow", pattern="*")
    assert "project" in grant.context["adminform"].form.errors


# --- the check ------------------------------------------------------------------------------------------------


class Unscoped(GatewayAdmin[AdminToken]):
    """Opens by Django's own permissions."""


class Unsaid(ScopedAdmin[Server]):
    """Does not say by what it opens."""

    reads, writes = "servers.look", "servers.change"


class OpenRules(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Grant


class OpenInline(ScopedAdmin[Server]):
    reads = writes = "config.read"
    inlines = (OpenRules,)


@pytest.mark.claim("scope.check")
def test_a_page_that_is_neither_scoped_nor_the_operators_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pages_say_whom_they_open_to(None) == []
    registry: Any = admin.site._registry
    wrong: list[tuple[Any, Any, str]] = [
        (AdminToken, Unscoped, "projects.E002"), (AdminToken, admin.ModelAdmin, "projects.E002"),
        (Server, Unsaid, "projects.E003"), (Server, OpenInline, "projects.E004"),
    ]  # fmt: skip
    for model, page, fault in wrong:
        with monkeypatch.context() as patch:
            patch.setitem(registry, model, page(model, admin.site))
            assert [error.id for error in pages_say_whom_they_open_to(None)] == [fault], page
    with monkeypatch.context() as patch:
        patch.setitem(registry, AdminToken, OperatorOnlyAdmin(AdminToken, admin.site))
        assert pages_say_whom_they_open_to(None) == []


# --- the switcher ---------------------------------------------------------------------------------------------


@pytest.fixture
def both(two: Tenants) -> Client:
    """The browser of somebody who runs both projects."""
    person = User.objects.create_user("both@acme.test")
    for project in (two.acme, two.globex):
        services.set_member(project=project, user=person, role=Role.ADMIN)
    client = Client()
    client.force_login(person)
    return client


@pytest.mark.claim("scope.switcher")
def test_one_project_is_looked_at_in_every_list_and_named_in_forms(two: Tenants, both: Client) -> None:
    lists = [name for model in models_with_pages() if (name := f"{prefix_of(model)[6:]}_changelist")
             and page_of(both, name).status_code == 200 and model not in (ToolVersion,)]  # fmt: skip
    assert len(lists) > 10
    for project, other in ((two.acme, two.globex), (two.globex, two.acme)):
        chosen = both.post(reverse("admin:choose_project"), {"project": project.slug, "next": "/admin/servers/server/"})
        assert chosen.status_code == 302 and chosen["Location"] == "/admin/servers/server/"
        for name in lists:
            body = page_of(both, name).content.decode()
            switcher = body[body.index('class="project-switcher"') : body.index("</form>")]
            assert other.slug not in body.replace(switcher, ""), name
        for name in ("servers_server_add", "servers_grant_add", "projects_apikey_add", "guardrails_policy_add"):
            form = page_of(both, name).context["adminform"].form
            assert str(form.get_initial_for_field(form.fields["project"], "project")) == str(project.pk), name
        # A link to what is elsewhere still leads there.
        assert page_of(both, "servers_server_change", two.row(Server, other).pk).status_code == 200
    both.post(reverse("admin:choose_project"), {"project": ""})
    assert page_of(both, "servers_tool_changelist").context["cl"].result_count == 2
    with unscoped("the test counts"):
        assert Tool.objects.count() == 2


@pytest.mark.claim("scope.switcher")
def test_a_foreign_project_is_refused_like_one_that_there_is_not(two: Tenants) -> None:
    path = reverse("admin:choose_project")
    for role in ("owner", "member", "auditor"):
        foreign, unknown = (two.client(role).post(path, {"project": slug})
                            for slug in (two.globex.slug, "initech"))  # fmt: skip
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
    assert two.client("owner").get(path).status_code == 405
    assert two.client("outsider").post(path, {"project": two.acme.slug}).status_code == 302
    answer = two.client("owner").post(path, {"project": two.acme.slug, "next": "https://elsewhere.test/"})
    assert answer["Location"] == reverse("admin:index")
    assert two.client("owner").post(path, {"project": "a\x00"}).status_code == 404


@pytest.mark.claim("scope.switcher")
def test_a_choice_ends_with_the_membership(two: Tenants, both: Client) -> None:
    both.post(reverse("admin:choose_project"), {"project": two.globex.slug})
    with unscoped("the test puts somebody out"):
        services.remove_member(membership=Membership.objects.get(project=two.globex, user__email="both@acme.test"))
    body = page_of(both, "servers_server_changelist").content.decode()
    assert "canary-of-acme" in body and "canary-of-globex" not in body


@pytest.mark.claim("scope.switcher")
def test_who_has_one_project_is_offered_no_choice(two: Tenants, both: Client) -> None:
    assert "project-switcher" not in page_of(two.client("owner"), "index").content.decode()
    body = page_of(both, "index").content.decode()
    assert 'name="project"' in body and f'<option value="{two.globex.slug}"' in body
