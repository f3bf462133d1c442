"""Whether a message agrees with the headers that it came with, in each era."""

from __future__ import annotations

from proxy import protocol
from proxy.errors import Refusal
from proxy.request import Head
from proxy.wire import Message


def check_agreement(message: Message, head: Head, *, modern: bool, has_session: bool) -> None:
    """Raises Refusal. `has_session` is whether the headers name one, whatever it is."""
    if modern:
        _check_modern(message, head)
    else:
        _check_legacy(message, has_session)


def _check_modern(message: Message, head: Head) -> None:
    if "method" not in message:
        raise Refusal("not_one_message")
    if "id" in message:
        rejection = protocol.modern_rejection(message, head.headers, head.pairs)
    else:
        rejection = protocol.version_rejection(head.headers.get("mcp-protocol-version", ""))
    if rejection is not None:
        raise Refusal(
            "protocol", rejection.message, status=rejection.status, code=rejection.code, data=rejection.data
        )


def _check_legacy(message: Message, has_session: bool) -> None:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if isinstance(meta, dict) and protocol.PROTOCOL_VERSION_KEY in meta and "id" in message:
        raise Refusal("header_mismatch", "missing MCP-Protocol-Version")
    if not has_session and message.get("method") != "initialize":
        raise Refusal("session_missing")
