"""What the navigation holds, grouped by what people do. A new page is one line here."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest

from projects.access import roles_at
from projects.navigation import Entry, Group
from projects.pages import is_operator, reach_of
from projects.permissions import AUDIT_READ, CONFIG_READ, CONFIG_WRITE, KEYS_ALL, MCP_CALL
from servers.review_pages import number_waiting


def may(action: str) -> Callable[[HttpRequest], bool]:
    """Whoever may do it in any project."""
    return lambda request: bool(reach_of(request, action))


def everyone(request: HttpRequest) -> bool:
    return True


def has_part(request: HttpRequest) -> bool:
    """Whoever operates the gateway or is in a project of it."""
    return is_operator(request) or bool(roles_at(request))


GROUPS = (
    Group("Overview", (
        Entry("Dashboard", "dashboard", "admin:index", may=everyone),
        Entry("Get started", "rocket_launch", "servers-start", may=may(CONFIG_READ)),
    )),
    Group("Servers & tools", (
        Entry("Servers", "dns", "admin:servers_server_changelist"),
        Entry("Tools", "build", "admin:servers_tool_changelist"),
        Entry("Waiting for review", "rate_review", "servers-inbox", may=may(CONFIG_WRITE), badge=number_waiting,
              brings="servers-inbox-count"),
        Entry("Playground", "play_circle", "playground", may=may(MCP_CALL)),
        Entry("Rules", "rule", "admin:servers_grant_changelist"),
        Entry("Why, or why not?", "help", "admin:servers_grant_why", may=may(KEYS_ALL)),
        Entry("Overlays", "layers", "admin:servers_overlay_changelist"),
        Entry("Command templates", "terminal", "admin:servers_commandtemplate_changelist"),
    )),
    Group("Policies", (
        Entry("Policies", "policy", "admin:guardrails_policy_changelist"),
        Entry("Try a text", "science", "admin:guardrails_policy_bench", may=may(CONFIG_READ)),
        Entry("False positives", "thumb_down", "admin:guardrails_findingexception_changelist"),
        Entry("Floor guardrails", "foundation", "admin:guardrails_floorguardrail_changelist"),
        Entry("Policy versions", "history", "admin:guardrails_policyversion_changelist"),
    )),
    Group("People & keys", (
        Entry("Projects", "workspaces", "admin:projects_project_changelist"),
        Entry("Members", "group", "admin:projects_membership_changelist"),
        Entry("API keys", "key", "admin:projects_apikey_changelist"),
        Entry("Users", "person", "admin:projects_user_changelist"),
    )),
    Group("Audit", (
        Entry("Events", "receipt_long", "admin:audit_event_changelist"),
        Entry("Live tail", "monitoring", "admin:audit_event_tail", may=may(AUDIT_READ)),
        Entry("Exports", "download", "admin:audit_export_changelist"),
        Entry("Export schedules", "schedule", "admin:audit_exportschedule_changelist"),
        Entry("Forwarders", "forward", "admin:audit_forwarder_changelist"),
        Entry("Dead letters", "unsubscribe", "admin:audit_deadletter_changelist"),
        Entry("People with payloads", "folder_managed", "admin:audit_subjectkey_changelist"),
    )),
    Group("Operations", (
        Entry("Jobs", "work_history", "admin:projects_job_changelist"),
        Entry("REST tokens", "token", "admin:tokens", may=has_part),
        Entry("REST interface", "api", "rest:openapi-view", may=everyone),
    )),
)  # fmt: skip
