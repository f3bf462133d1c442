"""What servers say about guardrails: their policies, their tools' arguments, and whether they get values back."""

from __future__ import annotations

from collections.abc import Iterable

from guardrails.compiled import Attachment, attach_servers_with
from servers.models import Server


def connect() -> None:
    attach_servers_with(attachments)


def attachments(project_id: int) -> Iterable[Attachment]:
    """Of all servers of the active project."""
    for server in Server.objects.all():
        yield Attachment(
            server_id=server.pk, slug=server.slug, input_policy_id=server.input_policy_id,
            output_policy_id=server.output_policy_id, kinds=server.argument_kinds,
            restore_tokens=server.restore_tokens,
        )  # fmt: skip
