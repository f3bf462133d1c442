"""A request to REST as operations see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

from projects.models import Project
from projects.tokens import Caller

ROOT = "/api/"


class RestRequest(HttpRequest):
    """`project` is that of the address, which the caller can see and which is active; only there where one is."""

    if TYPE_CHECKING:
        auth: Caller
        project: Project
        request_id: str
        # Sent with the answer.
        answer_headers: dict[str, str]
