"""A line of the log that has a payload."""

from __future__ import annotations

import json

from django.db import connection, transaction

from audit import storage
from audit.carried import insert_payloads
from audit.entry import Entry, new_id, now
from audit.models import Event
from audit.payloads import key_of_subject, seal
from projects.models import Project, User


def call_of(project: Project, user: User, text: str, server: str = "") -> Event:
    """The line of a call of the user's, with what was sent."""
    entry = Entry(id=new_id(), at=now(), kind="mcp.call.intent", project_ref=project.pk, project=project.slug,
                  actor_kind="key", actor=user.email, call_id=new_id(), server=server)  # fmt: skip
    key = key_of_subject(project.pk, user.pk, user.email)
    carried = seal(entry, key, "full", json.dumps({"params": {"text": text}}).encode())
    with transaction.atomic(), connection.cursor() as cursor:
        storage.insert([carried])
        insert_payloads(cursor, [carried])
    event: Event = Event.objects.get(id=entry.id)
    return event
