"""A configuration of the reference system, made by hand in its shape (2.2), and larger ones made of it."""

from __future__ import annotations

import copy
import sys
from typing import Any

KEY, OFF_KEY, GONE_KEY = ("canary-gateway-key-on", "canary-gateway-key-off", "canary-gateway-key-gone")
SECRETS = (KEY, OFF_KEY, GONE_KEY, "canary-admin", "canary-enkrypt", "canary-env", "canary-header", "canary-oauth")


def guards(name: str, *block: str, **more: Any) -> dict[str, Any]:
    return {"enabled": True, "guardrail_name": name, "block": list(block), "additional_config": more}


OFF = {"enabled": False, "guardrail_name": "none", "block": ["pii"], "additional_config": {}}


def document() -> dict[str, Any]:
    """Every kind of part, and some that nobody knows."""
    return {
        "admin_apikey": "canary-admin",
        "enkrypt_config": {"api_key": "canary-enkrypt", "base_url": "https://api.enkryptai.com"},
        "_doc_of_something": "A comment.",
        "common_mcp_gateway_config": {
            "enkrypt_log_level": "INFO", "enkrypt_tool_cache_expiration": 4, "enkrypt_allow_stdio_servers": True,
            "timeout_settings": {"tool_execution_timeout": 120, "default_timeout": 90}, "surprise": {"deep": [1]},
        },
        "plugins": {"auth": {"provider": "local_apikey", "config": {}}, "telemetry": {"provider": "otel"}},
        "mcp_configs": {
            "cfg-1": {
                "mcp_config_name": "main",
                "common_overrides": {"server_tools_guardrails_config": guards("Registration", "injection_attack")},
                "mcp_config": [
                    {
                        "server_name": "Echo Server", "description": "Says it again.",
                        "config": {"command": "python", "args": ["echo.py", "--x={y}"],
                                   "env": {"API_TOKEN": "canary-env"}},
                        "tools": {"echo": "Says it.", "read_file": "Reads."},
                        "denied_tools": ["*", {"name": "delete_*", "reason": "never"}, {"pattern": "drop_*"}, {}],
                        "sandbox": {"enabled": True, "memory_limit": "256m", "pids_limit": 10, "image": "python:3.11"},
                        "input_guardrails_config": guards(
                            "Sent", "injection_attack", "pii", "no_such_detector", pii_redaction=True
                        ),
                        "output_guardrails_config": guards(
                            "Returned", "toxicity", relevancy=True, relevancy_threshold=0.6, hallucination=False
                        ),
                    },
                    {
                        "server_name": "remote", "description": "",
                        "config": {"type": "http", "url": "https://mcp.example.com/mcp",
                                   "headers": {"Authorization": "Bearer canary-header",
                                               "X-From": "file:/etc/hostname"}},
                        "tools": {}, "denied_tools": ["delete_*"],
                        "input_guardrails_config": OFF, "output_guardrails_config": OFF,
                    },
                    {
                        "server_name": "old", "config": {"url": "https://old.example.com/sse", "transport": "sse"},
                        "oauth_config": {"enabled": True, "OAUTH_CLIENT_SECRET": "canary-oauth"}, "odd": True,
                    },
                    {"server_name": "nowhere", "config": {"command": "no-such-command-anywhere", "args": []}},
                    {"server_name": "inside", "config": {"url": "http://169.254.169.254/mcp"}},
                ],
            },
            "cfg-2": {"mcp_config_name": "nobody's", "mcp_config": []},
        },
        "projects": {
            "p-1": {"project_name": "My Project", "mcp_config_id": "cfg-1", "users": ["u-1", "u-2", "u-9"],
                    "created_at": "2025-01-01T00:00:00"},
        },
        "users": {"u-1": {"email": "Ada@acme.test"}, "u-2": {"email": "bob@acme.test"},
                  "u-3": {"email": "eve@acme.test"}},
        "apikeys": {
            KEY: {"project_id": "p-1", "user_id": "u-1"},
            OFF_KEY: {"project_id": "p-1", "user_id": "u-2", "disabled": True},
            GONE_KEY: {"project_id": "p-1", "user_id": "u-3"},
        },
        "local_server_overrides": {"remote": {"denied_tools": [{"name": "secret_*", "reason": "local"}]}},
    }  # fmt: skip


def large(projects: int, servers: int, people: int) -> dict[str, Any]:
    """`servers` of each project, half of them commands."""
    made = document()
    made["mcp_configs"], made["projects"], made["users"], made["apikeys"] = {}, {}, {}, {}
    made["local_server_overrides"] = {}
    for number in range(projects):
        kinds = [_server(number, place) for place in range(servers)]
        made["mcp_configs"][f"c{number}"] = {"mcp_config_name": f"config {number}", "mcp_config": kinds}
        users = [f"u{number}-{place}" for place in range(people)]
        made["users"] |= {user: {"email": f"{user}@large.test"} for user in users}
        made["apikeys"] |= {f"key-of-{user}": {"project_id": f"p{number}", "user_id": user} for user in users}
        made["projects"][f"p{number}"] = {
            "project_name": f"Project {number}", "mcp_config_id": f"c{number}", "users": users,
        }  # fmt: skip
    return made


def _server(project: int, place: int) -> dict[str, Any]:
    config: dict[str, Any] = {"url": f"https://s{place}.p{project}.example.com/mcp"}
    if place % 2:
        config = {"command": sys.executable, "args": ["-m", "server", str(place % 10)], "env": {"TOKEN": f"t{place}"}}
    return copy.deepcopy({"server_name": f"server {place}", "config": config, "tools": {}, "denied_tools": ["rm_*"],
                          "input_guardrails_config": guards("Sent", "pii")})  # fmt: skip
