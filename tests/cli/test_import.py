"""Moving in: the reference system's file and clients' files, and what is reported of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from guardrails.models import Guardrail, Policy
from projects.models import ApiKey, Membership, Project
from projects.scoping import unscoped, with_project
from servers import declared, reading
from servers.importing import enkrypt
from servers.models import CommandTemplate, Grant, Server
from tests.cli import reference

pytestmark = pytest.mark.django_db


def run(name: str, content: Any, tmp_path: Path, *options: str) -> dict[str, Any]:
    path, printed = tmp_path / "file.json", io.StringIO()
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    call_command(name, str(path), "--json", *options, stdout=printed)
    answer: dict[str, Any] = json.loads(printed.getvalue())
    return answer


def grants_of(slug: str) -> list[tuple[str, str, str]]:
    rows = Grant.objects.filter(server__slug=slug).order_by("id")
    return [(str(row.effect), row.pattern, row.reason) for row in rows]


@pytest.mark.claim("import.enkrypt")
def test_the_reference_systems_file_makes_the_equal_set_up(tmp_path: Path) -> None:
    answer = run("import_enkrypt", reference.document(), tmp_path, "--owner", "ada@acme.test")
    assert [key["user"] for key in answer["keys"]] == ["ada@acme.test", "bob@acme.test"]
    project = Project.objects.get()
    assert (project.slug, project.name) == ("my-project", "My Project")
    with with_project(project.pk):
        roles = set(Membership.objects.values_list("user__email", "role"))
        assert roles == {("ada@acme.test", "owner"), ("bob@acme.test", "member")}
        assert [key.disabled_at is None for key in ApiKey.objects.order_by("label")] == [True, False]
        servers = {server.slug: server for server in Server.objects.select_related("template")}
        assert set(servers) == {"echo-server", "remote", "old"}
        assert {server.timeout_seconds for server in servers.values()} == {120}
        echo, remote, old = (servers[slug] for slug in ("echo-server", "remote", "old"))
        assert echo.template is not None
        assert (echo.template.executable, echo.template.enabled) == ("{python}", False)
        assert (echo.template.memory_mb, echo.template.max_processes) == (256, 10)
        assert echo.secrets["params"] == {"api_token": "canary-env"}
        assert (remote.transport, old.transport, old.enabled) == ("http", "sse", False)
        assert remote.secrets["headers"] == {"Authorization": "Bearer canary-header", "X-From": "file:/etc/hostname"}
        assert grants_of("echo-server") == [
            ("allow", "echo", ""), ("allow", "read_file", ""), ("deny", "delete_*", "never"), ("deny", "drop_*", ""),
        ]  # fmt: skip
        assert grants_of("remote") == [("allow", "*", ""), ("deny", "delete_*", ""), ("deny", "secret_*", "local")]
        sent, returned = guards_of(echo.input_policy), guards_of(echo.output_policy)
        assert [(each.detector, each.directions, each.action) for each in sent] == [
            ("enkrypt", ["input"], "block"), ("pii", ["input"], "tokenise"),
        ]  # fmt: skip
        assert sent[0].config["guardrail"] == "Sent"
        assert sent[0].config["block"] == ["injection_attack", "pii"]
        assert sent[0].secrets == {"api_key": "canary-enkrypt"}
        assert [(each.directions, each.action) for each in returned] == [
            (["output"], "block"), (["output"], "flag"), (["definition"], "block"),
        ]  # fmt: skip
        assert returned[1].config == {
            "base_url": "https://api.enkryptai.com", "checks": ["relevancy"], "relevancy_threshold": 0.6,
        }  # fmt: skip


def guards_of(policy: Policy | None) -> list[Guardrail]:
    assert policy is not None
    return list(Guardrail.objects.filter(policy=policy).order_by("order"))


@pytest.mark.claim("import.enkrypt")
def test_a_second_import_changes_nothing(tmp_path: Path) -> None:
    run("import_enkrypt", reference.document(), tmp_path)
    again = run("import_enkrypt", reference.document(), tmp_path)
    assert (again["create"], again["update"], again["delete"], again["keys"]) == ([], [], [], [])


@pytest.mark.claim("import.enkrypt")
def test_without_a_key_of_the_provider_local_detectors_look(tmp_path: Path) -> None:
    document = reference.document()
    document["enkrypt_config"]["api_key"] = ""
    answer = run("import_enkrypt", document, tmp_path)
    with unscoped("the test looks"):
        detectors = set(Guardrail.objects.values_list("detector", flat=True))
    assert "enkrypt" not in detectors
    assert {"prompt_injection", "web_attack", "relevancy", "pii"} <= detectors
    assert any("local detectors instead" in line["text"] for line in answer["report"])


@pytest.mark.claim("import.enkrypt")
def test_a_large_file_is_imported_whole(django_capture_on_commit_callbacks: Any) -> None:
    document = reference.large(projects=2, servers=60, people=10)
    raw, report = enkrypt.read(document)
    with django_capture_on_commit_callbacks() as callbacks:
        made = declared.apply(declared.parse(raw))
    # So many are read by and by.
    assert [each for each in callbacks if each.__module__ == "servers.reading"] == []
    assert reading.ask_due() == 120
    assert len(made.keys) == 20
    assert CommandTemplate.objects.count() == 5
    with unscoped("the test counts"):
        assert (Server.objects.count(), Membership.objects.count(), Grant.objects.count()) == (120, 20, 240)
        assert Policy.objects.count() == 2
    assert report.counts()["left out"] < 20
    assert unspoken(document, report.as_json()) == set()


@pytest.mark.claim("import.enkrypt")
def test_more_rules_than_a_project_may_have_are_said_once_for_all_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enkrypt, "MAX_GRANTS_OF_PROJECT", 50)
    document = reference.large(projects=1, servers=60, people=1)
    raw, report = enkrypt.read(document)
    [project] = raw["projects"]
    assert project["grants"] == [{"allow": "*"}]
    granted = [server for server in project["servers"] if server["grants"]]
    assert len(granted) == 49
    closed = [server["slug"] for server in project["servers"] if server.get("enabled") is False]
    assert len(closed) == 11
    said = [line.text.partition(" ")[0] for line in report.lines if "is granted to nobody" in line.text]
    assert said == closed


@pytest.mark.claim("import.enkrypt")
def test_a_server_with_more_rules_than_it_may_have_is_closed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enkrypt, "MAX_GRANTS", 3)
    document = reference.large(projects=1, servers=3, people=1)
    [config] = document["mcp_configs"].values()
    config["mcp_config"][1]["denied_tools"] = ["a", "b", "c"]
    raw, report = enkrypt.read(document)
    [project] = raw["projects"]
    assert [len(server["grants"]) for server in project["servers"]] == [2, 0, 2]
    assert [server.get("enabled", True) for server in project["servers"]] == [True, False, True]
    assert [line.text for line in report.lines if "is granted to nobody" in line.text] != []


# --- the report -----------------------------------------------------------------------------------------


@pytest.mark.claim("import.report")
def test_the_report_speaks_of_every_part_and_shows_no_secret(tmp_path: Path) -> None:
    document = reference.document()
    answer = run("import_enkrypt", document, tmp_path, "--dry-run")
    assert unspoken(document, answer["report"]) == set()
    shown = json.dumps(answer)
    assert [secret for secret in reference.SECRETS if secret in shown] == []
    assert not Project.objects.exists()
    said = {line["place"]: (line["outcome"], line["text"]) for line in answer["report"]}
    servers = "mcp_configs.cfg-1.mcp_config"
    assert said["common_mcp_gateway_config.surprise.deep[0]"] == ("left out", "not understood")
    assert said[f"{servers}[2].odd"] == ("left out", "not understood")
    assert said[f"{servers}[2].oauth_config"][0] == "left out"
    assert said[f"{servers}[3]"] == ("left out", "nowhere is not made: the command is not on this machine")
    assert said[f"{servers}[4]"][1].startswith("inside is not made: link-local address")
    assert said[f"{servers}[0].denied_tools[3]"] == ("left out", "it names no tool")
    assert said[f"{servers}[0].input_guardrails_config.block[2]"] == ("left out", "no detector of that name")
    assert said["apikeys[0]"][0] == "changed"
    assert said["apikeys[2]"] == ("left out", "its user is no member of the project any more")
    assert said["projects.p-1.users[2]"][0] == "left out"
    assert said["users.u-3"] == ("left out", "member of no project")
    assert said["mcp_configs.cfg-2"] == ("left out", "no project uses it")


def unspoken(document: Any, lines: list[dict[str, str]]) -> set[str]:
    """Leaves of the file of which no line speaks, nor of anything that they are in."""
    spoken = {line["place"] for line in lines}
    return {path for path in leaves(document, "") if not any(each in spoken for each in prefixes(path))}


def leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for number, (name, inner) in enumerate(value.items()):
            if path == "apikeys":
                yield from leaves(inner, f"{path}[{number}]")
            elif not name.startswith("_"):
                yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    elif value is not None:
        yield path


def prefixes(path: str) -> Iterator[str]:
    yield path
    for place in range(len(path)):
        if path[place] in ".[":
            yield path[:place]


@pytest.mark.claim("import.report")
@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"projects": []}', "[" * 100_000])
def test_what_is_no_such_file_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"not JSON|no projects"):
        run("import_enkrypt", content, tmp_path)


# --- what a file cannot do ------------------------------------------------------------------------------


@pytest.mark.claim("import.safe")
def test_commands_run_only_once_the_operator_trusts_them(tmp_path: Path) -> None:
    run("import_enkrypt", reference.document(), tmp_path)
    assert not CommandTemplate.objects.get().enabled
    run("import_enkrypt", reference.document(), tmp_path, "--trust-commands")
    assert CommandTemplate.objects.get().enabled


@pytest.mark.claim("import.safe")
def test_values_are_themselves_and_never_this_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared.apply(declared.parse({"version": 1, "projects": [{"slug": "acme"}]}))
    monkeypatch.setenv("CANARY", "from-this-machine")
    headers = {"A": "env:CANARY", "B": "file:/etc/hostname", "C": "stored:", "D": "literal:x"}
    servers = {"s": {"url": "https://mcp.example.com/", "headers": {**headers, "E": "Bearer ${env:CANARY}"}}}
    answer = run("import_mcp_json", {"mcpServers": servers}, tmp_path)
    with unscoped("the test looks"):
        assert Server.objects.get().secrets["headers"] == headers
    said = {line["place"]: line["text"] for line in answer["report"]}
    assert said["mcpServers.s.headers.E"] == "the client fills it in; give it to the server here"


@pytest.mark.claim("import.safe")
def test_a_name_of_the_file_hides_nothing_from_who_is_asked(tmp_path: Path) -> None:
    declared.apply(declared.parse({"version": 1, "projects": [{"slug": "acme"}]}))
    path, printed = tmp_path / "file.json", io.StringIO()
    hostile = "s\x1b[1A\x1b[2K\r\u009b2J\u202e"
    path.write_text(json.dumps({"mcpServers": {hostile: {"command": "python3", "args": ["-c", "pass"], hostile: 1}}}))
    call_command("import_mcp_json", str(path), "--dry-run", stdout=printed)
    assert "switched off: look at it first" in printed.getvalue()
    assert not [char for char in printed.getvalue() if not char.isprintable() and char != "\n"]


# --- clients' files -------------------------------------------------------------------------------------


@pytest.mark.claim("import.clients")
@pytest.mark.parametrize("member", ["mcpServers", "servers"])
def test_a_clients_file_makes_servers_of_a_project(member: str, tmp_path: Path) -> None:
    declared.apply(declared.parse({"version": 1, "projects": [{"slug": "acme"}, {"slug": "globex"}]}))
    servers = {
        "Git Hub": {"type": "http", "url": "https://mcp.example.com/mcp", "headers": {"Authorization": "Bearer x"}},
        "old": {"type": "sse", "url": "https://old.example.com/sse", "disabled": True},
        "local": {"command": "python3", "args": ["-m", "mcp_server_time"], "env": {"TZ": "UTC", "B": "b"}},
        "same": {"command": "python3", "args": ["-m", "mcp_server_time"], "env": {"TZ": "UTC", "B": "c"}},
        "socket": {"type": "websocket", "url": "wss://x.example.com"}, "odd": {"cwd": "/"},
    }  # fmt: skip
    answer = run("import_mcp_json", {member: servers, "inputs": [1]}, tmp_path, "--project", "acme")
    assert answer["counts"]["left out"] == 3
    acme = Project.objects.get(slug="acme")
    with with_project(acme.pk):
        made = {server.slug: server for server in Server.objects.select_related("template")}
        assert {slug: (server.transport, server.enabled) for slug, server in made.items()} == {
            "git-hub": ("http", True), "old": ("sse", False), "local": ("stdio", True), "same": ("stdio", True),
        }  # fmt: skip
        assert made["local"].template == made["same"].template
        assert made["same"].secrets["params"] == {"tz": "UTC", "b": "c"}
    with pytest.raises(CommandError, match="Name the project"):
        run("import_mcp_json", {member: servers}, tmp_path)
    with pytest.raises(CommandError, match="no mcpServers"):
        run("import_mcp_json", {"x": 1}, tmp_path, "--project", "acme")
