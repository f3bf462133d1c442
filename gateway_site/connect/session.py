"""A session of the eras up to 2025-11-25: how it was opened, and what it takes to open it again as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway_site.connect.messages import Message, make


@dataclass
class Session:
    """`id` is the gateway's, None where it gave none; `number` counts how often it was opened."""

    opening: Message
    id: str | None = None
    version: str = ""
    number: int = 0
    # What the client has told the server, to be told to its successor: log level and subscriptions, by what they are.
    told: dict[str, Message] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def headers(self) -> dict[str, str]:
        headers = {"MCP-Protocol-Version": self.version} if self.version else {}
        return {**headers, "Mcp-Session-Id": self.id} if self.id is not None else headers

    def opened(self, reply_headers: Mapping[str, str], result: Mapping[str, Any]) -> None:
        self.id = reply_headers.get("Mcp-Session-Id")
        self.version = str(result.get("protocolVersion", ""))
        self.number += 1

    def note(self, message: Message) -> None:
        """Remembers what a new session would not know."""
        uri = str(message.params.get("uri", ""))
        if message.method == "logging/setLevel":
            self.told["level"] = message
        elif message.method == "resources/subscribe":
            self.told[f"of {uri}"] = message
        elif message.method == "resources/unsubscribe":
            self.told.pop(f"of {uri}", None)

    def again(self) -> list[Message]:
        """The messages that open a new session in this one's place, under ids of our own."""
        messages = [self.opening, make({"jsonrpc": "2.0", "method": "notifications/initialized"}), *self.told.values()]
        return [_renumbered(message, f"again-{self.number}-{place}") for place, message in enumerate(messages)]


def _renumbered(message: Message, message_id: str) -> Message:
    return make({**message.content, "id": message_id}) if message.is_request else message
