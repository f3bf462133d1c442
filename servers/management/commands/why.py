"""`manage.py why`: says in a sentence whether a key or a person may use something, and why."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from projects.models import ApiKey, Project, User
from projects.scoping import with_project
from servers import services
from servers.models import Tool
from servers.texts import visible


class Command(BaseCommand):
    help = "Says whether a key or a person may use a tool, prompt or resource, and why, from what is stored now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Its slug.")
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--key", help="The visible id of a key, as in mgw_<id>.")
        who.add_argument("--user", help="The e-mail address of a member, with a key that has no limits.")
        parser.add_argument("--server", required=True, help="Its slug.")
        what = parser.add_mutually_exclusive_group()
        for kind in Tool.Kind.values:
            what.add_argument(f"--{kind}", help="Its name or address at the server; none lists what may be used.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']}.")
        kind = next((kind for kind in Tool.Kind.values if options[kind]), Tool.Kind.TOOL.value)
        who, name = _find(project, options), options[kind] or ""
        reply = services.why(project=project, who=who, server=options["server"], kind=kind, name=name)
        if options["json"]:
            usable = [{"kind": each.kind, "name": each.name} for each in reply.usable]
            answer = {"allowed": reply.decision.allowed, "why": reply.decision.why, "usable": usable}
            self.stdout.write(json.dumps(answer))
            return
        self.stdout.write(f"{'yes' if reply.decision.allowed else 'no'}: {visible(reply.decision.why)}")
        if not name and reply.decision.allowed:
            for offered in reply.usable:
                self.stdout.write(f"  {offered.kind} {visible(offered.name)}")


def _find(project: Project, options: dict[str, Any]) -> ApiKey | User:
    """Raises CommandError."""
    with with_project(project.pk):
        if options["key"]:
            key_id = options["key"].removeprefix("mgw_")
            found: ApiKey | User | None = ApiKey.objects.select_related("user").filter(key_id=key_id).first()
        else:
            found = User.objects.filter(email=options["user"].lower()).first()
    if found is None:
        raise CommandError("The project has no such key." if options["key"] else "There is no such person.")
    return found
