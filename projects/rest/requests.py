"""A request to REST as operations see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

from projects.models import Project
from projects.tokens import Caller

ROOT = "/api/"


def is_rest(path: str) -> bool:
    """Whether the address is one of REST, or its root without the slash."""
    return path.startswith(ROOT) or path == ROOT.rstrip("/")


class RestRequest(HttpRequest):
    """`project` is that of the address, which the caller can see and which is active; only there where one is."""

    if TYPE_CHECKING:
        auth: Caller
        project: Project
        request_id: str
        # Sent with the answer.
        answer_headers: dict[str, str]


def made_at(request: RestRequest, *place: object) -> None:
    """Says where it is that was made, by the parts of its address (RFC 9110 section 15.3.2)."""
    request.answer_headers["Location"] = "/".join([f"{ROOT}v1", *map(str, place)])
