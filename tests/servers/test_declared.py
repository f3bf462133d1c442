"""What a YAML file declares and `manage.py apply` brings about."""

from __future__ import annotations

import copy
import datetime
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from audit.models import Event
from projects import keys, versions
from projects.authentication import KeyRecord, load_keys
from projects.models import ApiKey, Membership, Project, User
from projects.scoping import unscoped, with_project
from projects.services import issue_key, revoke_key, set_key_enabled
from servers import declared, observing, services
from servers.models import CommandTemplate, Grant, Overlay, Server
from servers.observing import Listed

pytestmark = pytest.mark.django_db
TEXT = """
version: 1
command_templates:
  - {slug: mcp-server-time, executable: "{python}", args: ["-m", "mcp_server_time", "--local-timezone={timezone}"], params: {timezone: {pattern: "[A-Za-z_/]+"}}}
projects:
  - slug: acme
    members: [{email: ada@acme.test, role: owner}]
    servers:
      - {slug: docs, transport: http, url: "http://127.0.0.1:9001/mcp"}
      - {slug: clock, transport: stdio, template: mcp-server-time, params: {timezone: Europe/Paris}}
    keys: [{user: ada@acme.test, label: laptop, servers: ["*"], expires_in_days: 90}]
"""  # noqa: E501  the shape as it is documented
EVERYTHING = [
    "command_template mcp-server-time", "project acme", "member acme/ada@acme.test", "server acme/docs",
    "server acme/clock", "key acme/ada@acme.test/laptop",
]  # fmt: skip


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(TEXT)
    return loaded


def acme(raw: dict[str, Any]) -> dict[str, Any]:
    project: dict[str, Any] = raw["projects"][0]
    return project


def apply(raw: dict[str, Any], **options: Any) -> declared.Outcome:
    return declared.apply(declared.read(yaml.safe_dump(raw)), **options)


def command(tmp_path: Path, text: str, *options: str) -> str:
    path, output = tmp_path / "gateway.yaml", io.StringIO()
    path.write_text(text)
    call_command("apply", str(path), *options, stdout=output)
    return output.getvalue()


def everything() -> str:
    """All rows but the log's, for comparing."""
    with unscoped("the test compares"):
        return repr([
            list(model._default_manager.order_by("pk").values())
            for model in (Project, Membership, User, Server, CommandTemplate, ApiKey, Grant, Overlay)
        ])  # fmt: skip


@pytest.mark.claim("apply.declares")
def test_the_documented_example_makes_a_project_that_works() -> None:
    outcome = declared.apply(declared.read(TEXT))
    assert outcome.difference() == {"create": EVERYTHING, "update": [], "delete": []}
    project = Project.objects.get()
    with with_project(project.pk):
        assert Membership.objects.get().role == "owner"
        assert Server.objects.get(slug="clock").params == {"timezone": "Europe/Paris"}
        (record,) = load_keys(project.pk).values()
    [shown] = outcome.keys
    assert (shown["project"], shown["user"], shown["label"]) == ("acme", "ada@acme.test", "laptop")
    assert keys.key_id_of(shown["key"]) == record.key_id
    assert not User.objects.get().has_usable_password()


@pytest.mark.claim("apply.idempotent")
def test_a_second_time_changes_nothing() -> None:
    declared.apply(declared.read(TEXT))
    before, events, version = everything(), Event.objects.count(), versions.current()
    outcome = declared.apply(declared.read(TEXT))
    assert outcome.difference() == {"create": [], "update": [], "delete": []}
    assert outcome.keys == []
    assert (everything(), Event.objects.count(), versions.current()) == (before, events, version)


@pytest.mark.claim("apply.dry-run")
def test_a_dry_run_says_the_same_and_does_nothing() -> None:
    before = everything()
    outcome = declared.apply(declared.read(TEXT), dry_run=True)
    assert outcome.difference() == {"create": EVERYTHING, "update": [], "delete": []}
    assert outcome.keys == []
    assert everything() == before
    assert Event.objects.count() == 0


def _set(*path: str | int, value: Any) -> Any:
    def change(raw: dict[str, Any]) -> None:
        place: Any = raw
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


CHANGES: dict[str, tuple[Any, str]] = {
    "name": (_set("projects", 0, "name", value="Acme Ltd"), "project acme"),
    "project off": (_set("projects", 0, "enabled", value=False), "project acme"),
    "address": (_set("projects", 0, "servers", 0, "url", value="http://127.0.0.1:9002/mcp"), "server acme/docs"),
    "server off": (_set("projects", 0, "servers", 0, "enabled", value=False), "server acme/docs"),
    "bearer": (_set("projects", 0, "servers", 0, "bearer", value="canary"), "server acme/docs"),
    "slot": (_set("projects", 0, "servers", 1, "params", value={"timezone": "UTC"}), "server acme/clock"),
    "review": (_set("projects", 0, "servers", 0, "review", value="trust"), "server acme/docs"),
    "grants": (_set("projects", 0, "servers", 0, "grants", value=[{"allow": "read*"}]), "server acme/docs"),
    "no grants": (_set("projects", 0, "servers", 0, "grants", value=[]), "server acme/docs"),
    "overlays": (_set("projects", 0, "servers", 0, "overlays", value=[{"tool": "send", "hidden": True}]),
                 "server acme/docs"),
    "scope": (_set("projects", 0, "keys", 0, "servers", value=["docs"]), "key acme/ada@acme.test/laptop"),
    "template": (_set("command_templates", 0, "memory_mb", value=64), "command_template mcp-server-time"),
}


@pytest.mark.claim("apply.declares")
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_line_updates_its_row_once(change: str) -> None:
    apply(document())
    raw, (edit, name) = document(), CHANGES[change]
    edit(raw)
    assert apply(raw, dry_run=True).difference() == {"create": [], "update": [name], "delete": []}
    outcome = apply(raw)
    assert outcome.difference() == {"create": [], "update": [name], "delete": []}
    assert outcome.keys == []
    assert not any(apply(raw).difference().values())


@pytest.mark.claim("apply.declares")
def test_a_members_role_is_updated() -> None:
    raw = document()
    acme(raw)["members"].append({"email": "Bob@Acme.test"})
    apply(raw)
    acme(raw)["members"][1]["role"] = "auditor"
    assert apply(raw).update == ["member acme/bob@acme.test"]


@pytest.mark.claim("apply.keys-once")
def test_a_key_is_shown_once_and_made_again_only_when_it_is_gone() -> None:
    first = apply(document()).keys
    with with_project(Project.objects.get().pk):
        key = ApiKey.objects.select_related("project", "user").get()
        set_key_enabled(key=key, enabled=False)
        assert apply(document()).keys == [], "a key that was switched off is not replaced"
        revoke_key(key=key)
    second = apply(document()).keys
    assert len(second) == 1
    assert second[0]["key"] != first[0]["key"]


@pytest.mark.claim("apply.keys-once")
def test_the_command_prints_new_keys_once_and_they_are_nowhere_else(tmp_path: Path) -> None:
    printed = json.loads(command(tmp_path, TEXT, "--json"))
    assert printed["create"] == EVERYTHING
    [key] = printed["keys"]
    assert set(key) == {"project", "user", "label", "key"}
    assert key["key"][15:] not in everything() + repr(list(Event.objects.values()))
    assert json.loads(command(tmp_path, TEXT, "--json")) == {
        "create": [], "update": [], "delete": [], "keys": [], "signing_keys": [],
    }  # fmt: skip
    assert command(tmp_path, TEXT).strip() == "Nothing to change."


@pytest.mark.claim("apply.keys-once")
def test_the_command_prints_for_people_too(tmp_path: Path) -> None:
    printed = command(tmp_path, TEXT)
    assert "create  project acme" in printed
    assert "shown once: mgw_" in printed


@pytest.mark.claim("apply.dry-run")
def test_the_commands_dry_run_shows_no_key(tmp_path: Path) -> None:
    printed = command(tmp_path, TEXT, "--dry-run")
    assert "create  key acme/ada@acme.test/laptop" in printed
    assert "mgw_" not in printed
    assert Project.objects.count() == 0


@pytest.mark.claim("audit.actor")
def test_the_command_acts_under_its_own_name(tmp_path: Path) -> None:
    command(tmp_path, TEXT)
    assert set(Event.objects.values_list("actor_kind", "actor_id")) == {("command", "apply")}


@pytest.mark.claim("apply.errors")
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "file"),
        ("[]", "file"),
        ("version: 2", "version"),
        ("projects: []", "version"),
        ("version: 1\nother: canary", "other"),
        ("version: 1\nprojects:\n  - slug: [canary", "line 3"),
        ("version: 1\nprojects: canary", "projects"),
        ("version: 1\nprojects: [{slug: 2026-99-99}]", "not YAML"),
        ("version: 1\nx: !!python/object/apply:os.system [canary]", "line 2"),
        ("version: 1\nprojects: [{slug: a, servers: [{slug: b, bearer: [canary]}]}]", "projects.0.servers.0.bearer"),
        ("version: 1\nprojects: [{slug: a, keys: [{user: u, label: l, key: canary}]}]", "projects.0.keys.0.key"),
        ("version: 1\nprojects: [{slug: a, members: [{email: e, role: canary}]}]", "projects.0.members.0.role"),
        ("version: 1\nprojects: [{slug: a, servers: [{slug: b, timeout_seconds: 0}]}]", "timeout_seconds"),
        ("version: 1\nprojects: [{slug: a, servers: [{slug: b, review: canary}]}]", "projects.0.servers.0.review"),
        ("version: 1\nprojects: [{slug: a, servers: [{slug: b, grants: [{allow: a, deny: canary}]}]}]", "grants.0"),
        ("version: 1\nprojects: [{slug: a, servers: [{slug: b, grants: [{role: member}]}]}]", "grants.0"),
        ("version: 1\nprojects: [{slug: a, servers: [{slug: b, overlays: [{tool: t, other: canary}]}]}]", "overlays.0"),
        ('version: 1\nprojects: [{slug: "canary\\0"}]', "null characters"),
        ('version: 1\nprojects: [{slug: a, "canary\\ud800": [x]}]', "half a character"),
        ("version: 1\nprojects: &canary [*canary]", "projects.0"),
        ("[" * 5000, "not YAML"),
    ],
)
def test_a_file_that_does_not_fit_the_schema_names_the_place_and_no_value(
    tmp_path: Path, text: str, place: str
) -> None:
    with pytest.raises(CommandError) as caught:
        command(tmp_path, text)
    assert place in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.claim("apply.errors")
@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("projects", 0, "slug"), "Not A Slug", "projects.Not A Slug"),
        (("projects", 0, "name"), "x" * 201, "projects.acme"),
        (("projects", 0, "members", 0, "role"), "member", "projects.acme"),
        (("projects", 0, "members", 0, "email"), "not-an-address", "projects.acme.members.not-an-address"),
        (("projects", 0, "servers", 0, "url"), "http://user:canary@127.0.0.1/x", "projects.acme.servers.docs"),
        (("projects", 0, "servers", 0, "headers"), {"X-Key": "canary\n"}, "projects.acme.servers.docs"),
        (("projects", 0, "servers", 0, "bearer"), "env:NOT_SET_ANYWHERE", "projects.acme.servers.docs"),
        (("projects", 0, "servers", 0, "bearer"), "file:/nowhere", "projects.acme.servers.docs"),
        (("projects", 0, "servers", 0, "grants"), [{"allow": ""}], "projects.acme.servers.docs"),
        (("projects", 0, "servers", 0, "overlays"), [{"tool": "send"}] * 2, "projects.acme.servers.docs"),
        (("projects", 0, "servers", 0, "overlays"), [{"tool": "t", "constraint": {"type": 5}}],
         "projects.acme.servers.docs"),
        (("projects", 0, "servers", 0, "overlays"), [{"tool": "t", "pinned": {"a": datetime.date(2026, 1, 1)}}],
         "projects.acme.servers.docs"),
        (("projects", 0, "servers", 0, "overlays"), [{"tool": "t", "pinned": {"a": float("nan")}}],
         "projects.acme.servers.docs"),
        (("projects", 0, "servers", 1, "params"), {"timezone": "canary 1"}, "projects.acme.servers.clock"),
        (("projects", 0, "servers", 1, "template"), "unknown", "projects.acme.servers.clock"),
        (("projects", 0, "keys", 0, "user"), "nobody@acme.test", "projects.acme.keys.laptop"),
        (("projects", 0, "keys", 0, "networks"), ["canary"], "projects.acme.keys.laptop"),
        (("command_templates", 0, "executable"), "relative", "command_templates.mcp-server-time"),
    ],
    ids=str,
)  # fmt: skip
def test_an_error_in_any_item_names_it_and_leaves_nothing(path: tuple[Any, ...], value: Any, place: str) -> None:
    raw = document()
    _set(*path, value=value)(raw)
    if path[-1] == "role":
        # The last owner of a project that is there already.
        apply(document())
    before, events = everything(), Event.objects.count()
    with pytest.raises(declared.DeclarationError) as caught:
        apply(raw)
    assert str(caught.value).startswith(place)
    if path[-1] not in ("networks",):
        assert "canary" not in str(caught.value)
    assert (everything(), Event.objects.count()) == (before, events)


@pytest.mark.claim("apply.errors")
def test_a_name_that_is_too_long_is_refused_on_a_known_project_too() -> None:
    apply(document())
    raw = document()
    acme(raw)["name"] = "x" * 201
    with pytest.raises(declared.DeclarationError, match=r"projects\.acme"):
        apply(raw)


@pytest.mark.claim("apply.references")
def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCS_TOKEN", "canary-1")
    secret = tmp_path / "secret"
    secret.write_text("canary-2\n")
    raw = document()
    acme(raw)["servers"][0].update(bearer="env:DOCS_TOKEN", headers={"X-Key": f"file:{secret}"})
    apply(raw)
    with with_project(Project.objects.get().pk):
        server = Server.objects.select_related("template").get(slug="docs")
    assert server.secrets["headers"] == {"Authorization": "Bearer canary-1", "X-Key": "canary-2"}
    assert not any(apply(raw).difference().values())
    assert "canary" not in everything() + repr(list(Event.objects.values()))
    monkeypatch.setenv("DOCS_TOKEN", "canary-3")
    assert apply(raw).update == ["server acme/docs"]


@pytest.mark.claim("apply.references")
def test_a_file_that_is_not_text_is_an_error_with_its_place(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xff\xfe\x00")
    raw = document()
    acme(raw)["servers"][0]["bearer"] = f"file:{secret}"
    with pytest.raises(declared.DeclarationError, match=r"projects\.acme\.servers\.docs"):
        apply(raw)


@pytest.mark.claim("apply.references")
def test_headers_that_the_file_does_not_mention_stay() -> None:
    raw = document()
    acme(raw)["servers"][0]["bearer"] = "canary"
    apply(raw)
    assert not any(apply(document()).difference().values())
    with with_project(Project.objects.get().pk):
        assert Server.objects.get(slug="docs").secrets["headers"] == {"Authorization": "Bearer canary"}


@pytest.mark.claim("secrets.same-host")
def test_headers_that_the_file_does_not_mention_do_not_follow_to_another_host() -> None:
    raw = document()
    acme(raw)["servers"][0]["bearer"] = "canary"
    apply(raw)
    moved = document()
    acme(moved)["servers"][0]["url"] = "https://tools.example/mcp"
    for dry_run in (True, False):
        with pytest.raises(declared.DeclarationError, match=r"projects\.acme\.servers\.docs: Give the headers again"):
            apply(moved, dry_run=dry_run)
    with with_project(Project.objects.get().pk):
        assert Server.objects.get(slug="docs").url != "https://tools.example/mcp"
    acme(moved)["servers"][0]["headers"] = {}
    assert apply(moved).update == ["server acme/docs"]
    with with_project(Project.objects.get().pk):
        server = Server.objects.get(slug="docs")
    assert (server.url, server.secrets["headers"]) == ("https://tools.example/mcp", {})


@pytest.mark.claim("secrets.same-host")
def test_headers_that_the_file_does_not_mention_stay_when_only_the_path_changes() -> None:
    raw = document()
    acme(raw)["servers"][0]["bearer"] = "canary"
    apply(raw)
    moved = document()
    acme(moved)["servers"][0]["url"] += "/v2"
    assert apply(moved).update == ["server acme/docs"]
    with with_project(Project.objects.get().pk):
        assert Server.objects.get(slug="docs").secrets["headers"] == {"Authorization": "Bearer canary"}


@pytest.mark.claim("apply.prune")
def test_what_the_file_leaves_out_goes_only_when_asked() -> None:
    raw = document()
    acme(raw)["members"].append({"email": "bob@acme.test"})
    apply(raw)
    with with_project(Project.objects.get().pk):
        issue_key(project=Project.objects.get(), user=User.objects.get(email="bob@acme.test"), label="theirs")
    less = copy.deepcopy(document())
    acme(less)["servers"].pop(0)
    assert not any(apply(less).difference().values())
    assert apply(less, prune=True, dry_run=True).delete == ["server acme/docs", "member acme/bob@acme.test"]
    outcome = apply(less, prune=True)
    assert outcome.difference() == {
        "create": [], "update": [], "delete": ["server acme/docs", "member acme/bob@acme.test"],
    }  # fmt: skip
    with with_project(Project.objects.get().pk):
        assert list(Server.objects.values_list("slug", flat=True)) == ["clock"]
        assert {record.user for record in load_keys(Project.objects.get().pk).values()} == {"ada@acme.test"}


def docs() -> Server:
    with unscoped("the test looks"):
        return Server.objects.select_related("project").get(slug="docs")


def rules() -> list[tuple[str, str, str, str]]:
    with unscoped("the test looks"):
        rows = Grant.objects.filter(server=docs()).order_by("id")
        return [(row.effect, row.pattern, row.role, row.reason) for row in rows]


def overlays() -> dict[str, Overlay]:
    with unscoped("the test looks"):
        return {row.tool: row for row in Overlay.objects.filter(server=docs())}


@pytest.mark.claim("apply.catalogue")
def test_a_declared_server_is_everybodys_and_trusted_at_first_unless_it_says_otherwise() -> None:
    apply(document())
    assert (docs().review, rules()) == ("trust-first", [("allow", "*", "", "")])
    raw = document()
    acme(raw)["servers"][0].update(review="review", grants=[
        {"allow": "read*", "role": "member"}, {"deny": "*_all", "reason": "too much"},
    ])  # fmt: skip
    assert apply(raw).update == ["server acme/docs"]
    assert docs().review == "review"
    assert rules() == [("allow", "read*", "member", ""), ("deny", "*_all", "", "too much")]
    assert not any(apply(raw).difference().values())
    assert not any(apply(document()).difference().values()), "what the file does not mention stays"
    assert (docs().review, len(rules())) == ("review", 2)


@pytest.mark.claim("apply.catalogue")
def test_a_new_server_that_is_granted_to_nobody_is_nobodys() -> None:
    raw = document()
    acme(raw)["servers"][0]["grants"] = []
    apply(raw)
    assert rules() == []


@pytest.mark.claim("apply.catalogue")
def test_overlays_are_made_changed_and_left_out() -> None:
    raw = document()
    said: list[dict[str, Any]] = [
        {"tool": "send", "rename": "mail", "title": "Mail", "description": "Sends.", "hide_arguments": ["debug"],
         "pinned": {"region": "eu", "copies": 2}, "describe_arguments": {"to": "Whom."},
         "rename_arguments": {"to": "address"}, "constraint": {"properties": {"to": {"maxLength": 9}}}},
        {"tool": "drop", "hidden": True},
    ]  # fmt: skip
    acme(raw)["servers"][0]["overlays"] = said
    assert apply(raw, dry_run=True).create == EVERYTHING
    apply(raw)
    found = overlays()
    assert set(found) == {"send", "drop"} and found["drop"].hidden
    assert {name: getattr(found["send"], name) for name in said[0]} == said[0]
    assert not any(apply(raw).difference().values())
    said[1]["title"] = "Drop"
    assert apply(raw, dry_run=True).update == ["server acme/docs"]
    assert overlays()["drop"].title == ""
    assert apply(raw).update == ["server acme/docs"]
    assert (overlays()["drop"].title, overlays()["send"].pk) == ("Drop", found["send"].pk)
    assert not any(apply(document()).difference().values()), "what the file does not mention stays"
    acme(raw)["servers"][0]["overlays"] = said[:1]
    assert apply(raw).update == ["server acme/docs"]
    assert set(overlays()) == {"send"}
    kinds = Event.objects.filter(kind__startswith="overlay.").order_by("ord").values_list("kind", "subject")
    assert list(kinds) == [("overlay.created", "send"), ("overlay.created", "drop"), ("overlay.changed", "drop"),
                           ("overlay.deleted", "drop")]  # fmt: skip


@pytest.mark.claim("apply.catalogue")
def test_an_overlay_that_does_not_fit_what_is_approved_is_an_error_with_its_place() -> None:
    apply(document())
    tool = {"name": "send", "inputSchema": {"type": "object", "properties": {"to": {}}}}
    observing.observe(server=docs(), era="modern", listed=[Listed("tool", "send", tool)], whole=["tool"])
    raw = document()
    acme(raw)["servers"][0]["overlays"] = [{"tool": "send", "hide_arguments": ["gone"]}]
    with pytest.raises(declared.DeclarationError, match=r"projects\.acme\.servers\.docs: There is no argument “gone”"):
        apply(raw)
    assert overlays() == {}


@pytest.mark.claim("apply.prune")
def test_pruning_leaves_the_rules_and_overlays_of_a_server_that_stays() -> None:
    apply(document())
    services.set_grants(server=docs(), grants=[services.GrantSpec("deny", "x")])
    services.set_overlays(server=docs(), overlays={"send": {"hidden": True}})
    everywhere = services.save_grant(grant=Grant(project=docs().project, effect="deny", pattern="delete_*"))
    assert not any(apply(document(), prune=True).difference().values())
    assert (rules(), set(overlays())) == ([("deny", "x", "", "")], {"send"})
    less = document()
    acme(less)["servers"].pop(0)
    apply(less, prune=True)
    with unscoped("the test looks"):
        assert [grant.pk for grant in Grant.objects.filter(server=None)] == [everywhere.pk]
        assert not Overlay.objects.exists()


@pytest.mark.claim("authorize.many")
def test_rules_of_many_servers_leave_room_for_each_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_GRANTS", 2)
    raw = document()
    acme(raw)["servers"] += [{"slug": f"s{number}", "url": "https://docs.example/mcp"} for number in range(4)]
    apply(raw)
    with unscoped("the test counts"):
        assert Grant.objects.filter(project__slug="acme", pattern="*").count() == 6


@pytest.mark.claim("apply.one-version")
def test_however_much_a_file_changes_each_project_is_raised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = versions.current()
    apply(document())
    # Once for what touched keys; workers read it all again at once.
    assert versions.current() == before + 1
    assert versions.standing(Project.objects.get().pk).keys_version == before + 1
    apply(document())
    assert versions.current() == before + 1, "what changes nothing wakes nobody"
    raw = document()
    acme(raw)["servers"][0]["timeout_seconds"] = 9
    acme(raw)["servers"][0]["grants"] = [{"deny": "x"}]
    apply(raw, dry_run=True)
    assert versions.current() == before + 1
    apply(raw)
    standing = versions.standing(Project.objects.get().pk)
    assert (standing.version, standing.keys_version) == (before + 2, before + 1)


@pytest.mark.claim("apply.prune")
def test_pruning_leaves_other_projects_alone() -> None:
    other = document()
    acme(other)["slug"] = "globex"
    apply(other)
    apply(document(), prune=True)
    with with_project(Project.objects.get(slug="globex").pk):
        assert Server.objects.count() == 2


@pytest.mark.claim("apply.errors")
def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("apply", str(tmp_path / "none.yaml"))


@pytest.mark.claim("meta.option")
@pytest.mark.parametrize(
    ("given", "surface", "tools"),
    [
        ({}, "native", ["*"]),
        ({"tools": "meta"}, "meta", ["*"]),
        ({"tools": ["meta"]}, "meta", ["*"]),
        ({"surface": "meta"}, "meta", ["*"]),
        ({"surface": "meta", "tools": ["read_*", "meta"]}, "meta", ["read_*", "meta"]),
        ({"surface": "native", "tools": ["meta"]}, "native", ["meta"]),
        ({"tools": ["meta", "read_*"]}, "native", ["meta", "read_*"]),
    ],
)
def test_a_key_is_shown_a_few_tools_when_its_file_says_so(
    given: dict[str, Any], surface: str, tools: list[str]
) -> None:
    raw = document()
    acme(raw)["keys"][0].update(given)
    apply(raw)
    with unscoped("the test looks"):
        key = ApiKey.objects.get()
    assert (key.surface, key.tools) == (surface, tools)
    [record] = load(key)
    assert (record.surface, record.tools) == (surface, tuple(tools))
    assert apply(raw).difference() == {"create": [], "update": [], "delete": []}
    acme(raw)["keys"][0] = {**document()["projects"][0]["keys"][0], "surface": "meta"}
    assert apply(raw).update == ([] if (surface, tools) == ("meta", ["*"]) else ["key acme/ada@acme.test/laptop"])


@pytest.mark.parametrize("given", [{"tools": "all"}, {"tools": "*"}, {"surface": "both"}, {"surface": None}])
def test_a_surface_that_there_is_not_is_refused(given: dict[str, Any]) -> None:
    raw = document()
    acme(raw)["keys"][0].update(given)
    with pytest.raises(declared.DeclarationError, match=r"projects.0.keys.0.(tools|surface)"):
        apply(raw)


def load(key: ApiKey) -> list[KeyRecord]:
    with with_project(key.project_id):
        return list(load_keys(key.project_id).values())
