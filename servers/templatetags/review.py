"""How much waits for a person, for pages that lead there."""

from __future__ import annotations

from typing import Any

from django import template

from servers.review_pages import address_of_waiting, number_waiting

register = template.Library()


@register.simple_tag(takes_context=True)
def waiting_for_review(context: dict[str, Any]) -> dict[str, Any]:
    """`{"number", "address"}`; 0 for whoever decides on nothing."""
    number = number_waiting(context["request"])
    return {"number": number, "address": address_of_waiting() if number else ""}
