"""What the first page says, as plain texts, numbers and addresses, for whoever looks at it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from audit import figures
from audit.figures import ANSWERED, ERRORS, REFUSED, Figures, Numbers, Window
from gateway_site.lib.display import visible
from projects import opening
from projects.access import Reach, slugs_of
from projects.choosing import Offered, offered_within
from projects.models import Project
from projects.pages import reach_of
from projects.permissions import AUDIT_READ, CONFIG_READ
from servers.dashboard import health, steps
from servers.dashboard.health import ServerHealth
from servers.dashboard.numbers import CALL, Figure, Log, count, few_of, moment
from servers.dashboard.steps import Step

DEFAULT_WINDOW = "24h"
_TOOLS = 10
_PROJECTS = 20
_TOOL_CALL = {"kind": CALL, "method": "tools/call"}


@dataclass(frozen=True, slots=True)
class Row:
    """What one tool or project has to say of its calls."""

    name: str
    figures: list[Figure]
    address: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute, hour or day of the window; heights in percent of the highest, with what it leads to."""

    at: str
    calls: int
    height: int
    bad: int
    address: str

    @property
    def top(self) -> int:
        """How far from above it begins."""
        return 100 - self.height

    @property
    def bad_top(self) -> int:
        return 100 - self.bad


@dataclass(frozen=True, slots=True)
class Board:
    """`figures` are empty for who may read no log, `servers` for who may read no configuration."""

    project: str
    window: str
    since: str
    windows: list[tuple[str, str]]
    projects: Offered
    figures: list[Figure] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    tools: list[Row] = field(default_factory=list)
    of_projects: list[Row] = field(default_factory=list)
    servers: list[ServerHealth] = field(default_factory=list)
    more_servers: int = 0
    waiting: int = 0
    waiting_address: str = ""
    steps: list[Step] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def board_of(request: HttpRequest) -> Board:
    """Raises Http404 for a project that the address names and the person may see nothing of."""
    readers, configured = reach_of(request, AUDIT_READ), reach_of(request, CONFIG_READ)
    either = Reach(readers.is_all or configured.is_all, readers.projects | configured.projects)
    project = opening.chosen_project(request, either)
    window = figures.WINDOWS.get(request.GET.get("window", ""), figures.WINDOWS[DEFAULT_WINDOW])
    now = timezone.now()
    found = _figures(project, readers, window, now)
    log = Log(project.slug if project else "", window.since(now))
    state = health.state_of(request, project, found, log)
    return Board(
        project=project.slug if project else "",
        window=window.name,
        since=f"{window.since(now):%Y-%m-%d %H:%M} UTC",
        windows=[(each.name, each.label) for each in figures.WINDOWS.values()],
        projects=offered_within(either),
        **_shown(project, readers, window, now, found, log),
        servers=state.servers,
        more_servers=state.more,
        waiting=state.waiting,
        waiting_address=state.waiting_address,
        steps=steps.steps_of(request, project, either, state, found.all.calls if found else None),
    )


def _figures(project: Project | None, readers: Reach, window: Window, now: datetime) -> Figures | None:
    """None for who may not read the log of what was chosen."""
    if project is not None:
        return figures.read([project.pk], window, now, _TOOLS) if readers.has(project.pk) else None
    return figures.totals(_refs(readers), window, now) if readers else None


def _refs(readers: Reach) -> list[int] | None:
    return None if readers.is_all else sorted(readers.projects)


def _shown(
    project: Project | None, readers: Reach, window: Window, now: datetime, found: Figures | None, log: Log
) -> dict[str, Any]:
    if found is None:
        return {}
    bars = figures.series([project.pk] if project else _refs(readers), window, now)
    return {
        "figures": _of_all(found, log),
        "bars": _bars(bars, log, window),
        "tools": [_of_tool(each, log) for each in found.tools],
        "of_projects": [] if project else _of_projects(readers, window, now),
    }


def _of_all(found: Figures, log: Log) -> list[Figure]:
    number, calls = found.all, {"kind": CALL}
    answered = log.address(**_TOOL_CALL, decision=",".join(ANSWERED))
    return [
        Figure("calls", "Calls", count(number.calls), log.address(**calls)),
        Figure(
            "refused", "Not let through", count(number.refused), log.address(**calls, decision=",".join(REFUSED)),
            [Figure("blocked_in", "blocked going in", count(number.blocked_in),
                    log.address(**calls, reason="blocked_input")),
             Figure("blocked_out", "blocked coming back", count(number.blocked_out),
                    log.address(**calls, reason="blocked_output"))],
        ),
        Figure("errors", "Errors", count(number.errors), log.address(**calls, decision=",".join(ERRORS))),
        Figure("p50", "Half of the tool calls took at most", took(found.quantile(0.5)), answered),
        Figure("p95", "95 % of them at most", took(found.quantile(0.95)), answered),
    ]  # fmt: skip


def _of_tool(number: Numbers, log: Log) -> Row:
    server, tool = number.name
    return Row(f"{server}/{visible(tool)}", few_of(number, log, {**_TOOL_CALL, "server": server, "subject": tool}))


def _of_projects(readers: Reach, window: Window, now: datetime) -> list[Row]:
    found = figures.by_project(_refs(readers), window, now, _PROJECTS)
    slugs, rows = slugs_of(readers, found), []
    for ref, number in found.items():
        if ref in slugs:
            slug = slugs[ref]
            address = f"{reverse('admin:index')}?{urlencode({'project': slug, 'window': window.name})}"
            rows.append(Row(slug, few_of(number, Log(slug, window.since(now)), {"kind": CALL}), address))
    return rows


def _bars(numbers: list[Numbers], log: Log, window: Window) -> list[Bar]:
    highest = max((each.calls for each in numbers), default=0)
    bars = []
    for each in numbers:
        at = datetime.fromisoformat(each.name[0])
        bad = each.refused + each.errors
        bars.append(Bar(
            f"{at:%Y-%m-%d %H:%M} UTC", each.calls, _percent(each.calls, highest), _percent(bad, highest),
            log.address(kind=CALL, **{"from": moment(at), "to": moment(figures.end_of_span(at, window.span))}),
        ))  # fmt: skip
    return bars


def _percent(part: int, whole: int) -> int:
    """Something that is there is seen."""
    return max(1, round(100 * part / whole)) if part and whole else 0


def took(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "–"
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:,.1f} s"
    return f"{milliseconds:,.0f} ms" if milliseconds >= 10 else f"{milliseconds:,.1f} ms"
