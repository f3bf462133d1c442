"""Nouns and verbs: what they do, print and end with; completion and progress."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.utils import timezone

from audit.models import Event
from gateway_site.management.commands.completion import our_commands, whole_parser
from projects import jobs
from projects.commanding import NounCommand
from projects.models import ApiKey, Job, Membership, Project
from projects.progress import Progress
from projects.scoping import unscoped, with_project
from servers.models import CommandTemplate, Grant, Overlay, Server, Tool
from servers.observing import Listed, observe
from tests.cast import Cast
from tests.databases import ROOT

NOUNS = ("project", "person", "member", "key", "server", "tool", "policy", "cache", "job", "forwarder",
         "export_schedule", "token")  # fmt: skip


def run(noun: str, *arguments: str) -> Any:
    """What it prints as JSON."""
    printed = io.StringIO()
    call_command(noun, *arguments, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def refused(noun: str, *arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call_command(noun, *arguments, stdout=io.StringIO())
    return caught.value


# --- what a verb does -----------------------------------------------------------------------------------


@pytest.mark.claim("cli.verbs")
def test_a_project_is_made_changed_switched_and_deleted(db: None) -> None:
    made = run("project", "create", "acme", "--name", "Acme")
    assert run("project", "show", str(made["id"])) == run("project", "show", "acme") == made
    assert run("project", "update", "acme", "--name", "Other")["name"] == "Other"
    assert run("project", "disable", "acme")["enabled"] is False
    assert run("project", "enable", "acme")["enabled"] is True
    assert [each["slug"] for each in run("project", "list")] == ["acme"]
    assert run("project", "delete", "acme", "--yes")["slug"] == "acme"
    assert not Project.objects.exists()
    assert set(Event.objects.values_list("actor", flat=True)) >= {"manage.py project create"}


@pytest.mark.claim("cli.verbs")
def test_members_come_get_another_role_and_go(cast: Cast) -> None:
    assert run("member", "set", "Zoe@acme.test", "--role", "admin", "--project", "acme")["role"] == "admin"
    emails = [each["email"] for each in run("member", "list", "-p", "acme")]
    assert emails == ["ada@acme.test", "bob@acme.test", "carla@acme.test", "zoe@acme.test"]
    row = run("member", "show", "zoe@acme.test", "-p", "acme")
    assert run("member", "remove", str(row["id"]), "-p", "acme", "--yes") == row
    assert "keeps at least one owner" in str(refused("member", "remove", "ada@acme.test", "-p", "acme", "--yes"))
    with with_project(cast.acme.pk):
        assert Membership.objects.count() == 3


@pytest.mark.claim("cli.verbs")
def test_people_are_changed_switched_and_deleted(cast: Cast) -> None:
    assert run("person", "update", "bob@acme.test", "--first-name", "Bob")["name"] == "Bob"
    assert run("person", "disable", "bob@acme.test")["enabled"] is False
    assert run("person", "enable", str(cast.bob.pk))["enabled"] is True
    run("person", "delete", "bob@acme.test", "-y")
    assert "bob@acme.test" not in [each["email"] for each in run("person", "list")]
    assert refused("person", "show", "bob@acme.test").returncode == 3


@pytest.mark.claim("cli.verbs")
@pytest.mark.claim("cli.secrets")
def test_a_key_is_issued_narrowed_rotated_and_revoked(cast: Cast) -> None:
    made = run("key", "issue", "ada@acme.test", "laptop", "-p", "acme", "--server", "docs", "--expires-in-days", "2")
    text = made.pop("key")
    assert run("key", "show", made["key_id"]) == run("key", "show", str(made["id"])) == made
    assert run("key", "show", text[:20])["id"] == made["id"]
    narrowed = run("key", "update", made["key_id"], "--network", "10.0.0.0/8", "--tool", "a", "--tool", "b")
    assert narrowed["tools"] == ["a", "b"]
    assert run("key", "disable", made["key_id"])["state"] == "disabled"
    assert run("key", "enable", made["key_id"])["state"] == "works"
    successor = run("key", "rotate", made["key_id"], "--overlap-hours", "1")
    assert successor["networks"] == ["10.0.0.0/8"]
    assert run("key", "revoke", made["key_id"], "-y")["state"] == "revoked"
    listed = run("key", "list", "-p", "acme", "--user", "ada@acme.test")
    assert [each["state"] for each in listed] == ["revoked", "works"]
    assert text[15:] not in json.dumps(listed)
    with unscoped("the test counts"):
        assert ApiKey.objects.count() == 2


@pytest.mark.claim("cli.verbs")
@pytest.mark.claim("cli.secrets")
def test_a_server_gets_its_secrets_by_reference_and_shows_none(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCS_TOKEN", "Bearer canary-header")
    (tmp_path / "token").write_text("canary-slot\n")
    made = run("server", "create", "docs", "--url", "https://docs.example.com/mcp", "-p", "acme",
               "--header", "Authorization=env:DOCS_TOKEN", "--timeout-seconds", "5")  # fmt: skip
    assert made["secret"] == ["Authorization"]
    CommandTemplate.objects.create(
        slug="tool", executable="{python}", args=[], env={"T": "{token}"},
        params={"token": {"pattern": ".+", "secret": True}, "zone": {"pattern": ".+"}},
    )  # fmt: skip
    create = ["create", "clock", "--transport", "stdio", "--template", "tool", "-p", "acme", "--param", "zone=x"]
    made = run("server", *create, "--param", f"token=file:{tmp_path}/token")
    assert (made["params"], made["secret"]) == ({"zone": "x"}, ["token"])
    for arguments in (["update", "docs", "-p", "acme", "--header", "X-A=canary"], [*create, "--param", "token=canary"]):
        error = refused("server", *arguments)
        assert (error.returncode, "canary" in str(error)) == (2, False)
    assert run("server", "update", "docs", "-p", "acme", "--review", "trust")["review"] == "trust"
    assert run("server", "disable", "docs", "-p", "acme")["enabled"] is False
    assert "switched off" in str(refused("server", "discover", "docs", "-p", "acme"))
    run("server", "enable", "docs", "-p", "acme")
    job = run("server", "discover", "docs", "-p", "acme")["job"]
    assert run("job", "show", str(job))["label"] == "Read the lists of docs"
    shown = json.dumps([run("server", "list", "-p", "acme"), run("server", "show", "docs", "-p", "acme")])
    assert "canary" not in shown
    assert run("server", "enable-template", "tool")["enabled"] is True
    assert "still uses it" in str(refused("server", "delete-template", "tool", "-y"))
    assert run("server", "delete", "clock", "-p", "acme", "-y")["slug"] == "clock"
    assert [each["slug"] for each in run("server", "templates")] == ["tool"]


@pytest.mark.claim("cli.verbs")
def test_tools_are_decided_on_ruled_and_shown_in_another_way(cast: Cast) -> None:
    server = cast.server("docs")
    entry = {"name": "search", "description": "\x1b[2JFinds.", "inputSchema": {"type": "object"}}
    observe(server=server, era="modern", listed=[Listed(Tool.Kind.TOOL, "search", entry)], whole=["tool"])
    here = ["-p", "acme"]
    assert [each["state"] for each in run("tool", "list", *here)] == ["waiting"]
    assert run("tool", "approve", "docs", "search", *here)["state"] == "approved"
    digest = run("tool", "show", "docs", "search", *here)["versions"][0]["digest"]
    rejected = run("tool", "reject", "docs", "search", "--digest", digest[:8], "--reason", "no", *here)
    assert rejected["state"] == "rejected"
    assert run("tool", "roll-back", "docs", "search", "--digest", digest, *here)["state"] == "approved"
    assert run("tool", "approve-waiting", "docs", *here) == {"approved": 0}
    assert "There is not exactly one" in str(refused("tool", "approve", "docs", "search", *here))
    rule = run("tool", "deny", "delete_*", "--server", "docs", "--role", "member", "--reason", "never", *here)
    run("tool", "allow", "*", *here)
    rules = {(each["effect"], each["server"]) for each in run("tool", "rules", *here)}
    assert rules == {("allow", "all"), ("deny", "docs")}
    run("tool", "remove-rule", str(rule["id"]), *here)
    run("tool", "overlay", "docs", "search", '{"rename": "find"}', *here)
    assert run("tool", "overlay", "docs", "search", '{"title": "Find"}', *here)["rename"] == "find"
    assert refused("tool", "overlay", "docs", "search", '{"x": 1}', *here).returncode == 2
    assert len(run("tool", "overlays", "-s", "docs", *here)) == 1
    run("tool", "remove-overlay", "docs", "search", "-y", *here)
    with with_project(cast.acme.pk):
        assert (Grant.objects.count(), Overlay.objects.count()) == (1, 0)
    # What a server says of itself does not reach the terminal as it is.
    printed = io.StringIO()
    call_command("tool", "show", "docs", "search", *here, stdout=printed)
    assert "\x1b" not in printed.getvalue()


@pytest.mark.claim("cli.verbs")
def test_policies_the_floor_and_false_positives(cast: Cast) -> None:
    here = ["-p", "acme"]
    run("policy", "create", "ours", "--preset", "strict", *here)
    assert run("policy", "update", "ours", "--mode", "observe", *here)["mode"] == "observe"
    whole = run("policy", "set-guardrails", "ours", "--guardrail", '{"detector": "pii", "action": "redact"}', *here)
    assert [each["detector"] for each in whole["guardrails"]] == ["pii"]
    assert refused("policy", "set-guardrails", "ours", "--guardrail", "[]", *here).returncode == 2
    assert run("policy", "default", "ours", *here)["default"] is True
    assert len(run("policy", "versions", "ours", *here)) == 4
    assert len(run("policy", "roll-back", "ours", "1", *here)["guardrails"]) > 5
    assert "project's default" in str(refused("policy", "delete", "ours", "-y", *here))
    run("policy", "no-default", *here)
    run("policy", "delete", "ours", "-y", *here)
    assert run("policy", "list", *here) == []
    row = run("policy", "add-floor", '{"detector": "secrets", "directions": ["input"]}')
    assert run("policy", "floor") == [row]
    run("policy", "remove-floor", str(row["id"]), "-y")
    excused = run("policy", "excuse", "pii", "search", "/q", "--reason", "known", *here)
    assert run("policy", "exceptions", *here) == [excused]
    run("policy", "unexcuse", str(excused["id"]), *here)


@pytest.mark.claim("cli.verbs")
def test_jobs_are_seen_and_run_again(cast: Cast) -> None:
    job = jobs.enqueue(project=cast.acme, kind="servers.discover", subject_ref=1, label="Read")
    with unscoped("the test settles it"):
        Job.objects.filter(pk=job.pk).update(state="failed", error="Nobody answered.", finished_at=timezone.now())
    assert [each["id"] for each in run("job", "list", "-p", "acme", "--state", "failed")] == [job.pk]
    assert str(refused("job", "wait", str(job.pk))) == "Nobody answered."
    again = run("job", "retry", str(job.pk))
    assert again["id"] != job.pk
    assert "not ended in time" in str(refused("job", "wait", str(again["id"]), "--seconds", "0"))


@pytest.mark.claim("cli.verbs")
@pytest.mark.claim("cli.exit-codes")
def test_a_server_is_tried_at_once(cast: Cast) -> None:
    cast.server(url="http://127.0.0.1:9/mcp")
    error = refused("server", "test", "docs", "-p", "acme")
    assert (error.returncode, str(error).partition(":")[0]) == (1, "It does not answer")
    assert Event.objects.filter(kind="server.tried", actor="manage.py server test").count() == 1


# --- for every verb -------------------------------------------------------------------------------------


def verbs() -> Iterator[tuple[str, str]]:
    for noun in NOUNS:
        yield from ((noun, name) for name, _ in _command(noun).verbs())


def _command(noun: str) -> NounCommand:
    command = load_command_class(str(get_commands()[noun]), noun)
    assert isinstance(command, NounCommand)
    return command


@pytest.mark.claim("cli.verbs")
def test_every_noun_has_the_same_shape() -> None:
    found = list(verbs())
    assert len(found) > 60
    for noun, name in found:
        assert _command(noun).noun == noun
        parser = _command(noun).create_parser("manage.py", noun)
        [under] = [each for each in parser._actions if each.dest == "verb"]
        options = {text for action in under.choices[name]._actions for text in action.option_strings}  # type: ignore[index]  # a mapping of parsers
        assert "--json" in options
        # What ends something asks.
        assert ("--yes" in options) == (name.partition("-")[0] in ("delete", "revoke") or name in (
            "remove", "remove-floor", "remove-overlay", "reset-factors")), (noun, name)  # fmt: skip


@pytest.mark.claim("cli.exit-codes")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["project", "show", "nowhere"], 3, "There is no project nowhere."),
        (["project", "create", "Not A Slug"], 1, "slug: Use lower-case letters"),
        (["project", "update", "acme"], 2, "Say what to change."),
        (["project", "delete", "acme"], 4, "--yes goes on without asking"),
        (["member", "list"], 3, "Name the project"),
        (["server", "show", "vault", "-p", "acme"], 3, "There is no server vault."),
        (["token", "issue", "--user", "nobody@acme.test", "--label", "x"], 3, "There is no person"),
        (["token", "issue", "--user", "ada@acme.test", "--label", "x", "-p", "nowhere"], 3, "There is no project"),
        (["token", "list", "-p", "nowhere"], 3, "There is no project nowhere."),
        (["token", "revoke", "mga_0123456789_canary"], 3, "There is no token mga_0123456789,"),
        (["job", "show", "999"], 3, "There is no job 999."),
        (["key", "show", "mgw_0000000000_x"], 3, "There is no key"),
        (["policy", "show", "x", "-p", "acme"], 3, "There is no policy x."),
    ],
)
def test_the_exit_code_says_what_became_of_it(cast: Cast, arguments: list[str], code: int, said: str) -> None:
    error = refused(*arguments)
    assert error.returncode == code
    assert said in str(error)


@pytest.mark.claim("cli.exit-codes")
@pytest.mark.parametrize(
    ("arguments", "code"), [(["nonsense"], 2), (["serv-er", "list"], 2), (["help", "nonsense"], 1), (["help"], 0)]
)
def test_a_command_that_there_is_not_is_a_wrong_argument(arguments: list[str], code: int) -> None:
    ended = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == code, ended.stderr


@pytest.mark.claim("cli.verbs")
def test_ids_of_one_project_name_nothing_in_another(cast: Cast) -> None:
    vault = cast.server("vault", project=cast.globex)
    theirs = cast.membership(cast.mallory, cast.globex)
    for arguments in (
        ["server", "show", str(vault.pk), "-p", "acme"], ["server", "delete", str(vault.pk), "-y", "-p", "acme"],
        ["member", "remove", str(theirs.pk), "-y", "-p", "acme"], ["tool", "rules", "-s", "vault", "-p", "acme"],
    ):  # fmt: skip
        assert refused(*arguments).returncode == 3
    with with_project(cast.globex.pk):
        assert Server.objects.filter(pk=vault.pk).exists()


@pytest.mark.claim("cli.exit-codes")
def test_where_there_is_one_project_it_need_not_be_named(db: None) -> None:
    assert refused("server", "list").returncode == 3
    run("project", "create", "only")
    assert run("server", "list") == []


@pytest.mark.claim("cli.verbs")
def test_questions_and_readings_are_answered_as_json_too(cast: Cast) -> None:
    cast.server("docs")
    assert [each["label"] for each in run("warm")] == ["Read the lists of docs"]
    assert [each["state"] for each in run("discover", "--project", "acme")] == ["queued"]
    answer = run("why", "--project", "acme", "--user", "ada@acme.test", "--server", "docs")
    assert answer["allowed"] is False
    assert answer["why"]


@pytest.mark.claim("cli.verbs")
def test_the_log_answers_as_json_too(cast: Cast, tmp_path: Path) -> None:
    cast.server("docs")
    assert {each["state"] for each in run("audit", "keys")} == {"signs"}
    assert run("audit", "forward") == []
    assert run("audit", "retain") == {"dropped": 0, "waiting": 0}
    assert run("audit", "retain", "--dry-run") == []
    assert run("audit", "erase", "--project", "acme", "--subject", "ada@acme.test") == {"keys": 0, "payloads": 0}
    rotated = run("audit", "keys", "rotate")
    assert {each["state"] for each in run("audit", "keys") if each["key_id"] == rotated["signs"]} == {"signs"}
    [checkpoint, *_] = run("audit", "checkpoint")
    assert checkpoint["key_id"]
    assert run("audit", "export", str(tmp_path / "out"), "--project", "acme")["first_seq"] == 1
    for verb, *more in (["retain"], ["forward"], ["checkpoint"], ["export", str(tmp_path / "none")]):
        assert refused("audit", verb, *more, "--project", "nowhere").returncode == 3


# --- completion, progress, the installed command --------------------------------------------------------


@pytest.mark.claim("cli.completion")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["import-"], {"import-enkrypt", "import-mcp-json"}), (["key", "ro"], {"rotate"}),
        (["server", "list", "--js"], {"--json"}),
    ],
)
def test_bash_completes_nouns_verbs_and_options(words: list[str], completed: set[str]) -> None:
    script = io.StringIO()
    call_command("completion", "bash", stdout=script)
    ask = (
        f"COMP_WORDS=(mcp-gateway {' '.join(words)}); COMP_CWORD={len(words)}; COMPREPLY=(); "
        '_shtab_mcp_gateway; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", f"{script.getvalue()}\n{ask}"], capture_output=True, text=True, timeout=30)
    assert set(done.stdout.split()) == completed, done.stderr


@pytest.mark.claim("cli.completion")
def test_every_command_of_ours_is_completed() -> None:
    assert {*NOUNS, "apply", "export", "import_enkrypt", "doctor", "gateway", "connect", "audit"} <= set(our_commands())
    assert "runserver" not in our_commands()
    whole_parser()


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.claim("cli.progress")
@pytest.mark.parametrize("terminal", [True, False])
def test_long_work_shows_how_far_it_is_and_short_work_nothing(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("projects.progress.time.monotonic", lambda: clock[0])
    short, long = Stream(terminal), Stream(terminal)
    for stream, seconds in ((short, 0.0), (long, 3.0)):
        progress = Progress("servers", stream)
        for done in range(1, 5):
            clock[0] += seconds
            progress(done, 4)
    assert short.getvalue() == ""
    if terminal:
        assert long.getvalue().endswith("\r[##############################] 4 of 4 servers\n")
        assert long.getvalue().count("\n") == 1
    else:
        assert long.getvalue() == "2 of 4 servers\n4 of 4 servers\n"


@pytest.mark.claim("cli.exit-codes")
@pytest.mark.parametrize(
    ("content", "mode", "more", "said"),
    [
        ("{canary", 0o600, {}, "is no key ring"), ('{"audit": "canary"}', 0o600, {}, "is no key ring"),
        ("[]", 0o600, {}, "is no key ring"), ("{}", 0o644, {}, "chmod 600"),
        (None, 0o600, {"GATEWAY_REST_RATE": "-1"}, "GATEWAY_REST_RATE must be at least"),
        (None, 0o600, {"GATEWAY_REST_RATE": "canary"}, "cannot start"),
    ],
)
def test_settings_that_cannot_be_used_are_told_in_a_sentence(
    tmp_path: Path, content: str | None, mode: int, more: dict[str, str], said: str
) -> None:
    if content is not None:
        ring = tmp_path / "keys" / "keyring.json"
        ring.parent.mkdir()
        ring.write_text(content)
        ring.chmod(mode)
    environment = {**os.environ, "GATEWAY_HOME": str(tmp_path), **more}
    environment.pop("GATEWAY_KEYRING", None)
    done = subprocess.run(
        [sys.executable, "-m", "gateway_site.main", "doctor"], cwd=ROOT, env=environment, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert said in line
    assert content is None or "canary" not in line


@pytest.mark.claim("cli.installed")
def test_the_installed_command_is_every_command_and_names_may_have_hyphens(tmp_path: Path) -> None:
    environment = {**os.environ, "GATEWAY_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "gateway_site.main"]
    done = subprocess.run(
        [*command, "import-mcp-json", "--help"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert "mcpServers" in done.stdout
    code = "import sys; from gateway_site.connect import command; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
