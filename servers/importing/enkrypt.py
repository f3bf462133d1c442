"""The reference system's configuration, one JSON file (`enkrypt_mcp_config.json`, 2.2), as a declaration of ours.

Field names are the reference system's own. Its keys are in clear in that file, so that new ones are issued.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from servers.importing.commands import NoCommand, Templates
from servers.importing.enkrypt_guards import Guards
from servers.importing.remote import NoAddress, remote
from servers.importing.report import Names, Node, Report
from servers.services import MAX_GRANTS, MAX_GRANTS_OF_PROJECT

# Paths whose member names are secrets.
NUMBERED = ("apikeys",)
_BUILT_IN = "this gateway does it in its own way"
_SETTINGS = {
    "enkrypt_tool_cache_expiration": "GATEWAY_CACHE_TOOLS_SECONDS is a setting of the installation (here in seconds)",
    "enkrypt_gateway_cache_expiration": "GATEWAY_CACHE_CONFIG_SECONDS is a setting of the installation (in seconds)",
    "enkrypt_gateway_cache_expiration_minutes": "changes of rights take effect within a second, whatever is cached",
    "enkrypt_mcp_use_external_cache": "REDIS_URL is a setting of the installation",
    "enkrypt_cache_host": "REDIS_URL is a setting of the installation",
    "enkrypt_cache_port": "REDIS_URL is a setting of the installation",
    "enkrypt_cache_db": "REDIS_URL is a setting of the installation",
    "enkrypt_cache_password": "REDIS_URL is a setting of the installation",
    "enkrypt_log_level": "GATEWAY_LOG_LEVEL is a setting of the installation",
    "enkrypt_config_watcher_poll_seconds": "changes take effect within a second by themselves",
    "enkrypt_async_input_guardrails_enabled": "a call never leaves before its guardrails have answered",
    "enkrypt_async_output_guardrails_enabled": "an answer never leaves before its guardrails have answered",
}


@dataclass
class _Import:
    """One file on its way. `templates` are collected over all projects."""

    root: Node
    trust_commands: bool
    owner: str
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        self.templates = Templates(trusted=self.trust_commands)
        self.guards = Guards(self.root["enkrypt_config"], self.report)
        self.timeout = self.root["common_mcp_gateway_config"]["timeout_settings"]["tool_execution_timeout"]

    def declare(self) -> dict[str, Any]:
        names = Names("project")
        projects = [self._project(project_id, node, names) for project_id, node in self.root["projects"].members()]
        self._note_unused()
        self._note_settings()
        self.report.finish(self.root, NUMBERED)
        templates = list(self.templates.made.values())
        return {"version": 1, **({"command_templates": templates} if templates else {}), "projects": projects}

    # --- projects and people ----------------------------------------------------------------------------

    def _project(self, project_id: str, node: Node, names: Names) -> dict[str, Any]:
        name = node["project_name"].text() or project_id
        slug = names.slug(name)
        self._named(node["project_name"], name, slug, "project")
        self.report.left_out(node["created_at"], "when it was made here counts")
        people = dict(self._members(node))
        project: dict[str, Any] = {
            "slug": slug, "name": name[:200],
            "members": [{"email": email, "role": self._role(email)} for email in people.values()],
            "keys": list(self._keys(project_id, people)),
        }  # fmt: skip
        policies: dict[str, dict[str, Any]] = {}
        project["servers"] = list(self._servers(node["mcp_config_id"], policies))
        project["policies"] = list(policies.values())
        self._share_rules(project, node)
        return project

    def _named(self, node: Node, name: str, slug: str, what: str) -> None:
        if slug == name:
            self.report.mapped(node, f"{what} {slug}")
        else:
            self.report.changed(node, f"{what} {slug}: names in addresses have lower-case letters, digits and hyphens")

    def _members(self, project: Node) -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        for each in project["users"].items():
            email = self.root["users"][each.text()]["email"].text().lower()
            if not _is_address(email):
                self.report.left_out(each, "there is no such user, or none with an e-mail address")
                continue
            self.report.mapped(each, f"member with the role {self._role(email)}")
            if email not in seen:
                seen.add(email)
                yield each.text(), email

    def _role(self, email: str) -> str:
        return "owner" if email == self.owner else "member"

    def _keys(self, project_id: str, people: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        for number, (_, node) in enumerate(self.root["apikeys"].numbered_members()):
            if node["project_id"].text() != project_id:
                continue
            email = people.get(node["user_id"].text())
            if email is None:
                self.report.left_out(node, "its user is no member of the project any more")
                continue
            is_off = node["disabled"].is_on()
            text = "a new key is issued, since this one is in clear" + (", switched off" if is_off else "")
            self.report.changed(node, text, True)
            yield {"user": email, "label": f"imported {number + 1}", "enabled": not is_off}

    # --- servers ----------------------------------------------------------------------------------------

    def _servers(self, config_id: Node, policies: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
        if not config_id.text():
            return
        config = self.root["mcp_configs"][config_id.text()]
        if not config:
            self.report.left_out(config_id, "there is no such configuration")
            return
        self.report.mapped(config_id, "its servers are made in the project")
        self.report.left_out(config["mcp_config_name"], "configurations are projects' own here")
        names = Names("server")
        for node in config["mcp_config"].items():
            server = self._server(node, names, config["common_overrides"], policies)
            if server is not None:
                yield server

    def _server(
        self, node: Node, names: Names, common: Node, policies: dict[str, dict[str, Any]]
    ) -> dict[str, Any] | None:
        name = node["server_name"].text()
        override = self.root["local_server_overrides"][name]
        slug = names.slug(name)
        try:
            how = self._transport(node, override, slug)
        except (NoCommand, NoAddress) as error:
            self.report.left_out(node, f"{slug} is not made: {error}")
            return None
        self._named(node["server_name"], name, slug, "server")
        if node["description"]:
            self.report.left_out(node["description"], "a server describes itself")
        server = {"slug": slug, "review": "trust-first", **how, **self._patience()}
        server["grants"] = self._rules(node, override)
        server |= self.guards.policies_of(node, common, policies)
        for where in (node, override):
            for kind in ("oauth_config", "mcp_oauth"):
                if where[kind].is_on():
                    server["enabled"] = False
                    self.report.left_out(where[kind], "OAuth towards servers is not supported; the server is off")
                elif where[kind]:
                    self.report.left_out(where[kind], "it is off")
        return server

    def _transport(self, node: Node, override: Node, slug: str) -> dict[str, Any]:
        """Raises NoCommand and NoAddress."""
        config = node["config"]
        if config["url"].text():
            return self._remote(config)
        self._refuse_commands(config)
        args = [each.text() for each in config["args"].items()]
        env = {name: str(each.value) for name, each in config["env"].members()}
        template, params = self.templates.template(
            slug, config["command"].text(), args, env, **self._limits(node, override)
        )
        text = f"command template {template}" + ("" if self.trust_commands else ", switched off: look at it first")
        self.report.changed(config["command"], text)
        self.report.mapped(config["args"], "fixed in the template", True)
        self.report.mapped(config["env"], "secret slots of the template", True)
        return {"transport": "stdio", "template": template, "params": params}

    def _refuse_commands(self, config: Node) -> None:
        """Raises NoCommand."""
        if self.root["common_mcp_gateway_config"]["enkrypt_allow_stdio_servers"].value is False:
            raise NoCommand("the file allows no stdio servers")
        if not config["command"].text():
            raise NoCommand("it has neither a command nor an address")

    def _remote(self, config: Node) -> dict[str, Any]:
        """Raises NoAddress."""
        said = config["transport"].text() or config["type"].text() or "http"
        transport = "sse" if said == "sse" else "http"
        for place in ("url", "transport", "type"):
            if config[place]:
                self.report.mapped(config[place], f"transport {transport}")
        headers = {name: str(each.value) for name, each in config["headers"].members()}
        how = remote(transport, config["url"].text(), headers)
        self.report.mapped(config["headers"], "stored sealed", True)
        return how

    def _limits(self, node: Node, override: Node) -> dict[str, int]:
        limits: dict[str, int] = {}
        for where in (override, node):
            sandbox = where["sandbox"]
            if not sandbox:
                continue
            if sandbox.is_on() and (megabytes := _megabytes(sandbox["memory_limit"].text())):
                limits["memory_mb"] = min(max(megabytes, 16), 65_536)
                self.report.mapped(sandbox["memory_limit"], "memory_mb of the template")
            if sandbox.is_on() and isinstance(sandbox["pids_limit"].value, int):
                limits["max_processes"] = min(max(sandbox["pids_limit"].value, 1), 1024)
                self.report.mapped(sandbox["pids_limit"], "max_processes of the template")
            self.report.changed(sandbox, "stdio servers always run confined, in this gateway's own way", True)
        return limits

    def _patience(self) -> dict[str, int]:
        seconds = self.timeout.value
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            return {}
        return {"timeout_seconds": min(max(int(seconds), 1), 3600)}

    # --- who may use what -------------------------------------------------------------------------------

    def _rules(self, node: Node, override: Node) -> list[dict[str, str]]:
        allowed = [name for name, _ in node["tools"].members()]
        denied = [self._denied(each) for where in (node, override) for each in where["denied_tools"].items()]
        self.report.mapped(node["tools"], "allowed alone" if allowed else "everything is allowed", True)
        denies = [rule for rule in denied if rule is not None]
        if any(rule["deny"] == "*" for rule in denies) and allowed:
            # There it denies all but the listed; here a denial always wins, and what nothing allows is denied.
            denies = [rule for rule in denies if rule["deny"] != "*"]
        return [*({"allow": name} for name in allowed or ("*",)), *denies]

    def _denied(self, node: Node) -> dict[str, str] | None:
        pattern = node.text() or node["name"].text()
        if pattern:
            self.report.mapped(node, "denied", True)
        elif node["pattern"].text():
            pattern = node["pattern"].text()
            self.report.changed(node, "denied; there it was not, since `pattern` is not read", True)
        else:
            self.report.left_out(node, "it names no tool")
            return None
        reason = (node["reason"].text() or node["description"].text())[:200]
        return {"deny": pattern, **({"reason": reason} if reason else {})}

    def _share_rules(self, project: dict[str, Any], node: Node) -> None:
        """So that a project with more rules than it may have is as open as it was, where that can be said."""
        servers = project["servers"]
        for server in servers:
            if len(server["grants"]) > MAX_GRANTS:
                self._close(server, node, f"a server has at most {MAX_GRANTS} rules")
        if sum(len(server["grants"]) for server in servers) <= MAX_GRANTS_OF_PROJECT:
            return
        if all({"allow": "*"} in server["grants"] for server in servers):
            project["grants"] = [{"allow": "*"}]
            for server in servers:
                server["grants"].remove({"allow": "*"})
        left = MAX_GRANTS_OF_PROJECT - len(project.get("grants", ()))
        for server in servers:
            if len(server["grants"]) > left:
                self._close(server, node, f"a project has at most {MAX_GRANTS_OF_PROJECT} rules")
            left -= len(server["grants"])

    def _close(self, server: dict[str, Any], node: Node, reason: str) -> None:
        self.report.left_out(node, f"{server['slug']} is granted to nobody: {reason}", False)
        server["grants"], server["enabled"] = [], False

    # --- what is no project's ---------------------------------------------------------------------------

    def _note_unused(self) -> None:
        used = {node["mcp_config_id"].text() for _, node in self.root["projects"].members()}
        for name, node in self.root["mcp_configs"].members():
            if name not in used:
                self.report.left_out(node, "no project uses it")
        members = {each.text() for _, node in self.root["projects"].members() for each in node["users"].items()}
        for name, node in self.root["users"].members():
            if name in members:
                self.report.mapped(node, "a user with that e-mail address, without a password", True)
            else:
                self.report.left_out(node, "member of no project")
        projects = dict(self.root["projects"].members())
        for _, node in self.root["apikeys"].numbered_members():
            if node["project_id"].text() not in projects:
                self.report.left_out(node, "its project is not there")

    def _note_settings(self) -> None:
        report, common = self.report, self.root["common_mcp_gateway_config"]
        report.left_out(self.root["admin_apikey"], "operators have accounts of their own")
        if self.root["enkrypt_config"]:
            report.mapped(self.root["enkrypt_config"], "of the guardrails that ask the provider", True)
        for name, text in _SETTINGS.items():
            if common[name]:
                report.left_out(common[name], text)
        if self.timeout:
            report.mapped(self.timeout, "timeout_seconds of each server")
        report.left_out(common["timeout_settings"], "deadlines are settings of servers and guardrails")
        report.changed(common["sandbox"], "stdio servers always run confined, in this gateway's own way", True)
        if common["enkrypt_allow_stdio_servers"]:
            report.mapped(common["enkrypt_allow_stdio_servers"], "whether stdio servers are made")
        plugins = self.root["plugins"]
        report.left_out(plugins["auth"], _BUILT_IN)
        report.left_out(plugins["guardrails"], "guardrails are chosen by policies")
        report.left_out(plugins["telemetry"], "OTEL_* and /metrics are settings of the installation")


def read(raw: Any, *, trust_commands: bool = False, owner: str = "") -> tuple[dict[str, Any], Report]:
    """The declaration as plain data, and what became of each part. `owner` is the address of who owns the projects.

    Raises ValueError for what is not such a file.
    """
    if not isinstance(raw, dict) or not isinstance(raw.get("projects"), dict):
        raise ValueError("it has no projects")
    importing = _Import(Node(raw), trust_commands, owner.lower())
    return importing.declare(), importing.report


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def _megabytes(text: str) -> int | None:
    units = {"k": 1 / 1024, "m": 1, "g": 1024}
    number, unit = text[:-1], text[-1:].lower()
    return int(float(number) * units[unit]) if unit in units and number.replace(".", "", 1).isdigit() else None
