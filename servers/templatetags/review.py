"""How much waits for a person, for pages that lead there."""

from __future__ import annotations

from typing import Any

from django import template

from projects.pages import is_operator
from servers.models import State, Tool
from servers.review_pages import address_of_waiting

register = template.Library()


@register.simple_tag(takes_context=True)
def waiting_for_review(context: dict[str, Any]) -> dict[str, Any]:
    """`{"number", "address"}`; 0 for whoever decides on nothing."""
    if not is_operator(context["request"]):
        return {"number": 0, "address": ""}
    return {"number": Tool.objects.filter(state=State.WAITING).count(), "address": address_of_waiting()}
