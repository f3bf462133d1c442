"""The first page's board, for the template that shows it."""

from __future__ import annotations

from typing import Any

from django import template
from django.http import Http404

from servers.dashboard.board import Board, board_of

register = template.Library()


@register.simple_tag(takes_context=True)
def board(context: dict[str, Any]) -> Board | None:
    """None where the address names a project that the person may see nothing of."""
    try:
        return board_of(context["request"])
    except Http404:
        return None
