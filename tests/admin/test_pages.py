"""What an operator does in the admin pages, from an empty gateway to a working key."""

from __future__ import annotations

import html
import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from projects import authentication, keys, services, versions
from projects.models import ApiKey, Membership, Project, User
from projects.scoping import unscoped, with_project
from servers.models import CommandTemplate, Server
from tests.admin.conftest import PASSWORD, Stored, everything_stored

pytestmark = [pytest.mark.django_db, pytest.mark.claim("admin.pages")]

KEY = re.compile(r"mgw_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}")
SERVER = {
    "slug": "docs",
    "transport": "http",
    "url": "http://127.0.0.1:9001/mcp",
    "timeout_seconds": 60,
    "enabled": "on",
    "review": "review",
    "grants-TOTAL_FORMS": 0,
    "grants-INITIAL_FORMS": 0,
}
# What the log keeps, as a project has it without a choice.
KEPT = {"payloads": "metadata", "keep_months": 0}
TEMPLATE = {"slug": "clock", "executable": "{python}", "memory_mb": 512, "max_processes": 4, "idle_seconds": 60}


def add(pages: Client, model: str, **fields: Any) -> Any:
    return pages.post(reverse(f"admin:{model}_add"), fields)


def change(pages: Client, model: str, pk: int, **fields: Any) -> Any:
    return pages.post(reverse(f"admin:{model}_change", args=[pk]), fields)


def delete(pages: Client, model: str, pk: int) -> Any:
    return pages.post(reverse(f"admin:{model}_delete", args=[pk]), {"post": "yes"})


def act(pages: Client, model: str, action: str, *pks: int, **fields: Any) -> Any:
    data = {"action": action, "_selected_action": list(pks), **fields}
    return pages.post(reverse(f"admin:{model}_changelist"), data)


def issue(pages: Client, stored: Stored, **fields: Any) -> Any:
    wanted = {"email": stored.user.email, "servers": "*", "tools": "*", "surface": "native", **fields}
    return add(pages, "projects_apikey", project=stored.project.pk, **wanted)


def errors_of(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200, response
    return dict(response.context["adminform"].form.errors)


def shown_keys(response: HttpResponse) -> list[str]:
    return list(dict.fromkeys(KEY.findall(response.content.decode())))


def who_did(kind: str) -> str:
    return str(Event.objects.filter(kind=kind).latest("ord").actor)


def principal(text: str) -> authentication.Principal | None:
    with unscoped("the test looks a key up"):
        project = ApiKey.objects.get(key_id=keys.key_id_of(text)).project_id
    with with_project(project):
        record = authentication.load_keys(project).get(keys.key_id_of(text) or "")
    return authentication.authenticate(settings.KEYRING, record, text)[0]


class TestFromNothingToAWorkingKey:
    def test_a_project_a_member_a_server_and_a_key_are_made_in_the_pages(self, pages: Client) -> None:
        assert add(pages, "projects_project", slug="acme", name="Acme").status_code == 302
        project = Project.objects.get(slug="acme")
        added = add(
            pages,
            "projects_user",
            email="Ada@Acme.test",
            usable_password="true",
            password1=PASSWORD,
            password2=PASSWORD,
        )
        assert added.status_code == 302
        user = User.objects.get(email="ada@acme.test")
        assert not user.is_staff
        assert add(pages, "projects_membership", project=project.pk, email=user.email, role="owner").status_code == 302
        assert add(pages, "servers_server", project=project.pk, **SERVER).status_code == 302

        page = add(
            pages,
            "projects_apikey",
            project=project.pk,
            email=user.email,
            label="laptop",
            servers="*",
            tools="*",
            surface="native",
            networks="",
        )

        assert page.status_code == 200
        (text,) = shown_keys(page)
        found = principal(text)
        assert found is not None
        assert (found.project_id, found.key.user) == (project.pk, "ada@acme.test")

    def test_the_page_of_the_new_key_has_lines_to_paste_into_clients(self, pages: Client, stored: Stored) -> None:
        page = issue(pages, stored, label="l", servers="doc*")
        text, body = shown_keys(page)[0], html.unescape(page.content.decode())
        url = "http://testserver/mcp/acme/docs"
        assert f'claude mcp add --transport http docs {url} --header "Authorization: Bearer {text}"' in body
        assert '"type": "http"' in body
        assert "mcp/acme/clock" not in body

    def test_a_project_without_servers_gets_the_projects_own_address(self, pages: Client, stored: Stored) -> None:
        page = issue(pages, stored, label="l", servers="other")
        assert "http://testserver/mcp/acme " in html.unescape(page.content.decode())


class TestAKeyIsShownOnce:
    @pytest.fixture
    def page(self, pages: Client, stored: Stored, caplog: pytest.LogCaptureFixture) -> Any:
        caplog.set_level(logging.DEBUG)
        return issue(pages, stored, label="phone", servers="*")

    def test_the_page_must_not_be_stored_by_anyone(self, page: Any) -> None:
        assert "no-store" in page["Cache-Control"]

    def test_no_row_session_cookie_or_log_line_holds_it(
        self, pages: Client, page: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        (text,) = shown_keys(page)
        secret = text.split("_")[2]
        assert secret not in everything_stored()
        assert secret not in repr(dict(pages.session))
        assert secret not in repr(pages.cookies)
        assert secret not in caplog.text

    def test_no_later_page_shows_it(self, pages: Client, page: Any, stored: Stored) -> None:
        (text,) = shown_keys(page)
        with unscoped("the test finds the key"):
            key = ApiKey.objects.get(label="phone")
        for path in (
            reverse("admin:index"),
            reverse("admin:projects_apikey_changelist"),
            reverse("admin:projects_apikey_add"),
            reverse("admin:projects_apikey_change", args=[key.pk]),
            reverse("admin:projects_apikey_history", args=[key.pk]),
            reverse("admin:audit_event_changelist"),
        ):
            later = pages.get(path)
            assert later.status_code == 200
            assert text.split("_")[2] not in later.content.decode()

    def test_rotation_asks_first_and_then_shows_the_successor_once(self, pages: Client, stored: Stored) -> None:
        asked = act(pages, "projects_apikey", "rotate_keys", stored.key.pk)
        assert "Are you sure?" in asked.content.decode()
        with unscoped("the test counts"):
            assert ApiKey.objects.count() == 1

        page = act(pages, "projects_apikey", "rotate_keys", stored.key.pk, confirmed="yes")

        (text,) = shown_keys(page)
        assert "no-store" in page["Cache-Control"]
        assert principal(text)
        assert principal(stored.text), "the old key goes on for a while"
        assert text.split("_")[2] not in everything_stored()
        with unscoped("the test looks"):
            assert ApiKey.objects.get(pk=stored.key.pk).expires_at is not None


class TestKeyActions:
    def test_a_disabled_key_fails_until_it_is_enabled(self, pages: Client, stored: Stored) -> None:
        act(pages, "projects_apikey", "disable_keys", stored.key.pk)
        assert principal(stored.text) is None
        act(pages, "projects_apikey", "enable_keys", stored.key.pk)
        assert principal(stored.text)
        assert who_did("key.disabled") == who_did("key.enabled") == "operator@gateway.test"

    def test_revoking_asks_first_and_is_for_good(self, pages: Client, stored: Stored) -> None:
        act(pages, "projects_apikey", "revoke_keys", stored.key.pk)
        assert principal(stored.text)
        act(pages, "projects_apikey", "revoke_keys", stored.key.pk, confirmed="yes")
        act(pages, "projects_apikey", "enable_keys", stored.key.pk)
        assert principal(stored.text) is None

    def test_keys_are_found_by_their_state(self, pages: Client, stored: Stored) -> None:
        ended = timezone.now() - timedelta(days=1)
        with unscoped("the test makes keys of each state"):
            made = {"live": stored.key}
            for label, fields in (
                ("expired", {"expires_at": ended}),
                ("disabled", {"disabled_at": ended}),
                ("revoked", {"revoked_at": ended, "expires_at": ended}),
            ):
                made[label], _ = services.issue_key(project=stored.project, user=stored.user, label=label)
                ApiKey.objects.filter(pk=made[label].pk).update(**fields)
        for state, key in made.items():
            found = pages.get(reverse("admin:projects_apikey_changelist") + f"?state={state}").context["cl"]
            assert [row.pk for row in found.result_list] == [key.pk], state
            assert found.model_admin.state(found.result_list[0]) == state

    def test_a_revoked_key_cannot_be_rotated(self, pages: Client, stored: Stored) -> None:
        with unscoped("the test revokes"):
            services.revoke_key(key=stored.key)
        response = act(pages, "projects_apikey", "rotate_keys", stored.key.pk, confirmed="yes")
        assert response.status_code == 302
        assert "cannot be rotated" in pages.get(response.url).content.decode()

    def test_a_key_is_changed_and_the_event_says_what_it_was_before(self, pages: Client, stored: Stored) -> None:
        fields = {"label": "renamed", "servers": "docs\nclock", "tools": "*", "surface": "meta",
                  "networks": "192.0.2.0/24"}  # fmt: skip
        assert change(pages, "projects_apikey", stored.key.pk, **fields).status_code == 302
        event = Event.objects.get(kind="key.changed")
        assert event.detail["before"]["label"] == "laptop"
        assert event.detail["after"]["servers"] == ["docs", "clock"]
        assert (event.detail["before"]["surface"], event.detail["after"]["surface"]) == ("native", "meta")
        assert event.detail["after"]["networks"] == ["192.0.2.0/24"]

    def test_the_owner_and_project_of_a_key_never_change(self, pages: Client, stored: Stored, operator: User) -> None:
        fields = {"label": "x", "servers": "*", "tools": "*", "surface": "native", "user": operator.pk}
        change(pages, "projects_apikey", stored.key.pk, **fields)
        with unscoped("the test looks"):
            assert ApiKey.objects.get(pk=stored.key.pk).user == stored.user


class TestWrongInputIsAFormError:
    @pytest.mark.parametrize("slug", ["Acme", "-a", "a_b", "a" * 64, "", "acme\x00", "../x"])
    def test_a_bad_project_slug(self, pages: Client, slug: str) -> None:
        assert "slug" in errors_of(add(pages, "projects_project", slug=slug, name=""))

    def test_a_taken_slug(self, pages: Client, stored: Stored) -> None:
        assert "slug" in errors_of(add(pages, "projects_project", slug="acme", name=""))

    def test_a_membership_of_nobody(self, pages: Client, stored: Stored) -> None:
        errors = errors_of(add(pages, "projects_membership", project=stored.project.pk, role="member"))
        assert errors

    def test_the_last_owner_cannot_become_a_member(self, pages: Client, stored: Stored) -> None:
        errors = errors_of(change(pages, "projects_membership", stored.membership.pk, role="member"))
        assert "at least one owner" in str(errors)

    def test_a_key_for_someone_who_is_no_member(self, pages: Client, stored: Stored, operator: User) -> None:
        errors = errors_of(issue(pages, stored, email=operator.email, label="x", servers="*"))
        assert "not a member" in str(errors)
        assert "no such member" in str(errors_of(issue(pages, stored, email="nobody@acme.test", label="x")))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("networks", "10.0.0.1/8"),
            ("networks", "everywhere"),
            ("networks", "10.0.0.0/8\x00"),
            ("servers", ""),
            ("tools", "\n \n"),
            ("label", ""),
            ("label", "x" * 101),
            ("expires_at_0", "soon"),
            ("email", "nobody"),
            ("project", "nobody"),
        ],
    )
    def test_a_bad_key_field(self, pages: Client, stored: Stored, field: str, value: str) -> None:
        fields = {"project": stored.project.pk, "email": stored.user.email, "label": "x", "servers": "*", "tools": "*",
                  "surface": "native"}  # fmt: skip
        errors = errors_of(add(pages, "projects_apikey", **{**fields, field: value}))
        assert field.removesuffix("_0") in errors

    @pytest.mark.parametrize(
        "url",
        ["http://10.0.0.1/mcp", "http://169.254.169.254/", "ftp://docs.test/", "nonsense", "", "http://[::1", "http://a:b@c/",
         "https://docs.test:99999/", "http://0x7f.1/"],
    )  # fmt: skip
    def test_a_url_that_may_not_be_reached(self, pages: Client, stored: Stored, url: str) -> None:
        errors = errors_of(
            add(pages, "servers_server", **{**SERVER, "project": stored.project.pk, "slug": "new", "url": url})
        )
        assert "url" in errors

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("headers", "no colon here"),
            ("headers", "Host: elsewhere"),
            ("headers", "X-A: 1\nx-a: 2"),
            ("headers", "X Y: 1"),
            ("headers", "X-A: ü"),
            ("headers", "X-A: \x00"),
            ("params", "[]"),
            ("params", "{"),
            ("params", '{"a": NaN}'),
            ("params", '{"a": "\\u0000"}'),
            ("params", '{"a": "\\ud800"}'),
            ("params", "[" * 100_000),
            ("slug", "Bad Slug"),
            ("slug", "docs"),
            ("timeout_seconds", "-1"),
            ("timeout_seconds", "99999999999999999999"),
            ("transport", "pigeon"),
            ("template", "999999"),
        ],
    )
    def test_a_bad_server_field(self, pages: Client, stored: Stored, field: str, value: str) -> None:
        fields = {**SERVER, "project": stored.project.pk, "slug": "new", field: value}
        errors = errors_of(add(pages, "servers_server", **fields))
        assert field in errors or (field, value) == ("slug", "docs")
        assert errors

    def test_a_token_and_an_authorization_header_together(self, pages: Client, stored: Stored) -> None:
        fields = {**SERVER, "project": stored.project.pk, "slug": "new"}
        errors = errors_of(add(pages, "servers_server", **fields, bearer="a", headers="authorization: b"))
        assert "bearer" in errors

    @pytest.mark.parametrize(
        ("params", "secret"),
        [
            ('{"zone": "Europe/Paris; rm -rf /"}', "token=t"),
            ('{"zone": "-x"}', "token=t"),
            ('{"zone": 5}', "token=t"),
            ('{"zone": "UTC", "more": "x"}', "token=t"),
            ('{"zone": "UTC"}', ""),
            ("", "token=t"),
        ],
    )
    def test_a_bad_slot_value(self, pages: Client, stored: Stored, params: str, secret: str) -> None:
        fields = {**SERVER, "project": stored.project.pk, "slug": "new", "transport": "stdio", "url": ""}
        errors = errors_of(
            add(pages, "servers_server", **fields, template=stored.template.pk, params=params, secret_params=secret)
        )
        assert "params" in errors

    def test_a_name_that_is_no_secret_slot(self, pages: Client, stored: Stored) -> None:
        fields = {**SERVER, "project": stored.project.pk, "slug": "new", "transport": "stdio", "url": ""}
        errors = errors_of(
            add(pages, "servers_server", **fields, template=stored.template.pk, params="{}", secret_params="zone=UTC")
        )
        assert "secret_params" in errors

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("executable", "python3"),
            ("executable", "/nowhere/to/be/found"),
            ("args", '"text"'),
            ("args", "[1]"),
            ("args", '["{gone}"]'),
            ("params", '{"A": {}}'),
            ("params", '{"a": {}}'),
            ("params", '{"a": 1}'),
            ("params", '{"a": {"pattern": "("}}'),
            ("params", '{"a": {"pattern": 5}}'),
            ("params", '{"a": {"enum": 5}}'),
            ("params", '{"a": {"enum": [5]}}'),
            ("params", '{"a": {"pattern": "x", "secret": "yes"}}'),
            ("env", '{"LD_PRELOAD": "x"}'),
            ("env", '{"A": 1}'),
            ("slug", "Bad"),
            ("memory_mb", "lots"),
        ],
    )
    def test_a_bad_command_template(self, pages: Client, field: str, value: str) -> None:
        errors = errors_of(add(pages, "servers_commandtemplate", **{**TEMPLATE, field: value}))
        assert field in errors or (field, value) == ("args", '["{gone}"]')
        assert errors

    def test_a_change_that_fails_after_all_is_a_message(
        self, pages: Client, stored: Stored, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another request may come between the check and the change."""
        from django.core.exceptions import ValidationError

        calls: list[int] = []
        true_one = services.update_project

        def second_time_unlucky(**fields: Any) -> Project:
            calls.append(1)
            if len(calls) > 1:
                raise ValidationError("Too late.")
            return true_one(**fields)

        monkeypatch.setattr(services, "update_project", second_time_unlucky)
        fields = {"slug": "acme", "name": "Changed", "enabled": "on", **KEPT}
        response = change(pages, "projects_project", stored.project.pk, **fields)
        assert response.status_code == 302
        assert "Too late." in pages.get(response.url).content.decode()
        assert Project.objects.get(pk=stored.project.pk).name == ""

    def test_trying_leaves_no_trace(self, pages: Client, stored: Stored) -> None:
        before, version = Event.objects.count(), versions.current()
        issue(pages, stored, label="", servers="*")
        add(
            pages,
            "servers_server",
            **{**SERVER, "project": stored.project.pk, "slug": "new", "url": "http://10.0.0.1/"},
        )
        assert (Event.objects.count(), versions.current()) == (before, version)


class TestChangesAreRecordedOnceAndByName:
    def test_each_change_has_one_event_by_the_operator(self, pages: Client, stored: Stored) -> None:
        start = Event.objects.latest("ord").ord
        change(pages, "projects_project", stored.project.pk, slug="acme", name="Acme", **KEPT, enabled="on")
        change(pages, "servers_server", stored.server.pk, **{**SERVER, "timeout_seconds": 5})
        add(pages, "servers_commandtemplate", **{**TEMPLATE, "slug": "other"})
        template = CommandTemplate.objects.get(slug="other")
        change(pages, "servers_commandtemplate", template.pk, **{**TEMPLATE, "slug": "o2"})
        delete(pages, "servers_commandtemplate", template.pk)
        act(pages, "servers_server", "disable_servers", stored.server.pk)
        act(pages, "servers_server", "enable_servers", stored.server.pk)
        delete(pages, "projects_apikey", stored.key.pk)
        delete(pages, "servers_server", stored.stdio.pk)
        delete(pages, "projects_project", stored.project.pk)

        events = Event.objects.filter(ord__gt=start).order_by("ord")
        assert {event.actor for event in events} == {"operator@gateway.test"}
        assert {event.actor_kind for event in events} == {"user"}
        assert [event.kind for event in events] == [
            "project.changed", "server.changed", "template.created", "template.changed", "template.deleted",
            "server.disabled", "server.enabled", "key.revoked", "key.deleted", "server.deleted", "project.deleted",
        ]  # fmt: skip
        assert not Project.objects.exists()

    def test_the_event_of_a_project_says_what_was_before(self, pages: Client, stored: Stored) -> None:
        change(pages, "projects_project", stored.project.pk, slug="acme", name="Acme", **KEPT)
        detail = Event.objects.get(kind="project.changed").detail
        assert detail == {"before": {"name": "", "enabled": True}, "after": {"name": "Acme", "enabled": False}}

    def test_saving_without_a_change_is_no_event(self, pages: Client, stored: Stored) -> None:
        before = Event.objects.count()
        change(pages, "projects_project", stored.project.pk, slug="acme", name="", **KEPT, enabled="on")
        fields = {"label": "laptop", "servers": "*", "tools": "*", "surface": "native", "networks": ""}
        change(pages, "projects_apikey", stored.key.pk, **fields)
        assert Event.objects.count() == before

    def test_members_are_set_and_removed_with_their_keys(self, pages: Client, stored: Stored) -> None:
        user = User.objects.create_user("bob@acme.test")
        add(pages, "projects_membership", project=stored.project.pk, email=user.email, role="member")
        with unscoped("the test issues a key"):
            membership = Membership.objects.get(user=user)
            _, text = services.issue_key(project=stored.project, user=user, label="bob")
        change(pages, "projects_membership", membership.pk, role="admin")
        assert who_did("member.set") == "operator@gateway.test"
        delete(pages, "projects_membership", membership.pk)
        assert who_did("member.removed") == who_did("key.revoked") == "operator@gateway.test"
        assert principal(text) is None

    def test_the_last_owner_cannot_be_removed_in_either_way(self, pages: Client, stored: Stored) -> None:
        response = delete(pages, "projects_membership", stored.membership.pk)
        assert "at least one owner" in pages.get(response.url, follow=True).content.decode()
        act(pages, "projects_membership", "delete_selected", stored.membership.pk, post="yes")
        with unscoped("the test counts"):
            assert Membership.objects.count() == 1

    def test_a_template_in_use_cannot_be_deleted(self, pages: Client, stored: Stored) -> None:
        response = delete(pages, "servers_commandtemplate", stored.template.pk)
        assert response.status_code == 200
        assert CommandTemplate.objects.filter(pk=stored.template.pk).exists()

    def test_a_disabled_server_is_off(self, pages: Client, stored: Stored) -> None:
        act(pages, "servers_server", "disable_servers", stored.server.pk)
        with unscoped("the test looks"):
            assert not Server.objects.get(pk=stored.server.pk).enabled
