"""The log's rows: append-only, attributed, ordered."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import models
from django.test import RequestFactory

from audit import entry as entries
from audit.models import Event, ReadOnlyLog
from audit.recorder import record
from gateway_site.lib.actor import Actor, acting_as
from projects import services
from servers.models import CommandTemplate
from servers.services import delete_server, delete_template, save_template, set_server_enabled
from tests.cast import Cast


@pytest.fixture
def line(db: None) -> Event:
    record("server.changed", subject="docs", detail={"a": 1})
    return Event.objects.get()


@pytest.mark.claim("audit.append-only")
@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.save(),
        lambda event: event.delete(),
        lambda event: Event.objects.update(subject="other"),
        lambda event: Event.objects.filter(pk=event.pk).delete(),
        lambda event: Event.objects.all()[:1].delete(),
        lambda event: Event.objects.create(kind="x", at=event.at),
        lambda event: Event.objects.bulk_create([Event(kind="x", at=event.at, actor_kind="x")]),
        lambda event: Event.objects.bulk_update([event], ["subject"]),
        lambda event: Event.objects.update_or_create(pk=event.pk, defaults={"subject": "other"}),
    ],
    ids=["save", "delete", "update", "filter-delete", "slice-delete", "create", "bulk_create", "bulk_update",
         "update_or_create"],
)  # fmt: skip
def test_a_line_is_neither_changed_nor_deleted_nor_made_by_the_model(line: Event, change: Any) -> None:
    with pytest.raises((ReadOnlyLog, TypeError)):
        change(line)
    assert Event.objects.count() == 1
    assert Event.objects.get().subject == "docs"


@pytest.mark.claim("audit.outlives")
def test_the_log_refers_to_nothing_that_could_go_away() -> None:
    assert not [field for field in Event._meta.get_fields() if isinstance(field, models.ForeignKey)]
    assert set(entries.Entry._fields) == {field.name for field in Event._meta.concrete_fields} - {"ord"}


@pytest.mark.claim("audit.outlives")
def test_the_lines_of_a_deleted_project_stay(cast: Cast) -> None:
    before = Event.objects.filter(project="globex").count()
    services.delete_project(project=cast.globex)
    assert Event.objects.filter(project="globex").count() == before + 1


@pytest.mark.claim("audit.actor")
def test_a_line_names_who_acted_whatever_the_entrance(cast: Cast) -> None:
    with acting_as(Actor("command", "apply", "manage.py apply")):
        cast.server()
    line = Event.objects.get(kind="server.created")
    assert (line.actor_kind, line.actor_id, line.actor) == ("command", "apply", "manage.py apply")
    assert (line.project, line.server, line.subject) == ("acme", "docs", "docs")


@pytest.mark.claim("audit.acts")
def test_servers_and_templates_leave_their_lines_without_their_secrets(cast: Cast) -> None:
    server = cast.server(headers={"Authorization": "Bearer canary-token"})
    set_server_enabled(server=server, enabled=False)
    set_server_enabled(server=server, enabled=True)
    delete_server(server=server)
    template = save_template(template=CommandTemplate(slug="version", executable="{python}", args=["-V"]))
    save_template(template=template)
    delete_template(template=template)
    kinds = set(Event.objects.values_list("kind", flat=True))
    assert kinds >= {
        "server.created", "server.disabled", "server.enabled", "server.deleted",
        "template.created", "template.changed", "template.deleted",
    }  # fmt: skip
    assert "canary-token" not in repr(list(Event.objects.values()))


@pytest.mark.claim("audit.sign-ins")
def test_sign_ins_and_failures_are_recorded_and_passwords_are_not(cast: Cast) -> None:
    cast.ada.set_password("correct-canary")
    cast.ada.save()
    request = RequestFactory().post("/admin/login/")
    assert authenticate(request, username="ada@acme.test", password="wrong-canary") is None
    user_logged_in.send(sender=type(cast.ada), request=request, user=cast.ada)
    user_logged_in.send(sender=type(cast.bob), request=request, user=cast.bob)
    user_logged_out.send(sender=type(cast.ada), request=request, user=cast.ada)
    lines = Event.objects.filter(kind__startswith="auth.").order_by("ord")
    assert [(line.kind, line.subject) for line in lines] == [
        ("auth.sign_in_failed", "ada@acme.test"),
        ("auth.password_accepted", "ada@acme.test"),
        ("auth.signed_in", "bob@acme.test"),
        ("auth.signed_out", "ada@acme.test"),
    ]
    assert lines[0].actor_kind == "anonymous"
    assert "canary" not in repr(list(Event.objects.values()))


@pytest.mark.claim("audit.event-ids")
def test_event_ids_are_version_7_and_rise_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(1_700_000_000_000, 1_700_000_001_000))
    monkeypatch.setattr("audit.entry.time.time_ns", lambda: next(moments) * 1_000_000)
    made = [entries.new_id() for _ in range(1000)]
    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {uuid.RFC_4122}
    assert made == sorted(made)
    assert len(set(made)) == 1000


@pytest.mark.claim("audit.event-ids")
def test_ids_of_one_millisecond_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.entry.time.time_ns", lambda: 1_700_000_000_000_000_000)
    assert len({entries.new_id() for _ in range(10_000)}) == 10_000
