"""Operations: each names its action, and runs as its caller, in its project and in nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any, TypeVar

from ninja import Router

from gateway_site.lib.actor import acting_as
from projects.models import Project
from projects.rest.once import once
from projects.rest.problems import Fault, Problem
from projects.rest.requests import RestRequest
from projects.scoping import within

V = TypeVar("V", bound=Callable[..., Any])
_IN_PROJECT = "{project}"
# What the OpenAPI document says of an operation is made from these (projects.rest.document).
TRAITS = "x-gateway"


class Routes:
    """The operations of one subject. Paths with `{project}` are about that project, all others about the gateway.

    A caller who cannot see the project is told the same as of one that there is not.
    """

    def __init__(self, tag: str) -> None:
        self.router = Router(tags=[tag])

    def get(
        self, path: str, action: str | None, answer: Any, *, tagged: bool = False, archive: bool = False
    ) -> Callable[[V], V]:
        """`action` None is for what every live token may. `tagged` answers have an ETag, an `archive` is a ZIP file."""
        return self._add("GET", path, action, answer, 200, tagged=tagged, archive=archive)

    def post(
        self, path: str, action: str, answer: Any, status: int = 201, *, kept: bool = True, tagged: bool = False
    ) -> Callable[[V], V]:
        """`kept` answers are given again to the same Idempotency-Key.

        Operations that change nothing keep none, and neither do those after which nothing may be left.
        """
        return self._add("POST", path, action, answer, status, kept=kept, tagged=tagged)

    def patch(self, path: str, action: str, answer: Any, *, matched: bool = False) -> Callable[[V], V]:
        """`matched` operations ask for If-Match."""
        return self._add("PATCH", path, action, answer, 200, matched=matched)

    def put(self, path: str, action: str, answer: Any, *, matched: bool = False) -> Callable[[V], V]:
        return self._add("PUT", path, action, answer, 200, matched=matched)

    def delete(self, path: str, action: str, *, matched: bool = False) -> Callable[[V], V]:
        return self._add("DELETE", path, action, None, 204, matched=matched)

    def _add(
        self, method: str, path: str, action: str | None, answer: Any, status: int, **traits: bool
    ) -> Callable[[V], V]:
        def add(view: V) -> V:
            guarded = _guard(view, action, status if traits.get("kept") else None, _IN_PROJECT in path)
            self.router.api_operation(
                [method], path, response={status: answer}, operation_id=view.__name__, summary=_summary(view),
                description=(view.__doc__ or "").strip(),
                openapi_extra={TRAITS: {"action": action, **traits}},
            )(guarded)  # fmt: skip
            return view

        return add


def _summary(view: Callable[..., Any]) -> str:
    return view.__name__.replace("_", " ").capitalize()


def _guard(view: Callable[..., Any], action: str | None, kept: int | None, in_project: bool) -> Callable[..., Any]:
    """`kept` is the status under which the answer is kept, if it is."""

    @wraps(view)
    def run(request: RestRequest, **values: Any) -> Any:
        _check_parameters(request, run)
        caller = request.auth
        project = _project(request, values["project"]) if in_project else None
        with acting_as(caller.actor), within([project.pk]) if project else nullcontext():
            if action is not None and not (caller.may(action, project) if project else caller.may_outside(action)):
                raise Problem("forbidden", action=action)
            if kept is not None:
                return once(request, kept, lambda: view(request, **values))
            return view(request, **values)

    # The library would look the annotations up here, and not where the view was written.
    run.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]  # as inspect documents it
    return run


def _project(request: RestRequest, slug: str) -> Project:
    project = Project.objects.filter(slug=slug).first()
    if project is None or not request.auth.sees(project):
        raise Problem("not-found")
    request.project = project
    return project


def _check_parameters(request: RestRequest, run: Any) -> None:
    """A filter that is misspelt must not show everything."""
    known: set[str] = set()
    for model in run._ninja_operation.models:
        if model.__ninja_param_source__ == "query":
            known |= set(model.__ninja_flatten_map__)
    faults = [Fault(at=name[:100], message="There is no such parameter.", code="extra_forbidden")
              for name in request.GET if name not in known]  # fmt: skip
    faults += [Fault(at=name, message="Give it once.") for name in known if len(request.GET.getlist(name)) > 1]
    if faults:
        raise Problem("invalid-request", errors=faults)
