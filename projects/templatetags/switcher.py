"""What the project switcher offers."""

from __future__ import annotations

from typing import Any

from django import template

from projects import switcher

register = template.Library()


@register.simple_tag(takes_context=True)
def projects_to_choose(context: dict[str, Any]) -> switcher.Choice | None:
    return switcher.choice_at(context["request"]) if "request" in context else None
