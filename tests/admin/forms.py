"""What a person fills in to add one row of each model, and which fields of a form name rows of others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from projects.scoping import with_project
from servers.models import Server
from tests.admin.tenants import Tenants

_NO_GRANTS = {"grants-TOTAL_FORMS": "0", "grants-INITIAL_FORMS": "0"}
_SOON = timezone.now() + timedelta(days=20)
ADDABLE: dict[str, dict[str, str]] = {
    "audit.Export": {"form": "jsonl"},
    "audit.ExportSchedule": {
        "form": "jsonl", "every": "day", "destination": "s3", "endpoint": "https://203.0.114.1", "region": "us-east-1",
        "bucket": "logs", "key_id": "AKID", "secret": "a secret access key", "enabled": "on",
    },
    "guardrails.FindingException": {
        "detector": "keywords", "text": "a word", "reason": "none", "expires_at_0": f"{_SOON:%Y-%m-%d}",
        "expires_at_1": "12:00:00",
    },
    "guardrails.Policy": {
        "slug": "another", "mode": "enforce", "max_characters": "100000", "over_limit": "block", "preset": "balanced",
    },
    "projects.ApiKey": {"label": "one more", "servers": "*", "tools": "*", "surface": "native"},
    "projects.Membership": {"email": "new@acme.test", "role": "member"},
    "projects.Project": {"slug": "initech", "name": "Initech"},
    "servers.Grant": {"effect": "deny", "pattern": "delete*"},
    "servers.Overlay": {"tool": "another", "title": "Another"},
    "servers.Server": {
        "slug": "another", "transport": "http", "url": "http://127.0.0.1:9001/mcp", "timeout_seconds": "60",
        "enabled": "on", "review": "review", **_NO_GRANTS,
    },
}  # fmt: skip


def post_of(label: str, two: Tenants) -> dict[str, str]:
    """A form that is filled in rightly, for acme."""
    posted = {**ADDABLE[label], "project": str(two.acme.pk)}
    if label == "servers.Overlay":
        with with_project(two.acme.pk):
            posted["server"] = str(Server.objects.latest("pk").pk)
    return posted


def foreign_fields(client: Client, path: str) -> dict[str, type[Model]]:
    """The fields of the form that name rows, with the model."""
    response: Any = client.get(path)
    fields = response.context["adminform"].form.fields
    return {
        name: each.queryset.model for name, each in fields.items()
        if isinstance(each, forms.ModelChoiceField) and each.queryset is not None
    }  # fmt: skip
