"""Parts of a written-down project that are decided on apart: the log's, the floor, and what is approved."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from audit.models import Event, ExportSchedule, Forwarder, SavedFilter
from projects import services as project_services
from projects.models import Project
from projects.scoping import unscoped, with_project
from servers import declared, observing, offers, review
from servers.models import Server, ToolVersion
from servers.observing import Listed
from tests.cli.exported import rich, rows, write

# --- the log's parts -----------------------------------------------------------------------------------------


def changed(change: Callable[[dict[str, Any]], Any], **options: Any) -> declared.Outcome:
    """What becomes of the export of acme after a change of it."""
    document = yaml.safe_load(write(Project.objects.get(slug="acme"), whole=True))
    change(document)
    return declared.apply(declared.read(yaml.safe_dump(document)), **options)


def acme_of(document: dict[str, Any]) -> Any:
    return document["projects"][0]


@pytest.mark.django_db
@pytest.mark.claim("apply.log")
@pytest.mark.parametrize(
    ("part", "number", "name", "value", "said", "kind"),
    [
        ("forwarders", 0, "enabled", False, "forwarder acme/siem", "audit.forwarder_changed"),
        ("forwarders", 0, "address", "https://siem.example.com/v2", "forwarder acme/siem", "audit.forwarder_changed"),
        ("forwarders", 0, "authorization", "Bearer other", "forwarder acme/siem", "audit.forwarder_changed"),
        ("forwarders", 0, "signing_key", "another-key-of-more-than-22", "forwarder acme/siem",
         "audit.forwarder_changed"),
        ("schedules", 0, "every", "day", "schedule acme/jsonl", "audit.schedule_changed"),
        ("schedules", 0, "secret", "another", "schedule acme/jsonl", "audit.schedule_changed"),
        ("filters", 0, "query", {"decision": "failed"}, "shared filter acme/ada@acme.test/What was refused",
         "filter.changed"),
    ],
)  # fmt: skip
def test_a_changed_line_of_the_logs_parts_is_one_update_and_one_event(
    part: str, number: int, name: str, value: Any, said: str, kind: str
) -> None:
    rich()
    last = Event.objects.latest("ord").ord
    outcome = changed(lambda document: acme_of(document)[part][number].update({name: value}))
    assert outcome.difference() == {"create": [], "update": [said], "delete": []}
    assert list(Event.objects.filter(ord__gt=last).values_list("kind", flat=True)) == [kind]


@pytest.mark.django_db
@pytest.mark.claim("apply.log")
def test_parts_of_the_log_go_only_when_the_file_has_that_part_and_is_to_prune() -> None:
    project = rich()
    parts = ("forwarders", "schedules", "filters")
    emptied: dict[str, list[Any]] = {part: [] for part in parts}
    nothing: dict[str, list[str]] = {"create": [], "update": [], "delete": []}
    assert changed(lambda document: [acme_of(document).pop(part) for part in parts], prune=True).difference() == nothing
    assert changed(lambda document: acme_of(document).update(emptied)).difference() == nothing
    outcome = changed(lambda document: acme_of(document).update(emptied), prune=True)
    assert outcome.difference() == nothing | {"delete": [
        "forwarder acme/siem", "forwarder acme/syslog", "schedule acme/jsonl",
        "shared filter acme/ada@acme.test/What was refused",
    ]}  # fmt: skip
    with with_project(project.pk):
        assert (Forwarder.objects.count(), ExportSchedule.objects.count()) == (0, 0)
        assert [row.is_shared for row in SavedFilter.objects.all()] == [False], "it stays its person's"


@pytest.mark.django_db
@pytest.mark.claim("apply.log")
def test_a_new_forwarder_without_a_signing_key_gets_one_that_is_shown_once(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("""{version: 1, projects: [{slug: acme, forwarders: [
        {name: siem, kind: webhook, address: 'https://siem.example.com/in'}]}]}""")
    printed = io.StringIO()
    call_command("apply", str(path), "--dry-run", "--json", stdout=printed)
    assert json.loads(printed.getvalue())["signing_keys"] == []
    printed = io.StringIO()
    call_command("apply", str(path), "--json", stdout=printed)
    [made] = json.loads(printed.getvalue())["signing_keys"]
    with unscoped("the test looks"):
        assert Forwarder.objects.get().secrets["signing_key"] == made["signing_key"]
    assert made["signing_key"] not in repr(list(Event.objects.values())) + write(Project.objects.get())
    printed = io.StringIO()
    call_command("apply", str(path), stdout=printed)
    assert printed.getvalue().strip() == "Nothing to change."


@pytest.mark.django_db
@pytest.mark.claim("apply.log")
@pytest.mark.parametrize(
    ("part", "row", "place"),
    [
        ("forwarders", {"name": "a", "kind": "pigeon", "address": "https://a.example"}, "There is no such kind"),
        ("forwarders", {"name": "a", "kind": "webhook", "address": "https://169.254.1.1/"}, "egress_denied"),
        ("forwarders", {"name": "a", "kind": "webhook", "address": "https://a.example", "signing_key": "short"},
         "22 to 256"),
        ("schedules", {"form": "jsonl", "directory": "/etc"}, "allows no folder"),
        ("schedules", {"form": "novel", "directory": "/etc"}, "novel"),
        ("filters", {"user": "mallory@globex.test", "name": "x"}, "is not a member"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_part_of_the_log_is_said_with_its_place(
    part: str, row: dict[str, Any], place: str
) -> None:
    rich()
    before = rows()
    with pytest.raises(declared.DeclarationError, match=place) as refused:
        changed(lambda document: acme_of(document)[part].append(row))
    assert str(refused.value).startswith(f"projects.acme.{part}: ")
    assert rows() == before


# --- the floor -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.claim("apply.floor")
def test_the_floor_is_in_the_gateways_export_and_in_no_projects() -> None:
    project = rich()
    assert "floor" not in yaml.safe_load(write(project))
    assert len(yaml.safe_load(write(project, whole=True))["floor"]) == 2
    assert changed(lambda document: document.pop("floor"), prune=True).difference()["delete"] == []
    last = Event.objects.latest("ord").ord
    outcome = changed(lambda document: document["floor"].reverse())
    assert outcome.update == ["floor openai_moderation", "floor secrets"]
    outcome = changed(lambda document: document["floor"].pop(0))
    assert (outcome.create, outcome.update, outcome.delete) == ([], [], ["floor openai_moderation"])
    kinds = Event.objects.filter(ord__gt=last).order_by("ord").values_list("kind", flat=True)
    assert list(kinds) == ["floor.changed", "floor.changed", "floor.deleted"]


# --- what is approved ----------------------------------------------------------------------------------------


def saying(name: str, text: str = "Does.") -> Listed:
    return Listed("tool", name, {"name": name, "description": text, "inputSchema": {"type": "object"}})


def a_server(slug: str = "docs") -> Server:
    with unscoped("the test looks"):
        return Server.objects.select_related("project").get(slug=slug, project__slug="acme")


def see(*listed: Listed) -> None:
    observing.observe(server=a_server(), era="modern", listed=listed, whole=["tool"])


def states() -> dict[tuple[str, str], str]:
    with unscoped("the test looks"):
        return {(row.tool.name, row.definition["description"]): str(row.state)
                for row in ToolVersion.objects.select_related("tool")}  # fmt: skip


def version(name: str, text: str = "Does.") -> ToolVersion:
    with unscoped("the test looks"):
        return next(row for row in ToolVersion.objects.select_related("tool", "project")
                    if (row.tool.name, row.definition["description"]) == (name, text))  # fmt: skip


SERVED = """{version: 1, projects: [{slug: acme, servers: [{slug: docs, url: 'https://docs.example.com/mcp'}]}]}"""


def served() -> str:
    """The export of a project with a server of which one tool is approved, one was rejected, and one waits."""
    declared.apply(declared.read(SERVED))
    see(saying("read"), saying("drop"))
    review.reject(version=version("drop"))
    see(saying("read"), saying("drop"), saying("new"))
    return write(Project.objects.get(slug="acme"))


@pytest.mark.django_db
@pytest.mark.claim("export.approved")
def test_elsewhere_exactly_what_was_approved_here_is_approved() -> None:
    text = served()
    [server] = yaml.safe_load(text)["projects"][0]["servers"]
    assert [each["name"] for each in server["approved"]] == ["read"]
    project_services.delete_project(project=Project.objects.get(slug="acme"))
    declared.apply(declared.read(text))
    with with_project(a_server().project_id):
        [offer] = offers.load([a_server()]).values()
    assert not offer.is_first_sight("tool"), "nothing is let through before the server has been read"
    see(saying("read"), saying("drop"), saying("new"), saying("extra"))
    assert states() == {("read", "Does."): "approved", ("drop", "Does."): "waiting", ("new", "Does."): "waiting",
                        ("extra", "Does."): "waiting"}  # fmt: skip
    assert a_server().approved_ahead == [], "what was waited for is waited for no more"
    assert write(Project.objects.get(slug="acme")) == text
    assert not any(declared.apply(declared.read(text)).difference().values())
    see(saying("read", "Does something else."))
    assert states()["read", "Does something else."] == "waiting"


@pytest.mark.django_db
@pytest.mark.claim("export.approved")
def test_here_it_changes_nothing_and_brings_back_nothing_that_was_rejected() -> None:
    text = served()
    before, events = states(), Event.objects.count()
    assert not any(declared.apply(declared.read(text), prune=True).difference().values())
    assert (states(), Event.objects.count()) == (before, events)
    review.reject(version=version("read"))
    assert not any(declared.apply(declared.read(text)).difference().values())
    assert states()["read", "Does."] == "rejected"


@pytest.mark.django_db
@pytest.mark.claim("export.approved")
def test_what_waits_is_approved_by_a_file_that_says_so() -> None:
    text = served()
    new = version("new")
    line = {"kind": "tool", "name": "new", "digest": new.digest}
    document = yaml.safe_load(text)
    document["projects"][0]["servers"][0]["approved"].append(line)
    last = Event.objects.latest("ord").ord
    assert declared.apply(declared.read(yaml.safe_dump(document))).update == ["server acme/docs"]
    assert states()["new", "Does."] == "approved"
    [event] = Event.objects.filter(ord__gt=last)
    assert (event.kind, event.subject, event.detail["reason"]) == ("definition.approved", "new", "declared in a file")
    assert not any(declared.apply(declared.read(yaml.safe_dump(document))).difference().values())


@pytest.mark.django_db
@pytest.mark.claim("export.approved")
def test_a_server_that_was_never_read_is_trusted_at_first_sight_elsewhere_too() -> None:
    declared.apply(declared.read(SERVED))
    text = write(Project.objects.get(slug="acme"))
    assert "approved" not in text
    project_services.delete_project(project=Project.objects.get(slug="acme"))
    declared.apply(declared.read(text))
    see(saying("read"))
    assert states() == {("read", "Does."): "approved"}
