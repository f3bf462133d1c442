"""One event with all that belongs to its call: intent, parts and outcome, what was found, and what can be done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse

from audit import payloads
from audit.models import Event
from audit.pages.links import links_of
from audit.payloads import Absent, Erased, Opened
from gateway_site.lib.display import visible
from projects.access import Reach
from projects.models import User
from projects.pages import reach_of
from projects.permissions import CONFIG_WRITE

_MAX_LINES = 50
_MAX_FINDINGS = 200
_SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Event", ("at", "kind", "project", "subject", "decision", "reason")),
    ("Who", ("actor_kind", "actor", "actor_id", "session")),
    ("Call", ("server", "method", "call_id", "request_id", "trace_id")),
    ("Record", ("ord", "id", "project_ref", "server_ref", "policy_version", "payload_ref", "payload_digest")),
)
_COMPARED = (
    "at", "after_first", "server", "decision", "reason", "http_status", "rpc_code", "upstream_status", "bytes_in",
    "bytes_out", "duration_us", "policy_version", "params_digest", "result_digest",
)  # fmt: skip


def show(request: HttpRequest, reach: Reach, context: dict[str, Any], shown: Event) -> HttpResponse:
    return _page(request, context, shown, None)


def _page(
    request: HttpRequest, context: dict[str, Any], shown: Event, opened: Opened | Erased | Absent | None
) -> HttpResponse:
    lines = lines_of(shown)
    return TemplateResponse(
        request,
        "admin/audit/event/event.html",
        {
            **context,
            "title": str(visible(str(shown))),
            "event": shown,
            "sections": [
                (title, [(name.replace("_", " "), visible(_text(shown, name))) for name in names])
                for title, names in _SECTIONS
            ],
            "call": _call(lines) if shown.call_id is not None else None,
            "findings": list(findings_of(lines))[:_MAX_FINDINGS],
            "failures": list(failures_of(lines))[:_MAX_FINDINGS],
            "detail": visible(json.dumps(shown.detail, indent=2, ensure_ascii=False)),
            "links": list(links_of(shown)) if reach_of(request, CONFIG_WRITE).has(shown.project_ref) else [],
            "payload": _payload(opened),
        },
    )


def lines_of(shown: Event) -> list[Event]:
    """The lines of its call in their order, or itself alone."""
    if shown.call_id is None:
        return [shown]
    return list(
        Event.objects.filter(call_id=shown.call_id, project_ref=shown.project_ref).order_by("ord")[:_MAX_LINES]
    )


def _call(lines: list[Event]) -> dict[str, Any]:
    first = lines[0].at if lines else None
    rows = []
    for name in _COMPARED:
        if name == "after_first":
            values = [f"+{(line.at - first).total_seconds() * 1000:,.1f} ms" for line in lines if first]
        else:
            values = [visible(_text(line, name)) for line in lines]
        if any(values):
            rows.append((_LABELS.get(name, name.replace("_", " ")), values))
    return {"lines": lines, "rows": rows, "has_outcome": any(line.kind == "mcp.call.outcome" for line in lines)}


_LABELS = {"after_first": "after the intent", "duration_us": "took", "bytes_in": "bytes in", "bytes_out": "bytes out"}


def _text(event: Event, name: str) -> str:
    value = getattr(event, name)
    if value is None:
        return ""
    if name == "at":
        return f"{value:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
    if name == "duration_us":
        return f"{value / 1000:,.1f} ms"
    return f"{value:,}" if name in ("bytes_in", "bytes_out") else str(value)


def findings_of(lines: list[Event]) -> Iterator[dict[str, str]]:
    """Codes and places; the log has no text that was found, and nothing here could show one."""
    for about, report in _reports(lines):
        for found in _lists(report, "findings", 5):
            detector, category, score, pointer, action = found[:5]
            yield {**about, "detector": visible(str(detector)), "category": visible(str(category)),
                   "score": str(score), "pointer": visible(str(pointer)), "action": visible(str(action))}  # fmt: skip


def failures_of(lines: list[Event]) -> Iterator[dict[str, str]]:
    """Checks that could not be made, and what that came to."""
    for about, report in _reports(lines):
        for failed in _lists(report, "failures", 3):
            yield {**about, "detector": visible(str(failed[0])), "cause": visible(str(failed[1])),
                   "action": visible(str(failed[2]))}  # fmt: skip


def _reports(lines: list[Event]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    for line in lines:
        reports = line.detail.get("guardrails") if isinstance(line.detail, dict) else None
        for report in reports if isinstance(reports, list) else ():
            if isinstance(report, dict):
                policy = f"{report.get('policy', '')} {report.get('policy_version', '')}".strip()
                yield {"direction": visible(str(report.get("direction", ""))), "policy": visible(policy)}, report


def _lists(report: dict[str, Any], name: str, least: int) -> Iterator[list[Any]]:
    listed = report.get(name)
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, list) and len(each) >= least:
            yield each


def show_with_payload(request: HttpRequest, reach: Reach, context: dict[str, Any], shown: Event) -> HttpResponse:
    """The same with what the call sent or got, opened now. That it was read goes on record, so no link does it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not isinstance(request.user, User):
        raise PermissionDenied
    return _page(request, context, shown, payloads.open_payload(event=shown, reader=request.user))


def _payload(opened: Opened | Erased | Absent | None) -> dict[str, str]:
    """Texts for the page."""
    if isinstance(opened, Opened):
        content = json.dumps(opened.content, indent=2, ensure_ascii=False)
        return {"text": f"Kept at the level {opened.level!r}.", "content": visible(content)}
    if isinstance(opened, Erased):
        when = f" on {opened.at:%Y-%m-%d %H:%M} UTC" if opened.at else ""
        return {"text": f"Erased{when}: the key of its person was destroyed."}
    return {"text": f"There is nothing to show: {opened.reason}."} if isinstance(opened, Absent) else {}
