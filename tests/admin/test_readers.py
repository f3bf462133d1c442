"""Who reads which log in the browser: canaries of two tenants, and everybody's view of every page of the log."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from django.utils.http import urlencode

from audit import saved_filters, storage
from audit.entry import Entry, new_id, now
from audit.models import Event, Export, SavedFilter
from audit.turns import TooMany, turn_of
from projects import services
from projects.access import Reach
from projects.models import Project, User
from projects.permissions import Role
from projects.scoping import unscoped
from tests.admin.conftest import HOSTILE, PASSWORD
from tests.audit.sealing import index_all

LIST = reverse("admin:audit_event_changelist")
FOUND = {"guardrails": [{"direction": "input", "policy": "p", "policy_version": 1,
                         "findings": [["pii", "email", 0.9, f"/{HOSTILE}", "redact", "digest-1", "digest-2"]],
                         "failures": [["lakera", HOSTILE, "block"]]}]}  # fmt: skip


@dataclass
class Two:
    """Two tenants, and what stands in their logs and in that of the system."""

    acme: Project
    globex: Project
    people: dict[str, User]

    def event(self, project: str | None) -> Event:
        found: Event = Event.objects.filter(project_ref=getattr(self, project).pk if project else None,
                                            kind="mcp.call.outcome").latest("ord")  # fmt: skip
        return found

    def client(self, name: str) -> Client:
        client = Client()
        client.force_login(self.people[name])
        return client


def canary(project: str) -> str:
    return f"canary-{project or 'system'}"


def write(project: Project | None) -> None:
    name = canary(project.slug if project else "")
    shared: dict[str, Any] = {
        "at": now(), "project_ref": project.pk if project else None, "project": project.slug if project else "",
        "actor_kind": "key", "actor_id": f"{name}-key", "actor": f"{name}@actor.test", "call_id": new_id(),
        "request_id": new_id().hex, "trace_id": new_id().hex, "server": f"{name}-server", "method": f"{name}/method",
        "subject": f"{name}-subject {HOSTILE}",
    }  # fmt: skip
    storage.insert([
        Entry(id=new_id(), kind="mcp.call.intent", **shared),
        Entry(
            id=new_id(), kind="mcp.call.outcome", decision="refused", reason=f"{name}-reason", detail=FOUND, **shared
        ),
    ])  # fmt: skip


@pytest.fixture
def two(db: None) -> Two:
    return tenants()


@pytest.fixture
def sealed(transactional_db: None) -> Two:
    made = tenants()
    index_all()
    return made


def tenants() -> Two:
    acme, globex = (services.create_project(slug=slug) for slug in ("acme", "globex"))
    people = {name: User.objects.create_user(f"{name}@gateway.test", PASSWORD) for name in
              ("owner", "admin", "auditor", "member", "outsider", "both")}  # fmt: skip
    people["operator"] = User.objects.create_superuser("operator@gateway.test", PASSWORD)
    for name in ("owner", "admin", "auditor", "member"):
        services.set_member(project=acme, user=people[name], role=Role(name))
    services.set_member(project=globex, user=people["outsider"], role=Role.OWNER)
    for project in (acme, globex):
        services.set_member(project=project, user=people["both"], role=Role.AUDITOR)
        saved_filters.save_filter(
            project=project, user=people["operator"], name=f"{canary(project.slug)}-filter", query={"kind": "x"},
            is_shared=True,
        )  # fmt: skip
    for each in (acme, globex, None):
        write(each)
    return Two(acme, globex, people)


SEES = {
    "operator": {"acme", "globex", ""}, "owner": {"acme"}, "admin": {"acme"}, "auditor": {"acme"}, "both":
    {"acme", "globex"}, "outsider": {"globex"}, "member": set(), "nobody": set(),
}  # fmt: skip
PROJECTS = ("acme", "globex", "")


def pages_of(two: Two, about: str) -> list[str]:
    """Every page of the log, asked in every way for what belongs to `about`."""
    name, event = canary(about), two.event(about or None)
    project = getattr(two, about).slug if about else "-"
    queries: list[dict[str, str]] = [
        {"within": "all"}, {"project": project}, {"project": str(event.project_ref or 0)}, {"q": name[:-2]},
        {"q": str(event.call_id)}, {"q": event.request_id}, {"subject": event.subject}, {"finding": "pii/email"},
        {"project": project, "q": "pii", "actor_id": event.actor_id},
    ]  # fmt: skip
    suggest = reverse("admin:audit_event_suggest")
    return [
        *(f"{LIST}?{urlencode(query)}" for query in queries),
        *(f"{suggest}?{urlencode({'column': column, 'start': 'cana', 'project': chosen})}"
          for column, chosen in (("subject", ""), ("actor", project))),
        *(reverse(f"admin:audit_event_{page}", args=[event.pk])
          for page in ("change", "verify", "proof", "history", "delete")),
        f"{reverse('admin:audit_event_tail')}?{urlencode({'project': project})}",
    ]  # fmt: skip


def without_echo(body: str, page: str) -> str:
    """What somebody asks for is shown to them again, in its field and in the addresses of other pages."""
    for name, value in parse_qsl(urlsplit(page).query):
        for shown in (escape(value), value, escape(urlencode({name: value}))):
            body = body.replace(shown, "")
    return body


@pytest.mark.claim("browse.readers")
@pytest.mark.claim("browse.markup")
def test_everybody_sees_exactly_the_logs_that_they_may_read(sealed: Two) -> None:
    two = sealed
    for name, sees in SEES.items():
        client = two.client(name) if name in two.people else Client()
        shown = set()
        for about in PROJECTS:
            for page in pages_of(two, about):
                response = client.get(page)
                body = response.content.decode()
                rest = without_echo(body, page)
                for project in PROJECTS:
                    if canary(project) in rest:
                        assert project in sees, (name, page)
                        shown.add(project)
                if response.status_code == 200 and "json" not in response["Content-Type"]:
                    assert "<script>alert" not in body and "<img src=x" not in body, (name, page)
        assert shown == sees, name


@pytest.mark.claim("browse.readers")
def test_a_foreign_event_is_answered_byte_for_byte_like_one_that_never_was(two: Two) -> None:
    for name in ("owner", "admin", "auditor"):
        client = two.client(name)
        for foreign in (two.event("globex"), two.event(None)):
            for page in ("change", "verify", "proof", "history", "payload"):
                ask = client.post if page == "payload" else client.get
                first, second = (ask(reverse(f"admin:audit_event_{page}", args=[number]))
                                 for number in (foreign.pk, 9_999_999))  # fmt: skip
                assert (first.status_code, first.content, first.headers.items()) == (
                    404, second.content, second.headers.items()), (name, page)  # fmt: skip


@pytest.mark.claim("browse.readers")
@pytest.mark.claim("browse.auditor")
def test_members_and_outsiders_do_not_get_in_and_neither_does_who_was_put_out(two: Two) -> None:
    nobody = User.objects.create_user("nobody@gateway.test", PASSWORD)
    for page in pages_of(two, "acme"):
        assert two.client("member").get(page).status_code == 403, page
        outside = Client()
        outside.force_login(nobody)
        response = outside.get(page)
        assert response.status_code == 302 and response["Location"].startswith(reverse("admin:login")), page
    auditor = two.client("auditor")
    assert auditor.get(LIST).status_code == 200
    services.set_member(project=two.acme, user=two.people["auditor"], role=Role.MEMBER)
    assert auditor.get(LIST).status_code == 403


@pytest.mark.claim("browse.auditor")
def test_an_auditor_signs_in_and_finds_the_log_and_nothing_else(two: Two) -> None:
    client = Client()
    User.objects.create_user("nobody@gateway.test", PASSWORD)
    for name, comes_in in (("nobody", False), ("auditor", True)):
        answer = client.post(reverse("admin:login"), {"username": f"{name}@gateway.test", "password": PASSWORD})
        assert (answer.status_code == 302) is comes_in, name
    index = client.get(reverse("admin:index"))
    assert [app["app_label"] for app in index.context["app_list"]] == ["audit"]
    assert [model["object_name"] for model in index.context["app_list"][0]["models"]] == ["Event", "Export"]
    from django.contrib import admin

    for model in admin.site._registry:
        if model in (Event, Export):
            continue
        prefix = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for path in (reverse(f"{prefix}_changelist"), reverse(f"{prefix}_add"), reverse(f"{prefix}_change", args=[1]),
                     reverse(f"{prefix}_history", args=[1]), reverse(f"{prefix}_delete", args=[1])):  # fmt: skip
            assert client.get(path).status_code == 403, path
            assert client.post(path, {"post": "yes"}).status_code == 403, path
    search = "?app_label=projects&model_name=membership&field_name=user&term=a"
    assert client.get(reverse("admin:autocomplete") + search).status_code == 403
    assert client.get(reverse("admin:servers_grant_why")).status_code == 403
    assert client.get("/admin/r/1/1/").status_code in (302, 404)
    assert client.get(reverse("admin:app_list", args=["projects"])).status_code == 404


@pytest.mark.claim("browse.markup")
def test_what_others_wrote_is_text_on_every_page(two: Two) -> None:
    client, event = two.client("auditor"), two.event("acme")
    for page in ("change", "verify"):
        body = client.get(reverse(f"admin:audit_event_{page}", args=[event.pk])).content.decode()
        assert "&lt;script&gt;alert" in body
        assert "<script>alert" not in body
    body = client.get(reverse("admin:audit_event_change", args=[event.pk])).content.decode()
    table = body[body.index('class="panel findings"') :]
    table = table[: table.index("</section>")]
    assert re.search(r'<td>pii</td><td>email</td><td class="number">0.9</td><td>input</td>', table)
    assert "digest-1" not in table
    assert "What can be done" not in body, "what is to be done in the configuration is offered to whoever may"
    body = two.client("admin").get(reverse("admin:audit_event_change", args=[event.pk])).content.decode()
    assert "What can be done" in body


@pytest.mark.claim("browse.saved")
def test_filters_are_kept_for_oneself_shared_and_deleted_and_each_is_an_event(two: Two) -> None:
    owner, auditor, outsider = two.client("owner"), two.client("auditor"), two.client("outsider")
    save, kind = reverse("admin:audit_event_save_filter"), "mcp.call.outcome"

    def names(client: Client) -> set[str]:
        return {each["name"] for each in client.get(LIST).context["saved"]}

    assert names(outsider) == {"canary-globex-filter"}
    assert auditor.post(save, {"project": "acme", "kind": kind, "name": f"mine {HOSTILE}"[:60]}).status_code == 302
    assert auditor.post(save, {"project": "acme", "decision": "refused", "name": "ours", "is_shared": "on"})
    assert names(auditor) - {"canary-acme-filter"} == {f"mine {HOSTILE}"[:60], "ours"}
    assert names(owner) == {"canary-acme-filter", "ours"}
    assert names(outsider) == {"canary-globex-filter"}
    address = next(each["address"] for each in owner.get(LIST).context["saved"] if each["name"] == "ours")
    assert {event.decision for event in owner.get(address).context["page"].events} == {"refused"}

    with unscoped("the test looks"):
        ours = SavedFilter.objects.get(name="ours")
    path = reverse("admin:audit_event_change_filter", args=[ours.pk])
    for other in (owner, outsider, two.client("operator")):
        assert other.post(path, {"act": "delete"}).status_code == 404
    assert auditor.get(path).status_code == 405
    assert auditor.post(path, {"act": "keep"}).status_code == 302
    assert names(owner) == {"canary-acme-filter"}
    assert auditor.post(path, {"act": "delete"}).status_code == 302
    kinds = [event.kind for event in Event.objects.filter(subject="ours").order_by("ord")]
    assert kinds == ["filter.saved", "filter.changed", "filter.deleted"]
    assert {event.actor for event in Event.objects.filter(subject="ours")} == {"auditor@gateway.test"}

    for wrong in ({"project": "globex", "name": "x"}, {"name": "x"}, {"project": "acme", "name": " "},
                  {"project": "-", "name": "x"}, {"project": "acme", "name": "a\nb"}):  # fmt: skip
        assert auditor.post(save, wrong).status_code == 302
    with unscoped("the test looks"):
        assert SavedFilter.objects.filter(user=two.people["auditor"]).count() == 1
    services.set_member(project=two.acme, user=two.people["auditor"], role=Role.MEMBER)
    assert saved_filters.filters_for(two.people["auditor"], Reach()) == []


@pytest.mark.claim("browse.bounded")
def test_a_page_that_is_not_found_in_time_says_to_narrow_the_window(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import browsing

    def too_wide(*_: Any) -> Any:
        raise browsing.TooWide

    monkeypatch.setattr(browsing, "page_of", too_wide)
    response = two.client("owner").get(LIST)
    assert response.status_code == 503
    assert "Narrow the window" in response.content.decode()


@pytest.mark.claim("browse.bounded")
def test_a_page_says_to_try_again_when_its_project_asks_too_much_at_one_time(two: Two) -> None:
    with ExitStack() as asked:
        with suppress(TooMany):
            for _ in range(100):
                asked.enter_context(turn_of(Reach(projects=frozenset({two.acme.pk}))))
        response = two.client("owner").get(LIST)
        assert response.status_code == 503
        assert "Try again soon" in response.content.decode()
        assert two.client("outsider").get(LIST).status_code == 200


@pytest.mark.claim("browse.verify")
def test_an_event_is_verified_on_its_page_and_an_edited_one_is_found(sealed: Two) -> None:
    from tests.audit.sealing import execute
    from tests.conftest import log_may_change

    client, event = sealed.client("auditor"), sealed.event("acme")
    page, proof = (reverse(f"admin:audit_event_{name}", args=[event.pk]) for name in ("verify", "proof"))
    assert "This event is what was sealed and signed" in client.get(page).content.decode()
    download = client.get(proof)
    assert json.loads(download.content)["event"]["id"] == str(event.id)
    assert download["Content-Disposition"].startswith("attachment") and "no-store" in download["Cache-Control"]
    with log_may_change():
        execute("UPDATE audit_event SET reason = 'another' WHERE ord = %s", [event.pk])
    body = client.get(page).content.decode()
    assert "something was changed" in body and "It is not what was sealed" in body
    assert client.get(proof).status_code == 404
