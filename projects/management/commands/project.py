"""`manage.py project`: tenants."""

from __future__ import annotations

from typing import Any

from projects import services
from projects.commanding import YES, NounCommand, argument, changes, find_project, verb
from projects.models import PayloadLevel, Project

_ONE = argument("project", help="Its slug or id.")


class Command(NounCommand):
    noun = "project"
    help = "Projects, the tenants."

    @verb("All projects.")
    def list_(self) -> Any:
        return [_shown(project) for project in Project.objects.all()]

    @verb("One project.", _ONE)
    def show(self, project: str) -> Any:
        return _shown(find_project(project))

    @verb("Makes a project.", argument("slug"), argument("--name", default=""))
    def create(self, slug: str, name: str) -> Any:
        return _shown(services.create_project(slug=slug, name=name))

    @verb("Changes a project.", _ONE, argument("--name"), argument("--slug", help="Changes its addresses."),
          argument("--payloads", choices=PayloadLevel.values, help="What the log keeps of what calls send and get."),
          argument("--keep-months", type=int, help="Whole months that the log is kept; 0 is for ever."))  # fmt: skip
    def update(self, project: str, **given: Any) -> Any:
        return _shown(services.update_project(project=find_project(project), **changes(**given)))

    @verb("Lets a project's calls through again.", _ONE)
    def enable(self, project: str) -> Any:
        return _shown(services.update_project(project=find_project(project), enabled=True))

    @verb("Refuses every call of a project.", _ONE)
    def disable(self, project: str) -> Any:
        return _shown(services.update_project(project=find_project(project), enabled=False))

    @verb("Deletes a project with its servers, members and keys.", _ONE, YES)
    def delete(self, project: str, yes: bool) -> Any:
        found = find_project(project)
        self.confirm(f"Delete {found.slug} with all that it has?", yes)
        shown = _shown(found)
        services.delete_project(project=found)
        return shown


def _shown(project: Project) -> dict[str, Any]:
    return {"id": project.pk, "slug": project.slug, "name": project.name, "enabled": project.enabled,
            "payloads": str(project.payloads), "keep_months": project.keep_months}  # fmt: skip
