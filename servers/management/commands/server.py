"""`manage.py server`: upstreams of projects, and the operator's command templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from gateway_site.lib.references import resolve
from guardrails.models import Policy
from projects.commanding import (
    PROJECT,
    REFUSED,
    USAGE,
    YES,
    NounCommand,
    argument,
    changes,
    find,
    find_project,
    secret,
    verb,
)
from projects.models import Project
from projects.scoping import with_project
from servers import services, trying
from servers.models import CommandTemplate, Review, Server, Transport

_ONE = argument("server", help="Its slug or id.")
_REFERENCE = "NAME=REFERENCE, where the reference is env:VARIABLE or file:PATH"
_CHANGES = (
    argument("--timeout-seconds", type=int),
    argument("--review", choices=Review.values),
    argument("--discovery-seconds", type=int),
    argument("--input-policy", metavar="SLUG"),
    argument("--output-policy", metavar="SLUG"),
    argument("--header", action="append", metavar="NAME=REF", help=f"All headers anew: {_REFERENCE}."),
    argument("--param", action="append", metavar="NAME=VALUE", help="All slots of the template anew."),
)


class Command(NounCommand):
    noun = "server"
    help = "Servers of projects, and command templates."

    @verb("All servers of a project.", PROJECT)
    def list_(self, project: str | None) -> Any:
        with with_project(find_project(project).pk):
            return [_shown(row) for row in Server.objects.select_related("template")]

    @verb("One server.", _ONE, PROJECT)
    def show(self, server: str, project: str | None) -> Any:
        return _whole(_find(find_project(project), server))

    @verb("Makes a server; nobody may use it before it is granted.", argument("slug"), argument("--url", default=""),
          argument("--transport", choices=Transport.values, default=Transport.HTTP.value),
          argument("--template", metavar="SLUG"), *_CHANGES, PROJECT)  # fmt: skip
    def create(
        self, slug: str, url: str, transport: str, template: str | None, project: str | None, header: list[str] | None,
        param: list[str] | None, **given: Any,
    ) -> Any:  # fmt: skip
        found = find_project(project)
        row = services.new_server(project=found, slug=slug, url=url, transport=transport, **_fields(found, **given))
        row.template = _template(template) if template is not None else None
        headers, params = _headers(header) or {}, _params(row, param) or {}
        return _whole(services.save_server(server=row, headers=headers, params=params))

    @verb("Changes a server.", _ONE, argument("--url"), *_CHANGES, PROJECT)
    def update(
        self, server: str, url: str | None, project: str | None, header: list[str] | None, param: list[str] | None,
        **given: Any,
    ) -> Any:  # fmt: skip
        row = _find(find_project(project), server)
        secrets = {"header": header, "param": param}
        wanted = changes(url=url, **_fields(row.project, **given), **secrets)
        for name, value in wanted.items():
            if name not in secrets:
                setattr(row, name, value)
        return _whole(services.save_server(server=row, headers=_headers(header), params=_params(row, param)))

    @verb("Lets calls to a server through again.", _ONE, PROJECT)
    def enable(self, server: str, project: str | None) -> Any:
        return self._switch(_find(find_project(project), server), True)

    @verb("Refuses calls to a server.", _ONE, PROJECT)
    def disable(self, server: str, project: str | None) -> Any:
        return self._switch(_find(find_project(project), server), False)

    @verb("Has a server's lists read now; gives the job.", _ONE, PROJECT)
    def discover(self, server: str, project: str | None) -> Any:
        job = services.rediscover(server=_find(find_project(project), server))
        return {"job": job.pk, "state": str(job.state)}

    @verb("Whether a server answers, and what it lists; changes nothing.", _ONE, PROJECT)
    def test(self, server: str, project: str | None) -> Any:
        trial = trying.try_server(server=_find(find_project(project), server))
        if trial.error:
            raise CommandError(f"It does not answer: {trial.error}.", returncode=REFUSED)
        eras = {era: dict(Counter(str(each.kind) for each in found.entries)) for era, found in trial.found.eras.items()}
        return {"milliseconds": trial.milliseconds, "eras": eras}

    @verb("Deletes a server with its rules and what is known of it.", _ONE, PROJECT, YES)
    def delete(self, server: str, project: str | None, yes: bool) -> Any:
        row = _find(find_project(project), server)
        self.confirm(f"Delete {row} with all that is decided on its tools?", yes)
        shown = _shown(row)
        services.delete_server(server=row)
        return shown

    @verb("The command templates; `apply` makes them.")
    def templates(self) -> Any:
        return [_recipe(row) for row in CommandTemplate.objects.all()]

    @verb("Switches a template on: its command may run on this machine.", argument("template"))
    def enable_template(self, template: str) -> Any:
        return self._switch_template(_template(template), True)

    @verb("Switches a template off, with the servers that use it.", argument("template"))
    def disable_template(self, template: str) -> Any:
        return self._switch_template(_template(template), False)

    @verb("Deletes a template that no server uses.", argument("template"), YES)
    def delete_template(self, template: str, yes: bool) -> Any:
        row = _template(template)
        self.confirm(f"Delete the template {row}?", yes)
        shown = _recipe(row)
        services.delete_template(template=row)
        return shown

    def _switch(self, row: Server, enabled: bool) -> dict[str, Any]:
        services.set_server_enabled(server=row, enabled=enabled)
        return _shown(row)

    def _switch_template(self, row: CommandTemplate, enabled: bool) -> dict[str, Any]:
        row.enabled = enabled
        return _recipe(services.save_template(template=row))


def find_server(project: Project, text: str) -> Server:
    """Raises NotFound."""
    with with_project(project.pk):
        rows = Server.objects.select_related("project", "template", "input_policy", "output_policy")
        return find(rows, text, "server")


_find = find_server


def _template(text: str) -> CommandTemplate:
    return find(CommandTemplate.objects.all(), text, "command template")


def _fields(project: Project, *, input_policy: str | None, output_policy: str | None, **given: Any) -> dict[str, Any]:
    found = {name: value for name, value in given.items() if value is not None}
    with with_project(project.pk):
        for name, slug in (("input_policy", input_policy), ("output_policy", output_policy)):
            if slug is not None:
                found[name] = find(Policy.objects.all(), slug, "policy")
    return found


def _headers(given: list[str] | None) -> dict[str, str] | None:
    """Raises CommandError for values that stand in the command itself, where everybody on the machine can read them."""
    return None if given is None else {name: secret(name, value) for name, value in _pairs(given)}


def _params(row: Server, given: list[str] | None) -> dict[str, str] | None:
    """Raises CommandError like _headers, for slots that are secret."""
    if given is None:
        return None
    slots = row.template.params if row.template else {}
    return {name: secret(name, value) if slots.get(name, {}).get("secret") else resolve(value)
            for name, value in _pairs(given)}  # fmt: skip


def _pairs(given: list[str]) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise CommandError(f"{name}: give NAME=VALUE.", returncode=USAGE)
        yield name, value


def _shown(row: Server) -> dict[str, Any]:
    return {
        "id": row.pk, "slug": row.slug, "transport": str(row.transport), "url": row.url,
        "template": row.template.slug if row.template else None, "enabled": row.enabled, "review": str(row.review),
        "read_at": row.discovered_at, "error": row.discovery_error,
    }  # fmt: skip


def _whole(row: Server) -> dict[str, Any]:
    """Of what is secret only the names."""
    return {
        **_shown(row), "timeout_seconds": row.timeout_seconds, "discovery_seconds": row.discovery_seconds,
        "input_policy": row.input_policy.slug if row.input_policy else None,
        "output_policy": row.output_policy.slug if row.output_policy else None, "params": row.params,
        "secret": sorted(name for kind in row.secrets.values() for name in kind),
    }  # fmt: skip


def _recipe(row: CommandTemplate) -> dict[str, Any]:
    return {"id": row.pk, "slug": row.slug, "executable": row.executable, "args": row.args, "slots": sorted(row.params),
            "enabled": row.enabled}  # fmt: skip
